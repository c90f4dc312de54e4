"""A client of RTMP that says what a test wants it to, right or wrong: handshake, chunks, AMF0, FLV tags."""
import contextlib
import os
import socket
import struct

CHUNK_SIZE, ABORT, ACK, CONTROL, WINDOW, BANDWIDTH, AUDIO, VIDEO, DATA, COMMAND, AGGREGATE = 1, 2, 3, 4, 5, 6, 8, 9, 18, 20, 22
SPS = bytes.fromhex("6742c00ad9041e84000003000400000300c03c489920")  # 128x96, baseline
PPS = bytes.fromhex("68cb83cb20")
IDR = b"\x65" + b"\x88\x84" + b"\xa5" * 40
AAC_CONFIG = bytes([0x11, 0x90])  # AAC-LC, 48 kHz, stereo


def amf(*values):
    out = b""
    for value in values:
        if value is None:
            out += b"\x05"
        elif isinstance(value, bool):
            out += b"\x01" + bytes([value])
        elif isinstance(value, (int, float)):
            out += b"\x00" + struct.pack(">d", value)
        elif isinstance(value, dict):
            out += b"\x03"
            for key, each in value.items():
                out += struct.pack(">H", len(key)) + key.encode() + amf(each)
            out += b"\0\0\x09"
        else:
            text = value if isinstance(value, bytes) else value.encode()
            out += b"\x02" + struct.pack(">H", len(text)) + text
    return out


def basic(fmt, csid):
    """Basic header of a chunk (5.3.1.1)."""
    if csid < 64:
        return bytes([fmt << 6 | csid])
    if csid < 320:
        return bytes([fmt << 6, csid - 64])
    return bytes([fmt << 6 | 1, (csid - 64) & 255, csid - 64 >> 8])


def header(kind, length, timestamp=0, stream=0, csid=3):
    """Type 0."""
    low = min(timestamp, 0xFFFFFF)
    out = basic(0, csid) + low.to_bytes(3, "big") + length.to_bytes(3, "big") + bytes([kind]) + stream.to_bytes(4, "little")
    return out + (timestamp.to_bytes(4, "big") if low == 0xFFFFFF else b"")


def message(kind, body, timestamp=0, stream=0, csid=3, chunk=128):
    low = min(timestamp, 0xFFFFFF)
    again = basic(3, csid) + (timestamp.to_bytes(4, "big") if low == 0xFFFFFF else b"")
    pieces = [body[at:at + chunk] for at in range(0, len(body), chunk)] or [b""]
    return header(kind, len(body), timestamp, stream, csid) + again.join(pieces)


def avcc(sps=(SPS,), pps=(PPS,), length_size=4):
    body = bytes([1, sps[0][1], sps[0][2], sps[0][3], 0xFC | length_size - 1, 0xE0 | len(sps)])
    body += b"".join(struct.pack(">H", len(n)) + n for n in sps) + bytes([len(pps)])
    return body + b"".join(struct.pack(">H", len(n)) + n for n in pps)


def video_header(record=None):
    return b"\x17\x00\0\0\0" + (avcc() if record is None else record)


def picture(nals=(IDR,), key=True, composition=0):
    return bytes([0x17 if key else 0x27, 1]) + (composition & 0xFFFFFF).to_bytes(3, "big") + b"".join(
        struct.pack(">I", len(n)) + n for n in nals)


def audio_header(config=AAC_CONFIG):
    return b"\xaf\x00" + config


def sound(payload=b"\x21\x10\x04\x60\x8c\x1c"):
    return b"\xaf\x01" + payload


def tag(kind, body, timestamp=0):
    """An FLV tag as it stands in an aggregate message, with its length behind it."""
    return (bytes([kind]) + len(body).to_bytes(3, "big") + (timestamp & 0xFFFFFF).to_bytes(3, "big")
            + bytes([timestamp >> 24 & 255]) + b"\0\0\0" + body + struct.pack(">I", 11 + len(body)))


class Client:
    """Connected; after open(): handshake, connect and createStream are done. Raises OSError where the server closes."""

    def __init__(self, port, host="127.0.0.1", timeout=30.0):
        self.socket = socket.create_connection((host, port), timeout)
        self.chunk = 128
        self.transaction = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):  # another thread may be reading
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def raw(self, data):
        self.socket.sendall(data)

    def exactly(self, size):
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            if not more:
                raise ConnectionError("the server closed the connection")
            got += more
        return got

    def shake(self):
        self.raw(b"\x03" + b"\0" * 8 + os.urandom(1528))
        answer = self.exactly(1 + 1536 * 2)
        self.raw(answer[1:1537])
        return self

    def send(self, kind, body, timestamp=0, stream=0, csid=3):
        self.raw(message(kind, body, timestamp, stream, csid, self.chunk))

    def command(self, name, *arguments, stream=0):
        self.transaction += 1
        self.send(COMMAND, amf(name, self.transaction, *arguments), stream=stream)

    def set_chunk(self, size):
        self.send(CHUNK_SIZE, struct.pack(">I", size), csid=2)
        self.chunk = size

    def connect(self, app="live"):
        self.command("connect", {"app": app, "flashVer": "FMLE/3.0", "tcUrl": f"rtmp://127.0.0.1/{app}"})
        return self

    def open(self, chunk=1 << 20):
        self.shake().connect()
        if chunk != 128:
            self.set_chunk(chunk)
        self.command("createStream", None)
        return self

    def publish(self, name, stream=1):
        """Waits for the answer; returns its code."""
        self.command("publish", None, name, "live", stream=stream)
        return self.wait_code(b"NetStream.Publish.")

    def play(self, name, stream=1):
        self.command("play", None, name, stream=stream)

    def wait_code(self, prefix):
        got = b""
        while True:
            at = got.find(prefix)
            if at >= 0 and len(got) > at + len(prefix) + 12:
                end = next((i for i in range(at, len(got)) if not (chr(got[i]).isalnum() or got[i] == 46)), len(got))
                return got[at:end].decode()
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError("the server closed the connection")
            got = got[-4096:] + more

    def media(self, kind, body, timestamp=0, stream=1):
        self.send(kind, body, timestamp, stream, csid=6 if kind == VIDEO else 4)

    def closed(self, limit=60.0):
        """Whether the server closes within that time."""
        try:
            self.socket.settimeout(limit)
            while self.socket.recv(65536):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True
