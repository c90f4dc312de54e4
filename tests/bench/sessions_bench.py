#!/usr/bin/python3
"""CPU of a core per session, Headgate beside its peers in one run, all on two cores:

    sessions_bench.py --bin DIR [--only rtmp,srt,push,rate] [--window 5]

  rtmp  players of one 3.5 Mb/s channel, slope between 100 and 500, beside nginx-rtmp
  srt   receivers of one 4 Mb/s channel, slope between 1 and 50, beside one srt-live-transmit a receiver, and what the
        kernel alone takes for the same datagrams (udp_floor)
  push  targets of one channel by RTMP, slope between 1 and 11, beside `ffmpeg -c copy -f flv`
  rate  when the datagrams of a constant-rate channel leave, against a straight line, beside ffmpeg with -muxrate

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
from bench.channels_bench import cpu_windows, make_stream, pids_of, run  # noqa: E402
from support import netns  # noqa: E402
from support.gateway import Gateway  # noqa: E402
from support.rig import Rig  # noqa: E402

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


@contextlib.contextmanager
def nginx(rig, port):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hg-bench-nginx-"))
    folder.chmod(0o777)
    (folder / "conf").write_text(NGINX.format(folder=folder, port=port))
    server = popen(rig, "nginx", "-p", folder, "-c", folder / "conf")
    time.sleep(1)
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
        time.sleep(5)
        gateway.wait_metric("headgate_sessions", n, channel="tv", output="srt")
        ours[n] = measure([gateway.pid("bridge")], args.window)
        end(*receivers)
    mine = tell("headgate, SRT receivers", counts, ours, "receiver")
    for n in counts:
        servers, receivers = [], []
        for _ in range(n):
            port, inner = gateway._free_port(), gateway._free_port()
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


def deviations(datagrams, rate):
    """Of each datagram from the straight line through all at this rate, in us: (p50, p99, most)."""
    base = [when - i * 1316 * 8 / rate for i, (when, _) in enumerate(datagrams)]
    # The clock of the rate may differ by some ppm from ours: the line is fitted, in windows of 2 s.
    found, size = [], max(2, int(rate * 2 / (1316 * 8)))
    for at in range(0, len(base) - size + 1, size):
        part = base[at:at + size]
        n = len(part)
        mean_x, mean_y = (n - 1) / 2, sum(part) / n
        k = sum((i - mean_x) * (y - mean_y) for i, y in enumerate(part)) / sum((i - mean_x) ** 2 for i in range(n))
        found += [abs(y - mean_y - k * (i - mean_x)) * 1e6 for i, y in enumerate(part)]
    found.sort()
    return found[len(found) // 2], found[int(len(found) * 0.99)], found[-1]


def bench_rate(rig, gateway, args, stream):
    rate = 5_000_000
    encoder = popen(rig, "ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", stream, "-c", "copy", "-f", "flv",
                    f"rtmp://127.0.0.1:{gateway.rtmp_port}/live/cam")
    capture = rig.capture("239.70.1.1", 5000)
    capture.wait(100, limit=20)
    time.sleep(3)
    del capture.datagrams[:]
    time.sleep(20)
    capture.stop()
    end(encoder)
    late = gateway.metric("headgate_departure_late_max_seconds", channel="cam")
    print("headgate, constant rate      p50 %.0f us, p99 %.0f us, most %.0f us off the line at the receiver" % deviations(capture.datagrams, rate),
          f"({len(capture.datagrams)} datagrams; latest departure {late * 1e6:.0f} us)", flush=True)
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
    print("ffmpeg -muxrate ?bitrate=    p50 %.0f us, p99 %.0f us, most %.0f us off the line at the receiver" % deviations(capture.datagrams, rate),
          f"({len(capture.datagrams)} datagrams)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=lambda p: pathlib.Path(p).resolve(), required=True)
    parser.add_argument("--only", default="rtmp,srt,push,rate")
    parser.add_argument("--window", type=float, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hg-bench-") as folder, Rig() as rig:
        stream = pathlib.Path(folder) / "stream.ts"
        make_stream(stream)
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
            time.sleep(4)
            for name in args.only.split(","):
                {"rtmp": bench_rtmp, "srt": bench_srt, "push": bench_push, "rate": bench_rate}[name](rig, gateway, args, stream)


main()
