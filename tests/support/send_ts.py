"""Sends a TS file to a group at the pace of its PCR: the tests' own sender, independent of `headgate send`.

  send_ts.py FILE GROUP PORT [--interface ADDRESS] [--rtp] [--packets 7] [--rate BITS_PER_SECOND] [--speed 1.0] [--lump SECONDS]
             [--start-sequence N] [--size 188]
Prints {"datagrams": N, "packets": N} at the end. Bytes leave as they are in the file. --lump: what is due in that time leaves
at its end, all at once, as TCP brings it.
"""
import argparse
import json
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from support import ts  # noqa: E402


def departure_times(data, size, rate):
    """Seconds from the start for each packet, interpolated between the PCRs of the busiest PCR PID."""
    count = len(data) // size
    if rate:
        return [index * size * 8 / rate for index in range(count)]
    by_pid = {}
    for index in range(count):
        found = ts.pcr(data, index * size)
        if found is not None:
            by_pid.setdefault(found[0], []).append((index, found[1]))
    points = max(by_pid.values(), key=len, default=[])
    if len(points) < 2:
        return [index * size * 8 / 2e6 for index in range(count)]
    clock, steps, last_rate = 0.0, [(0, 0.0)], None
    first_index = points[0][0]
    for (i0, p0), (i1, p1) in zip(points, points[1:]):
        delta = ((p1 - p0) % ts.PCR_MODULUS) / 27e6
        if delta > 0.5:  # a jump: keep the rate
            delta = (i1 - i0) * (last_rate or 1e-3)
        last_rate = delta / (i1 - i0)
        if len(steps) == 1 and first_index > 0:
            clock = first_index * last_rate
            steps.append((first_index, clock))
        clock += delta
        steps.append((i1, clock))
    times, position = [0.0] * count, 0
    for (i0, t0), (i1, t1) in zip(steps, steps[1:]):
        for index in range(i0, i1):
            times[index] = t0 + (t1 - t0) * (index - i0) / (i1 - i0)
        position = i1
    for index in range(position, count):
        times[index] = clock + (index - position) * (last_rate or 0)
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("group")
    parser.add_argument("port", type=int)
    parser.add_argument("--interface", default="0.0.0.0")
    parser.add_argument("--rtp", action="store_true")
    parser.add_argument("--packets", type=int, default=7)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--lump", type=float, default=0)
    parser.add_argument("--size", type=int, default=188)
    parser.add_argument("--start-sequence", type=int, default=65500)  # wraps early, on purpose
    arguments = parser.parse_args()
    data = Path(arguments.file).read_bytes()
    size = arguments.size
    times = departure_times(data, size, arguments.rate)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(arguments.interface))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    if arguments.lump:
        times = [(time_due // arguments.lump + 1) * arguments.lump for time_due in times]
    target, sequence, datagrams = (arguments.group, arguments.port), arguments.start_sequence, 0
    begin = time.monotonic()
    for index in range(0, len(times), arguments.packets):
        due = begin + times[index] / arguments.speed
        wait = due - time.monotonic()
        if wait > 0.0005:
            time.sleep(wait)
        payload = data[index * size:(index + arguments.packets) * size]
        if len(payload) % size:
            payload = payload[:len(payload) // size * size]
        if not payload:
            break
        if arguments.rtp:
            stamp = int(times[index] * 90000) & 0xFFFFFFFF
            payload = struct.pack("!BBHII", 0x80, 33, sequence & 0xFFFF, stamp, 0x48470001) + payload
            sequence += 1
        sender.sendto(payload, target)
        datagrams += 1
    print(json.dumps({"datagrams": datagrams, "packets": len(times)}), flush=True)


main()
