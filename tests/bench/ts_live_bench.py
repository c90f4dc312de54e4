#!/usr/bin/python3
"""CPU of a core that four services cut out of 16 Mb/s take, and a multiplex of eight channels at a constant 38 Mb/s: Headgate beside its peers.

    ts_live_bench.py --bin DIR --generator PATH [--copies 1,4] [--window 5] [--only cut,multiplex] [--device af_xdp] [--peers dvblast]

Three namespaces of its own: source, gateway, sink, joined by veth pairs. Several copies of the same at once: the figure is the slope between
the two counts, so that the fixed cost of a process that polls is stated apart. CPU is the scheduler's run time of all threads of the processes
under test (/proc/PID/task/*/schedstat), three windows each. At the sink each output is counted: bitrate, continuity errors.
"""
import argparse
import contextlib
import json
import os
import pathlib
import signal
import statistics
import sys
import tempfile
import time

import channels_bench as bench
import ts_bench

SERVICES, CUT_RATE = 4, 16_000_000
MEMBERS, MEMBER_RATE, MUX_RATE = 8, 4_500_000, 38_000_000
PEERS = {"cut": ("dvblast", "ffmpeg -c copy"), "multiplex": ("ffmpeg -c copy -muxrate",)}


def outputs(what, copies):
    """Groups that copies of the case send to."""
    return [bench.group(bench.GROUP_OUT, i) for i in range(copies * (SERVICES if what == "cut" else 1))]


def channel_map(what, copies):
    lines = ["channels:"]
    if what == "cut":
        for copy in range(copies):
            for service in range(SERVICES):
                i = copy * SERVICES + service
                lines += [f"  c{i}:", f'    inputs: [ {{ url: "udp://{bench.group(bench.GROUP_IN, copy)}:5000", program: {service + 1} }} ]',
                          f'    push: [ {{ url: "udp://{bench.group(bench.GROUP_OUT, i)}:6000", interface: out }} ]']
        return lines
    for i in range(copies * MEMBERS):
        lines += [f"  c{i}:", f'    inputs: [ "udp://{bench.group(bench.GROUP_IN, i)}:5000" ]']
    lines += ["multiplexes:"]
    for copy in range(copies):
        members = ", ".join(f"c{copy * MEMBERS + i}" for i in range(MEMBERS))
        lines += [f"  m{copy}: {{ channels: [ {members} ], bitrate: {MUX_RATE // 1_000_000}Mbps, "
                  f"transport_stream_id: {copy + 1}, network_id: 1, original_network_id: 1, "
                  f'push: [ {{ url: "udp://{bench.group(bench.GROUP_OUT, copy)}:6000", interface: out }} ] }}']
    return lines


def peer_commands(peer, what, copies, scratch):
    if peer == "dvblast":
        commands = []
        for copy in range(copies):
            table = pathlib.Path(scratch) / f"dvblast{copy}.conf"
            table.write_text("".join(f"{bench.group(bench.GROUP_OUT, copy * SERVICES + i)}:6000/ifaddr=10.77.2.1/udp 1 {i + 1}\n" for i in range(SERVICES)))
            commands.append(["dvblast", "-U", "-q4", "-D", f"@{bench.group(bench.GROUP_IN, copy)}:5000/ifaddr=10.77.1.2/udp", "-c", str(table)])
        return commands
    options = "localaddr=10.77.1.2&buffer_size=4000000&fifo_size=200000"
    out = "?localaddr=10.77.2.1&pkt_size=1316"
    commands = []
    for copy in range(copies):
        command = ["ffmpeg", "-v", "quiet", "-nostdin"]
        if what == "cut":
            command += ["-i", f"udp://{bench.group(bench.GROUP_IN, copy)}:5000?{options}"]
            for i in range(SERVICES):
                command += ["-map", f"0:p:{i + 1}", "-c", "copy", "-f", "mpegts", f"udp://{bench.group(bench.GROUP_OUT, copy * SERVICES + i)}:6000{out}"]
        else:
            for i in range(MEMBERS):
                # It opens one after another: with its usual five seconds for each the first would run over before the last is there.
                command += ["-analyzeduration", "500000", "-probesize", "500000", "-i", f"udp://{bench.group(bench.GROUP_IN, copy * MEMBERS + i)}:5000?{options}"]
            for i in range(MEMBERS):
                command += ["-map", str(i)]
            for i in range(MEMBERS):
                command += ["-program", f"program_num={i + 1}:st={2 * i}:st={2 * i + 1}"]
            command += ["-c", "copy", "-f", "mpegts", "-muxrate", str(MUX_RATE), f"udp://{bench.group(bench.GROUP_OUT, copy)}:6000{out}"]
        commands.append(command)
    return commands


RECEIVER = """
import json, select, socket, sys, time
groups, seconds = sys.argv[2:], float(sys.argv[1])
socks = {}
for g in groups:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    s.bind((g, 6000))
    s.setsockopt(0, 35, socket.inet_aton(g) + socket.inet_aton("10.77.2.2"))
    socks[s] = [0, 0, {}]
end = time.monotonic() + seconds
while time.monotonic() < end:
    for s in select.select(list(socks), [], [], 0.2)[0]:
        data, state = s.recv(2048), socks[s]
        for at in range(0, len(data) - 187, 188):
            pid, counter = (data[at + 1] & 31) << 8 | data[at + 2], data[at + 3] & 15
            state[0] += 188
            if pid == 8191 or not data[at + 3] & 16:
                continue
            state[1] += pid in state[2] and state[2][pid] + 1 & 15 != counter
            state[2][pid] = counter
print(json.dumps([[state[0] * 8 / seconds, state[1], len(state[2])] for state in socks.values()]))
"""


def received(net, groups, seconds=2.0):
    """[(bits a second, continuity errors, PIDs with payload)] of each group."""
    return json.loads(bench.run("ip", "netns", "exec", net.sink, "/usr/bin/python3", "-c", RECEIVER, str(seconds), *groups))


def good(what, found):
    """A program that sends too little would be cheap."""
    least = 3_200_000 if what == "cut" else 0.9 * MUX_RATE
    pids = 4 if what == "cut" else 3 * MEMBERS + 1
    return all(rate > least and count >= pids for rate, _, count in found)


def one_case(net, args, what, streams, name, copies):
    """Windows of CPU with so many copies."""
    groups = copies * (1 if what == "cut" else MEMBERS)
    bench.RATE = CUT_RATE if what == "cut" else MEMBER_RATE
    with bench.load(net, args, streams[what], groups, 4 * args.window + 60):
        if name == "headgate":
            with bench.headgate(net, args, 0, False, channel_map(what, copies)) as (locks, _):
                time.sleep(6)
                figures = bench.cpu_windows([locks["fastpath"]], args.window)
                found = received(net, outputs(what, copies))
        else:
            with bench.peers(net, peer_commands(name.split()[0], what, copies, args.scratch)) as pids:
                time.sleep(15)
                figures = bench.cpu_windows(pids, args.window)
                found = received(net, outputs(what, copies))
    if not good(what, found):
        print(f"warning: {name} with {copies}: outputs lack something: {found}", file=sys.stderr)
    print(f"  {name}, {copies}: {statistics.median(figures):.2f} % of a core ({min(figures):.2f} to {max(figures):.2f}); "
          f"{sum(rate for rate, _, _ in found) / 1e6:.1f} Mb/s out, {sum(errors for _, errors, _ in found)} continuity errors", flush=True)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--generator", type=pathlib.Path, required=True)
    parser.add_argument("--copies", default="1,4")
    parser.add_argument("--window", type=float, default=5)
    parser.add_argument("--only", default="cut,multiplex")
    parser.add_argument("--device", default="af_packet", choices=("af_packet", "af_xdp"), help="how the gateway drives its ports")
    parser.add_argument("--peers", help="instead of all of them, separated by commas")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the namespaces and processes go, too
    low, high = (int(x) for x in args.copies.split(","))
    with tempfile.TemporaryDirectory(prefix="hgbench", dir="/dev/shm") as scratch, bench.Network() as net, contextlib.suppress(KeyboardInterrupt):
        args.scratch = scratch
        folder = pathlib.Path(scratch)
        streams = {"cut": ts_bench.make(folder, SERVICES, 40, CUT_RATE), "multiplex": folder / "cbr.ts"}
        bench.RATE = MEMBER_RATE
        bench.make_stream(streams["multiplex"])
        print(f"load {os.getloadavg()[0]:.1f} at the start")
        for what in args.only.split(","):
            print(f"{what}: {'four services out of 16 Mb/s' if what == 'cut' else 'eight channels into a constant 38 Mb/s'}, {low} and {high} copies")
            slopes = {}
            for name in ("headgate", *(args.peers.split(",") if args.peers else PEERS[what])):
                figures = {copies: one_case(net, args, what, streams, name, copies) for copies in (low, high)}
                slopes[name] = bench.slope(figures, low, high)
            ours = slopes.pop("headgate")
            fixed = f"headgate: {statistics.median(ours):.2f} % of a core ({min(ours):.2f} to {max(ours):.2f}) each"
            print(f"  {fixed}")
            for name, theirs in slopes.items():
                ratio = statistics.median(ours) / statistics.median(theirs)
                print(f"  {name}: {statistics.median(theirs):.2f} % ({min(theirs):.2f} to {max(theirs):.2f}) each: headgate takes {ratio:.3f} of it "
                      f"({min(ours) / max(theirs):.3f} to {max(ours) / min(theirs):.3f}); the floor, a third, {'holds' if ratio <= 1 / 3 else 'DOES NOT HOLD'}", flush=True)


if __name__ == "__main__":
    main()
