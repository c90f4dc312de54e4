#!/usr/bin/python3
"""CPU of a core per session, Headgate beside its peers in one run, all on two cores:

    sessions_bench.py --bin DIR [--only rtmp,srt,push,rate,rates] [--window 5] [--counts 1,20,100] [--idle adaptive,poll]

  rtmp  players of one 3.5 Mb/s channel, slope between 100 and 500, beside nginx-rtmp
  srt   receivers of one 4 Mb/s channel, slope between 1 and 50, beside one srt-live-transmit a receiver, and what the
        kernel alone takes for the same datagrams (udp_floor)
  push  targets of one channel by RTMP, slope between 1 and 11, beside `ffmpeg -c copy -f flv`
  rate  when the datagrams of a constant-rate channel leave, against a straight line, beside ffmpeg with -muxrate
  rates the same of many constant-rate channels at once, and how late they depart by the worker's own clock, and what that costs

CPU is the scheduler's run time of all threads of the server under test, three windows each; what receives is not counted.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from bench.channels_bench import cpu_windows, group, make_stream, pids_of, run  # noqa: E402
from support import netns  # noqa: E402
from support.gateway import Gateway  # noqa: E402
from support.rig import SOURCE, Rig  # noqa: E402

GROUP = "239.70.0.1"
NGINX = """
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; worker_processes 1; error_log {folder}/error.log; pid {folder}/pid;
events {{ worker_connections 4096; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; chunk_size 65536; application live {{ live on; }} }} }}
"""


def popen(rig, *command, **kw):
    kw.setdefault("stdout", subprocess.DEVNULL)
    kw.setdefault("stderr", subprocess.DEVNULL)
    with rig.inside("gw"):
        return subprocess.Popen(["timeout", "-s", "KILL", "300", *map(str, command)], stdin=subprocess.DEVNULL, **kw)


def end(*processes):
    for process in processes:
        process.terminate()  # not kill: `timeout` would leave its child behind
    for process in processes:
        process.wait()


def children(process):
    """`timeout` stands between us and the program."""
    return [int(p) for p in run("pgrep", "-P", str(process.pid)).split()]


def wait_for_port(rig, port, server):
    """Until the server takes connections."""
    deadline = time.monotonic() + 10
    while True:
        with rig.inside("gw"), socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline or server.poll() is not None:
            raise RuntimeError(f"nothing listens on port {port}")
        time.sleep(0.05)


@contextlib.contextmanager
def nginx(rig, port):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hg-bench-nginx-"))
    folder.chmod(0o777)
    (folder / "conf").write_text(NGINX.format(folder=folder, port=port))
    server = popen(rig, "nginx", "-p", folder, "-c", folder / "conf")
    wait_for_port(rig, port, server)
    master = children(server)[0]
    try:
        yield pids_of(master)
    finally:
        for pid in pids_of(master):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        end(server)
        shutil.rmtree(folder, ignore_errors=True)


def slope(low, high, figures):
    return (figures[high][0] - figures[low][0]) / (high - low)


def tell(name, counts, figures, unit):
    low, high = counts
    per = [(h - l) / (high - low) for h, l in zip(sorted(figures[high][1]), sorted(figures[low][1]))]
    print(f"{name:28} {low}: {figures[low][0]:.2f} %, {high}: {figures[high][0]:.2f} % -> {slope(low, high, figures):.4f} % of a core "
          f"a {unit} ({min(per):.4f} to {max(per):.4f})", flush=True)
    return slope(low, high, figures)


def measure(pids, window):
    windows = cpu_windows(pids, window)
    return statistics.median(windows), windows


def rtmp_players(rig, bin_dir, port, pids, count, window, stream="tv"):
    players = popen(rig, bin_dir / "rtmp_load", "127.0.0.1", port, "live", stream, count, 5 + 3 * window + 2, stdout=subprocess.PIPE,
                    text=True)
    time.sleep(4)
    result = measure(pids, window)
    out, _ = players.communicate()
    lines = [tuple(map(int, line.split())) for line in out.splitlines()]
    if players.returncode != 0 or lines[-1][0] != count:
        raise RuntimeError(f"{lines[-1:]} of {count} players stayed")
    rate = (lines[-1][1] - lines[3][1]) * 8 / (len(lines) - 4) / count
    if rate < 3_000_000:
        raise RuntimeError(f"players got {rate / 1e6:.2f} Mb/s each")
    return result


def bench_rtmp(rig, gateway, args, stream):
    counts = (100, 500)
    bridge = [gateway.pid("bridge")]
    ours = {n: rtmp_players(rig, args.bin, gateway.rtmp_port, bridge, n, args.window) for n in counts}
    mine = tell("headgate, RTMP players", counts, ours, "player")
    port = gateway._free_port()
    with nginx(rig, port) as pids:
        feeder = popen(rig, "ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", stream, "-c", "copy", "-f", "flv",
                       f"rtmp://127.0.0.1:{port}/live/tv")
        time.sleep(3)
        theirs = {n: rtmp_players(rig, args.bin, port, pids, n, args.window) for n in counts}
        end(feeder)
    other = tell("nginx-rtmp, players", counts, theirs, "player")
    print(f"{'':28} ratio {mine / other:.2f}", flush=True)


def bench_srt(rig, gateway, args, stream):
    counts = (1, 50)
    ours, theirs = {}, {}
    for n in counts:
        receivers = [popen(rig, "srt-live-transmit", "-q", f"srt://127.0.0.1:{gateway.srt_port}?streamid=tv", "file://con") for _ in range(n)]
        gateway.wait_metric("headgate_sessions", n, limit=20, channel="tv", output="srt")
        time.sleep(2)  # past what each begins with
        ours[n] = measure([gateway.pid("bridge")], args.window)
        end(*receivers)
    mine = tell("headgate, SRT receivers", counts, ours, "receiver")
    for n in counts:
        servers, receivers = [], []
        for each in range(n):
            port, inner = 20_000 + 2 * each, 20_001 + 2 * each  # below those that the kernel gives away
            servers.append(popen(rig, "srt-live-transmit", "-q", f"udp://127.0.0.1:{inner}", f"srt://127.0.0.1:{port}?mode=listener"))
            time.sleep(0.05)
            receivers.append((inner, popen(rig, "srt-live-transmit", "-q", f"srt://127.0.0.1:{port}", "file://con")))
        feeder = popen(rig, sys.executable, "-c", FEED, stream, *[port for port, _ in receivers])
        time.sleep(5)
        pids = [pid for server in servers for pid in children(server)]
        theirs[n] = measure(pids, args.window)
        end(feeder, *servers, *[r for _, r in receivers])
    other = tell("srt-live-transmit each", counts, theirs, "receiver")
    print(f"{'':28} ratio {mine / other:.2f}", flush=True)
    for way, beat in (("sendmsg", 5), ("sendmsg", 20), ("sendmmsg", 20), ("gso", 20)):
        floor = {n: measure_floor(rig, args, way, n, beat) for n in counts}
        tell(f"kernel alone, {way}, {beat} ms", counts, floor, "receiver")


def measure_floor(rig, args, way, receivers, beat):
    windows = []
    for _ in range(3):
        process = popen(rig, args.bin / "udp_floor", way, receivers, args.window, beat, stdout=subprocess.PIPE, text=True)
        windows.append(float(process.communicate()[0].split()[0]))
    return statistics.median(windows), windows


FEED = """
import socket,sys,time
data=open(sys.argv[1],'rb').read(); s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); ports=[int(p) for p in sys.argv[2:]]
step=1316*8/4e6; t=time.monotonic(); at=0
while True:
    for p in ports: s.sendto(data[at:at+1316],('127.0.0.1',p))
    at=at+1316 if at+2632<=len(data) else 0
    t+=step; d=t-time.monotonic()
    if d>0: time.sleep(d)
"""


def bench_push(rig, gateway, args, stream):
    counts = (1, 11)
    port = gateway._free_port()
    ours, theirs = {}, {}
    with nginx(rig, port):
        for n in counts:
            channels = {"tv": dict(gateway.channels["tv"])}
            channels["tv"]["push"] = [f"rtmp://127.0.0.1:{port}/live/p{i}" for i in range(n)]
            gateway.apply(channels)
            for i in range(n):
                gateway.wait_metric("headgate_output_bytes_total", 500_000, limit=30, channel="tv", output=f"rtmp://127.0.0.1:{port}/live/p{i}")
            ours[n] = measure([gateway.pid("bridge")], args.window)
        gateway.apply(gateway.channels)
        mine = tell("headgate, RTMP pushes", counts, ours, "push")
        for n in counts:
            pushers = [popen(rig, "ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", stream, "-c", "copy", "-f", "flv",
                             f"rtmp://127.0.0.1:{port}/live/f{i}") for i in range(n)]
            time.sleep(5)
            theirs[n] = measure([pid for p in pushers for pid in children(p)], args.window)
            end(*pushers)
    other = tell("ffmpeg -c copy each", counts, theirs, "push")
    print(f"{'':28} ratio {mine / other:.2f}", flush=True)


def line(values):
    """Mean and slope of the straight line through them."""
    n = len(values)
    mean_x, mean_y = (n - 1) / 2, sum(values) / n
    return mean_y, sum((i - mean_x) * (y - mean_y) for i, y in enumerate(values)) / sum((i - mean_x) ** 2 for i in range(n))


def deviations(datagrams, rate):
    """Of each datagram from the straight line through all at this rate, in us: (p50, p99, most), and how many ppm longer or shorter
    the intervals are than the rate says."""
    interval = 1316 * 8 / rate
    base = [when - datagrams[0][0] - i * interval for i, (when, _) in enumerate(datagrams)]
    # The clock of the rate may differ by some ppm from ours: the line is fitted, in windows of 2 s.
    found, size = [], max(2, int(rate * 2 / (1316 * 8)))
    for at in range(0, len(base) - size + 1, size):
        part = base[at:at + size]
        mean, slope = line(part)
        found += [abs(y - mean - slope * (i - (size - 1) / 2)) * 1e6 for i, y in enumerate(part)]
    found.sort()
    return found[len(found) // 2], found[int(len(found) * 0.99)], found[-1], line(base)[1] / interval * 1e6


def bench_rate(rig, gateway, args, stream):
    rate = 5_000_000
    encoder = popen(rig, "ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", stream, "-c", "copy", "-f", "flv",
                    f"rtmp://127.0.0.1:{gateway.rtmp_port}/live/cam")
    capture = rig.capture("239.70.1.1", 5000)
    capture.wait(100, limit=20)
    time.sleep(3)
    before = histogram(gateway)
    del capture.datagrams[:]
    time.sleep(20)
    capture.stop()
    end(encoder)
    after = histogram(gateway)
    print("headgate, constant rate      p50 %.0f us, p99 %.0f us, most %.0f us off the line at the receiver" % deviations(capture.datagrams, rate)[:3],
          f"({len(capture.datagrams)} datagrams; at departure p50 {quantile(before, after, 0.5) * 1e6:.0f} us, "
          f"p99 {quantile(before, after, 0.99) * 1e6:.0f} us late)", flush=True)
    capture = rig.capture("239.70.1.2", 5000)
    with rig.inside("src"):
        peer = subprocess.Popen(["timeout", "-s", "KILL", "60", "ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", str(stream), "-c", "copy",
                                 "-f", "mpegts", "-muxrate", str(rate), f"udp://239.70.1.2:5000?pkt_size=1316&bitrate={rate}"],
                                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    capture.wait(100, limit=20)
    time.sleep(3)
    del capture.datagrams[:]
    time.sleep(20)
    capture.stop()
    end(peer)
    print("ffmpeg -muxrate ?bitrate=    p50 %.0f us, p99 %.0f us, most %.0f us off the line at the receiver" % deviations(capture.datagrams, rate)[:3],
          f"({len(capture.datagrams)} datagrams)", flush=True)


RATES_IN, RATES_OUT = "239.71.0.0", "239.72.0.0"  # channel i: the i-th group from there


def histogram(gateway):
    """Departures of all channels within each bound: {seconds: count}."""
    found = {}
    for name, labels, value in gateway.samples():
        if name == "headgate_departure_late_seconds_bucket":
            bound = float(labels["le"].replace("+Inf", "inf"))
            found[bound] = found.get(bound, 0) + value
    return found


def quantile(before, after, share):
    """Within which time that share of the departures between two looks took place, as histogram_quantile() of Prometheus says."""
    low, under = 0.0, 0.0
    if not after:
        return float("nan")
    total = after[float("inf")] - before.get(float("inf"), 0)
    for bound in sorted(after):
        within = after[bound] - before.get(bound, 0)
        if within >= share * total:
            return low if bound == float("inf") else low + (bound - low) * (share * total - under) / (within - under)
        low, under = bound, within
    return low


def bench_rates(args, stream):
    rate, source = 5_000_000, 4_000_000
    for idle in args.idle.split(","):
        for count in [int(n) for n in args.counts.split(",")]:
            with Rig() as rig:
                gateway = Gateway(rig, {f"c{i}": {"inputs": [f"udp://{group(RATES_IN, i)}:5000"], "remux": {"bitrate": f"{rate // 1000}kbps"},
                                                  "push": [f"udp://{group(RATES_OUT, i)}:5000"]} for i in range(count)})
                gateway.node["fastpath"]["idle"] = idle
                gateway.write_node()
                with gateway:
                    rates_of(rig, gateway, args, stream, count, rate, source, idle)


def waited_ns(pid):
    """How long the threads of a process were ready to run and had no core."""
    return sum(int(task.read_text().split()[1]) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))


def rates_of(rig, gateway, args, stream, count, rate, source, idle):
    seconds = 3 * args.window
    load = rig.popen("src", str(args.bin / "multicast_generator"), str(stream), SOURCE, RATES_IN, str(count), "5000", str(source),
                     str(round(seconds) + 30), stdout=subprocess.DEVNULL)
    for i in range(count):
        gateway.wait_metric("headgate_output_datagrams_total", 500, limit=30, channel=f"c{i}")
    captures = [rig.capture(group(RATES_OUT, i), 5000) for i in sorted({0, count // 2, count - 1})]
    for capture in captures:
        capture.wait(500, limit=20)
    before = histogram(gateway)
    for capture in captures:
        del capture.datagrams[:]
    pid = gateway.pid("fastpath")
    began, waited = time.monotonic(), waited_ns(pid)
    windows = cpu_windows([pid], args.window)
    waited = (waited_ns(pid) - waited) / (time.monotonic() - began) / 1e7
    taken = [list(capture.datagrams) for capture in captures]
    after = histogram(gateway)
    load.kill()
    missing = sum(capture.kernel_drops for capture in captures)
    at_sink = [deviations(datagrams, rate) for datagrams in taken]
    paces = [pace for *_, pace in at_sink]
    drops = {f"{labels['where']}/{labels['reason']}": int(value) for name, labels, value in gateway.samples()
             if name == "headgate_drops_total" and value > 0}
    events = {key: int(gateway.metric(f"headgate_input_buffer_{key}_total")) for key in ("underflows", "overflows")}
    print(f"headgate, {count:3} constant rates, idle {idle:8} at departure p50 {quantile(before, after, 0.5) * 1e6:.0f} us, "
          f"p99 {quantile(before, after, 0.99) * 1e6:.0f} us, p99.9 {quantile(before, after, 0.999) * 1e6:.0f} us late; "
          f"{statistics.median(windows):.1f} % of a core ({min(windows):.1f} to {max(windows):.1f}), "
          f"another {waited:.1f} % of the time it waited for one\n"
          f"{'':28} at the receiver of {len(at_sink)}: p50 {max(x[0] for x in at_sink):.0f} us, p99 {max(x[1] for x in at_sink):.0f} us, "
          f"most {max(x[2] for x in at_sink):.0f} us off the line; intervals {min(paces, key=abs):+.1f} to {max(paces, key=abs):+.1f} ppm; "
          f"lost at the receiver {missing}; drops {drops}; {events}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=lambda p: pathlib.Path(p).resolve(), required=True)
    parser.add_argument("--only", default="rtmp,srt,push,rate,rates")
    parser.add_argument("--counts", default="1,20,100", help="constant-rate channels of `rates`")
    parser.add_argument("--idle", default="adaptive,poll", help="of `rates`: fastpath.idle")
    parser.add_argument("--window", type=float, default=5)
    args = parser.parse_args()
    names = args.only.split(",")
    with tempfile.TemporaryDirectory(prefix="hg-bench-") as folder:
        stream = pathlib.Path(folder) / "stream.ts"
        make_stream(stream)
        if names != ["rates"]:
            bench_sessions(args, stream, [name for name in names if name != "rates"])
        if "rates" in names:
            bench_rates(args, stream)


def bench_sessions(args, stream, names):
    with Rig() as rig:
        gateway = Gateway(rig, {})
        gateway.rtmp_port, gateway.srt_port = gateway._free_port(), gateway._free_port()
        gateway.node["servers"].update(rtmp={"listen": f"[::]:{gateway.rtmp_port}"}, srt={"listen": f"[::]:{gateway.srt_port}"})
        gateway.write_node()
        gateway.channels = {"tv": {"inputs": [f"udp://{GROUP}:5000"], "serve": ["rtmp", "srt"]},
                            "cam": {"inputs": [{"publish": {}}], "remux": {"bitrate": "5Mbps"}, "push": ["udp://239.70.1.1:5000"]}}
        gateway.write(gateway.channels)
        with gateway:
            rig.popen("src", str(args.bin / "headgate"), "send", str(stream), f"udp://{GROUP}:5000?interface=eth0",
                      stdout=subprocess.DEVNULL)
            gateway.wait_metric("headgate_input_ts_packets_total", 5000, channel="tv")  # 2 s of it
            for name in names:
                {"rtmp": bench_rtmp, "srt": bench_srt, "push": bench_push, "rate": bench_rate}[name](rig, gateway, args, stream)


main()
