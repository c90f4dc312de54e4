"""What the running gateway judges of its inputs and of what it sends: damaged captures as `headgate probe` judges the file, tables that
are missing for a while, datagrams that come in lumps against a calculation of their times at the switch."""
import json
import subprocess

import pytest

from support import continuity, media, ts
from support.gateway import HEADGATE, Gateway, wait_for

CAPTURES = ("corrupt-tei-cc-scrambled.ts", "psi-eitpf-cat-tei.ts", "duplicates-cc.ts")
GROUPS = {"capture0": "239.8.81.1", "capture1": "239.8.81.2", "capture2": "239.8.81.3", "paced": "239.8.81.4", "lumps": "239.8.81.5"}
PACED_OUT, RELAY_OUT = "udp://239.8.82.4:5000", "udp://239.8.82.5:5000"


@pytest.fixture(scope="module")
def gateway(rig):
    channels = {name: {"inputs": [f"udp://{group}:5000"]} for name, group in GROUPS.items()}
    channels["paced"].update({"push": [PACED_OUT], "remux": {"bitrate": "3500kbps"}})
    channels["lumps"]["push"] = [RELAY_OUT]
    with Gateway(rig, channels) as made:
        for group in GROUPS.values():
            rig.wait_mdb(group, True)
        yield made


def counts(gateway, channel, name="headgate_input_tr101290_errors_total"):
    return {labels["indicator"]: value for found, labels, value in gateway.samples() if found == name and labels["channel"] == channel}


def probed(path):
    result = subprocess.run([HEADGATE, "probe", str(path), "--json"], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("number", range(len(CAPTURES)))
def test_damaged_captures_count_as_their_files_do(rig, gateway, number):
    if media.captures_folder() is None:
        pytest.skip("no captures: HEADGATE_STREAMS is not set")
    path, channel = media.capture(CAPTURES[number]), f"capture{number}"
    packets = path.stat().st_size // 188
    assert rig.send(path, GROUPS[channel], 5000).wait(300) == 0
    gateway.wait_metric("headgate_input_ts_packets_total", packets, channel=channel)
    wanted = probed(path)["tr101290"]
    wait_for(lambda: counts(gateway, channel)["transport_error"] >= wanted["transport_error"])
    found = counts(gateway, channel)
    for indicator in ("transport_error", "crc_error", "sync_byte_error", "unreferenced_pid", "pts_error"):
        assert found[indicator] == wanted[indicator], (indicator, found, wanted)
    # The worker keeps no bytes: what has the counter of the packet before passes for its repetition.
    packets, _, _ = continuity.read(path.read_bytes())
    entered = gateway.json("status", channel)["inputs"][0]
    assert {name: entered[name] for name in ("cc_errors", "duplicates")} == continuity.totals(packets, continuity.Count(bytes_too=False))
    again = sum(verdict == continuity.AGAIN for _, _, verdict in continuity.judged(packets, continuity.Count(bytes_too=False)))
    assert found["continuity_count_error"] == entered["cc_errors"] + again
    told = gateway.json("status", channel)["inputs"][0]["tr101290"]
    assert {name: value for name, value in told.items() if value is not None} == \
        {name: value for name, value in found.items() if told[name] is not None}
    for decoder in ("buffer_error", "empty_buffer_error", "data_delay_error", "pcr_accuracy_error"):
        assert told[decoder] is None


def test_tables_that_are_missing_for_a_while_count_once_in_and_out(rig, gateway, tmp_path):
    data = media.stream("h264_aac", 20).read_bytes()
    kept, begin = [], None
    clock = 0.0
    for packet in ts.packets(data):
        if (found := ts.pcr(packet)) is not None:
            begin = found[1] if begin is None else begin
            clock = (found[1] - begin) / 27e6
        # No PAT for two seconds, no PMT for two more.
        if not (4 < clock < 6 and ts.pid_of(packet) == 0) and not (8 < clock < 10 and ts.pid_of(packet) == 0x1000):
            kept.append(packet)
    path = tmp_path / "holes.ts"
    path.write_bytes(b"".join(kept))
    sender = rig.send(path, GROUPS["paced"], 5000)
    assert sender.wait(120) == 0
    wait_for(lambda: counts(gateway, "paced").get("pmt_error"))
    found = counts(gateway, "paced")
    assert (found["pat_error"], found["pmt_error"], found["pid_error"]) == (1, 1, 0), found
    # What leaves is filled up to its rate, and has the same holes: those are not ours.
    name = "headgate_output_tr101290_errors_total"
    wait_for(lambda: counts(gateway, "paced", name).get("pmt_error"))
    sent = counts(gateway, "paced", name)
    assert (sent["pat_error"], sent["pmt_error"]) == (1, 1), sent
    assert sent["continuity_count_error"] == found["continuity_count_error"] == 2, (sent, found)
    status = gateway.json("status", "paced")
    output = status["push"][0]
    assert output["tr101290"]["pat_error"] == 1 and output["nominal_bitrate_bps"] == 3_500_000
    page = gateway.cli("status", "paced").stdout
    assert "PAT_error_2 1, Continuity_count_error 2, PMT_error_2 1" in page, page
    assert not [alarm for alarm in gateway.json("status")["alarms"] if alarm["kind"] == "output_tr101290"]


def delay_factors(times, sizes):
    """RFC 4445 3.1 over each second from the second one on, by the mean rate of the second before."""
    seconds, first = [], 0
    for i, when in enumerate(times):
        if when - times[first] >= 1:
            seconds.append((first, i))
            first = i
    found = []
    for (a, b), (c, d) in zip(seconds, seconds[1:]):
        rate = sum(sizes[a:b]) / (times[b] - times[a])
        level, low, high = 0.0, 0.0, 0.0
        for i in range(c, d):
            low = min(low, level - rate * (times[i] - times[c]))
            level += sizes[i]
            high = max(high, level - rate * (times[i] - times[c]))
        low = min(low, level - rate * (times[d] - times[c]))
        found.append((high - low) / rate)
    return found


def test_lumps_show_in_the_delay_factor(rig, gateway):
    lump, tap = 0.25, rig.tap()
    sender = rig.send(media.stream("h264_aac", 20), GROUPS["lumps"], 5000, lump=lump)
    told = []

    def seen():
        delivery = gateway.json("status", "lumps")["inputs"][0]["delivery"]
        if delivery and delivery["delay_factor_ns"] is not None:
            told.append(delivery)
        return len(told) >= 3 or sender.poll() is not None
    try:
        wait_for(seen)
        probe = gateway.json("probe", f"udp://{GROUPS['lumps']}:5000", "--time", "4s")
    finally:
        sender.kill()
        sender.wait()
        tap.stop()
    # A second in which the worker had no core is not told: a machine that is full may have none.
    if not told:
        pytest.skip("the machine was too busy to measure")
    times = tap.times(GROUPS["lumps"], True)
    wanted = delay_factors(times, [7 * 188] * len(times))
    for delivery in told:
        assert min(wanted) - 0.1 < delivery["delay_factor_ns"] / 1e9 < max(wanted) + 0.25, (delivery, wanted)
        assert delivery["interval_max_ns"] >= 0.6 * lump * 1e9
        assert delivery["interval_min_ns"] <= delivery["interval_mean_ns"] <= delivery["interval_max_ns"]
        assert delivery["pcr_jitter_ns"] >= 0.4 * lump * 1e9
    # The same of the packets' copy, by the times at which the fast path took them in.
    assert probe["media_lost"] == 0 and probe["delivery"]["seconds"] >= 1
    assert probe["delivery"]["interval_max_ns"] >= 0.6 * lump * 1e9
    assert probe["delivery"]["delay_factor_ns"] is None or probe["delivery"]["delay_factor_ns"] >= 0.4 * lump * 1e9
    status = gateway.json("status", "lumps")
    assert status["inputs"][0]["media_lost"] == 0
    assert status["push"][0]["tr101290"] is None  # relayed
    assert not counts(gateway, "lumps", "headgate_output_tr101290_errors_total")
    services = status["inputs"][0]["services"]
    assert len(services) == 1, services
    # Silent, there is nothing to tell.
    wait_for(lambda: gateway.json("status", "lumps")["inputs"][0]["delivery"] is None)
