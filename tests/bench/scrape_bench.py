#!/usr/bin/python3
"""How long a scrape of /metrics takes with many channels, what it costs, and whether it disturbs the fast path's worker.

    scrape_bench.py --bin DIR [--channels 1000] [--paced 20] [--window 20]

All channels of one gateway receive, push to a group and serve HLS; some leave at a constant rate, so that the worker's own clock
tells how late their datagrams are with their port. The same is measured over a window without scrapes and over one with a scrape
after the other. Drops and continuity errors must not rise: a run with loss is no result. Times are of the whole answer, at the client.
"""
import argparse
import collections
import os
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from bench.channels_bench import group, run, run_time_ns  # noqa: E402
from support import netns  # noqa: E402
from support.gateway import Gateway, pressure, wait_for, waited  # noqa: E402
from support.rig import SOURCE, Rig  # noqa: E402

FIRST, OUT = "239.70.0.1", "239.90.0.1"
RATE = 150_000
LATE = "headgate_departure_late_seconds_bucket"


def make_source(path):
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10", "-f", "lavfi", "-i", "sine=440:r=48000", "-t", "300",
        "-c:v", "libx264", "-preset", "veryfast", "-g", "20", "-keyint_min", "20", "-sc_threshold", "0", "-bf", "0", "-b:v", "50k",
        "-maxrate", "50k", "-bufsize", "50k", "-c:a", "aac", "-b:a", "24k", "-f", "mpegts", "-pcr_period", "40", "-pat_period", "0.4", "-muxrate", str(RATE),
        str(path))


def channels(count, paced):
    every = max(1, count // paced) if paced else count + 1
    out = {}
    for i in range(count):
        out[f"c{i}"] = {"inputs": [f"udp://{group(FIRST, i)}:5000"], "push": [f"udp://{group(OUT, i)}:5000"],
                        "serve": {"hls": {"segment": "4s", "window": 7}}}
        if i % every == 0 and paced:
            out[f"c{i}"]["remux"] = {"bitrate": "250kbps"}
    return out


def totals(gateway):
    samples = list(gateway.samples())
    add = lambda name, **wanted: sum(v for n, labels, v in samples if n == name and all(labels.get(k) == w for k, w in wanted.items()))  # noqa: E731
    late = {}
    for name, labels, value in samples:
        if name == LATE:
            late[labels["le"]] = late.get(labels["le"], 0) + value
    lost = collections.Counter()
    for name, labels, value in samples:
        if name == "headgate_drops_total" and labels["where"] in ("nic", "ring", "output") and not labels["reason"].startswith("look_"):
            lost[labels["reason"]] += value
    return {"late": late, "lost": lost, "cc": add("headgate_input_cc_errors_total"), "packets": add("headgate_fastpath_packets_total")}


def quantile(before, after, share):
    """Upper bound of the class in which it lies, in us."""
    counts = sorted((float(le), after["late"][le] - before["late"].get(le, 0)) for le in after["late"])
    return next((le * 1e6 for le, count in counts if count >= share * counts[-1][1]), None)


def window(gateway, name, seconds, idle=None):
    """Scrapes where `idle`, control's share of a core without scrapes, is given. Control's share of a core, and whether nothing was lost."""
    fastpath, control = gateway.pid("fastpath"), gateway.pid("control")
    before, times, size = totals(gateway), [], 0
    began, stood, cpu, waits = time.monotonic(), pressure(), run_time_ns([control]), waited(fastpath)
    while time.monotonic() - began < seconds:
        if idle is not None:
            at = time.monotonic()
            size = len(gateway.admin("/metrics").body)
            times.append((time.monotonic() - at) * 1000)
        else:
            time.sleep(0.2)
    spent, cpu, waits, stood = time.monotonic() - began, run_time_ns([control]) - cpu, waited(fastpath) - waits, pressure() - stood
    after = totals(gateway)
    late = ", ".join(f"p{share * 100:g} {q:.0f} us" if (q := quantile(before, after, share)) is not None else "-" for share in (0.5, 0.99, 0.999))
    print(f"{name}: {after['packets'] - before['packets']:.0f} frames in {spent:.0f} s, lost {dict(after['lost'] - before['lost']) or 0}, "
          f"CC errors {after['cc'] - before['cc']:.0f}; departures late at most {late}; control {cpu / spent / 1e7:.1f} % of a core; "
          f"fast path waited for a core {waits / spent * 100:.1f} %, machine under pressure {stood / spent * 100:.0f} %", flush=True)
    if times:
        times.sort()
        print(f"  {len(times)} scrapes of {size / 1e6:.2f} MB: median {statistics.median(times):.1f} ms, p99 {times[len(times) * 99 // 100]:.1f} ms, "
              f"most {times[-1]:.1f} ms; {(cpu / spent / 1e9 - idle) * spent * 1000 / len(times):.1f} ms of control's CPU each", flush=True)
    return cpu / spent / 1e9, after["lost"] == before["lost"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=lambda p: pathlib.Path(p).resolve(), required=True)
    parser.add_argument("--channels", type=int, default=1000)
    parser.add_argument("--paced", type=int, default=20)
    parser.add_argument("--window", type=float, default=20)
    args = parser.parse_args()
    netns.clean_on_signals()
    with tempfile.TemporaryDirectory(prefix="hg-bench-") as folder, Rig(wait=False) as rig:
        stream = pathlib.Path(folder) / "a.ts"
        make_source(stream)
        rig.set_bridge("mcast_snooping", "0")
        with Gateway(rig, channels(args.channels, args.paced)) as gateway:
            sender = rig.popen("src", str(args.bin / "multicast_generator"), str(stream), SOURCE, FIRST, str(args.channels), "5000", str(RATE), "3000", "20")
            try:
                up = lambda: sum(v for n, _, v in gateway.samples() if n == "headgate_input_up")  # noqa: E731
                wait_for(lambda: up() == args.channels, 120)
                wait_for(lambda: gateway.metric("headgate_hls_segments_total") >= 2 * args.channels, 120)
                series = sum(1 for _ in gateway.samples())
                print(f"{args.channels} channels of {RATE / 1000:.0f} kb/s, {args.paced} of them paced, {series} series, load {os.getloadavg()[0]:.1f}", flush=True)
                idle, clean = window(gateway, "without scrapes", args.window)
                clean &= window(gateway, "one scrape after the other", args.window, idle)[1]
            finally:
                sender.kill()
                sender.wait()
    if not clean:
        sys.exit("there was loss: no result")


if __name__ == "__main__":
    main()
