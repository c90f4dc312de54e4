"""Ways in which a transport stream is broken: each takes packets (bytearrays) of a piece of it and gives the packets that are sent.
What must stay right for the damage to reach a decoder stays right: sync bytes, and for all but `flipped` the headers of packets."""
from collections import Counter

from . import ts
from .counted_ts import crc32

PAT = 0
SOUND_AND_ABOVE, PRIVATE_1 = 0xC0, 0xBD  # stream_id: ISO/IEC 13818-1 table 2-22; private_stream_1 carries AC-3


def media_pids(data):
    """PIDs with PES packets of pictures or sound, the busiest first."""
    count = Counter()
    kinds = set()
    for packet in ts.packets(data):
        pid = ts.pid_of(packet)
        count[pid] += 1
        start = ts.pes_start(packet)
        if start is not None and (packet[start + 3] >= SOUND_AND_ABOVE or packet[start + 3] == PRIVATE_1):
            kinds.add(pid)
    return [pid for pid, _ in count.most_common() if pid in kinds]


def _noise(packet, random, begin):
    packet[begin:] = random.randbytes(ts.SIZE - begin)


def _payload(packet):
    return 5 + packet[4] if packet[3] & 0x20 else 4


def flipped(packets, pids, random):
    """Bits, anywhere but in sync bytes, in one packet of twenty."""
    for packet in packets:
        if random.random() < 0.05:
            for _ in range(random.randrange(1, 9)):
                packet[random.randrange(1, ts.SIZE)] ^= 1 << random.randrange(8)
        yield packet


def dropped(packets, pids, random):
    """One packet of thirty is not there."""
    return (packet for packet in packets if random.random() > 1 / 30)


def truncated(packets, pids, random):
    """Of each second PES packet some of the end is missing, with continuity counters that tell nothing of it."""
    cut, missing = {}, Counter()
    for packet in packets:
        pid = ts.pid_of(packet)
        if pid in pids:
            if packet[1] & 0x40:
                cut[pid] = random.randrange(1, 8) if random.random() < 0.5 else None
            elif cut.get(pid) is not None:
                cut[pid] -= 1
                if cut[pid] < 0:
                    missing[pid] += bool(packet[3] & 0x10)
                    continue
            packet[3] = packet[3] & 0xF0 | (packet[3] - missing[pid]) & 0x0F
        yield packet


def noise(packets, pids, random):
    """Whatever is carried is random bytes; the headers of PES packets are right."""
    for packet in packets:
        if ts.pid_of(packet) in pids and packet[3] & 0x10:
            start = ts.pes_start(packet) if packet[1] & 0x40 else None
            begin = _payload(packet) if start is None else start + 9 + packet[start + 8]
            if begin < ts.SIZE:
                _noise(packet, random, begin)
        yield packet


def scrambled(packets, pids, random):
    for packet in packets:
        if ts.pid_of(packet) in pids and packet[3] & 0x10:
            packet[3] |= 0x80
            _noise(packet, random, min(_payload(packet), ts.SIZE))
        yield packet


def swapped(packets, pids, random):
    """The PMT, in a new version, says pictures of the sound's PID and sound of the pictures'."""
    pmts = {}
    for packet in packets:
        if ts.pid_of(packet) == PAT and not pmts:
            pmts = {pid: program for program, pid in ts.programs(bytes(packet)).items()}
        if ts.pid_of(packet) in pmts and packet[1] & 0x40:
            at = _payload(packet) + 1 + packet[_payload(packet)]
            size = 3 + ((packet[at + 1] & 0x0F) << 8 | packet[at + 2])
            if at + size <= ts.SIZE:
                section = bytearray(packet[at:at + size])
                section[5] = section[5] & 0xC1 | (section[5] + 2) & 0x3E
                place = 12 + ((section[10] & 0x0F) << 8 | section[11])
                while place + 5 <= size - 4:
                    pid = (section[place + 1] & 0x1F) << 8 | section[place + 2]
                    if pid in pids:
                        section[place] = 0x03 if pid == pids[0] else 0x1B
                    place += 5 + ((section[place + 3] & 0x0F) << 8 | section[place + 4])
                section[-4:] = crc32(section[:-4])
                packet[at:at + size] = section
        yield packet


ALL = [flipped, dropped, truncated, noise, scrambled, swapped]


def damaged(data, begin, seconds, duration, random):
    """From second `begin` on each damage for so many seconds, one after another; and where each begins and the last one ends, by packet
    of what is made."""
    pids = media_pids(data[:4 << 20])
    rate = len(data) // ts.SIZE / duration
    edges = [int((begin + number * seconds) * rate) * ts.SIZE for number in range(len(ALL) + 1)]
    out, marks = bytearray(data[:edges[0]]), []
    for damage, start, end in zip(ALL, edges, edges[1:]):
        marks.append(len(out) // ts.SIZE)
        out += b"".join(damage([bytearray(packet) for packet in ts.packets(data[start:end])], pids, random))
    marks.append(len(out) // ts.SIZE)
    return bytes(out + data[edges[-1]:]), marks
