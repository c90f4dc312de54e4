#!/usr/bin/python3
"""Cuts captures into inputs of the libFuzzer targets, each in the form that its target takes: fuzz_seeds.py CAPTURES OUT

CAPTURES: a folder of *.ts; OUT/STEM gets the inputs of tests/fuzz/STEM_fuzz.cpp."""
import hashlib
import pathlib
import sys

SIZE, CUT = 188, 120  # packets of a cut


def packets_of(data):
    """Those of the whole file that are in step."""
    begin = next((at for at in range(min(4 * SIZE, len(data))) if data[at:at + 3 * SIZE:SIZE] == b"GGG"), None)
    return [] if begin is None else [data[at:at + SIZE] for at in range(begin, len(data) - SIZE + 1, SIZE) if data[at] == 0x47]


def payload(packet):
    start = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    return packet[start:] if packet[3] & 0x10 else b""


def pid_of(packet):
    return (packet[1] & 0x1F) << 8 | packet[2]


def sections_of(packets):
    """Those that begin in a packet, as far as that goes."""
    for packet in packets:
        body = payload(packet)
        if packet[1] & 0x40 and body[:3] != b"\0\0\1" and len(body) > 4 and body[0] < len(body) - 4:
            section = body[1 + body[0]:]
            yield section[:3 + ((section[1] & 15) << 8 | section[2])]


def media_of(packets):
    """{PID: (stream_id, bytes of its PES packets)}"""
    found = {}
    for packet in packets:
        body, pid = payload(packet), pid_of(packet)
        if packet[1] & 0x40 and body[:3] == b"\0\0\1" and len(body) > 9 and len(body) > 9 + body[8]:
            found.setdefault(pid, [body[3], b""])
            body = body[9 + body[8]:]
        if pid in found and len(found[pid][1]) < 20_000:
            found[pid][1] += body
    return found.values()


def frame_of(packets):
    """A datagram of seven on Ethernet, behind what datagrams_fuzz takes first."""
    media = b"".join(packets)
    udp = (1234).to_bytes(2, "big") + (5000).to_bytes(2, "big") + (8 + len(media)).to_bytes(2, "big") + b"\0\0"
    ip = b"\x45\0" + (28 + len(media)).to_bytes(2, "big") + b"\0\0\0\0\x40\x11\0\0" + bytes([10, 0, 0, 1, 239, 1, 1, 1])
    return b"\0\0\0" + b"\x01\0\x5e\1\1\1" + b"\2\0\0\0\0\1" + b"\x08\0" + ip + udp + media


def inputs(packets):
    """(target's stem, input)"""
    whole = b"".join(packets)
    yield "ts", b"\x5f" + whole
    yield "hls", b"\0" + whole
    yield "sections", b"\0" + whole
    yield "pes", b"\xff" + whole
    yield "monitor", b"".join(b"\0\x08" + packet for packet in packets)
    yield "multiplexer", b"".join(bytes([4 | i % 4]) + packet for i, packet in enumerate(packets))
    yield "splicer", b"".join(bytes([8 | i // 30 % 4]) + packet for i, packet in enumerate(packets))
    if len(packets) >= 7:
        yield "datagrams", frame_of(packets[:7])
    for section in sections_of(packets):
        if section[0] == 0xFC:
            yield "scte35", section
        yield "tables", b"\0" + section
        yield "descriptors", section[12:-4]
    for stream_id, media in media_of(packets):
        for kind in range(3) if stream_id >> 4 == 0xE else range(3, 8):
            yield "es", bytes([kind, 46]) + media
            yield "frame_feed", bytes([kind, 46]) + media


def main(captures, out):
    count = 0
    for path in sorted(pathlib.Path(captures).glob("*.ts")):
        packets = packets_of(path.read_bytes())
        for begin in {0, len(packets) // 2}:
            for stem, data in inputs(packets[begin:begin + CUT]):
                folder = pathlib.Path(out, stem)
                folder.mkdir(parents=True, exist_ok=True)
                (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
                count += 1
    print(f"fuzz: {count} inputs of captures")


if __name__ == "__main__":
    main(*sys.argv[1:])
