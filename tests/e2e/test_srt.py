"""Channels played by SRT: by srt-live-transmit, FFmpeg and GStreamer, with passphrases, over a path that loses packets,
beside receivers that stand still and senders of rubbish. The listener runs in the bridge's sandbox, fed with a made
stream whose packets carry their number; all on loopback."""
import random
import signal
import socket
import subprocess
import time

import pytest

from support import counted_ts
from support.srt import SECRET, Caller, Listener, Player, wait_for_size, whole
from support.udp_proxy import UdpProxy

@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("srt") / "in.ts"
    path.write_bytes(counted_ts.make(90))
    return path


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
        for name in ("slt.ts", "gst.ts", "ff.ts"):  # `latency` later
            wait_for_size(tmp_path / name, 1_000_000)
        live.stop()
        for process in others:
            process.kill()
            process.wait()
        for name in ("slt.ts", "gst.ts", "ff.ts"):
            assert_is_piece((tmp_path / name).read_bytes(), listener.sent)
        listener.wait(lambda s: not s["sessions"])


def test_a_refusal_carries_its_code(stream):
    caller = Caller()
    with Listener(stream) as listener:
        for stream_id, code in ((b"nobody", 1404), (b"", 1400), (b"#!::r", 1400), (b"publish:c0?key=k", 1404),
                                (b"#!::r=c0,m=publish", 1404), (b"#!::r=c0,m=bidirectional", 1405),
                                (b"#!::r=c0,t=file", 1415), (b"c0", 0)):
            assert caller.refusal(listener.port, stream_id) == code, stream_id
        stats = listener.stats()
        assert (stats["refused"]["not_found"], stats["refused"]["mode"]) == (3, 1)


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


def test_the_caller_chooses_the_length_of_the_key(stream, tmp_path):
    with Listener(stream, "--passphrase", SECRET) as listener:
        players = [Player(listener.port, tmp_path / f"{size}.ts", passphrase=SECRET, pbkeylen=size) for size in (16, 24, 32)]
        for player in players:
            player.wait(800_000)
        listener.wait(lambda s: [session["encrypted"] for session in s["sessions"]] == [True] * 3)
        for player in players:
            assert_is_piece(player.stop(), listener.sent)


def test_a_path_that_loses_and_reorders_costs_nothing(stream, tmp_path):
    with Listener(stream, "--latency", "2500") as listener, UdpProxy(listener.port, 0.02) as good, UdpProxy(listener.port, 0.10) as bad:
        ways = [(path, Player(path.port, tmp_path / f"{path.loss}.ts", latency=2500)) for path in (good, bad)]
        for path, player in ways:
            player.wait(4_000_000)
            stats = next(x for x in listener.stats()["sessions"] if x["address"].endswith(f":{path.inside.getsockname()[1]}"))
            assert_is_piece(player.stop(), listener.sent)
            assert stats["retransmitted"] > 20 and path.lost > 1000 * path.loss and path.reordered > 50
            print(f"loss {path.loss:.0%}: lost {path.lost}, reordered {path.reordered} of {path.passed}; "
                  f"retransmitted {stats['retransmitted']}, RTT {stats['rtt_ms']:.0f} ms")


def test_a_receiver_that_stands_still_hurts_nobody(stream, tmp_path):
    with Listener(stream) as listener:
        good, still = (Player(listener.port, tmp_path / name) for name in ("good.ts", "still.ts"))
        still.wait(300_000)
        listener.wait(lambda s: len(s["sessions"]) == 2)
        before = listener.memory()
        still.process.send_signal(signal.SIGSTOP)
        # Nothing is heard of it: libsrt gives it up after 5 s.
        listener.wait(lambda s: len(s["sessions"]) == 1)
        assert listener.memory() - before < 16 * 1024 * 1024
        good.wait(good.size() + 500_000)
        still.process.send_signal(signal.SIGCONT)
        still.stop()
        assert_is_piece(good.stop(), listener.sent)


# Under 2 Mb/s libsrt's buffer for a receiver holds more than the second after which it would give packets up by itself.
@pytest.mark.parametrize("bitrate", [1_200_000, 4_000_000])
def test_a_receiver_that_takes_nothing_is_closed(tmp_path, bitrate):
    path = tmp_path / "in.ts"
    path.write_bytes(counted_ts.make(60, bitrate))
    with Listener(path, "--bitrate", str(bitrate)) as listener:
        good = Player(listener.port, tmp_path / "good.ts")
        good.wait(100_000)
        caller = Caller()
        deaf = caller.deaf(listener.port, b"c0")
        listener.wait(lambda s: len(s["sessions"]) == 2)
        listener.wait(lambda s: any(x["dropped_messages"] > 0 for x in s["sessions"]))
        stats = listener.wait(lambda s: len(s["sessions"]) == 1)
        assert stats["stalled"] == 1
        caller.close(deaf)
        assert counted_ts.cc_errors(whole(good.stop())) == 0


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
        # The figures are a second old at most: both must be in them before one of them goes.
        listener.wait(lambda s: len(s["sessions"]) == 2)
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
        # The figures are a second old at most: both must be in them before one of them goes.
        listener.wait(lambda s: len(s["sessions"]) == 2)
        assert listener.ask("remove c0") == "applied\n"
        listener.wait(lambda s: [x["channel"] for x in s["sessions"]] == ["c1"])
        players[1].wait(players[1].size() + 500_000)
        assert_is_piece(players[1].stop(), listener.sent)
        players[0].stop()
