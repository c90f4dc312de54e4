#!/usr/bin/python3
"""CPU of a core per channel, Headgate beside its peers in one run: relay (multicat) and HLS (ffmpeg -c copy -f hls).

    channels_bench.py --bin DIR --generator PATH [--channels 10,100] [--window 5] [--only relay,hls]

Three namespaces of its own: source, gateway, sink, joined by veth pairs. The figure is the slope between the two channel counts,
so that the fixed cost of a process that polls is stated apart. CPU is the scheduler's run time of all threads of the
processes under test (/proc/PID/task/*/schedstat), three windows each.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

RATE = 4_000_000
GROUP_IN, GROUP_OUT = "239.77.0.1", "239.78.0.1"


def run(*command, **kw):
    return subprocess.run(command, check=True, capture_output=True, text=True, **kw).stdout


def group(first, i):
    a, b, c, d = (int(x) for x in first.split("."))
    n = (c << 8 | d) + i
    return f"{a}.{b}.{n >> 8}.{n & 255}"


class Network:
    def __init__(self):
        tag = f"hgb{os.getpid()}"
        self.src, self.gw, self.sink = f"{tag}s", f"{tag}g", f"{tag}k"

    def __enter__(self):
        for ns in (self.src, self.gw, self.sink):
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
        self._pair(self.src, "s0", "10.77.1.1/24", self.gw, "in0", "10.77.1.2/24")
        self._pair(self.gw, "out0", "10.77.2.1/24", self.sink, "k0", "10.77.2.2/24")
        for ns in (self.src, self.gw, self.sink):
            subprocess.run(["ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0"], check=False)
        return self

    def _pair(self, ns1, if1, addr1, ns2, if2, addr2):
        run("ip", "-n", ns1, "link", "add", if1, "type", "veth", "peer", "name", if2, "netns", ns2)
        for ns, dev, addr in ((ns1, if1, addr1), (ns2, if2, addr2)):
            run("ip", "-n", ns, "addr", "add", addr, "dev", dev)
            run("ip", "-n", ns, "link", "set", dev, "up")
            # multicat sends where the route points, whatever ifaddr says.
            run("ip", "-n", ns, "route", "add", "239.78.0.0/16" if dev == "out0" else "224.0.0.0/4", "dev", dev)

    def __exit__(self, *_):
        for ns in (self.src, self.gw, self.sink):
            subprocess.run(["ip", "netns", "del", ns], check=False, capture_output=True)

    def popen(self, ns, command, **kw):
        kw.setdefault("stdout", subprocess.DEVNULL)
        kw.setdefault("stderr", subprocess.DEVNULL)
        return subprocess.Popen(["ip", "netns", "exec", ns, *command], stdin=subprocess.DEVNULL, **kw)


def run_time_ns(pids):
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(task.read_text().split()[0])
    return total


def rss_mib(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
    return total / 1024


def cpu_windows(pids, seconds, count=3):
    """Percent of a core, one figure a window."""
    figures = []
    for _ in range(count):
        t0, c0 = time.monotonic(), run_time_ns(pids)
        time.sleep(seconds)
        figures.append((run_time_ns(pids) - c0) / (time.monotonic() - t0) / 1e7)
    return figures


def make_stream(path):
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-f", "lavfi", "-i", "sine=440:r=48000",
        "-t", "40", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-b:v", "3400k",
        "-maxrate", "3400k", "-minrate", "3400k", "-bufsize", "3400k", "-x264-params", "nal-hrd=cbr", "-c:a", "aac", "-b:a", "128k",
        "-f", "mpegts", "-muxrate", str(RATE), str(path))


@contextlib.contextmanager
def load(net, args, stream, channels, seconds):
    p = net.popen(net.src, [str(args.generator), str(stream), "10.77.1.1", GROUP_IN, str(channels), "5000", str(RATE), str(seconds)])
    try:
        yield
    finally:
        p.kill()
        p.wait()


def received_groups(net, channels, seconds=2.0):
    """How many output groups carry data at the sink: a relay that sends nothing would be cheap."""
    script = f"""
import socket,struct,time,select
socks=[]
for i in range({channels}):
    s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
    a,b,c,d=[int(x) for x in "{GROUP_OUT}".split(".")]; n=(c<<8|d)+i; g=f"{{a}}.{{b}}.{{n>>8}}.{{n&255}}"
    s.bind((g,6000)); s.setsockopt(0,35,socket.inet_aton(g)+socket.inet_aton("10.77.2.2")); s.setblocking(False); socks.append(s)
end=time.time()+{seconds}; seen=set()
while time.time()<end and len(seen)<len(socks):
    for s in select.select([x for x in socks if x not in seen],[],[],.2)[0]:
        if len(s.recv(2048))==1316: seen.add(s)
print(len(seen))
"""
    return int(run("ip", "netns", "exec", net.sink, "/usr/bin/python3", "-c", script))


def channels_with_segments(folder):
    """Channels that have at least two finished segments."""
    return sum(len(list(channel.rglob("*.ts"))) >= 2 for channel in folder.iterdir()) if folder.is_dir() else 0


def pids_of(parent):
    """The process that `ip netns exec` became, and its descendants."""
    out, todo = [], [parent]
    while todo:
        pid = todo.pop()
        out.append(pid)
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                todo += [int(x) for x in task.read_text().split()]
    return out


@contextlib.contextmanager
def headgate(net, args, channels, hls, lines=None):
    """`lines`: a channel map of its own."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="hgbench", dir="/dev/shm"))
    if lines is None:
        lines = ["channels:"]
        for i in range(channels):
            lines += [f"  c{i}:", f'    inputs: [ "udp://{group(GROUP_IN, i)}:5000" ]']
            lines += ["    serve: { hls: { segment: 2s, window: 7 } }"] if hls else [f'    push: [ {{ url: "udp://{group(GROUP_OUT, i)}:6000", interface: out }} ]']
    (work / "channels.yaml").write_text("\n".join(lines) + "\n")
    device = getattr(args, "device", "af_packet")
    server = '  http: { listen: "127.0.0.1:18080" }\n' if hls else ""
    (work / "headgate.yaml").write_text(
        f"node: bench\nrun_dir: {work}/run\ndata_dir: {work}/data\nlog: {{ level: warning }}\ninterfaces:\n"
        f"  in: {{ device: {device}:in0, address: 10.77.1.2/24, default: true }}\n"
        f"  out: {{ device: {device}:out0, address: 10.77.2.1/24 }}\n"
        f'servers:\n{server}  admin: {{ listen: "127.0.0.1:19470" }}\nchannels: channels.yaml\n')
    for dev in ("in0", "out0"):  # the fast path owns these ports alone
        subprocess.run(["ip", "-n", net.gw, "addr", "flush", "dev", dev], check=False)
    p = net.popen(net.gw, [str(args.bin / "headgate"), "run", "--config", str(work / "headgate.yaml")],
                  stderr=open(work / "log", "w"), start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        probe = "import urllib.request as u;u.urlopen('http://127.0.0.1:19470/readyz',timeout=1)"
        while subprocess.run(["ip", "netns", "exec", net.gw, "/usr/bin/python3", "-c", probe], capture_output=True).returncode != 0:
            if time.monotonic() > deadline or p.poll() is not None:
                sys.exit(f"headgate did not become ready:\n{(work / 'log').read_text()[-2000:]}")
            time.sleep(0.2)
        locks = {n: int((work / "run" / f"{n}.lock").read_text().split()[0]) for n in ("fastpath", "bridge")}
        yield locks, work / "run" / "bridge" / "hls"
    finally:
        p.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            p.wait(15)
        p.kill()
        shutil.rmtree(work, ignore_errors=True)
        for dev, addr in (("in0", "10.77.1.2/24"), ("out0", "10.77.2.1/24")):
            subprocess.run(["ip", "-n", net.gw, "addr", "add", addr, "dev", dev], check=False)
        for to, dev in (("224.0.0.0/4", "in0"), ("239.78.0.0/16", "out0")):
            subprocess.run(["ip", "-n", net.gw, "route", "add", to, "dev", dev], check=False)


@contextlib.contextmanager
def peers(net, commands):
    processes = [net.popen(net.gw, c, start_new_session=True) for c in commands]
    try:
        yield [pid for p in processes for pid in pids_of(p.pid)]
    finally:
        for p in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(p.pid, signal.SIGKILL)
            p.wait()


def slope(figures, low, high):
    return [(h - l) / (high - low) for l, h in zip(sorted(figures[low]), sorted(figures[high]))]


def report(name, figures, rss, counts):
    low, high = counts
    s = slope(figures, low, high)
    line = dict(what=name, percent_of_core_per_channel=round(statistics.median(s), 4), spread=[round(min(s), 4), round(max(s), 4)],
                at={n: [round(x, 2) for x in sorted(f)] for n, f in figures.items()}, rss_mib={n: round(v, 1) for n, v in rss.items()})
    print(json.dumps(line), flush=True)
    return statistics.median(s)


def measure(net, args, stream, what, counts):
    cases = {
        "relay": [("headgate relay (fast path)", "fastpath", False), ("multicat", lambda i: [
            "multicat", "-u", "-U", f"@{group(GROUP_IN, i)}:5000/ifaddr=10.77.1.2", f"{group(GROUP_OUT, i)}:6000/ifaddr=10.77.2.1"], None)],
        "hls": [("headgate hls (fast path and bridge)", "both", True), ("ffmpeg -c copy -f hls", lambda i: [
            "ffmpeg", "-v", "quiet", "-nostdin", "-i", f"udp://{group(GROUP_IN, i)}:5000?localaddr=10.77.1.2&buffer_size=4000000&fifo_size=200000",
            "-map", "0", "-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_list_size", "7", "-hls_flags", "delete_segments",
            f"{args.scratch}/p{i}.m3u8"], None)],
    }[what]
    results = []
    for name, how, hls in cases:
        figures, rss = {}, {}
        for n in counts:
            settle = 12 if what == "hls" else 4
            with load(net, args, stream, n, settle + 4 * args.window + 60):
                if hls is None:
                    with peers(net, [how(i) for i in range(n)]) as pids:
                        time.sleep(settle)
                        figures[n], rss[n] = cpu_windows(pids, args.window), rss_mib(pids)
                        ok = received_groups(net, n) if what == "relay" else len(list(pathlib.Path(args.scratch).glob("p*.m3u8")))
                else:
                    with headgate(net, args, n, hls) as (locks, segments):
                        time.sleep(settle)
                        pids = [locks["fastpath"]] if how == "fastpath" else list(locks.values())
                        figures[n], rss[n] = cpu_windows(pids, args.window), rss_mib(pids)
                        ok = received_groups(net, n) if what == "relay" else channels_with_segments(segments)
                if ok < n:
                    print(f"warning: {name}: {ok} of {n} channels carry data", file=sys.stderr)
        results.append(report(name, figures, rss, counts))
    print(f"ratio {what}: headgate takes {results[0] / results[1]:.3f} of the peer's CPU per channel\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--generator", type=pathlib.Path, required=True)
    parser.add_argument("--channels", default="10,100")
    parser.add_argument("--window", type=float, default=5)
    parser.add_argument("--only", default="relay,hls")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the namespaces and processes go, too
    counts = [int(x) for x in args.channels.split(",")]
    with tempfile.TemporaryDirectory(prefix="hgbench", dir="/dev/shm") as scratch, Network() as net:
        args.scratch = scratch
        stream = pathlib.Path(scratch) / "cbr.ts"
        make_stream(stream)
        for what in args.only.split(","):
            measure(net, args, stream, what, counts)


if __name__ == "__main__":
    main()
