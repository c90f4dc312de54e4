"""Streams that are published to the shared SRT listener: by srt-live-transmit, FFmpeg and GStreamer, with keys and passphrases,
over paths that lose packets. All on loopback, in the bridge's sandbox; what arrives is held against what was sent byte for byte.
Inputs that call, or have a port of their own: test_srt_call.py."""
import contextlib
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

from support import counted_ts
from support.srt import MESSAGE, SECRET, Caller, Listener, Sender, assert_arrived
from support.udp_proxy import UdpProxy

@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("srt") / "in.ts"
    path.write_bytes(counted_ts.make(40))
    return path


STREAM_IDS = ("#!::r=pub?key=s3cret,m=publish", "publish:pub?key=s3cret", "#!::m=publish,r=pub?key=s3%63ret,u=me")


def test_what_is_published_arrives_byte_for_byte(stream, tmp_path):
    """By each form of a stream id, all at the same time."""
    with contextlib.ExitStack() as stack:
        ways = []
        for number, stream_id in enumerate(STREAM_IDS):
            listener, out = stack.enter_context(Listener(stream).quiet()), tmp_path / f"pub{number}.ts"
            assert listener.ask(f"publish pub s3cret {out}") == "applied\n"
            sender = Sender(f"srt://127.0.0.1:{listener.port}?streamid={stream_id}", listener.sent[:2_000_000])
            ways.append((listener, stack.enter_context(sender), out))
        for listener, sender, out in ways:
            assert_arrived(out, sender.finish())
            stats = listener.wait(lambda s: s["publishers"]["pub"]["details"].get("bits_per_second", "0") != "0")
            publisher = stats["publishers"]["pub"]
            assert publisher["attached"] and publisher["gaps"] == 0 and publisher["drops"] == {}
            assert {"rtt_ms", "latency_ms", "lost_packets", "retransmitted_packets", "dropped_packets",
                    "bandwidth_mbps"} <= publisher["details"].keys()
            session, = stats["sessions"]
            assert session["publishing"] and session["channel"] == "pub" and "s3" not in session["stream_id"]


def test_refusals_of_publishers_carry_their_codes(stream, tmp_path):
    caller = Caller()
    with Listener(stream).quiet() as listener:
        listener.ask(f"publish pub s3cret {tmp_path}/pub.ts")
        for stream_id, code in ((b"publish:pub?key=wrong", 1401), (b"publish:pub", 1401), (b"publish:pub?key=s3crets", 1401),
                                (b"publish:nobody?key=s3cret", 1404), (b"publish:c0?key=s3cret", 1404),
                                (b"#!::r=pub?key=s3cret,m=bidirectional", 1405), (b"#!::r=pub?key=s3cret", 1404),
                                (b"#!::r=pub?key=s3cret,m=publish,t=file", 1415), (b"publish:pub?key=s3cret", 0)):
            assert caller.refusal(listener.port, stream_id) == code, stream_id
        refused = listener.stats()["refused"]
        assert (refused["wrong_key"], refused["not_found"], refused["mode"]) == (3, 3, 1)


def test_who_guesses_keys_is_let_guess_ten_a_minute(stream, tmp_path):
    caller = Caller()
    with Listener(stream).quiet() as listener:
        listener.ask(f"publish pub s3cret {tmp_path}/pub.ts")
        codes = [caller.refusal(listener.port, b"publish:pub?key=%d" % guess) for guess in range(10)]
        assert codes == [1401] * 10
        assert caller.refusal(listener.port, b"publish:pub?key=s3cret") == 1403
        assert caller.refusal(listener.port, b"c0") == 0  # players are not concerned
        assert listener.stats()["refused"]["too_many_guesses"] == 1


def wait_for_silence(listener, seconds, limit=60):
    """Until nothing has come from the channel's publisher for that long."""
    seen, since, end = None, 0.0, time.monotonic() + limit
    while True:
        now = listener.stats()["publishers"]["pub"]["bytes"]
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > seconds:
            return
        assert time.monotonic() < end, "never silent"
        time.sleep(0.05)


def test_a_second_publisher_is_refused_until_the_first_falls_silent(stream, tmp_path):
    caller, out = Caller(), tmp_path / "pub.ts"
    with Listener(stream).quiet() as listener:
        listener.ask(f"publish pub s3cret {out}")
        address = f"srt://127.0.0.1:{listener.port}?streamid=publish:pub?key=s3cret"
        with Sender(address, listener.sent) as first:
            listener.wait(lambda s: s["publishers"]["pub"]["bytes"] > 500_000)
            caller.wait_refusal(1409, listener.port, b"publish:pub?key=s3cret")
            first.process.send_signal(signal.SIGSTOP)
            wait_for_silence(listener, 3.5)
            with Sender(address, listener.sent) as second:
                stats = listener.wait(lambda s: s["publishers"]["pub"]["connections"] == 2)
                before = stats["publishers"]["pub"]["bytes"]
                listener.wait(lambda s: s["publishers"]["pub"]["bytes"] > before + 500_000 and len(s["sessions"]) == 1)
                first.process.send_signal(signal.SIGCONT)
                first.process.wait(60)  # it finds its connection gone
                # Displaced, which is no error; on a slow machine libsrt may have given it up before the second came.
                errors = set(listener.stats()["publishers"]["pub"]["errors"])
                assert second.alive() and errors <= {"", "nothing heard for 5 s"}, errors


def test_a_publisher_that_left_may_come_back_at_once(stream, tmp_path):
    out = tmp_path / "pub.ts"
    with Listener(stream, "--latency", "1000").quiet() as listener:
        listener.ask(f"publish pub - {out}")
        address = f"srt://127.0.0.1:{listener.port}?streamid=publish:pub"
        for connection in (1, 2):
            with Sender(address, listener.sent) as sender:
                listener.wait(lambda s: s["publishers"]["pub"]["connections"] == connection
                              and s["publishers"]["pub"]["bytes"] > connection * 400_000)
                sender.leave()
        assert listener.wait(lambda s: not s["sessions"])["publishers"]["pub"]["error"] == ""


def test_a_publisher_of_another_protocol_has_the_place(stream, tmp_path):
    caller = Caller()
    with Listener(stream).quiet() as listener:
        listener.ask(f"publish pub s3cret {tmp_path}/pub.ts")
        assert listener.ask("rtmp pub 8000") == "attached\n"
        caller.wait_refusal(1409, listener.port, b"publish:pub?key=s3cret")
        caller.wait_refusal(0, listener.port, b"publish:pub?key=s3cret")


def test_a_new_key_ends_its_publisher(stream, tmp_path):
    with Listener(stream).quiet() as listener:
        listener.ask(f"publish pub s3cret {tmp_path}/pub.ts")
        with Sender(f"srt://127.0.0.1:{listener.port}?streamid=publish:pub?key=s3cret", listener.sent):
            listener.wait(lambda s: s["publishers"]["pub"]["bytes"] > 300_000)
            listener.ask(f"publish pub another {tmp_path}/pub2.ts")
            listener.wait(lambda s: not s["sessions"])
            assert listener.stats()["publishers"]["pub"]["bytes"] == 0


@pytest.mark.parametrize("sender", ["ffmpeg", "gstreamer"])
def test_encoders_of_other_makes_publish(stream, tmp_path, sender):
    out, source = tmp_path / "pub.ts", tmp_path / "source.ts"
    with Listener(stream, "--passphrase", SECRET).quiet() as listener:
        source.write_bytes(listener.sent[:2_500_008 // MESSAGE * MESSAGE])
        listener.ask(f"publish pub s3cret {out}")
        address = f"srt://127.0.0.1:{listener.port}"
        if sender == "ffmpeg":
            command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-i", str(source), "-c", "copy", "-f", "mpegts",
                       f"{address}?streamid=publish:pub?key=s3cret&passphrase={SECRET}&pkt_size=1316"]
        else:
            command = ["gst-launch-1.0", "-q", "filesrc", f"location={source}", "blocksize=1316", "!", "identity",
                       "sleep-time=2600", "!", "srtsink", f"uri={address}", f"passphrase={SECRET}",
                       "streamid=#!::r=pub?key=s3cret,m=publish"]
        process = subprocess.Popen(command)
        try:
            stats = listener.wait(lambda s: s["publishers"]["pub"]["bytes"] > 1_000_000)
            publisher = stats["publishers"]["pub"]
            assert publisher["details"]["encrypted"] == "yes" and publisher["gaps"] == 0
            got = out.read_bytes()
            if sender == "gstreamer":
                assert source.read_bytes().startswith(got)
            else:  # multiplexed anew
                assert counted_ts.cc_errors(got[:len(got) // 188 * 188]) == 0
        finally:
            process.kill()
            process.wait()


def test_only_the_right_passphrase_publishes(stream, tmp_path):
    caller = Caller()
    with Listener(stream, "--passphrase", SECRET).quiet() as listener:
        listener.ask(f"publish pub s3cret {tmp_path}/pub.ts")
        assert caller.refusal(listener.port, b"publish:pub?key=s3cret", b"a wrong passphrase") == 10
        assert caller.refusal(listener.port, b"publish:pub?key=s3cret") == 11
        assert caller.refusal(listener.port, b"publish:pub?key=s3cret", SECRET.encode()) == 0
        listener.wait(lambda s: s["refused"]["secret"] == 2)


def test_a_path_that_loses_and_reorders_costs_nothing(stream, tmp_path):
    with contextlib.ExitStack() as stack:
        ways = []
        for loss in (0.02, 0.10):
            listener, out = stack.enter_context(Listener(stream, "--latency", "2500").quiet()), tmp_path / f"{loss}.ts"
            path = stack.enter_context(UdpProxy(listener.port, loss))
            listener.ask(f"publish pub - {out}")
            address = f"srt://127.0.0.1:{path.port}?streamid=publish:pub&latency=2500"
            ways.append((loss, path, listener, stack.enter_context(Sender(address, listener.sent[:3_000_000])), out))
        for loss, path, listener, sender, out in ways:
            assert_arrived(out, sender.finish(), late=1_500_000)
            publisher = listener.stats()["publishers"]["pub"]
            assert publisher["gaps"] == 0 and int(publisher["details"]["retransmitted_packets"]) > 20
            print(f"loss {loss:.0%}: lost {path.lost}, reordered {path.reordered} of {path.passed}; {publisher['details']}")


def test_what_is_lost_for_good_is_told_as_a_gap(stream, tmp_path):
    out = tmp_path / "pub.ts"
    with Listener(stream, "--latency", "20").quiet() as listener, UdpProxy(listener.port, 0.10, 0.02) as path:
        listener.ask(f"publish pub - {out}")
        with Sender(f"srt://127.0.0.1:{path.port}?streamid=publish:pub&latency=20", listener.sent):
            listener.wait(lambda s: s["publishers"]["pub"]["drops"].get("srt_late", 0) > 10
                          and s["publishers"]["pub"]["gaps"] > 5 and s["sessions"][0]["missing"] > 10)


def test_the_end_of_a_stream_is_not_cut_off(stream, tmp_path):
    """What was not due yet when the publisher said goodbye comes, too."""
    out = tmp_path / "pub.ts"
    with Listener(stream, "--latency", "4000").quiet() as listener:
        listener.ask(f"publish pub - {out}")
        with Sender(f"srt://127.0.0.1:{listener.port}?streamid=publish:pub", listener.sent[:1_500_000]) as sender:
            sender.finish()
            assert os.path.getsize(out) < 1_000_000  # the last four seconds wait for their time
            sender.leave()
            assert_arrived(out, sender.data)


def test_a_handshake_that_would_take_memory_is_not_heard(stream):
    """libsrt keeps 24 bytes for each packet of the window that a caller announces, before any check."""
    def induction(window, packet=1500):
        header = struct.pack(">IIII", 0x80000000, 0, 0, 0)
        return header + struct.pack(">IIIIIIII", 4, 2, 1, packet, window, 1, 77, 0) + bytes(16)
    with Listener(stream).quiet() as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.connect(("127.0.0.1", listener.port))
        caller.settimeout(0.5)
        for window, packet, answered in ((8192, 1500, True), (131_072, 1500, True), (131_073, 1500, False),
                                         (0xffffffff, 1500, False), (31, 1500, False), (32, 1500, True),
                                         (8192, 231, False), (8192, 232, True), (8192, 44, False)):
            caller.send(induction(window, packet))
            try:
                heard = bool(caller.recv(2048))
            except TimeoutError:
                heard = False
            assert heard == answered, (window, packet)
        assert Caller().refusal(listener.port, b"c0") == 0
