"""A made transport stream in which every packet carries its own number, so that what a receiver wrote can be held
against what was sent without looking for it. One service: PAT, PMT, an H.264 PID with a random access point and a PCR
each second (25 pictures a second) and null packets; constant rate. The pictures hold no real video."""
import struct

PAT_PID, PMT_PID, VIDEO_PID = 0, 0x100, 0x101
SIZE = 188
BITRATE = 4_000_000


def crc32(data):
    """ISO/IEC 13818-1 annex A."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return struct.pack(">I", crc)


def _section(pid, body):
    section = body + crc32(body)
    return bytes([0x47, 0x40 | pid >> 8, pid & 0xFF, 0x10]) + b"\0" + section + b"\xff" * (SIZE - 5 - len(section))


PAT = _section(PAT_PID, bytes.fromhex("00b00d0001c10000" "0001e100"))
PMT = _section(PMT_PID, bytes.fromhex("02b0120001c10000" "e101f000" "1be101f000"))


def _pcr(seconds):
    base, extension = divmod(int(seconds * 27_000_000), 300)
    return ((base << 15) | 0x7E00 | extension).to_bytes(6, "big")


def _pts(seconds):
    t = int(seconds * 90_000)
    return bytes([0x21 | (t >> 29 & 0x0E), t >> 22 & 0xFF, (t >> 14 & 0xFE) | 1, t >> 7 & 0xFF, (t << 1 & 0xFE) | 1])


def make(seconds, bitrate=BITRATE):
    """The bytes of a stream that lasts so long."""
    per_second = bitrate // (SIZE * 8)
    per_picture = per_second // 25
    counters = {PAT_PID: 0, PMT_PID: 0, VIDEO_PID: 0}
    out = bytearray()
    for index in range(int(seconds * per_second)):
        at = index % per_second
        if at % per_picture == 1 and at // per_picture % 2 == 0:
            packet = bytearray(PAT)
        elif at % per_picture == 2 and at // per_picture % 2 == 0:
            packet = bytearray(PMT)
        else:
            packet = bytearray(_video(index / per_second, at, per_picture, index))
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        packet[3] |= counters[pid]
        counters[pid] = counters[pid] + 1 & 15
        out += packet
    return bytes(out)


def _video(seconds, at, per_picture, index):
    starts = at % per_picture == 0
    adaptation = b""
    if starts:
        flags = 0x10 | (0x40 if at == 0 else 0)
        adaptation = bytes([7, flags]) + _pcr(seconds)
    header = bytes([0x47, (0x40 if starts else 0) | VIDEO_PID >> 8, VIDEO_PID & 0xFF, 0x30 if starts else 0x10])
    payload = b""
    if starts:
        nal = b"\0\0\0\1\x09\xf0" + (b"\0\0\0\1\x67\x42\xc0\x1e\xd9\0\0\0\1\x68\xce\x3c\x80\0\0\0\1\x65" if at == 0
                                     else b"\0\0\0\1\x41")
        payload = b"\0\0\1\xe0\0\0\x80\x80\x05" + _pts(seconds + 0.5) + nal
    payload += b"\xa5" + struct.pack(">Q", index | 0x8080808080808080)
    room = SIZE - len(header) - len(adaptation)
    return header + adaptation + payload + b"\x77" * (room - len(payload))


def place_of(received, sent):
    """Offset of the received bytes in what was sent; -1: not a piece of it."""
    return sent.find(received)


def cc_errors(data):
    last, errors = {}, 0
    for at in range(0, len(data) - SIZE + 1, SIZE):
        pid = (data[at + 1] & 0x1F) << 8 | data[at + 2]
        counter = data[at + 3] & 15
        if pid in last and counter != (last[pid] + 1) % 16:
            errors += 1
        last[pid] = counter
    return errors
