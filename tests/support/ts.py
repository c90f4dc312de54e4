"""A small transport-stream reader of the tests' own, independent of the product (ISO/IEC 13818-1)."""
import functools
import hashlib
import json
import os
import subprocess
from collections import Counter, defaultdict

SIZE = 188
NULL_PID = 0x1FFF
PCR_MODULUS = (1 << 33) * 300
PTS_MODULUS = 1 << 33


def packets(data, size=SIZE):
    for offset in range(0, len(data) - size + 1, size):
        yield data[offset:offset + SIZE]


def pid_of(packet):
    return (packet[1] & 0x1F) << 8 | packet[2]


def pcr(data, offset=0):
    """(PID, PCR in 27 MHz) of the packet at offset, or None."""
    if data[offset] != 0x47 or not data[offset + 3] & 0x20 or data[offset + 4] < 7 or not data[offset + 5] & 0x10:
        return None
    base = int.from_bytes(data[offset + 6:offset + 11], "big") >> 7
    extension = (data[offset + 10] & 1) << 8 | data[offset + 11]
    return (data[offset + 1] & 0x1F) << 8 | data[offset + 2], base * 300 + extension


def payload_of(packet):
    start = 4
    if packet[3] & 0x20:
        start = 5 + packet[4]
    return packet[start:] if packet[3] & 0x10 and start < SIZE else b""


class Scan:
    """Counts of a stream: packets and continuity errors a PID, sync errors, payload hash a PID."""

    def __init__(self, data):
        self.packets = Counter()
        self.cc_errors = Counter()
        self.sync_errors = 0
        self.discontinuities = 0
        hashes = defaultdict(hashlib.sha256)
        last = {}
        for packet in packets(data):
            if packet[0] != 0x47:
                self.sync_errors += 1
                continue
            pid = pid_of(packet)
            self.packets[pid] += 1
            # A packet with transport_error_indicator says nothing sure, its PID and counter included.
            if pid == NULL_PID or packet[1] & 0x80:
                continue
            hashes[pid].update(payload_of(packet))
            flagged = bool(packet[3] & 0x20 and packet[4] > 0 and packet[5] & 0x80)
            self.discontinuities += flagged
            counter, has_payload = packet[3] & 0x0F, bool(packet[3] & 0x10)
            if pid in last and not flagged:
                previous, before = last[pid]
                # A duplicate is the same but for its PCR (2.4.3.3), however often it comes; the tail holds payload only.
                duplicate = has_payload and counter == previous and packet[-100:] == before[-100:]
                if duplicate:
                    last[pid] = (counter, packet)
                    continue
                expected = (previous + 1) & 0x0F if has_payload else previous
                if counter != expected:
                    self.cc_errors[pid] += 1
            last[pid] = (counter, packet)
        self.payload_hashes = {pid: digest.hexdigest() for pid, digest in hashes.items()}

    @property
    def total_cc_errors(self):
        return sum(self.cc_errors.values())


def sections(data, wanted):
    """Sections of one PID, put together across packets; CRC not checked."""
    buffer = None
    for packet in packets(data):
        if packet[0] != 0x47 or pid_of(packet) != wanted:
            continue
        payload = payload_of(packet)
        if packet[1] & 0x40 and payload:
            pointer = payload[0]
            if buffer is not None:
                buffer += payload[1:1 + pointer]
                yield from _complete(buffer)
            buffer = bytearray(payload[1 + pointer:])
        elif buffer is not None:
            buffer += payload
        if buffer is not None:
            done = list(_complete(buffer))
            yield from done


def _complete(buffer):
    while len(buffer) >= 3 and buffer[0] != 0xFF:
        length = 3 + ((buffer[1] & 0x0F) << 8 | buffer[2])
        if len(buffer) < length:
            return
        yield bytes(buffer[:length])
        del buffer[:length]


def programs(data):
    """{program_number: PMT PID} of the first PAT."""
    for section in sections(data, 0):
        found = {}
        for offset in range(8, len(section) - 4, 4):
            number = section[offset] << 8 | section[offset + 1]
            if number:
                found[number] = (section[offset + 2] & 0x1F) << 8 | section[offset + 3]
        return found
    return {}


def streams(data, program):
    """{PID: stream_type} of a program, and its PCR PID."""
    pmt_pid = programs(data)[program]
    for section in sections(data, pmt_pid):
        if section[0] != 2 or (section[3] << 8 | section[4]) != program:
            continue
        pcr_pid = (section[8] & 0x1F) << 8 | section[9]
        offset, found = 12 + ((section[10] & 0x0F) << 8 | section[11]), {}
        while offset < len(section) - 4:
            found[(section[offset + 1] & 0x1F) << 8 | section[offset + 2]] = section[offset]
            offset += 5 + ((section[offset + 3] & 0x0F) << 8 | section[offset + 4])
        return found, pcr_pid
    return {}, None


def _stamp(data, offset):
    return ((data[offset] >> 1 & 7) << 30 | data[offset + 1] << 22 | (data[offset + 2] >> 1) << 15
            | data[offset + 3] << 7 | data[offset + 4] >> 1)


def _write_stamp(data, offset, value):
    value %= PTS_MODULUS
    data[offset] = data[offset] & 0xF1 | (value >> 30 & 7) << 1
    data[offset + 1] = value >> 22 & 0xFF
    data[offset + 2] = data[offset + 2] & 1 | (value >> 15 & 0x7F) << 1
    data[offset + 3] = value >> 7 & 0xFF
    data[offset + 4] = data[offset + 4] & 1 | (value & 0x7F) << 1


def duration(data):
    """Seconds that the stream lasts, by the PCRs of the busiest PCR PID, else by the time stamps of its PES packets."""
    by_pid = defaultdict(list)
    for index in range(len(data) // SIZE):
        found = pcr(data, index * SIZE)
        if found:
            by_pid[found[0]].append((index, found[1]))
    points = max(by_pid.values(), key=len, default=[])
    steps = [((b[1] - a[1]) % PCR_MODULUS) / 27e6 for a, b in zip(points, points[1:])]
    span = sum(step for step in steps if step < 2)
    if span > 0:
        return span * (len(data) // SIZE) / (points[-1][0] - points[0][0])
    stamps = defaultdict(list)
    for packet in packets(data):
        start = pes_start(packet)
        if start is not None and packet[start + 7] & 0x80:
            stamps[pid_of(packet)].append(_stamp(packet, start + 9))
    best = max(stamps.values(), key=len, default=[0])
    return max((max(best) - min(best)) / 90000 * len(best) / max(1, len(best) - 1), 0.5)


def pes_start(packet):
    """Offset of a PES header with the long form of header in a packet, or None."""
    if not packet[1] & 0x40 or packet[3] & 0xC0:
        return None
    start = 5 + packet[4] if packet[3] & 0x20 else 4
    if start + 14 > SIZE or packet[start:start + 3] != b"\0\0\1" or packet[start + 6] & 0xC0 != 0x80:
        return None
    return start


def whole_pes(data):
    """The stream without the PES packets that its ends cut through: their place is taken by null packets, or by their PCR alone."""
    starts, scrambled = defaultdict(list), set()
    for index, packet in enumerate(packets(data)):
        payload = payload_of(packet)
        if packet[3] & 0xC0:
            scrambled.add(pid_of(packet))
        elif packet[1] & 0x40 and payload[:3] == b"\0\0\1":
            starts[pid_of(packet)].append(index)
    out, carry = bytearray(), {}
    for index, packet in enumerate(packets(data)):
        pid = pid_of(packet)
        if pid not in starts or pid in scrambled or starts[pid][0] <= index < starts[pid][-1]:
            carry[pid] = packet[3] & 0x0F
            out += packet
        elif pcr(packet):
            # A packet without payload repeats the counter before it (ISO/IEC 13818-1 2.4.3.3).
            first = data[starts[pid][0] * SIZE + 3] & 0x0F
            counter = carry.get(pid, (first - 1) & 0x0F)
            head = bytes([0x47, packet[1] & 0x1F, packet[2], 0x20 | counter, 183, packet[5] & 0x10]) + packet[6:12]
            out += head + b"\xff" * (SIZE - len(head))
        else:
            out += bytes([0x47, 0x1F, 0xFF, 0x10]) + b"\xff" * 184
    return bytes(out)


def looped(data, seconds):
    """The stream repeated, or cut, to that length; PCR, PTS, DTS and continuity go on across the joints, and no PES packet is cut there."""
    data = whole_pes(data)
    length = duration(data)
    step = round(length * 90000)
    out, shift = bytearray(), {}
    rounds = max(1, int(-(-seconds // length)))
    count = Counter(pid_of(p) for p in packets(data) if p[3] & 0x10)
    for turn in range(rounds):
        for packet in packets(data):
            packet = bytearray(packet)
            pid = pid_of(packet)
            if turn and pid != NULL_PID:
                packet[3] = packet[3] & 0xF0 | (packet[3] + shift.get(pid, 0)) & 0x0F
                found = pcr(packet)
                if found:
                    value = (found[1] + turn * step * 300) % PCR_MODULUS
                    base, extension = divmod(value, 300)
                    packet[6:12] = (base << 15 | 0x7E00 | extension).to_bytes(6, "big")
                _shift_pes(packet, turn * step)
            out += packet
        first = {}
        last = {}
        for packet in packets(data):
            pid = pid_of(packet)
            first.setdefault(pid, packet[3] & 0x0F if packet[3] & 0x10 else (packet[3] + 1) & 0x0F)
            last[pid] = packet[3] & 0x0F
        for pid in count:
            shift[pid] = (shift.get(pid, 0) + last[pid] + 1 - first[pid]) & 0x0F
    keep = min(1.0, seconds / (rounds * length))
    return bytes(out[:int(len(out) // SIZE * keep) * SIZE])


def joined(parts):
    """One stream of several that go on where the one before ends, but for the continuity counters, which go on here."""
    out, last = bytearray(), {}
    for part in parts:
        first = {}
        for packet in packets(part):
            pid = pid_of(packet)
            packet = bytearray(packet)
            if pid != NULL_PID:
                at = packet[3] & 0x0F
                if pid not in first:
                    first[pid] = (last[pid] + bool(packet[3] & 0x10) - at if pid in last else 0) & 0x0F
                last[pid] = (at + first[pid]) & 0x0F
                packet[3] = packet[3] & 0xF0 | last[pid]
            out += packet
    return bytes(out)


def _shift_pes(packet, offset):
    start = pes_start(packet)
    if start is None:
        return
    flags = packet[start + 7] >> 6
    if flags & 2:
        _write_stamp(packet, start + 9, _stamp(packet, start + 9) + offset)
    if flags == 3 and start + 19 <= SIZE:
        _write_stamp(packet, start + 14, _stamp(packet, start + 14) + offset)


def access_units(path, selector="v:0", program=None):
    """What FFmpeg takes for access units: [(hash, size, pts, dts)], in decoding order."""
    about = os.stat(path)
    return list(_access_units(str(path), selector, program, about.st_size, about.st_mtime_ns))


@functools.lru_cache(maxsize=16)
def _access_units(path, selector, program, _size, _changed):
    streams_selector = f"p:{program}:{selector}" if program is not None else selector
    result = subprocess.run(
        ["timeout", "-s", "KILL", "60", "ffprobe", "-v", "error", "-probesize", "5M", "-select_streams", streams_selector,
         "-show_packets", "-show_data_hash", "md5", "-show_entries", "packet=pts,dts,size,data_hash", "-of", "json", path],
        capture_output=True, text=True, stdin=subprocess.DEVNULL)
    found = json.loads(result.stdout or "{}").get("packets", [])
    return [(p["data_hash"], int(p["size"]), p.get("pts"), p.get("dts")) for p in found]


def stamp_steps(units):
    """Differences of (pts, dts) from unit to unit, as 33-bit numbers; None where a stamp is absent."""
    def step(a, b):
        return None if a is None or b is None else (b - a) % PTS_MODULUS
    return [(step(a[2], b[2]), step(a[3], b[3])) for a, b in zip(units, units[1:])]


def assert_same_media(source, output, least):
    """The output's units are a run of the source's, by hash, with the same steps between timestamps. Returns its place."""
    assert len(output) >= least, f"{len(output)} access units, wanted {least}"
    ours = [unit[0] for unit in output]
    theirs = [unit[0] for unit in source]
    for start in range(len(theirs) - len(ours) + 1):
        if theirs[start] == ours[0] and theirs[start:start + len(ours)] == ours:
            steps, wanted = stamp_steps(output), stamp_steps(source[start:start + len(ours)])
            for index, (got, want) in enumerate(zip(steps, wanted)):
                assert got == want, f"timestamp step after unit {index}: {got}, in the source {want}"
            return start
    known = set(theirs)
    strangers = [index for index, digest in enumerate(ours) if digest not in known]
    raise AssertionError(f"{len(ours)} units are no run of the source's {len(theirs)}; {len(strangers)} unknown, "
                         f"at {strangers[:10]}")
