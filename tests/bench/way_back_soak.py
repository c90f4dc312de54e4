"""Whether the way back holds for hours: encoders whose clocks are off publish by RTMP and SRT, one of them leaves and comes back, a file
is looped; what leaves as multicast is judged minute by minute, with the delay and the processes' memory beside it.

  way_back_soak.py [--minutes 60] [--ppm 80] [--bin build/release/bin] [--growth 256]
Needs root and ffmpeg. Prints a line a channel and minute. Exits 1 when a minute is not clean, the delay of a channel without interruptions
moves by more than 20 ms, or a process grows by more than --growth KiB a minute over the second half.
"""
import argparse
import os
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
ROOT = Path(__file__).resolve().parents[2]

PIECE = 60.0  # seconds judged at once
JOINT = 300  # datagrams that a piece shares with the one before: nothing between two pieces is unseen
LEAVE_EVERY, LEAVE_FOR = 300.0, 8.0
DELAY_LIMIT = 0.020


def channel_map(folder, slate):
    publish = lambda group, rate, **rest: {"inputs": [{"publish": {"grace": "2s"}}], "remux": {"bitrate": rate}, "push": [f"udp://{group}:5000"], **rest}
    return {
        "rtmp-fast": publish("239.9.1.1", "2500kbps", serve=["hls", "rtmp", "srt", "http-ts"]),
        "srt-slow": publish("239.9.1.2", "3Mbps", serve=["srt"]),
        "studio": {**publish("239.9.1.3", "3Mbps", serve=["hls"]), "inputs": [{"publish": {"grace": "1s"}}, f"file://{slate}"],
                   "failover": {"after": "1s", "hold": "3s"}},
        "file": {"inputs": [f"file://{slate}"], "remux": {"bitrate": "3Mbps"}, "push": ["udp://239.9.1.4:5000"], "serve": ["hls"]},
    }


class Encoder:
    """ffmpeg in real time over a list of files, its timestamps running fast by so many parts in a million. Started again when it ends."""

    def __init__(self, gateway, files, url, form, ppm):
        stretch = f"setts=pts=PTS*{1 + ppm * 1e-6:.9f}:dts=DTS*{1 + ppm * 1e-6:.9f}"
        self.command = ["ffmpeg", "-v", "error", "-re", "-f", "concat", "-safe", "0", "-i", str(files), "-c", "copy", "-bsf:v", stretch,
                        "-bsf:a", stretch, "-f", form, url]
        self.gateway, self.process, self.starts, self.wanted = gateway, None, 0, True

    def tend(self):
        """Called several times a second."""
        running = self.process is not None and self.process.poll() is None
        if self.wanted and not running:
            self.process = self.gateway.rig.popen("gw", *self.command)
            self.starts += 1
        if not self.wanted and running:
            self.process.terminate()
            self.process.wait()


def pcrs(datagrams):
    """(arrival, PCR in 27 MHz) of the packets that have one."""
    found = []
    for arrival, payload in datagrams:
        for at in range(0, len(payload), 188):
            if payload[at + 3] & 0x20 and payload[at + 4] >= 7 and payload[at + 5] & 0x10:
                b = payload[at + 6:at + 12]
                found.append((arrival, ((int.from_bytes(b[:4], "big") << 1) | b[4] >> 7) * 300 + ((b[4] & 1) << 8 | b[5])))
    return found


class Watch:
    """One channel's multicast, taken piece by piece."""
    CYCLE = (1 << 33) * 300

    def __init__(self, rig, name, group, ppm, interrupted):
        self.name, self.ppm, self.interrupted = name, ppm, interrupted
        self.capture = rig.capture(group, 5000)
        self.joint, self.delays, self.base, self.last = [], [], None, None

    def piece(self):
        fresh, self.capture.datagrams = self.capture.datagrams, []
        whole, self.joint = self.joint + fresh, fresh[-JOINT:]
        return whole, fresh

    def delay(self, fresh):
        """The middle of arrival minus what the source's clock says, from the first piece on, in seconds."""
        values = []
        for arrival, pcr in pcrs(fresh):
            if self.last is not None:
                pcr += round((self.last - pcr) / self.CYCLE) * self.CYCLE
            self.last = pcr
            if self.base is None:
                self.base = (arrival, pcr)
            values.append((arrival - self.base[0]) - (pcr - self.base[1]) / 27e6 / (1 + self.ppm * 1e-6))
        return statistics.median(values) if values else float("nan")


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def growth(sizes):
    """KiB a minute between the medians of the third and the last quarter."""
    quarter = len(sizes) // 4
    if quarter == 0:
        return 0.0
    return (statistics.median(sizes[-quarter:]) - statistics.median(sizes[-2 * quarter:-quarter])) / (quarter * PIECE / 60)


def judge(watch, minute, check_datagrams):
    whole, fresh = watch.piece()
    if len(whole) < 100:
        print(f"{minute:4d} {watch.name:10} only {len(whole)} datagrams")
        return False
    report = check_datagrams(whole)
    wrong = report.errors(dvb=True)
    if watch.interrupted:  # the time in which no input is good is no error of the stream that follows
        wrong = [line for line in wrong if " after " not in line]
    delay = watch.delay(fresh)
    watch.delays.append(delay)
    pcr = max(report.pcr.values(), key=lambda p: p.count)
    print(f"{minute:4d} {watch.name:10} {report.rate.mean_bps / 1e6:.6f} Mb/s  seconds within {report.rate.deviation_max_packets:.1f} packets  PCR "
          f"{pcr.interval_max_ms:.1f} ms, {pcr.accuracy_max_ns:.0f} ns, {pcr.announced} announced  off the line p99 {report.arrival.line_p99_ms:.2f} ms  "
          f"delay moved {(delay - watch.delays[0]) * 1000:+.1f} ms" + "".join("\n     " + line for line in wrong), flush=True)
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--ppm", type=float, default=80)
    parser.add_argument("--bin", default=str(ROOT / "build" / "release" / "bin"))
    parser.add_argument("--growth", type=float, default=256)
    options = parser.parse_args()
    os.environ["HEADGATE_BIN"] = options.bin
    from support import media, netns
    from support.gateway import DAEMONS, Gateway
    from support.rig import Rig
    from support.ts_check import check_datagrams
    netns.clean_on_signals()
    camera, slate = media.stream("h264_aac", 30), media.stream("h264_aac_b", 20)
    # A list, for -stream_loop ends the filter of timestamps with the file.
    repeated = f"file '{camera}'\n" * (options.minutes * 2 + 10)
    clean, memory = True, {name: [] for name in DAEMONS}
    with Rig() as rig:
        gateway = Gateway(rig, {})
        rtmp, srt = gateway._free_port(), gateway._free_port()
        gateway.node["servers"].update(rtmp={"listen": f"[::]:{rtmp}"}, srt={"listen": f"[::]:{srt}"})
        gateway.write_node()
        gateway.write(channel_map(gateway.folder, slate))
        files = gateway.folder / "camera.txt"
        files.write_text(repeated)
        with gateway:
            studio = Encoder(gateway, files, f"rtmp://127.0.0.1:{rtmp}/live/studio", "flv", 0)
            encoders = [studio, Encoder(gateway, files, f"rtmp://127.0.0.1:{rtmp}/live/rtmp-fast", "flv", options.ppm),
                        Encoder(gateway, files, f"srt://127.0.0.1:{srt}?streamid=publish:srt-slow", "mpegts", -options.ppm)]
            for encoder in encoders:
                encoder.tend()
            gateway.wait_metric("headgate_input_up", 1, limit=30, channel="srt-slow")
            gateway.wait_metric("headgate_input_up", 1, limit=30, channel="rtmp-fast")
            time.sleep(10)  # the clocks of the encoders are being learnt
            watches = [Watch(rig, "rtmp-fast", "239.9.1.1", options.ppm, False), Watch(rig, "srt-slow", "239.9.1.2", -options.ppm, False),
                       Watch(rig, "studio", "239.9.1.3", 0, True), Watch(rig, "file", "239.9.1.4", 0, False)]
            pids, start, stop = {name: gateway.pid(name) for name in DAEMONS}, time.monotonic(), threading.Event()

            def tend():
                while not stop.wait(0.2):
                    studio.wanted = (time.monotonic() - start) % LEAVE_EVERY < LEAVE_EVERY - LEAVE_FOR
                    for encoder in encoders:
                        encoder.tend()

            nurse = threading.Thread(target=tend)
            nurse.start()
            try:
                for minute in range(1, options.minutes + 1):
                    time.sleep(max(0.0, start + minute * PIECE - time.monotonic()))
                    for watch in watches:
                        clean = judge(watch, minute, check_datagrams) and clean
                    for name in DAEMONS:
                        memory[name].append(resident(gateway.pid(name)))
                    print(f"{minute:4d} RSS " + ", ".join(f"{name} {sizes[-1]} KiB" for name, sizes in memory.items()), flush=True)
            finally:
                stop.set()
                nurse.join()
                for encoder in encoders:
                    encoder.wanted = False
                    encoder.tend()
            died = [name for name in DAEMONS if gateway.pid(name) != pids[name]]
    moved = {w.name: max(w.delays) - min(w.delays) for w in watches if not w.interrupted}
    grown = {name: growth(sizes) for name, sizes in memory.items()}
    print("delay moved within " + ", ".join(f"{name} {span * 1000:.1f} ms" for name, span in moved.items()) + "; KiB a minute over the second half: " +
          ", ".join(f"{name} {value:.0f}" for name, value in grown.items()) + "; encoders started " +
          ", ".join(str(encoder.starts) for encoder in encoders) + (f"; died: {died}" if died else ""))
    drift = any(span > DELAY_LIMIT for span in moved.values())
    return 1 if not clean or drift or died or max(grown.values()) > options.growth else 0


if __name__ == "__main__":
    sys.exit(main())
