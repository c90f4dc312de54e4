"""The RTMP server alone (rtmp_serve) with players that are not ours: what they take must equal the file that is
served, frame by frame. A hostile and a slow client must not be noticed by the others."""
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

import pytest

from support.gateway import pressure

BIN = pathlib.Path(os.environ.get("HEADGATE_BIN", "build/release/bin"))
SECONDS = 12


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    path = tmp_path_factory.mktemp("rtmp") / "movie.flv"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25,noise=alls=40:allf=t", "-f", "lavfi", "-i",
         "sine=sample_rate=48000", "-t", "60", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-bf", "2", "-b:v",
         "2M", "-c:a", "aac", "-ac", "2", str(path)], check=True)
    return path


class Serve:
    def __init__(self, movie, ahead="3"):
        self.process = subprocess.Popen([BIN / "rtmp_serve", movie, ahead], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"rtmp://127.0.0.1:{self.port}/live/a"

    def ask(self, word="status"):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture
def serve(movie):
    server = Serve(movie)
    yield server
    server.close()


def packets(path, kind):
    """(hash, pts, dts) of each packet of a stream, with DTS and PTS in ms."""
    lines = subprocess.run(
        ["ffprobe", "-v", "quiet", "-select_streams", kind, "-show_entries", "packet=pts_time,dts_time,data_hash",
         "-show_data_hash", "md5", "-of", "json", str(path)], capture_output=True, text=True, check=False).stdout
    return [(p["data_hash"], round(float(p["pts_time"]) * 1000), round(float(p["dts_time"]) * 1000))
            for p in json.loads(lines)["packets"]]


def assert_same(taken, movie, at_least):
    """The media taken are a run of the movie's, unchanged, with the movie's distances in time."""
    starts = {}
    for kind, frames in (("v", at_least * 25), ("a", at_least * 46)):
        source, got = packets(movie, kind), packets(taken, kind)
        got = got[:-1]  # the player was cut off in the middle of one
        assert len(got) > frames, f"{len(got)} packets of {kind}"
        hashes = [p[0] for p in source]
        begin = next(i for i in range(len(hashes)) if hashes[i:i + len(got)] == [p[0] for p in got])
        shift = source[begin][2] - got[0][2]
        for i, (_, pts, dts) in enumerate(got):
            assert abs(source[begin + i][1] - pts - shift) <= 1 and abs(source[begin + i][2] - dts - shift) <= 1
        starts[kind] = shift
    assert abs(starts["v"] - starts["a"]) <= 1  # sound and picture as far apart as in the movie


def vlc(url, folder):
    """VLC refuses to run as root."""
    folder.mkdir()
    shutil.chown(folder, "nobody")
    for parent in folder.parents:
        if parent.name.startswith(("pytest", "test_", "rtmp", "taken")):
            parent.chmod(0o755)
    sout = f"#standard{{access=file,mux=ts,dst={folder}/o.ts}}"
    return ["su", "nobody", "-s", "/bin/sh", "-c", f"HOME={folder} cvlc -q --intf dummy --sout '{sout}' --run-time 5 {url} vlc://quit"]


@pytest.fixture(scope="module")
def taken(movie, tmp_path_factory):
    """({player: its file}, {player: seconds it ran}, seconds without a CPU for somebody), all at the same time; without those that are
    not installed."""
    folder, server = tmp_path_factory.mktemp("taken"), Serve(movie)
    # How long each runs at most; those that never end by themselves as long as they are to play.
    commands = {"ffmpeg": (120, ["ffmpeg", "-v", "error", "-i", server.url, "-t", "5", "-c", "copy", folder / "ffmpeg.flv"]),
                "rtmpdump": (SECONDS, ["rtmpdump", "-q", "-r", server.url, "--live", "-o", folder / "rtmpdump.flv"]),
                "gst-launch-1.0": (SECONDS, ["gst-launch-1.0", "-q", "rtmp2src", f"location={server.url}", "!", "filesink",
                                             f"location={folder}/gst-launch-1.0.flv"])}
    if os.geteuid() == 0 and shutil.which("cvlc"):
        commands["cvlc"] = (120, vlc(server.url, folder / "vlc"))
    began, busy = time.monotonic(), pressure()
    running = {name: subprocess.Popen(["timeout", "-s", "KILL", str(limit), *map(str, command)], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL) for name, (limit, command) in commands.items() if shutil.which(command[0])}
    lasted = {}
    while len(lasted) < len(running):
        for name, process in running.items():
            if name not in lasted and process.poll() is not None:
                lasted[name] = time.monotonic() - began
        time.sleep(0.05)
    server.close()
    files = {name: folder / f"{name}.flv" for name in running} | {"cvlc": folder / "vlc" / "o.ts"}
    return {name: files[name] for name in running}, lasted, pressure() - busy


def file_of(taken, name):
    if name not in taken[0]:
        pytest.skip(f"{name} is not installed" + (", or can't be run as another user" if name == "cvlc" else ""))
    return taken[0][name]


def test_ffmpeg_takes_every_frame_and_begins_at_once(taken, movie):
    assert_same(file_of(taken, "ffmpeg"), movie, 4)
    assert taken[1]["ffmpeg"] < 8 + taken[2]


@pytest.mark.parametrize("name", ["rtmpdump", "gst-launch-1.0"])
def test_others_take_every_frame(taken, movie, name):
    assert_same(file_of(taken, name), movie, 4)


def test_vlc_takes_every_picture(taken, movie):
    def pictures(path):
        text = subprocess.run(["ffmpeg", "-v", "quiet", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough", "-f",
                               "framemd5", "-"], capture_output=True, text=True, check=False).stdout
        return [line.split(",")[5].strip() for line in text.splitlines() if not line.startswith("#")]
    source, got = pictures(movie), pictures(file_of(taken, "cvlc"))[:-3]  # the last ones may lack what they refer to
    assert len(got) > 90
    assert any(source[i:i + len(got)] == got for i in range(len(source)))


def test_refusals_reach_the_viewer_in_words(serve, movie):
    def complaint(*command):
        return subprocess.run(["timeout", "-s", "KILL", "90", "ffmpeg", "-v", "error", *map(str, command)],
                              capture_output=True, text=True, check=False).stderr
    assert 'There is no channel "other" for RTMP here' in complaint(
        "-i", serve.url.replace("/a", "/other"), "-f", "null", "-")
    assert 'There is no application "vod" here' in complaint("-i", serve.url.replace("/live", "/vod"), "-f", "null", "-")
    assert 'Channel "a" takes no publisher' in complaint("-i", movie, "-c", "copy", "-f", "flv", serve.url)


def test_a_channel_that_goes_ends_the_players(serve, movie, tmp_path):
    player = subprocess.Popen(["ffmpeg", "-v", "error", "-i", serve.url, "-c", "copy", tmp_path / "o.flv"])
    end = time.monotonic() + 60
    while serve.ask()["players"] == 0:
        assert time.monotonic() < end, "no player"
        time.sleep(0.05)
    time.sleep(3)  # of the movie
    serve.ask("close")
    assert player.wait(60) == 0
    assert_same(tmp_path / "o.flv", movie, 2)


TAIL = bytes.fromhex("F0EEC24A8068BEE82E00D0D1029E7E576EEC5D2D29806FAB93B8E636CFEB31AE")
PLAYER, SERVER = b"Genuine Adobe Flash Player 001", b"Genuine Adobe Flash Media Server 001"


def digest_at(packet, field):
    return field + 4 + sum(packet[field:field + 4]) % 728


def read(connection, size):
    out = b""
    while len(out) < size:
        piece = connection.recv(size - len(out))
        assert piece
        out += piece
    return out


@pytest.mark.parametrize("field", [8, 772])
def test_digests_are_right(serve, field):
    c1 = bytearray(bytes([0, 0, 0, 0, 128, 0, 7, 2]) + os.urandom(1528))
    at = digest_at(c1, field)
    digest = hmac.digest(PLAYER, bytes(c1[:at] + c1[at + 32:]), "sha256")
    c1[at:at + 32] = digest
    with socket.create_connection(("127.0.0.1", serve.port)) as connection:
        connection.sendall(b"\3" + c1)
        answer = read(connection, 3073)
    s1, s2 = answer[1:1537], answer[1537:]
    at = digest_at(s1, field)
    assert s1[at:at + 32] == hmac.digest(SERVER, s1[:at] + s1[at + 32:], "sha256")
    key = hmac.digest(SERVER + TAIL, digest, "sha256")
    assert s2[-32:] == hmac.digest(key, s2[:-32], "sha256")


def amf(*values):
    out = b""
    for value in values:
        if value is None:
            out += b"\5"
        elif isinstance(value, str):
            out += b"\2" + struct.pack(">H", len(value)) + value.encode()
        elif isinstance(value, dict):
            out += b"\3" + b"".join(struct.pack(">H", len(k)) + k.encode() + amf(v) for k, v in value.items()) + b"\0\0\t"
        else:
            out += b"\0" + struct.pack(">d", value)
    return out


def message(body, kind=20, stream=0, chunk_stream=3):
    head = bytes([chunk_stream]) + bytes(3) + len(body).to_bytes(3, "big") + bytes([kind]) + stream.to_bytes(4, "little")
    pieces = [body[i:i + 128] for i in range(0, len(body), 128)]
    return head + bytes([0xC0 | chunk_stream]).join(pieces)


def player(port, receive_buffer=0):
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect(("127.0.0.1", port))
    connection.sendall(b"\3" + bytes(3072) + message(amf("connect", 1, {"app": "live"})) +
                       message(amf("createStream", 2, None)) + message(amf("play", 0, None, "a"), stream=1))
    return connection


def test_slow_players_disturb_nobody_and_hold_no_memory(serve, movie, tmp_path):
    slow = [player(serve.port, 4096) for _ in range(50)]
    before = serve.memory()
    watcher = subprocess.Popen(["ffmpeg", "-v", "error", "-i", serve.url, "-t", "14", "-c", "copy", tmp_path / "o.flv"])
    end = time.monotonic() + 20
    while time.monotonic() < end and watcher.poll() is None:
        for connection in slow:
            try:
                connection.recv(200, socket.MSG_DONTWAIT)  # some 2 to 10 kB/s
            except OSError:
                pass
        time.sleep(0.02)
    assert watcher.wait(90) == 0
    assert_same(tmp_path / "o.flv", movie, 12)
    status = serve.ask()
    assert status["cuts"] > 0 and status["log_bytes"] < 16 * 2**20
    assert serve.memory() - before < 24 * 2**20
    for connection in slow:
        connection.close()


def test_hostile_clients_disturb_nobody(serve, movie, tmp_path):
    watcher = subprocess.Popen(["ffmpeg", "-v", "error", "-i", serve.url, "-t", "8", "-c", "copy", tmp_path / "o.flv"])
    before = serve.memory()
    hello = b"\3" + bytes(3072)
    giant_chunks = message(b"\x7f\xff\xff\xff", 1, 0, 2) + bytes([3]) + bytes(3) + b"\xff\xff\xff" + b"\x14" + bytes(4)
    many_streams = b"".join(
        bytes([1, i & 255, i >> 8]) + bytes(3) + b"\0\0\xc8\x08" + bytes(4) + bytes(128) for i in range(5000))
    pings = message(bytes([0, 6, 0, 0, 0, 1]), 4, 0, 2) * 5000
    attacks = [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + os.urandom(500), hello + os.urandom(100_000),
               hello + giant_chunks + bytes(200_000), hello + many_streams, hello + amf("connect") * 10_000,
               hello + message(amf("connect", 1, {"app": "live"})) + pings, hello + message(b"\3\0\1a" * 15_000)]
    lorises = []
    for turn in range(20):
        for attack in attacks:
            with socket.create_connection(("127.0.0.1", serve.port)) as connection:
                try:
                    connection.sendall(attack)
                except OSError:
                    pass  # cut off while it was still sending
        lorises.append(socket.create_connection(("127.0.0.1", serve.port)))
        lorises[-1].sendall(b"\3")
    end = time.monotonic() + 60  # the handshake's time is five seconds here
    while (status := serve.ask())["connections"] > 1:
        assert time.monotonic() < end, status
        time.sleep(0.1)
    refused = status["refused"]
    assert refused[3] == 40 and refused[4] == 20 and refused[7] >= 60
    assert serve.memory() - before < 16 * 2**20
    assert watcher.wait(90) == 0
    assert_same(tmp_path / "o.flv", movie, 6)
