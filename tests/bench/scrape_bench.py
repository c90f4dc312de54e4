#!/usr/bin/python3
"""How long a scrape of /metrics takes with many channels, what it costs, and whether it disturbs the fast path's worker.

    scrape_bench.py --bin DIR [--channels 1000] [--paced 20] [--rate 60000] [--watch] [--rounds 5] [--window 8]

All channels of one gateway receive, push to a group and serve HLS; some leave at a constant rate, so that the worker's own clock
tells how late their datagrams are with their port. Windows without scrapes, with one a second and with one after the other follow in
turn, so that whatever else the machine does is spread over all three. Drops and continuity errors must not rise: a run with loss is no
result. Times are of the whole answer, at the client, which runs on the same cores. Nothing is watched, as a
worker for the sound of each of 1,000 channels (--watch) fills two cores; so does --rate 150000.
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
from support.gateway import Gateway, parse_samples, pressure, wait_for, waited  # noqa: E402
from support.rig import SOURCE, Rig  # noqa: E402

FIRST, OUT = "239.70.0.1", "239.90.0.1"
LATE = "headgate_departure_late_seconds_bucket"


def make_source(path, rate):
    """Pictures of two fifths of the rate and sound of a sixth; tables and stuffing are the rest."""
    video = f"{rate * 2 // 5000}k"
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=5", "-f", "lavfi", "-i", "sine=440:r=16000", "-t", "300",
        "-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-keyint_min", "10", "-sc_threshold", "0", "-bf", "0", "-b:v", video,
        "-maxrate", video, "-bufsize", video, "-c:a", "aac", "-b:a", f"{rate // 6000}k", "-f", "mpegts", "-pcr_period", "40",
        "-pat_period", "0.4", "-muxrate", str(rate), str(path))


def channels(count, paced, rate, watch):
    every = max(1, count // paced) if paced else count + 1
    out = {}
    for i in range(count):
        out[f"c{i}"] = {"inputs": [f"udp://{group(FIRST, i)}:5000"], "push": [f"udp://{group(OUT, i)}:5000"],
                        "serve": {"hls": {"segment": "4s", "window": 7}}}
        if not watch:
            out[f"c{i}"]["watch"] = {"pictures": "never", "sound": "never"}
        if i % every == 0 and paced:
            out[f"c{i}"]["remux"] = {"bitrate": f"{rate * 5 // 3000}kbps"}
    return out


def totals(page):
    late, lost, cc, packets = {}, collections.Counter(), 0, 0
    for name, labels, value in parse_samples(page):
        if name == LATE:
            late[labels["le"]] = late.get(labels["le"], 0) + value
        elif name == "headgate_drops_total" and labels["where"] in ("nic", "ring", "output") and not labels["reason"].startswith("look_"):
            lost[labels["reason"]] += value
        elif name == "headgate_input_cc_errors_total":
            cc += value
        elif name == "headgate_fastpath_packets_total":
            packets = value
    return {"late": collections.Counter(late), "lost": lost, "cc": cc, "packets": packets}


class Sum:
    """What the windows of one kind add up to."""

    def __init__(self):
        self.late, self.lost, self.times = collections.Counter(), collections.Counter(), []
        self.cc = self.packets = self.spent = self.control = self.waits = self.stood = self.size = 0

    def quantile(self, share):
        """Upper bound of the class in which it lies, in us."""
        counts = sorted((float(bound), count) for bound, count in self.late.items())
        return next((bound * 1e6 for bound, count in counts if count >= share * counts[-1][1]), float("nan"))

    def tell(self, name, idle):
        print(f"{name}: {self.packets:.0f} frames in {self.spent:.0f} s, lost {dict(self.lost) or 0}, CC errors {self.cc:.0f}; "
              f"departures late at most {', '.join(f'p{share * 100:g} {self.quantile(share):.0f} us' for share in (0.5, 0.9, 0.99, 0.999))}; "
              f"control {self.control / self.spent * 100:.1f} % of a core; fast path waited for a core {self.waits / self.spent * 100:.1f} %, "
              f"machine under pressure {self.stood / self.spent * 100:.0f} %", flush=True)
        if self.times:
            times = sorted(self.times)
            print(f"  {len(times)} scrapes of {self.size / 1e6:.2f} MB: median {statistics.median(times):.1f} ms, p99 {times[len(times) * 99 // 100]:.1f} ms, "
                  f"most {times[-1]:.1f} ms; {(self.control / self.spent - idle) * self.spent * 1000 / len(times):.1f} ms of control's CPU each", flush=True)


def scrape(gateway, total):
    at = time.monotonic()
    page = gateway.admin("/metrics").body
    total.times.append((time.monotonic() - at) * 1000)
    total.size = len(page)


def window(gateway, total, seconds, every):
    """`every`: seconds from the start of a scrape to the next, 0 for one after the other; none where there are none."""
    fastpath, control = gateway.pid("fastpath"), gateway.pid("control")
    time.sleep(1)  # what this script reckoned is over, and in no figure
    first = gateway.admin("/metrics").body
    began, stood, cpu, waits = time.monotonic(), pressure(), run_time_ns([control]), waited(fastpath)
    while (left := began + seconds - time.monotonic()) > 0:
        at = time.monotonic()
        if every is not None:
            scrape(gateway, total)
        if every != 0:
            time.sleep(max(0.0, min(left, at + (every or left) - time.monotonic())))
    total.spent += time.monotonic() - began
    total.control += (run_time_ns([control]) - cpu) / 1e9
    total.waits += waited(fastpath) - waits
    total.stood += pressure() - stood
    last = gateway.admin("/metrics").body
    before, after = totals(first), totals(last)
    total.late.update({bound: count - before["late"][bound] for bound, count in after["late"].items()})
    total.lost += after["lost"] - before["lost"]
    total.cc += after["cc"] - before["cc"]
    total.packets += after["packets"] - before["packets"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=lambda p: pathlib.Path(p).resolve(), required=True)
    parser.add_argument("--channels", type=int, default=1000)
    parser.add_argument("--paced", type=int, default=20)
    parser.add_argument("--rate", type=int, default=60_000)
    parser.add_argument("--watch", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window", type=float, default=8)
    args = parser.parse_args()
    netns.clean_on_signals()
    with tempfile.TemporaryDirectory(prefix="hg-bench-") as folder, Rig(wait=False) as rig:
        stream = pathlib.Path(folder) / "a.ts"
        make_source(stream, args.rate)
        rig.set_bridge("mcast_snooping", "0")
        with Gateway(rig, channels(args.channels, args.paced, args.rate, args.watch)) as gateway:
            sender = rig.popen("src", str(args.bin / "multicast_generator"), str(stream), SOURCE, FIRST, str(args.channels), "5000", str(args.rate), "3000", "20")
            try:
                up = lambda: sum(v for n, _, v in gateway.samples() if n == "headgate_input_up")  # noqa: E731
                wait_for(lambda: up() == args.channels, 120)
                wait_for(lambda: gateway.metric("headgate_hls_segments_total") >= 2 * args.channels, 120)
                series = sum(1 for _ in gateway.samples())
                print(f"{args.channels} channels of {args.rate / 1000:.0f} kb/s, {args.paced} of them paced, {series} series, load {os.getloadavg()[0]:.1f}", flush=True)
                kinds = {"without scrapes": None, "a scrape a second": 1, "one scrape after the other": 0}
                sums = {name: Sum() for name in kinds}
                for _ in range(args.rounds):
                    for name, every in kinds.items():
                        window(gateway, sums[name], args.window, every)
                quiet = sums["without scrapes"]
                for name, total in sums.items():
                    total.tell(name, quiet.control / quiet.spent)
                memory = [line.split() for line in pathlib.Path(f"/proc/{gateway.pid('control')}/status").read_text().splitlines() if line.startswith("VmRSS")]
                print(f"control's memory {int(memory[0][1]) / 1024:.0f} MiB", flush=True)
            finally:
                sender.kill()
                sender.wait()
    if any(total.lost for total in sums.values()):
        sys.exit("there was loss: no result")


if __name__ == "__main__":
    main()
