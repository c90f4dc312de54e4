#!/usr/bin/python3
"""What the FFmpeg workers cost in the live gateway: sound made of other sound, thumbnails, the mosaic.

    workers_bench.py --bin DIR [--sounds 100] [--pictures 200] [--codec mp2|ac3] [--window 30] [--only sound,pictures]

The source is one generator for all channels (multicast_generator), which is not counted. CPU of the gateway's processes is utime and
stime of /proc/PID/stat, of ended children too (cutime, cstime), over one window; the load of the machine, and how long the
processes were ready and had no core, stand beside it.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from bench.channels_bench import group, run  # noqa: E402
from support import netns  # noqa: E402
from support.gateway import Gateway, wait_for, waited  # noqa: E402
from support.rig import SOURCE, Rig  # noqa: E402

FIRST = "239.70.0.1"
TICK = os.sysconf("SC_CLK_TCK")
LENGTH = 400  # of the source, s; its clock jumps only at its end
RATE = 500_000


def make_source(path, codec):
    """A small picture that moves, SD in its shape, and stereo sound; 20 s of it encoded, and looped with its clock going on."""
    once = path.with_suffix(".once.ts")
    sound = {"mp2": ["mp2", "-b:a", "128k"], "ac3": ["ac3", "-b:a", "128k"]}[codec]
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=176x144:rate=25", "-f", "lavfi", "-i", "anoisesrc=r=48000:c=pink:a=0.2",
        "-t", "20", "-ac", "2", "-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-keyint_min", "25", "-sc_threshold", "0", "-bf", "0",
        "-b:v", "200k", "-maxrate", "200k", "-bufsize", "100k", "-c:a", *sound, "-f", "mpegts", str(once))
    run("ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(once), "-t", str(LENGTH), "-c", "copy", "-f", "mpegts", "-pes_payload_size", "0",
        "-pcr_period", "40", "-muxrate", str(RATE), str(path))


def make_pictures(path):
    """A Full HD picture a second, as broadcasts have them, with nothing else but what H.264 says of unchanged ones."""
    once = path.with_suffix(".once.ts")
    run("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=5", "-t", "20", "-c:v", "libx264", "-preset", "ultrafast",
        "-g", "10", "-keyint_min", "10", "-sc_threshold", "0", "-bf", "0", "-b:v", "800k", "-maxrate", "800k", "-bufsize", "800k", "-f", "mpegts", str(once))
    run("ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(once), "-t", str(LENGTH), "-c", "copy", "-f", "mpegts",
        "-pcr_period", "40", "-muxrate", "1000k", str(path))


def ticks(pid, with_ended=False):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[i]) for i in ((11, 12, 13, 14) if with_ended else (11, 12))) / TICK


class Spent:
    """CPU of the gateway's processes, percent of a core, from here to tell()."""

    def __init__(self, gateway):
        self.gateway, self.began = gateway, time.monotonic()
        self.pids = {name: gateway.pid(name) for name in ("fastpath", "bridge", "control", "transcode")}
        self.workers = [job["pid"] for job in gateway.process_status("transcode")["jobs"] if job["pid"]]
        self.before = self._now()
        self.waited = self._waited()

    def _now(self):
        spent = {name: ticks(pid, name == "transcode") for name, pid in self.pids.items()}
        spent["workers"] = sum(ticks(pid) for pid in self.workers)
        return spent

    def _waited(self):
        return {"bridge": waited(self.pids["bridge"]), "workers": sum(waited(pid) for pid in self.workers)}

    def tell(self):
        seconds = time.monotonic() - self.began
        spent = {name: (now - self.before[name]) / seconds * 100 for name, now in self._now().items()}
        ready = {name: (now - self.waited[name]) / seconds * 100 for name, now in self._waited().items()}
        return spent, ready


@contextlib.contextmanager
def source(rig, args, path, count, rate):
    with rig.inside("src"):
        sender = subprocess.Popen([str(args.bin / "multicast_generator"), str(path), SOURCE, FIRST, str(count), "5000", str(rate), str(LENGTH - 20), "10"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        sender.kill()
        sender.wait()


def load():
    return float(pathlib.Path("/proc/loadavg").read_text().split()[0])


def drops(gateway):
    return {" ".join(labels[k] for k in ("where", "reason")): value for name, labels, value in gateway.samples()
            if name == "headgate_drops_total" and value > 0}


def more_drops(gateway, before):
    now = collections.Counter(drops(gateway))
    now.subtract(before)
    return {k: v for k, v in now.items() if v > 0}


def sounds(gateway):
    return [channel["sound"]["tracks"][0] for channel in gateway.process_status("bridge")["channels"].values() if channel["sound"]["tracks"]]


def bench_sound(rig, args, folder):
    path = folder / "sound.ts"
    make_source(path, args.codec)
    channels = {f"c{i}": {"inputs": [f"udp://{group(FIRST, i)}:5000"], "serve": {"hls": {"segment": "2s", "window": 7}}, "watch": {"pictures": "never"}}
                for i in range(args.sounds)}
    with source(rig, args, path, args.sounds, RATE), Gateway(rig, channels) as gateway:
        wait_for(lambda: sum(t["present"] and t["frames"] > 200 for t in sounds(gateway)) == args.sounds, 180)
        before, lost, spent = sounds(gateway), drops(gateway), Spent(gateway)
        loads = [load()]
        time.sleep(args.window)
        cpu, ready = spent.tell()
        seconds = time.monotonic() - spent.began
        loads.append(load())
        after = sounds(gateway)
        frames = sum(t["frames"] for t in after) - sum(t["frames"] for t in before)
        gaps = {k: sum(t[k] for t in after) - sum(t[k] for t in before) for k in ("gaps", "filled", "late", "withdrawn")}
        lag = {k: [t["delay_ms"][k] for t in after] for k in ("p50", "p99", "most")}
        jobs = [job for job in gateway.process_status("transcode")["jobs"] if job["kind"] == "sound"]
        print(f"{args.sounds} channels of {args.codec} to AAC and HLS, {seconds:.0f} s, load {loads[0]:.1f} to {loads[1]:.1f}\n"
              f"  CPU of a core: workers {cpu['workers']:.1f} % ({cpu['workers'] / args.sounds:.2f} % a job), supervisor {cpu['transcode']:.2f} %, "
              f"bridge {cpu['bridge']:.1f} %, fast path {cpu['fastpath']:.1f} %, control {cpu['control']:.1f} %\n"
              f"  ready and without a core: bridge {ready['bridge']:.1f} %, workers {ready['workers'] / args.sounds:.2f} % each\n"
              f"  AAC behind the original: p50 {statistics.median(lag['p50']):.0f} ms, p99 {max(lag['p99'])} ms in the worst channel "
              f"({statistics.median(lag['p99']):.0f} ms in the middle one), most {max(lag['most'])} ms\n"
              f"  frames {frames / seconds / args.sounds:.2f} a second and channel (48000 / 1024 = 46.88); {gaps}; deaths "
              f"{sum(sum(job['deaths'].values()) for job in jobs)}; memory {statistics.median(job['memory'] for job in jobs) / 1e6:.1f} MB a worker\n"
              f"  drops {more_drops(gateway, lost)}", flush=True)


def bench_pictures(rig, args, folder):
    path = folder / "pictures.ts"
    make_pictures(path)
    channels = {f"c{i}": {"inputs": [f"udp://{group(FIRST, i)}:5000"], "serve": {"http-ts": {}}, "watch": {"sound": "never"}} for i in range(args.pictures)}
    with source(rig, args, path, args.pictures, 1_000_000), Gateway(rig, channels) as gateway:
        tiles = gateway.run_dir / "bridge" / "pictures"
        wait_for(lambda: len(list(tiles.glob("*.tile"))) == args.pictures, 180)
        time.sleep(6)
        lost, spent, began = drops(gateway), Spent(gateway), time.time()
        status = gateway.process_status("bridge")["pictures"]
        loads, made = [load()], collections.defaultdict(set)
        while time.time() < began + args.window:
            for tile in tiles.glob("*.tile"):
                with contextlib.suppress(OSError):
                    if (when := tile.stat().st_mtime) >= began:
                        made[tile.stem].add(when)
            time.sleep(0.4)
        cpu, ready = spent.tell()
        loads.append(load())
        after = gateway.process_status("bridge")["pictures"]
        times = sorted(when for of in made.values() for when in of)
        bins = collections.Counter(int((when - began) * 4) for when in times if when < began + int(args.window))
        each = [bins[i] for i in range(int(args.window) * 4)]
        apart = [b - a for of in made.values() for a, b in zip(sorted(of), sorted(of)[1:])]
        job = next(job for job in gateway.process_status("transcode")["jobs"] if job["kind"] == "pictures")
        print(f"{args.pictures} thumbnails of Full HD every 5 s, {args.window:.0f} s, load {loads[0]:.1f} to {loads[1]:.1f}\n"
              f"  {len(times) / args.window:.1f} pictures a second; {(cpu['transcode'] + cpu['workers']) * args.window * 10 / max(len(times), 1):.1f} ms of CPU each; "
              f"CPU of a core: pictures and their supervisor {cpu['transcode'] + cpu['workers']:.1f} %, bridge {cpu['bridge']:.1f} %, "
              f"fast path {cpu['fastpath']:.1f} %, control {cpu['control']:.1f} %\n"
              f"  in a quarter of a second: mean {statistics.mean(each):.1f}, standard deviation {statistics.pstdev(each):.1f} "
              f"(chance alone: {statistics.mean(each) ** 0.5:.1f}), most {max(each)}\n"
              f"  from one to the next of a channel: p50 {statistics.median(apart):.2f} s, p99 {statistics.quantiles(apart, n=100)[98]:.2f} s, "
              f"most {max(apart):.2f} s; channels without: {args.pictures - len(made)}\n"
              f"  requests {after['requests'] - status['requests']}, results {after['results'] - status['results']}, lost {after['lost'] - status['lost']}, "
              f"verdicts {job['pictures']}\n  drops {more_drops(gateway, lost)}", flush=True)
        bench_mosaic(gateway, args)


def bench_mosaic(gateway, args):
    control = gateway.pid("control")
    about = json.loads(gateway.admin("/api/v1/mosaic.json").body)
    took, spent = [], []
    for _ in range(5):
        time.sleep(1.2)  # one of a second ago is given again
        before, began = ticks(control), time.monotonic()
        answer = gateway.admin("/api/v1/mosaic.jpg")
        took.append(time.monotonic() - began)
        spent.append(ticks(control) - before)
        assert answer.status == 200 and answer.body[:2] == b"\xff\xd8"
    if args.mosaic:
        args.mosaic.write_bytes(answer.body)
    print(f"mosaic of {len(about['tiles'])} channels, {about['width']} x {about['height']}: {statistics.median(took) * 1000:.0f} ms "
          f"({min(took) * 1000:.0f} to {max(took) * 1000:.0f}), {statistics.median(spent) * 1000:.0f} ms of CPU, {len(answer.body) / 1024:.0f} KiB, "
          f"load {load():.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=lambda p: pathlib.Path(p).resolve(), required=True)
    parser.add_argument("--sounds", type=int, default=100)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--codec", default="mp2", choices=["mp2", "ac3"])
    parser.add_argument("--window", type=float, default=30)
    parser.add_argument("--only", default="sound,pictures")
    parser.add_argument("--mosaic", type=pathlib.Path, help="keep the mosaic there")
    args = parser.parse_args()
    netns.clean_on_signals()
    for what in args.only.split(","):
        with tempfile.TemporaryDirectory(prefix="hgbench", dir="/dev/shm") as folder, Rig() as rig:
            {"sound": bench_sound, "pictures": bench_pictures}[what](rig, args, pathlib.Path(folder))


if __name__ == "__main__":
    main()
