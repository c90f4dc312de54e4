"""TS over HTTP: real players play it, its access units are the source's, a player that stalls is alone with it."""
import contextlib
import re
import shutil
import socket
import time

import pytest

from support import media, ts
from support.gateway import Gateway

SECONDS = 240
GROUP = "239.7.1.1"


def channels(**serve):
    return {"tv": {"inputs": [f"udp://{GROUP}:5000"], "serve": serve or {"http-ts": {}, "hls": {"segment": "2s"}}}}


@pytest.fixture(scope="module")
def live(rig):
    source = media.looped(media.stream("h264_aac", 18), SECONDS)
    with Gateway(rig, channels()) as gateway:
        rig.wait_mdb(GROUP, True)
        rig.send(source, GROUP, 5000)
        wait_for_media(gateway)
        yield gateway, rig, source


class Stream:
    """A player of our own: reads a stream by hand, chunked transfer coding taken away."""

    def __init__(self, gateway, path="/tv/stream.ts", version="1.1", method="GET", receive_buffer=None):
        with gateway.rig.inside("gw"):
            self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", gateway.http_port))
        self.socket.sendall(f"{method} {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while (line := self.file.readline().strip()):
            name, value = line.decode().split(":", 1)
            self.headers[name.lower()] = value.strip()
        self.chunked = self.headers.get("transfer-encoding") == "chunked"
        self.ended = False

    def read(self, seconds=None, size=None):
        """Media until that time or size; stops at the end of the stream."""
        out, stop = bytearray(), time.monotonic() + (seconds or 60)
        while time.monotonic() < stop and (size is None or len(out) < size) and not self.ended:
            if self.chunked:
                length = int(self.file.readline(), 16)
                out += self.file.read(length)
                assert self.file.read(2) == b"\r\n"
                self.ended = length == 0
            else:
                part = self.file.read1(65536)
                out += part
                self.ended = not part
        return bytes(out)

    def close(self):
        self.file.close()
        self.socket.close()


def wait_for_media(gateway, limit=60.0):
    """Until a whole group of pictures is there to begin with."""
    end = time.monotonic() + limit
    while True:
        with contextlib.suppress(OSError, ValueError, IndexError):
            stream = Stream(gateway)
            data = stream.read(size=100_000)
            stream.close()
            if len(data) >= 100_000:
                return
        assert time.monotonic() < end, gateway.tail()
        time.sleep(0.2)


def output(gateway):
    status = gateway.json("status", "tv")
    return next(o for o in status["serve"] if o["protocol"] == "http-ts"), status["bridge"]


def units_of(tmp_path, data, selector="v:0"):
    path = tmp_path / f"taken-{selector.replace(':', '')}.ts"
    path.write_bytes(data)
    return ts.access_units(path, selector)


def test_the_answer_is_a_stream(live):
    gateway, _, _ = live
    new = Stream(gateway)
    old = Stream(gateway, version="1.0")
    head = Stream(gateway, method="HEAD")
    assert (new.status, old.status, head.status) == (200, 200, 200)
    for answer in (new, old, head):
        assert answer.headers["content-type"] == "video/mp2t"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "content-length" not in answer.headers
    assert new.chunked and head.chunked and not old.chunked
    for answer in (new, old):
        data = answer.read(size=200_000)
        assert data[0] == 0x47 and all(data[at] == 0x47 for at in range(0, len(data), 188))
        answer.close()
    head.close()


def test_a_player_begins_at_once_with_tables_and_a_random_access_point(live, tmp_path):
    gateway, _, source = live
    video_pid, fastest = None, 60.0
    for _ in range(4):
        began = time.monotonic()
        stream = Stream(gateway)
        first = stream.read(size=30_000)
        took = time.monotonic() - began
        data = first + stream.read(size=320_000)
        stream.close()
        fastest = min(fastest, took)
        packets = list(ts.packets(data[:len(data) - len(data) % 188]))
        pids = [ts.pid_of(p) for p in packets[:2]]
        assert pids[0] == 0 and pids[1] != 0, pids
        assert pids[1] in ts.programs(data).values()
        video_pid = video_pid or ts.pid_of(next(p for p in packets[2:] if p[1] & 0x40 and b"\x00\x00\x01\xe0" in bytes(p)))
        start = next(p for p in packets if ts.pid_of(p) == video_pid and p[1] & 0x40)
        assert start[3] & 0x20 and start[5] & 0x40, "the first picture is no random access point"
        assert ts.Scan(data).total_cc_errors == 0, "the tables in front don't join"
        units = units_of(tmp_path, data)[:-1]
        ts.assert_same_media(ts.access_units(source), units, 45)
    assert fastest < 0.5, f"the first picture took {fastest:.2f} s"


def test_the_media_is_the_inputs(live, tmp_path):
    gateway, _, source = live
    stream = Stream(gateway)
    data = stream.read(size=1_260_000)
    stream.close()
    for selector, least in (("v:0", 190), ("a:0", 350)):
        at = ts.assert_same_media(ts.access_units(source, selector), units_of(tmp_path, data, selector)[:-2], least)
        print(f"{selector}: the source's units from {at} on")


def test_ffprobe_and_ffmpeg_play(live):
    gateway, rig, _ = live
    url = gateway.url("/tv/stream.ts")
    probe = rig.call("gw", "ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", url)
    assert "h264,320,180" in probe.stdout and "aac" in probe.stdout, probe.stdout + probe.stderr
    play = rig.call("gw", "ffmpeg", "-v", "error", "-xerror", "-nostdin", "-i", url, "-t", "4", "-f", "framehash", "-")
    assert play.returncode == 0 and not play.stderr, play.stderr
    pictures = [line for line in play.stdout.splitlines() if line.startswith("0,")]
    # -t counts from the first sound, which a multiplex sends behind its picture.
    assert len(pictures) >= 88, f"{len(pictures)} pictures decoded"


def test_gstreamer_plays(live):
    gateway, rig, _ = live
    rig.pictures("gw", "souphttpsrc", "is-live=true", f"location={gateway.url('/tv/stream.ts')}", "!", "tsdemux", "name=d", "d.", "!", "queue",
                 "!", "h264parse", "!", "avdec_h264")


@pytest.mark.skipif(shutil.which("cvlc") is None, reason="VLC is not installed")
def test_vlc_plays(live, tmp_path):
    gateway, rig, source = live
    taken = tmp_path / "vlc.ts"
    # VLC refuses to run as root.
    tmp_path.chmod(0o777)
    tmp_path.parent.chmod(0o755)
    tmp_path.parent.parent.chmod(0o755)
    result = rig.call("gw", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"HOME={tmp_path}", "cvlc", "-I", "dummy",
                      "--run-time", "6", gateway.url("/tv/stream.ts"), "--sout", f"#std{{access=file,mux=ts,dst={taken}}}",
                      "vlc://quit", timeout=90)
    assert taken.exists(), result.stderr[-600:]
    units = ts.access_units(taken)
    # Its multiplexer writes delimiters anew: counted, not compared.
    assert len(units) >= 100, f"{len(units)} pictures came through VLC"


def test_a_stalled_player_is_cut_and_disturbs_nobody(live, tmp_path):
    gateway, _, source = live
    pid = gateway.pid("bridge")

    def resident():
        text = open(f"/proc/{pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1))

    before, bridge_before = output(gateway)[0], output(gateway)[1]
    memory = resident()
    stalled = [Stream(gateway, receive_buffer=4096) for _ in range(20)]
    good = Stream(gateway)
    data = good.read(size=3_050_000)
    good.close()
    units = units_of(tmp_path, data)[:-1]
    ts.assert_same_media(ts.access_units(source), units, 480)
    end = time.monotonic() + 60
    while True:
        after, bridge = output(gateway)
        drops, drops_before = bridge["drops"], bridge_before["drops"]
        if (drops["slow_client"] - drops_before["slow_client"] == len(stalled)
                and after["bytes"] > before["bytes"] + len(data) * 0.9):
            break
        assert time.monotonic() < end, f"not cut, or not counted: {drops}, {before} {after}"
        time.sleep(0.2)
    grown = resident() - memory
    print(f"20 stalled players: {grown} kB more; skipped {drops['http_ts_skipped'] - drops_before['http_ts_skipped']} packets, "
          f"cut {drops['slow_client'] - drops_before['slow_client']}")
    assert grown < 40_000
    for stream in stalled:
        stream.close()


def test_an_edit_of_one_output_leaves_the_other_alone(live):
    gateway, rig, _ = live
    stream = Stream(gateway)
    stream.read(size=50_000)
    before = gateway.http("/tv/index.m3u8")
    gateway.apply(channels(**{"http-ts": {}}))
    assert gateway.http("/tv/index.m3u8").status == 404
    assert len(stream.read(size=200_000)) >= 200_000, "the stream stopped when HLS was switched off"
    gateway.apply(channels(hls={"segment": "2s"}))
    rest = stream.read(seconds=60)
    assert stream.ended, f"the stream goes on: {len(rest)} bytes"
    assert gateway.http("/tv/stream.ts").status == 404
    stream.close()
    gateway.apply(channels())
    again = Stream(gateway)
    assert again.status == 200 and len(again.read(size=50_000)) >= 50_000
    again.close()
    assert before.status == 200
