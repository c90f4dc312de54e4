"""RTMP in and out with encoders and servers that are not ours: what they publish must come out frame by frame, what
we push and pull must be the same media at the other end, also over TLS; hostile and refused encoders harm nobody."""
import hashlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

import pytest

from support.ports import free_port

BIN = pathlib.Path(os.environ.get("HEADGATE_BIN", "build/release/bin"))
NGINX_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
KEY = "stage?key=secret"


@pytest.fixture(scope="module")
def movie(tmp_path_factory):
    """8 s of H.264 with B-pictures and AAC, as FLV and as TS."""
    folder = tmp_path_factory.mktemp("movie")
    path = folder / "movie.flv"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25,noise=alls=40:allf=t", "-f", "lavfi", "-i",
         "sine=sample_rate=48000", "-t", "8", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "2", "-pix_fmt",
         "yuv420p", "-b:v", "1M", "-c:a", "aac", "-ac", "2", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory):
    path = tmp_path_factory.mktemp("broadcast") / "air.ts"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25,noise=alls=40:allf=t", "-f", "lavfi", "-i",
         "sine=sample_rate=48000", "-t", "40", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "2", "-pix_fmt",
         "yuv420p", "-b:v", "1M", "-c:a", "aac", "-ac", "2", "-pcr_period", "20", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    for name in ("one", "two"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(folder / f"{name}.key"), "-out",
                        str(folder / f"{name}.pem")], check=True, capture_output=True)
    return folder


class Gate:
    def __init__(self, *options, env=None):
        self.process = subprocess.Popen([BIN / "rtmp_gate", *map(str, options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env={**os.environ, **(env or {})})
        self.ports = json.loads(self.process.stdout.readline())["ports"]
        self.url = f"rtmp://127.0.0.1:{self.ports[0]}/live"

    def ask(self, line="status"):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def wait(self, done, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            status = self.ask()
            if done(status):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.1)

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            assert self.process.wait(60) == 0
        finally:
            self.process.kill()


def packets(path, kind):
    """(hash, pts, dts) of each packet, in ms."""
    text = subprocess.run(
        ["ffprobe", "-v", "quiet", "-select_streams", kind, "-show_entries", "packet=pts_time,dts_time,data_hash",
         "-show_data_hash", "md5", "-of", "json", str(path)], capture_output=True, text=True, check=False).stdout
    return [(p["data_hash"], round(float(p["pts_time"]) * 1000), round(float(p["dts_time"]) * 1000))
            for p in json.loads(text)["packets"]]


def pictures(path, *how):
    """Hash of each decoded picture."""
    text = subprocess.run(["ffmpeg", "-v", "quiet", *how, "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough", "-f",
                           "framemd5", "-"], capture_output=True, text=True, check=False).stdout
    return [line.split(",")[5].strip() for line in text.splitlines() if not line.startswith("#")]


def is_run_of(part, whole):
    return any(whole[i:i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def ffmpeg(*arguments, limit=120):
    return subprocess.run(["timeout", "-s", "KILL", str(limit), "ffmpeg", "-nostdin", "-v", "error", *map(str, arguments)],
                          capture_output=True, text=True, check=False)


def lost(status):
    return {reason: count for reason, count in status["drops"].items() if count}


def test_what_ffmpeg_publishes_comes_out_frame_by_frame(movie, tmp_path):
    out = tmp_path / "out.flv"
    with Gate("--publish", "stage", "secret", out) as gate:
        done = ffmpeg("-re", "-i", movie, "-c", "copy", "-f", "flv", f"{gate.url}/{KEY}")
        assert done.returncode == 0, done.stderr
        status = gate.wait(lambda s: s["connections"] == 0)
        assert status["refused"] == {}
        stage = status["inputs"][0]
        assert (stage["error"], lost(stage), stage["formats"], stage["discontinuities"]) == ("", {}, 1, 0)
        assert stage["details"]["encoder"].startswith("Lavf")
    for kind in "va":
        want, got = packets(movie, kind), packets(out, kind)
        assert len(got) == len(want) and [p[0] for p in got] == [p[0] for p in want]
        assert [p[1:] for p in got] == [p[1:] for p in want]


def test_a_publisher_that_comes_back_after_a_kill(movie, tmp_path):
    with Gate("--publish", "stage", "secret", tmp_path / "out.flv") as gate:
        command = ["ffmpeg", "-nostdin", "-v", "quiet", "-re", "-i", movie, "-c", "copy", "-f", "flv", f"{gate.url}/{KEY}"]
        first = subprocess.Popen(command)
        gate.wait(lambda s: s["inputs"][0]["frames"] > 50)
        said = ffmpeg("-re", "-i", movie, "-c", "copy", "-f", "flv", f"{gate.url}/{KEY}")
        assert "Another encoder publishes" in said.stderr, said.stderr
        first.kill()
        first.wait()
        status = gate.wait(lambda s: not s["inputs"][0]["attached"])
        assert "without a word" in status["inputs"][0]["error"]
        again = subprocess.Popen(command)
        try:
            status = gate.wait(lambda s: s["inputs"][0]["connections"] == 2 and s["inputs"][0]["frames"] > 200)
            assert status["inputs"][0]["error"] == ""
            assert status["refused"] == {"place_taken": 1}
        finally:
            again.kill()
            again.wait()


def test_refusals_reach_the_encoder(movie, tmp_path):
    with Gate("--publish", "stage", "secret", tmp_path / "out.flv") as gate:
        for name, words in (("stage?key=wrong", "missing or wrong"), ("stage", "missing or wrong"),
                            ("nothing?key=secret", 'no channel "nothing"')):
            said = ffmpeg("-i", movie, "-c", "copy", "-f", "flv", f"{gate.url}/{name}")
            assert said.returncode != 0 and words in said.stderr, said.stderr
        assert gate.wait(lambda s: s["connections"] == 0)["refused"] == {"wrong_key": 2, "unknown_channel": 1}


@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="no GStreamer")
def test_what_gstreamer_publishes_comes_out_picture_by_picture(tmp_path):
    sent, out = tmp_path / "sent.flv", tmp_path / "out.flv"
    with Gate("--publish", "stage", "secret", out) as gate:
        process = subprocess.Popen(
            ["gst-launch-1.0", "-q", "videotestsrc", "is-live=true", "num-buffers=150", "!", "video/x-raw,width=320,height=180", "!",
             "x264enc", "tune=zerolatency", "key-int-max=25", "!", "h264parse", "!", "m.", "audiotestsrc", "is-live=true",
             "num-buffers=200", "!", "avenc_aac", "!", "aacparse", "!", "m.", "flvmux", "name=m", "streamable=true", "!", "tee", "name=t", "!", "queue",
             "!", "rtmp2sink", f"location={gate.url}/{KEY}", "t.", "!", "queue", "!", "filesink", f"location={sent}", "buffer-mode=2"])
        try:
            status = gate.wait(lambda s: s["inputs"][0]["frames"] > 300)  # of 150 pictures and 200 of sound
        finally:
            process.kill()
            process.wait()
        assert lost(status["inputs"][0]) == {} and status["inputs"][0]["formats"] == 1
    assert len(pictures(out)) > 80 and is_run_of(pictures(out), pictures(sent))
    assert is_run_of([p[0] for p in packets(out, "a")], [p[0] for p in packets(sent, "a")])


@pytest.fixture
def nginx(tmp_path):
    if shutil.which("nginx") is None or not NGINX_MODULE.exists():
        pytest.skip("no nginx with the RTMP module")
    port = free_port()
    (tmp_path / "nginx.conf").write_text(f"""
load_module {NGINX_MODULE};
daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;
events {{ worker_connections 200; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; drop_idle_publisher 5s; }}
       application closed {{ live on; deny publish all; }} }} }}
""")
    process = subprocess.Popen(["nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert process.poll() is None
            time.sleep(0.05)
    yield port
    process.kill()
    process.wait()


def test_pushes_to_nginx_and_pulls_from_it(nginx, broadcast, tmp_path):
    out = tmp_path / "pulled.flv"
    address = f"rtmp://127.0.0.1:{nginx}/live"
    with Gate("--ts", broadcast, "--push", address, "one", "--push", address, "two", "--pull", f"{address}/one", out) as gate:
        gate.wait(lambda s: s["inputs"][0]["frames"] > 400)
        taken = tmp_path / "taken.flv"
        said = ffmpeg("-i", f"{address}/two", "-t", "4", "-c", "copy", taken)
        assert said.returncode == 0, said.stderr
        status = gate.ask()
        assert [p["state"] for p in status["pushes"]] == ["sending"] * 2
        assert [p["skipped"] for p in status["pushes"]] == [0, 0]
        assert lost(status["inputs"][0]) == {}
    want = pictures(broadcast)
    for path in (out, taken):
        got = pictures(path)[:-4]  # cut off in decoding order
        assert len(got) > 70 and is_run_of(got, want), f"{path}: {len(got)} pictures"


def test_says_what_nginx_refuses_and_that_nothing_comes(nginx, broadcast, tmp_path):
    with Gate("--ts", broadcast, "--push", f"rtmp://127.0.0.1:{nginx}/closed", "hush-hush", "--push",
              f"rtmp://127.0.0.1:{nginx}/nowhere", "hush-hush", "--pull", f"rtmp://127.0.0.1:{nginx}/live/nobody",
              tmp_path / "out.flv") as gate:
        status = gate.wait(lambda s: all(p["failures"] > 0 for p in s["pushes"]) and s["inputs"][0]["error"] != "")
        # nginx says yes to a publisher that it denies, and then closes.
        assert "is the stream name right" in status["pushes"][0]["error"], status
        assert "instead of answering connect" in status["pushes"][1]["error"], status
        assert "hush" not in json.dumps(status)
        assert "nothing came" in status["inputs"][0]["error"]


def test_pushes_to_ffmpeg_as_server(broadcast, tmp_path):
    port, out = free_port(), tmp_path / "out.flv"
    server = subprocess.Popen(["timeout", "-s", "KILL", "120", "ffmpeg", "-nostdin", "-v", "error", "-listen", "1", "-i",
                               f"rtmp://127.0.0.1:{port}/app/name", "-t", "5", "-c", "copy", out])
    with Gate("--ts", broadcast, "--push", f"rtmp://127.0.0.1:{port}/app", "name") as gate:
        assert server.wait(120) == 0
        status = gate.wait(lambda s: s["pushes"][0]["failures"] > 0)
        assert status["pushes"][0]["connections"] == 1 and status["pushes"][0]["state"] != "sending"
    got = pictures(out)[:-4]
    assert len(got) > 100 and is_run_of(got, pictures(broadcast))


def test_rtmps_with_old_and_new_clients_and_a_new_certificate(broadcast, movie, certificate, tmp_path):
    out = tmp_path / "out.flv"
    with Gate("--ts", broadcast, "--serve", "--publish", "stage", "secret", out, "--certificate", certificate / "one.pem", "--key",
              certificate / "one.key") as gate:
        url = f"rtmps://127.0.0.1:{gate.ports[1]}/live"
        gate.wait(lambda s: s["played"] > 1.5)  # past a group of pictures
        old = None
        if shutil.which("rtmpdump") is not None:
            old = subprocess.Popen(["timeout", "-s", "KILL", "6", "rtmpdump", "-q", "-r", f"{url}/air", "--live", "-o", tmp_path / "old.flv"])
        said = ffmpeg("-i", f"{url}/air", "-t", "3", "-c", "copy", tmp_path / "taken.flv")
        assert said.returncode == 0, said.stderr
        assert len(pictures(tmp_path / "taken.flv")) > 50
        for version in ("tls1", "tls1_2", "tls1_3"):
            said = subprocess.run(["timeout", "-s", "KILL", "60", "openssl", "s_client", "-connect", f"127.0.0.1:{gate.ports[1]}",
                                   f"-{version}", "-cipher", "DEFAULT:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, check=False).stdout
            assert "Cipher is (NONE)" not in said and "CN = one" in said, said
        if old is not None:
            old.wait()
            assert is_run_of(pictures(tmp_path / "old.flv")[:-4], pictures(broadcast))
            assert len(pictures(tmp_path / "old.flv")) > 50
        publisher = subprocess.Popen(["ffmpeg", "-nostdin", "-v", "quiet", "-re", "-i", movie, "-c", "copy", "-f", "flv",
                                      f"{url}/{KEY}"])
        gate.wait(lambda s: s["inputs"][0]["attached"])
        gate.ask(f"certificate {certificate / 'two.pem'} {certificate / 'two.key'}")
        said = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gate.ports[1]}"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False).stdout
        assert "CN = two" in said
        assert publisher.wait(120) == 0  # it went on with the certificate it began with
        status = gate.wait(lambda s: not s["inputs"][0]["attached"])
        assert status["inputs"][0]["error"] == ""
        # A player without TLS on that port.
        ffmpeg("-i", f"rtmp://127.0.0.1:{gate.ports[1]}/live/air", "-t", "1", "-f", "null", "-")
        assert gate.ask()["refused"].get("tls", 0) >= 1
    assert [p[0] for p in packets(out, "v")] == [p[0] for p in packets(movie, "v")]


def test_pushes_over_tls_only_to_whom_it_knows(broadcast, certificate, tmp_path):
    with Gate("--publish", "stage", "secret", tmp_path / "out.flv", "--certificate", certificate / "one.pem", "--key",
              certificate / "one.key") as server:
        target = f"rtmps://localhost:{server.ports[1]}/live"
        with Gate("--ts", broadcast, "--push", target, KEY, env={"SSL_CERT_FILE": str(certificate / "one.pem")}) as gate:
            server.wait(lambda s: s["inputs"][0]["frames"] > 100)
            assert gate.ask()["pushes"][0]["state"] == "sending"
        with Gate("--ts", broadcast, "--push", target, KEY, env={"SSL_CERT_FILE": str(certificate / "two.pem")}) as gate:
            status = gate.wait(lambda s: s["pushes"][0]["failures"] > 0)
            assert "not to be trusted" in status["pushes"][0]["error"] and "secret" not in json.dumps(status)


# What a hostile encoder sends; chunks by hand.
def string(text):
    return b"\2" + struct.pack(">H", len(text)) + text.encode()


def number(value):
    return b"\0" + struct.pack(">d", value)


def chunked(kind, body, stream=0, channel=3, size=128, time_=0):
    out = bytes([channel]) + struct.pack(">I", time_)[1:] + struct.pack(">I", len(body))[1:] + bytes([kind]) + struct.pack("<I", stream)
    out += body[:size]
    for at in range(size, len(body), size):
        out += bytes([0xC0 | channel]) + body[at:at + size]
    return out


def hostile(port, name=KEY):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"\3" + bytes(1536) + bytes(1536))
    s.sendall(chunked(20, string("connect") + number(1) + b"\3" + b"\0\3app" + string("live") + b"\0\0\11"))
    s.sendall(chunked(20, string("createStream") + number(2) + b"\5"))
    s.sendall(chunked(20, string("publish") + number(3) + b"\5" + string(name) + string("live"), 1))
    return s


def noise(seed, size):
    out = b""
    while len(out) < size:
        seed = hashlib.sha256(seed).digest()
        out += seed
    return out[:size]


def test_hostile_encoders_are_not_noticed_by_a_good_one(movie, tmp_path):
    out = tmp_path / "out.flv"
    options = ["--publish", "stage", "secret", out]
    for i in range(8):
        options += ["--publish", f"bad{i}", "-", tmp_path / f"bad{i}.flv"]
    with Gate(*options) as gate:
        good = subprocess.Popen(["ffmpeg", "-nostdin", "-v", "quiet", "-re", "-i", movie, "-c", "copy", "-f", "flv",
                                 f"{gate.url}/{KEY}"])
        gate.wait(lambda s: s["inputs"][0]["frames"] > 20)
        before = gate.memory()
        port = gate.ports[0]
        kept = []

        def attack(i, *pieces):
            s = hostile(port, f"bad{i}")
            kept.append(s)
            try:
                for piece in pieces:
                    s.sendall(piece)
            except OSError:
                pass  # cut off, as it should be

        garbage = noise(b"flv", 400_000)
        attack(0, *[chunked(8 + i % 2, garbage[i * 100:i * 100 + 97], 1, 4 + i % 2, time_=i) for i in range(3_000)])
        # A chunk size of 2 GiB and a message of 16 MB that never comes.
        attack(1, chunked(1, struct.pack(">I", 0x7FFFFFFF)), bytes([6, 0, 0, 0, 0xFF, 0xFF, 0xFF, 9, 1, 0, 0, 0]) + bytes(1_000_000))
        # Many chunk streams, each with a message that is never whole.
        attack(2, *[bytes([0, i]) + bytes(3) + b"\x7f\0\0" + bytes([9, 1, 0, 0, 0]) + bytes(128) for i in range(200)])
        # A chunk of type 3 without one before, and a header inside a message.
        attack(3, bytes([0xC0 | 9]) + bytes(500))
        attack(4, bytes([6, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0]) + bytes(128) + bytes([6, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0]) + bytes(128))
        # Parameter sets that lie about their lengths, then pictures.
        attack(5, *[chunked(9, b"\x17\0\0\0\0\1\x64\0\x0d\xff\xe1\xff\xff" + noise(bytes([i]), 60), 1, 6) for i in range(100)],
               *[chunked(9, b"\x17\1\0\0\0\xff\xff\xff\xff" + noise(bytes([i]), 60), 1, 6) for i in range(100)])
        # Times that jump about, aggregates that end too early, metadata that never end.
        attack(6, *[chunked(8, b"\xaf\0\x11\x90" if i == 0 else b"\xaf\1abc", 1, 4, time_=i * 7_777_777 % (1 << 24)) for i in range(500)],
               chunked(22, b"\x09\xff\xff\xff" + bytes(40), 1, 7), chunked(18, b"\3" * 5_000, 1, 8))
        attack(7, *[chunked(20, string("publish") + number(i) + b"\5" + string(KEY) + string("live"), 1) for i in range(2_000)])
        for i in range(30):
            kept.append(hostile(port, f"stage?key={i}"))
        status = gate.wait(lambda s: s["refused"].get("malformed", 0) >= 4 and s["refused"].get("too_many_guesses", 0) >= 10)
        assert status["refused"]["wrong_key"] == 20
        assert gate.memory() - before < 64 * 1024 * 1024
        assert good.wait(120) == 0
        for s in kept:
            s.close()
        stage = gate.wait(lambda s: not s["inputs"][0]["attached"])["inputs"][0]
        assert (lost(stage), stage["error"]) == ({}, "")
    assert packets(out, "v") == packets(movie, "v")
