#!/usr/bin/python3
"""What a service cut and a remultiplex cost from file to file: the library alone (ts_copy) beside `ffmpeg -c copy`, in turn.

    ts_bench.py --bin DIR [--rounds 7] [--seconds 120] [--services 4]

The stream is a multiplex of H.264 720p and AAC at 4 Mb/s a service, made once, in memory (/dev/shm) like what is written. CPU is user
and system time of the process (wait4). The library alone goes from memory to memory and tells its own CPU time; from file to file the
kernel's copying comes on top, which is most of it. What comes out is checked: ffprobe finds the
services and streams that were wanted, and each elementary stream's packets count alike.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile


def told(times):
    return f"{statistics.median(times):.4f} s of CPU ({min(times):.4f} to {max(times):.4f})"


def cpu_of(command):
    """CPU time of a command, user and system, seconds."""
    process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"ts_bench: {command[0]} ended with {process.returncode}: {errors[-400:]}")
    return usage.ru_utime + usage.ru_stime


def ffmpeg(*parts):
    return ["ffmpeg", "-v", "error", "-nostdin", "-y", *parts]


def make(folder, services, seconds, rate):
    one = folder / "one.ts"
    made = min(seconds, 10)
    cpu_of(ffmpeg("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25", "-f", "lavfi", "-i", "sine=440:r=48000", "-t", made, "-c:v", "libx264",
                  "-preset", "ultrafast", "-g", "50", "-b:v", "3400k", "-maxrate", "3400k", "-bufsize", "3400k", "-x264-params", "nal-hrd=cbr",
                  "-c:a", "aac", "-b:a", "128k", "-f", "mpegts", one))
    path = folder / "multiplex.ts"
    inputs, maps = [], []
    for i in range(services):
        inputs += ["-stream_loop", str(max(0, seconds // made - 1)), "-i", str(one)]
        maps += ["-map", f"{i}:v", "-map", f"{i}:a"]
    programs = []
    for i in range(services):
        programs += ["-program", f"program_num={i + 1}:title=Service {i + 1}:st={2 * i}:st={2 * i + 1}"]
    cpu_of(ffmpeg(*inputs, *maps, "-c", "copy", *programs, "-f", "mpegts", "-muxrate", str(rate), path))
    return path


def packets_of(path):
    """Packets with payload by PID, and programs with their streams, as ffprobe sees them."""
    probe = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "program=program_num,nb_streams", "-of", "csv=p=0", str(path)],
                           capture_output=True, text=True, check=True).stdout.split()
    data = pathlib.Path(path).read_bytes()
    counts = {}
    for at in range(0, len(data) - 187, 188):
        pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
        if data[at + 3] & 0x10:
            counts[pid] = counts.get(pid, 0) + 1
    return counts, sorted(probe)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--services", type=int, default=4)
    options = parser.parse_args()
    copy = pathlib.Path(options.bin).resolve() / "ts_copy"
    rate = options.services * 4_000_000
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="headgate-ts-bench-", dir=place) as name:
        folder = pathlib.Path(name)
        source = make(folder, options.services, options.seconds, rate)
        wanted = options.services // 2 + 1
        out = folder / "out.ts"
        tasks = {
            "service cut": ([copy, "cut", str(wanted), str(rate), source, out],
                            ffmpeg("-i", str(source), "-map", f"0:p:{wanted}", "-c", "copy", "-f", "mpegts", str(out))),
            "whole multiplex at a constant rate": ([copy, "constant", str(rate), str(rate * 5 // 4), source, out],
                                                   ffmpeg("-i", str(source), "-map", "0", "-c", "copy", "-f", "mpegts", "-muxrate", str(rate * 5 // 4), str(out))),
        }
        counts, _ = packets_of(source)
        media = {pid: n for pid, n in counts.items() if 0x100 <= pid < 0x1000 and n > options.seconds}
        print(f"{options.services} services, {rate / 1e6:.0f} Mb/s, {options.seconds} s, {source.stat().st_size / 1e6:.0f} MB; {options.rounds} rounds in turn")
        for what, (ours, theirs) in tasks.items():
            alone, files, theirs_s = [], [], []
            for _ in range(options.rounds):
                alone.append(float(subprocess.run([str(part) for part in ours[:-1]] + ["-"], capture_output=True, text=True, check=True).stdout))
                theirs_s.append(cpu_of(theirs))
                files.append(cpu_of(ours))
            got, programs = packets_of(out)
            kept = {pid: n for pid, n in got.items() if pid in media}
            if what == "service cut":
                good = len(kept) == 2 and len(programs) == 1 and programs[0].startswith(f"{wanted},")
            else:
                good = len(kept) == len(media) and len(programs) == options.services
            # What waits for its position when the file ends is not written: half a second at most.
            if not good or any(media[pid] - n > media[pid] / options.seconds for pid, n in kept.items()):
                sys.exit(f"ts_bench: {what}: the output lacks something: {programs}, {kept} of {media}")
            print(f"  {what}: ffmpeg -c copy {told(theirs_s)}")
            for name, times in (("the library, from memory to memory", alone), ("ts_copy, from file to file", files)):
                ratios = sorted(a / b for a, b in zip(times, theirs_s))
                print(f"    {name}: {told(times)}; {statistics.median(ratios):.3f} of ffmpeg's ({ratios[0]:.3f} to {ratios[-1]:.3f}); "
                      f"{100 * statistics.median(times) / options.seconds:.3f} % of a core at the stream's pace")


if __name__ == "__main__":
    main()
