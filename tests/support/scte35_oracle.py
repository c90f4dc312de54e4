#!/usr/bin/env python3
"""Decodes splice information sections with tshark, for tests/mpegts/golden/scte35.txt.

    scte35_oracle.py > tests/mpegts/golden/scte35.txt

The sections of the file named on the command line (one in hex a line; its other lines are not read), else those below: of the two captures, of
the tests of Comcast's scte35-js (Apache-2.0), and made here field by field."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FIELDS = {  # ours: tshark's
    "protocol_version": "scte35.protocol_version",
    "encrypted": "scte35.encrypted_packet",
    "algorithm": "scte35.encryption_algorithm",
    "pts_adjustment": "scte35.pts_adjustment",
    "cw_index": "scte35.cw_index",
    "tier": "scte35.tier",
    "command": "scte35.splice_command_type",
    "insert.event_id": "scte35_si.event_id",
    "insert.cancel": "scte35_si.cancelled",
    "insert.out_of_network": "scte35_si.out_of_net",
    "insert.program_splice": "scte35_si.psf",
    "insert.immediate": "scte35_si.splice_immediate",
    "insert.pts": "scte35_si.splice_time.pts",
    "insert.component": "scte35_si.component.tag",
    "insert.component_pts": "scte35_si.component.pts",
    "insert.auto_return": "scte35_si.break.auto_return",
    "insert.duration": "scte35_si.break.duration",
    "insert.unique_program_id": "scte35_si.upid",
    "insert.avail_num": "scte35_si.avail",
    "insert.avails_expected": "scte35_si.avails_expected",
    "signal.pts": "scte35_time.splice.pts",
    "private.identifier": "scte35_private_command.identifier",
    "avail.provider": "scte35.splice_descriptor.provider_avail_id",
    "dtmf.preroll": "scte35.splice_descriptor.preroll",
    "dtmf.characters": "scte35.splice_descriptor.dtmf",
    "segment.event_id": "scte35.splice_descriptor.event_id",
    "segment.cancel": "scte35.splice_descriptor.cancel_indicator",
    "segment.program": "scte35.splice_descriptor.psf",
    "segment.not_restricted": "scte35.splice_descriptor.dnr",
    "segment.web": "scte35.splice_descriptor.web_delivery_allowed",
    "segment.no_blackout": "scte35.splice_descriptor.no_regional_blackout",
    "segment.archive": "scte35.splice_descriptor.archive_allowed",
    "segment.devices": "scte35.splice_descriptor.device_restrictions",
    "segment.duration": "scte35.splice_descriptor.segmentation_duration",
    "segment.upid_type": "scte35.splice_descriptor.upid_type",
    "segment.upid_length": "scte35.splice_descriptor.upid_length",
    "segment.type_id": "scte35.splice_descriptor.segmentation_type_id",
    "segment.num": "scte35.splice_descriptor.segment_num",
    "segment.expected": "scte35.splice_descriptor.segments_expected",
}

FOUND = """
fc30250000000000000000001405000000ff7feffe000fbf40fe001b774003e8000000004844f085
fc302000000000000000fff00f05000000647fcffe00030d40000100000000e09a7262
fc302000000000000000fff00f05000000647f4ffe000493e0000100000000f98c5f60
fc3046000113f09fa900fff00506fe000000000030022e4355454940012b817fbf091f5349474e414c3a386953773965516946567741414141414141414242413d3d370303689e9165
/DBoAAFDizjpAP/wBQb/ebGh8wBSAhhDVUVJXAJwnn+3AQlIREkwMzA0MDghAQACGkNVRUlcAnC6f/cAAZUdEwEGUFMxODgxNAAAAhpDVUVJXAJwu3/3AAApMbEBBlBTMTg4MTAAABLEqgg=
/DBvAAFDizjpAP/wBQb+K9F+MgBZAhlDVUVJXAL02n+3AQpIRDExMjM0OFQxIQEAAh1DVUVJXAL2U3/3AAGb/KUBCUhEQ00xMDY0ODQAAAIdQ1VFSVwC9lR/9wAAKTGxAQlIRENNMTA2NDgwAADHDHPR
/DBpAAFDizjpAP/wBQb+MSGYXQBTAhdDVUVJXBGNE3+3AQhIRFRQMTg3OTEBAAIYQ1VFSVwRin9/twEJSERDTTExMDczNQAAAh5DVUVJXBGNMX/3AAI4g+0BCkhEMTA4NTExVDQgAQAvzOfd
""".split()


def bits(*fields):
    """(value, width) pairs to bytes."""
    value = width = 0
    for number, size in fields:
        assert 0 <= number < 1 << size
        value, width = value << size | number, width + size
    assert width % 8 == 0, width
    return value.to_bytes(width // 8, "big")


def crc32(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc >> 31 else crc << 1) & 0xFFFFFFFF
    return crc


def section(command, content, loop=b"", adjustment=0, cw=0xFF, tier=0xFFF):
    body = bits((0, 8), (0, 1), (0, 6), (adjustment, 33), (cw, 8), (tier, 12), (len(content), 12), (command, 8))
    body += content + bits((len(loop), 16)) + loop
    head = bits((0xFC, 8), (0, 1), (0, 1), (3, 2), (len(body) + 4, 12))
    return head + body + crc32(head + body).to_bytes(4, "big")


def descriptor(tag, content):
    return bytes([tag, len(content) + 4]) + b"CUEI" + content


def time(pts):
    return bits((1, 1), (63, 6), (pts, 33))


def insert(event, flags, rest):
    out, program, duration, immediate = flags
    return bits((event, 32), (0, 1), (127, 7), (out, 1), (program, 1), (duration, 1), (immediate, 1), (15, 4)) + rest


TAIL = bits((0x1234, 16), (2, 8), (4, 8))
MADE = [
    section(0x00, b""),
    section(0x07, b"", adjustment=2**33 - 1),
    section(0x05, bits((7, 32), (1, 1), (127, 7))),  # cancelled
    section(0x05, insert(0xDEADBEEF, (1, 1, 1, 1), bits((0, 1), (63, 6), (2**33 - 1, 33)) + TAIL)),  # immediate
    section(0x05, insert(8, (0, 0, 0, 0), bytes([2, 0x11]) + time(900_000) + bytes([0x22]) + time(2**32 + 5) + TAIL)),  # by components
    section(0x05, insert(9, (1, 1, 0, 0), bits((0, 1), (127, 7)) + TAIL)),  # no time
    section(0x06, time(2**33 - 10), adjustment=20),  # past the wrap
    section(0xFF, b"TEST" + bytes(range(5))),
    section(0x06, time(123456789), loop=descriptor(0, bits((0x12345678, 32))) + descriptor(1, bytes([177, 4 << 5 | 31]) + b"121#")),
    section(0x06, time(90_000), loop=descriptor(2, bits((5, 32), (1, 1), (127, 7)))),
    section(0x06, time(90_000), loop=descriptor(2, bits((6, 32), (0, 1), (127, 7), (1, 1), (1, 1), (0, 1), (1, 1), (0, 1), (1, 1), (2, 2),
                                                        (2**39 + 1, 40), (0x0C, 8), (5, 8)) + b"MPU..XY"[:5] + bytes([0x34, 1, 2]))),
]


def packet(number, data):
    pointed = b"\0" + data
    out = b""
    for at in range(0, len(pointed), 184):
        out += bytes([0x47, 0x40 * (at == 0) | 2, 0x58, 0x10 | number % 16]) + pointed[at : at + 184].ljust(184, b"\xff")
        number += 1
    return out, number


def decoded(sections):
    """tshark's fields of each section."""
    stream, number = b"", 0
    for data in sections:
        packets, number = packet(number, data)
        stream += packets
    with tempfile.NamedTemporaryFile(suffix=".ts") as file:
        file.write(stream)
        file.flush()
        command = ["tshark", "-X", "read_format:MPEG2 transport stream", "-r", file.name, "-Y", "scte35", "-T", "fields", "-E", "separator=|"]
        for field in FIELDS.values():
            command += ["-e", field]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == len(sections), (len(lines), len(sections))
    return [dict(zip(FIELDS, line.split("|"))) for line in lines]


def number(text):
    if re.fullmatch(r"-?\d+|0x[0-9a-fA-F]+", text):
        return str(int(text, 0))
    return {"True": "1", "False": "0"}.get(text, text)


def main():
    import base64

    if len(sys.argv) > 1:
        lines = Path(sys.argv[1]).read_text().splitlines()
        sections = [bytes.fromhex(line.split()[1]) for line in lines if line.startswith("section ")]
    else:
        sections = [base64.b64decode(text) if text.startswith("/") else bytes.fromhex(text) for text in FOUND] + MADE
    print("# What tshark reads in splice information sections. Written by tests/support/scte35_oracle.py.")
    for data, fields in zip(sections, decoded(sections)):
        print(f"\nsection {data.hex()}")
        for name, value in fields.items():
            if value:
                print(name, ",".join(number(one) for one in value.split(",")))


if __name__ == "__main__":
    main()
