"""Channels played by SRT: by srt-live-transmit, FFmpeg and GStreamer, with passphrases, over a path that loses packets,
beside receivers that stand still and senders of rubbish. The listener runs in the bridge's sandbox, fed with a made
stream whose packets carry their number; all on loopback."""
import ctypes
import json
import os
import random
import ctypes.util
import signal
import socket
import subprocess
import time

import pytest

from support import counted_ts
from support.udp_proxy import UdpProxy

SERVE = os.path.join(os.environ.get("HEADGATE_BIN", "build/release/bin"), "srt_serve")
SECRET = "a-right-passphrase"


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("srt") / "in.ts"
    path.write_bytes(counted_ts.make(40))
    return path


class Listener:
    def __init__(self, stream, *options):
        self.process = subprocess.Popen([SERVE, "--sandbox", "--file", str(stream), *options], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.port = int(self.process.stdout.readline().split()[1])
        self.sent = stream.read_bytes()

    def __enter__(self):
        self.tell("go")
        time.sleep(1.5)  # of the stream: to its second random access point, the first that has tables before it
        return self

    def __exit__(self, *_):
        try:
            self.process.communicate("quit\n", timeout=10)
            assert self.process.returncode == 0
        finally:
            self.process.kill()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.tell(line)
        return self.process.stdout.readline()

    def stats(self):
        return json.loads(self.ask("stats"))

    def wait(self, true, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stats = self.stats()
            if true(stats):
                return stats
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {stats}")

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


class Player:
    """srt-live-transmit that writes what it gets to a file."""

    def __init__(self, port, path, stream_id="c0", **options):
        query = "&".join([f"streamid={stream_id}"] + [f"{k}={v}" for k, v in options.items()])
        self.path = path
        self.out = open(path, "wb")
        self.process = subprocess.Popen(["srt-live-transmit", "-q", "-a:no", f"srt://127.0.0.1:{port}?{query}",
                                         "file://con"], stdout=self.out, stderr=subprocess.DEVNULL)

    def size(self):
        return os.path.getsize(self.path)

    def wait(self, size, seconds=15):
        end = time.monotonic() + seconds
        while self.size() < size and time.monotonic() < end:
            time.sleep(0.05)
        assert self.size() >= size

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.out.close()
        return self.path.read_bytes()


def whole(data):
    return data[:len(data) // counted_ts.SIZE * counted_ts.SIZE]


def assert_is_piece(data, sent):
    """Everything from the first picture on, without a gap, beginning with the chunk of a random access point."""
    data = whole(data)
    first = next(at for at in range(0, len(data), 188) if (data[at + 1] & 0x1F) << 8 | data[at + 2] == 0x101)
    begins = [at for at in range(first, first + 7 * 188, 188) if data[at + 3] & 0x20 and data[at + 5] & 0x40]
    assert begins, "does not begin with a random access point"
    assert len(data) - first > 500_000
    assert counted_ts.place_of(data[first:], sent) >= 0
    assert counted_ts.cc_errors(data[first:]) == 0


def test_players_of_three_makes_get_exactly_what_was_sent(stream, tmp_path):
    with Listener(stream) as listener:
        url = f"srt://127.0.0.1:{listener.port}?streamid=c0"
        live = Player(listener.port, tmp_path / "slt.ts")
        others = [
            subprocess.Popen(["gst-launch-1.0", "-q", "srtsrc", f"uri=srt://127.0.0.1:{listener.port}",
                              "streamid=#!::r=c0,m=request", "!", "filesink", f"location={tmp_path}/gst.ts",
                              "buffer-mode=2"]),
            subprocess.Popen(["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "data", "-i", url, "-map", "0",
                              "-c", "copy", "-flush_packets", "1", "-f", "data", str(tmp_path / "ff.ts")])]
        listener.wait(lambda s: len(s["sessions"]) == 3 and all(x["bytes"] > 1_500_000 for x in s["sessions"]))
        live.wait(1_000_000)
        live.stop()
        for process in others:
            process.kill()
            process.wait()
        for name in ("slt.ts", "gst.ts", "ff.ts"):
            assert_is_piece((tmp_path / name).read_bytes(), listener.sent)
        listener.wait(lambda s: not s["sessions"])


class Caller:
    """libsrt itself, for the code of a refusal, which no tool prints."""
    STREAM_ID, PASSPHRASE = 46, 26

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("srt") or "libsrt.so.1.5")
        self.lib.srt_startup()
        self.lib.srt_setloglevel(0)

    def refusal(self, port, stream_id, passphrase=b""):
        socket_ = self.lib.srt_create_socket()
        self.lib.srt_setsockflag(socket_, self.STREAM_ID, stream_id, len(stream_id))
        if passphrase:
            self.lib.srt_setsockflag(socket_, self.PASSPHRASE, passphrase, len(passphrase))
        address = (b"\x02\x00" + port.to_bytes(2, "big") + socket.inet_aton("127.0.0.1")).ljust(16, b"\0")
        connected = self.lib.srt_connect(socket_, address, len(address))
        reason = 0 if connected == 0 else self.lib.srt_getrejectreason(socket_)
        self.lib.srt_close(socket_)
        return reason


def test_a_refusal_carries_its_code(stream):
    caller = Caller()
    with Listener(stream) as listener:
        for stream_id, code in ((b"nobody", 1404), (b"", 1400), (b"#!::r", 1400), (b"publish:c0?key=k", 1405),
                                (b"#!::r=c0,m=publish", 1405), (b"#!::r=c0,t=file", 1415), (b"c0", 0)):
            assert caller.refusal(listener.port, stream_id) == code, stream_id
        stats = listener.stats()
        assert (stats["refused"]["not_found"], stats["refused"]["publish"]) == (1, 2)


def test_only_the_right_passphrase_plays(stream):
    bad_secret, unsecure = 10, 11
    caller = Caller()
    with Listener(stream, "--passphrase", SECRET) as listener:
        assert caller.refusal(listener.port, b"c0", SECRET.encode()) == 0
        assert caller.refusal(listener.port, b"c0", b"a wrong passphrase") == bad_secret
        assert caller.refusal(listener.port, b"c0") == unsecure
        listener.wait(lambda s: s["refused"]["secret"] == 2)
    with Listener(stream) as listener:
        assert caller.refusal(listener.port, b"c0", SECRET.encode()) == unsecure


@pytest.mark.parametrize("key_bytes", [16, 24, 32])
def test_the_caller_chooses_the_length_of_the_key(stream, tmp_path, key_bytes):
    with Listener(stream, "--passphrase", SECRET) as listener:
        player = Player(listener.port, tmp_path / "o.ts", passphrase=SECRET, pbkeylen=key_bytes)
        player.wait(800_000)
        assert listener.stats()["sessions"][0]["encrypted"]
        assert_is_piece(player.stop(), listener.sent)


@pytest.mark.parametrize("loss, latency", [(0.02, 500), (0.10, 500)])
def test_a_path_that_loses_and_reorders_costs_nothing(stream, tmp_path, loss, latency):
    with Listener(stream, "--latency", str(latency)) as listener, UdpProxy(listener.port, loss) as path:
        player = Player(path.port, tmp_path / "o.ts", latency=latency)
        player.wait(5_000_000, 25)
        stats = listener.stats()["sessions"][0]
        assert_is_piece(player.stop(), listener.sent)
        assert stats["retransmitted"] > 20 and path.lost > 100 * loss * 10 and path.reordered > 50
        print(f"loss {loss:.0%}: lost {path.lost}, reordered {path.reordered} of {path.passed}; "
              f"retransmitted {stats['retransmitted']}, RTT {stats['rtt_ms']:.0f} ms")


def test_a_receiver_that_stands_still_hurts_nobody(stream, tmp_path):
    with Listener(stream) as listener:
        good, still = (Player(listener.port, tmp_path / name) for name in ("good.ts", "still.ts"))
        still.wait(300_000)
        listener.wait(lambda s: len(s["sessions"]) == 2)
        before = listener.memory()
        still.process.send_signal(signal.SIGSTOP)
        # Nothing is heard of it: libsrt gives it up after 5 s.
        listener.wait(lambda s: len(s["sessions"]) == 1, 20)
        assert listener.memory() - before < 16 * 1024 * 1024
        good.wait(good.size() + 500_000)
        still.process.send_signal(signal.SIGCONT)
        still.stop()
        assert_is_piece(good.stop(), listener.sent)


def test_rubbish_on_the_port_hurts_nobody(stream, tmp_path):
    rng = random.Random(7)
    induction = bytes.fromhex("80000000" "00000000" "00000000" "00000000")
    with Listener(stream) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rubbish:
        player = Player(listener.port, tmp_path / "o.ts")
        player.wait(200_000)
        before = listener.memory()
        for number in range(20_000):
            start = induction if number % 2 else b""
            rubbish.sendto(start + rng.randbytes(rng.randrange(1, 1400)), ("127.0.0.1", listener.port))
            if number % 50 == 0:
                time.sleep(0.005)
        player.wait(player.size() + 800_000)
        assert listener.memory() - before < 16 * 1024 * 1024
        assert_is_piece(player.stop(), listener.sent)


def test_a_new_passphrase_ends_sessions_of_the_old_one_only(stream, tmp_path):
    with Listener(stream, "--channels", "2") as listener:
        players = [Player(listener.port, tmp_path / f"{c}.ts", c) for c in ("c0", "c1")]
        for player in players:
            player.wait(200_000)
        assert listener.ask(f"secret c0 {SECRET}") == "applied\n"
        stats = listener.wait(lambda s: [x["channel"] for x in s["sessions"]] == ["c1"])
        assert stats["revoked"] == 1
        players[1].wait(players[1].size() + 500_000)
        assert_is_piece(players[1].stop(), listener.sent)
        players[0].stop()


def test_sessions_of_a_removed_channel_end_and_the_others_go_on(stream, tmp_path):
    with Listener(stream, "--channels", "2") as listener:
        players = [Player(listener.port, tmp_path / f"{c}.ts", c) for c in ("c0", "c1")]
        for player in players:
            player.wait(200_000)
        assert listener.ask("remove c0") == "applied\n"
        listener.wait(lambda s: [x["channel"] for x in s["sessions"]] == ["c1"])
        players[1].wait(players[1].size() + 500_000)
        assert_is_piece(players[1].stop(), listener.sent)
        players[0].stop()
