"""Whether the fast path's memory is bounded: floods, garbage and a map that changes all the time, its pages watched by what they are for.

  memory_soak.py [--seconds 300] [--bin build/release/bin] [--slope 64]
Needs root. Prints a line each ten seconds and the slopes over the second half; exits 1 when heap or anonymous memory rises by more than
--slope KiB a minute.
"""
import argparse
import os
import random
import re
import socket
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
ROOT = Path(__file__).resolve().parents[2]

STEADY = "239.59.1.1"  # flows through the ring to the bridge all the time
NOISY = "239.59.1.2"
MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)$")


def kind_of(name):
    if name.startswith("socket:"):
        return "port rings"
    if name.startswith(("/memfd:nohuge", "/anon_hugepage", "/dev/hugepages")):
        return "packet buffers"
    if name == "[heap]":
        return "heap"
    if name == "" or name.startswith("[anon"):
        return "anonymous"
    if "/run/" in name:
        return "bridge ring" if "ring" in Path(name.split(" (deleted)")[0]).name else "counter pages"
    return "program"


def resident(pid):
    """KiB of resident pages by what they are for."""
    sizes, kind = {}, "program"
    for line in open(f"/proc/{pid}/smaps"):
        match = MAPPING.match(line)
        if match:
            kind = kind_of(match.group(1))
        elif line.startswith("Rss:"):
            sizes[kind] = sizes.get(kind, 0) + int(line.split()[1])
    return sizes


def garbage(generator, packet):
    """A datagram's payload: as broken as the draw says."""
    draw = generator.randrange(6)
    if draw == 0:
        return os.urandom(generator.randrange(0, 1400))
    if draw == 1:
        return packet * generator.randrange(1, 9)
    if draw == 2:
        return (packet + bytes(16)) * 7
    return noise(generator)


def noise(generator):
    """Every PID there is, tables of noise: the inspector grows to its largest, the service filter looks for its service in vain."""
    data = bytearray(os.urandom(188 * 7))
    for start in range(0, len(data), 188):
        data[start] = 0x47
        if generator.randrange(8) == 0:
            data[start + 1:start + 3] = b"\x40\x00"
    return bytes(data)


def flood(rig, stop, counts):
    """Groups of the map and ones that nobody takes, ports too, straight onto the gateway's cable."""
    from support.rig import ethernet_udp
    generator, packet = random.Random(1), bytes([0x47, 0x01, 0x00, 0x10]) + bytes(184)
    with rig.inside("br"):
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sender.bind(("p-gw", 0))
    lies = [{}, {}, {}, {"ip_length": 3000}, {"length": 3}, {"vlan": 7}]
    while not stop.is_set():
        for _ in range(50):
            if generator.randrange(4) == 0:
                sender.send(ethernet_udp(packet * 7, STEADY, 5000))
                counts[0] += 1
                continue
            if generator.randrange(40) == 0:  # grows to the table of all PIDs, channel after channel
                sender.send(ethernet_udp(noise(generator), NOISY, 5000))
                counts[0] += 1
                continue
            group = f"239.{generator.randrange(60, 64)}.{generator.randrange(4)}.{generator.randrange(1, 60)}"
            frame = ethernet_udp(garbage(generator, packet)[:1400], group, generator.choice((5000, 5000, 5000, generator.randrange(1, 65536))),
                                 source=f"10.77.{generator.randrange(4)}.{generator.randrange(1, 255)}", **generator.choice(lies))
            try:
                sender.send(frame)
                counts[0] += 1
            except OSError:
                counts[1] += 1
        time.sleep(0.005)
    sender.close()


def channel_map(generator):
    """Sixty channels beside the steady one, most of them new each time: groups, services, outputs."""
    channels = {"steady": {"inputs": [f"udp://{STEADY}:5000"], "push": ["udp://239.71.1.1:5000"], "serve": ["hls"]}}
    # One channel of noise stays, another comes and goes with its wide table.
    channels["noisy"] = {"program": 7, "inputs": [f"udp://{NOISY}:5000"], "push": ["udp://239.71.1.2:5000"], "serve": ["hls"]}
    channels[f"noisy-{generator.randrange(200)}"] = {"inputs": [f"udp://{NOISY}:5000"], "push": ["udp://239.71.1.3:5000"]}
    for index in range(60):
        group = f"239.{generator.randrange(60, 64)}.{generator.randrange(4)}.{index + 1}"
        channel = {"inputs": [f"udp://{group}:5000"], "push": [f"udp://239.70.{generator.randrange(4)}.{index + 1}:5000"]}
        if index % 3 == 0:
            channel["program"] = generator.randrange(1, 2000)
        if index % 3 == 1:
            channel["serve"] = ["hls"]
        channels[f"c{generator.randrange(200)}-{index}"] = channel
    return channels


def slope(points, end):
    """KiB a minute between the medians of the third and the last quarter: what comes and goes with a table is no slope."""
    middle = lambda first, last: statistics.median(size for when, size in points if first * end <= when < last * end)
    return (middle(0.75, 1) - middle(0.5, 0.75)) / (end / 4 / 60)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--bin", default=str(ROOT / "build" / "release" / "bin"))
    parser.add_argument("--slope", type=float, default=64)
    options = parser.parse_args()
    os.environ["HEADGATE_BIN"] = options.bin
    from support import netns
    from support.gateway import Gateway
    from support.rig import Rig
    netns.clean_on_signals()
    generator, stop, counts, applies = random.Random(2), threading.Event(), [0, 0], 0
    with Rig() as rig, Gateway(rig, channel_map(generator)) as gateway:
        pid = gateway.pid("fastpath")
        thread = threading.Thread(target=flood, args=(rig, stop, counts), daemon=True)
        thread.start()
        points, start, shown = [], time.monotonic(), -10.0
        kinds = ("heap", "anonymous", "packet buffers", "port rings", "bridge ring", "counter pages", "program")
        try:
            while (now := time.monotonic() - start) < options.seconds:
                gateway.apply(channel_map(generator))
                applies += 1
                sizes = resident(pid)
                points.append((now, sizes))
                if now - shown >= 10:
                    shown = now
                    print(f"{now:5.0f} s  " + "  ".join(f"{kind} {sizes.get(kind, 0):6d}" for kind in kinds) +
                          f"  KiB in all {sum(sizes.values()):6d}  frames {counts[0]}  applies {applies}", flush=True)
        finally:
            stop.set()
            thread.join()
        assert gateway.pid("fastpath") == pid, f"the fast path died\n{gateway.tail()}"
        steep = {kind: slope([(when, sizes.get(kind, 0)) for when, sizes in points], options.seconds) for kind in kinds}
        print(f"{applies} applies, {counts[0]} frames; KiB a minute over the second half: " +
              ", ".join(f"{kind} {value:.1f}" for kind, value in steep.items()))
        return 1 if max(steep["heap"], steep["anonymous"]) > options.slope else 0


if __name__ == "__main__":
    sys.exit(main())
