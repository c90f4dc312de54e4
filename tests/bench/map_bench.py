#!/usr/bin/python3
"""How long a big channel map takes: `headgate check`, `headgate plan`, `headgate apply`, and until every group is joined.

    map_bench.py --bin DIR [--channels 2000] [--rounds 5]

A whole gateway in a network of its own (the tests' rig); nothing is sent. Joins are counted at the switch's end of the gateway's cable.
"""
import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))


def group(prefix, number):
    return f"239.{prefix}.{number // 250}.{number % 250 + 1}"


def text(count, first=0, served=True):
    """A map as people write it: comments, flow maps, some keys a channel."""
    lines = ["defaults:", f"  serve: [{'hls, http-ts' if served else ''}]", "channels:"]
    for number in range(first, first + count):
        lines += [f"  channel-{number:04}:                   # line {number} of the lineup", f"    name: Channel {number} HD", f"    number: {number + 1}",
                  f"    tags: [hd, bouquet{number % 7}]", f"    inputs: [ \"udp://{group(81, number)}:5000\" ]",
                  f"    push: [ {{ url: \"udp://{group(82, number)}:5000?ttl=8\", dscp: 34 }} ]", "    alarms: { cc_errors: 10/min, bitrate: 3Mbps..7Mbps }"]
    return "\n".join(lines) + "\n"


def timed(command):
    start = time.monotonic()
    result = command()
    return time.monotonic() - start, result


def figures(times):
    return f"{statistics.median(times):.3f} s (median of {len(times)}, {min(times):.3f} to {max(times):.3f})"


def records(frame):
    """Groups that an IGMPv3 report, or a v2 one, names."""
    ip = frame[14:]
    igmp = ip[(ip[0] & 15) * 4:]
    if igmp[0] == 0x16:
        return [igmp[4:8]]
    if igmp[0] != 0x22:
        return []
    found, at = [], 8
    for _ in range(int.from_bytes(igmp[6:8], "big")):
        found.append(igmp[at + 4:at + 8])
        at += 8 + 4 * int.from_bytes(igmp[at + 2:at + 4], "big") + 4 * igmp[at + 1]
    return found


def joins(tap, count, limit=60):
    """Waits until that many of the groups were reported; (seconds from first to last, frames, most frames in 10 ms)."""
    wanted = {socket.inet_aton(group(81, number)) for number in range(count)}
    end = time.monotonic() + limit
    while True:
        frames = [(when, frame) for when, to_port, frame in list(tap.frames) if not to_port and frame[23] == socket.IPPROTO_IGMP]
        missing = set(wanted)
        for index, (when, frame) in enumerate(frames):
            missing -= set(records(frame))
            if not missing:
                times = [moment for moment, _ in frames[:index + 1]]
                most = max(sum(1 for other in times if 0 <= other - moment < 0.01) for moment in times)
                return times[-1] - times[0], len(times), most
        assert time.monotonic() < end, f"{len(missing)} groups were never reported"
        time.sleep(0.05)


def check(headgate, folder, count, rounds):
    (folder / "channels.yaml").write_text(text(count))
    command = [headgate, "check", "--config", str(folder / "headgate.yaml")]
    for _ in range(rounds):
        start, before = time.monotonic(), os.times()
        result = subprocess.run(command, capture_output=True, text=True)
        after = os.times()
        assert result.returncode == 0, result.stdout
        yield time.monotonic() - start, after.children_user - before.children_user + after.children_system - before.children_system


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--channels", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.environ["HEADGATE_BIN"] = str(pathlib.Path(arguments.bin).resolve())
    from support.gateway import HEADGATE, Gateway
    from support.rig import Rig
    count = arguments.channels
    with Rig() as rig:
        with Gateway(rig, {"one": {"inputs": ["udp://239.80.0.1:5000"]}}) as gateway:
            rounds = list(check(HEADGATE, gateway.folder, count, arguments.rounds))
            print(f"check of {count} channels ({gateway.map.stat().st_size // 1024} KiB): {figures([wall for wall, _ in rounds])}, CPU {statistics.median(cpu for _, cpu in rounds):.3f} s")
            for served in (False, True):
                what = "by HLS and TS over HTTP as well" if served else "relayed"
                gateway.map.write_text(text(count, served=served))
                seconds, plan = timed(lambda: gateway.json("plan"))
                print(f"plan of {count} channels, {what}: {seconds:.3f} s, {len(plan['plan']['added'])} added, {len(plan['plan']['changed'])} changed")
                tap = rig.tap() if not served else None
                seconds, result = timed(lambda: gateway.cli("apply"))
                assert result.returncode == 0, result.stdout + result.stderr
                print(f"apply of {count} channels, {what}: {seconds:.3f} s")
                if tap:
                    spread, frames, most = joins(tap, count)
                    print(f"joined {count} groups in {spread:.3f} s with {frames} reports, at most {most} within 10 ms")
                    tap.stop()
                one = text(count, served=served).replace("name: Channel 1000 HD", "name: Another")
                gateway.map.write_text(one)
                seconds, result = timed(lambda: gateway.cli("apply"))
                assert result.returncode == 0 and "1 changed" in result.stdout, result.stdout + result.stderr
                print(f"apply of another name of one of them: {seconds:.3f} s")
            gateway.write({"one": {"inputs": ["udp://239.80.0.1:5000"]}})
            seconds, result = timed(lambda: gateway.cli("apply"))
            assert result.returncode == 0, result.stdout + result.stderr
            print(f"apply that removes {count} channels: {seconds:.3f} s")


if __name__ == "__main__":
    main()
