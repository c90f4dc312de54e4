"""Streams that come in by SRT: published to the shared listener, called for, or taken on a port of their own; sent by
srt-live-transmit, FFmpeg and GStreamer, with keys and passphrases, over paths that lose packets. All on loopback, in
the bridge's sandbox; what arrives is held against what was sent byte for byte."""
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

from support import counted_ts
from support.srt import MESSAGE, SECRET, Caller, Listener, Sender, listening_port
from support.udp_proxy import UdpProxy

# srt-live-transmit keeps a little of its standard input to itself until more comes.
KEPT = 65_536


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("srt") / "in.ts"
    path.write_bytes(counted_ts.make(20))
    return path


def wait_for_size(path, size, seconds=20):
    end = time.monotonic() + seconds
    while (not os.path.exists(path) or os.path.getsize(path) < size) and time.monotonic() < end:
        time.sleep(0.05)
    assert os.path.getsize(path) >= size


def assert_arrived(path, sent, late=300_000):
    """All but the last few packets, and `late` bytes of what srt-live-transmit read before it had a connection."""
    wait_for_size(path, len(sent) - KEPT - late)
    got = path.read_bytes()
    assert got in sent, f"{len(got)} bytes are no piece of what was sent"


@pytest.mark.parametrize("stream_id", ["#!::r=pub?key=s3cret,m=publish", "publish:pub?key=s3cret",
                                       "#!::m=publish,r=pub?key=s3%63ret,u=me"])
def test_what_is_published_arrives_byte_for_byte(stream, tmp_path, stream_id):
    out = tmp_path / "pub.ts"
    with Listener(stream).quiet() as listener:
        assert listener.ask(f"publish pub s3cret {out}") == "applied\n"
        with Sender(f"srt://127.0.0.1:{listener.port}?streamid={stream_id}", listener.sent[:2_000_000]) as sender:
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


def test_a_second_publisher_is_refused_until_the_first_falls_silent(stream, tmp_path):
    caller, out = Caller(), tmp_path / "pub.ts"
    with Listener(stream).quiet() as listener:
        listener.ask(f"publish pub s3cret {out}")
        address = f"srt://127.0.0.1:{listener.port}?streamid=publish:pub?key=s3cret"
        with Sender(address, listener.sent) as first:
            listener.wait(lambda s: s["publishers"]["pub"]["bytes"] > 500_000)
            assert caller.refusal(listener.port, b"publish:pub?key=s3cret") == 1409
            first.process.send_signal(signal.SIGSTOP)
            time.sleep(1.5)
            with Sender(address, listener.sent) as second:
                stats = listener.wait(lambda s: s["publishers"]["pub"]["connections"] == 2)
                before = stats["publishers"]["pub"]["bytes"]
                listener.wait(lambda s: s["publishers"]["pub"]["bytes"] > before + 500_000 and len(s["sessions"]) == 1)
                first.process.send_signal(signal.SIGCONT)
                time.sleep(1)
                assert second.alive() and listener.stats()["publishers"]["pub"]["errors"] == []


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
        assert listener.ask("rtmp pub 2500") == "attached\n"
        time.sleep(1)
        assert caller.refusal(listener.port, b"publish:pub?key=s3cret") == 1409
        time.sleep(3)
        assert caller.refusal(listener.port, b"publish:pub?key=s3cret") == 0


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
            stats = listener.wait(lambda s: s["publishers"]["pub"]["bytes"] > 1_000_000, 20)
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


@pytest.mark.parametrize("loss", [0.02, 0.10])
def test_a_path_that_loses_and_reorders_costs_nothing(stream, tmp_path, loss):
    out = tmp_path / "pub.ts"
    with Listener(stream, "--latency", "500").quiet() as listener, UdpProxy(listener.port, loss) as path:
        listener.ask(f"publish pub - {out}")
        address = f"srt://127.0.0.1:{path.port}?streamid=publish:pub&latency=500"
        with Sender(address, listener.sent[:4_000_000]) as sender:
            assert_arrived(out, sender.finish(), late=1_500_000)
            publisher = listener.stats()["publishers"]["pub"]
            assert publisher["gaps"] == 0 and int(publisher["details"]["retransmitted_packets"]) > 20
            print(f"loss {loss:.0%}: lost {path.lost}, reordered {path.reordered} of {path.passed}; {publisher['details']}")


def test_what_is_lost_for_good_is_told_as_a_gap(stream, tmp_path):
    out = tmp_path / "pub.ts"
    with Listener(stream, "--latency", "20").quiet() as listener, UdpProxy(listener.port, 0.10, 0.02) as path:
        listener.ask(f"publish pub - {out}")
        with Sender(f"srt://127.0.0.1:{path.port}?streamid=publish:pub&latency=20", listener.sent[:2_000_000]):
            stats = listener.wait(lambda s: s["publishers"]["pub"]["drops"].get("srt_late", 0) > 10)
            assert stats["publishers"]["pub"]["gaps"] > 5
            assert stats["sessions"][0]["missing"] > 10


class Server:
    """srt-live-transmit that waits for a caller and sends it the stream."""

    def __init__(self, port, data, query=""):
        self.sender = Sender(f"srt://127.0.0.1:{port}?mode=listener{query}", data)

    def __enter__(self):
        return self.sender

    def __exit__(self, *_):
        self.sender.stop()


def test_an_input_calls_and_calls_again(stream, tmp_path):
    out, port = tmp_path / "in.ts", listening_port()
    with Listener(stream).quiet() as listener:
        listener.tell(f"call localhost:{port} {out} 200 {SECRET} -")
        status = listener.wait(lambda s: s["inputs"][0]["error"] != "")["inputs"][0]
        assert status["state"] == "connecting" and "no answer" in status["error"]
        for connection in (1, 2):
            before = listener.stats()["inputs"][0]["bytes"]
            with Server(port, listener.sent, f"&passphrase={SECRET}"):
                stats = listener.wait(lambda s: s["inputs"][0]["bytes"] > before + 1_000_000, 25)
                status = stats["inputs"][0]
                assert status["state"] == "receiving" and status["error"] == ""
                assert status["connections"] == connection and status["peer"] == f"127.0.0.1:{port}"
                assert status["details"]["encrypted"] == "yes" and status["details"]["latency_ms"] == "200"
            listener.wait(lambda s: s["inputs"][0]["state"] == "connecting", 10)
        listener.tell("drop 0")
        assert not listener.stats()["inputs"][0]["attached"]


def test_an_input_tells_why_it_was_refused(stream, tmp_path):
    with Listener(stream, "--passphrase", SECRET) as server, Listener(stream).quiet() as listener:
        listener.tell(f"call 127.0.0.1:{server.port} {tmp_path}/a 120 a-wrong-passphrase c0")
        listener.tell(f"call 127.0.0.1:{server.port} {tmp_path}/b 120 - c0")
        listener.tell(f"call 127.0.0.1:{server.port} {tmp_path}/c 120 {SECRET} nobody")
        listener.tell(f"call no-such-host.invalid:{server.port} {tmp_path}/d 120 - c0")
        listener.tell(f"call 127.0.0.1 {tmp_path}/e 120 - c0")
        texts = ("passphrase is wrong (10)", "one side has a passphrase", "does not know the stream of this id (1404)",
                 "can't resolve no-such-host.invalid", "write HOST:PORT")
        stats = listener.wait(lambda s: all(i["error"] for i in s["inputs"]), 20)
        for status, text in zip(stats["inputs"], texts):
            assert text in status["error"], (text, status)
            assert status["state"] == "connecting"


def test_an_input_takes_the_gateways_own_channel(stream, tmp_path):
    """Both ends are ours: what the one serves the other takes, over a bad path."""
    out = tmp_path / "in.ts"
    with Listener(stream, "--latency", "400") as server, UdpProxy(server.port, 0.05) as path:
        with Listener(stream).quiet() as listener:
            listener.tell(f"call 127.0.0.1:{path.port} {out} 400 - #!::r=c0,m=request")
            stats = listener.wait(lambda s: s["inputs"][0]["bytes"] > 2_000_000, 20)
            assert stats["inputs"][0]["gaps"] == 0
            got = out.read_bytes()
            first = next(at for at in range(0, len(got), 188) if (got[at + 1] & 0x1F) << 8 | got[at + 2] == 0x101)
            assert got[first:len(got) // 188 * 188] in server.sent


def test_an_input_has_a_port_of_its_own(stream, tmp_path):
    out, port = tmp_path / "in.ts", listening_port()
    caller = Caller()
    with Listener(stream).quiet() as listener:
        listener.tell(f"listen :{port} {out} 120 {SECRET}")
        assert listener.wait(lambda s: s["inputs"])["inputs"][0]["state"] == "waiting"
        time.sleep(0.3)
        assert caller.refusal(port, b"", b"a wrong passphrase") == 10
        listener.wait(lambda s: "passphrase" in s["inputs"][0]["error"])
        with Sender(f"srt://127.0.0.1:{port}?passphrase={SECRET}", listener.sent[:2_000_000]) as sender:
            listener.wait(lambda s: s["inputs"][0]["bytes"] > 300_000)
            assert caller.refusal(port, b"whatever", SECRET.encode()) == 1409
            assert_arrived(out, sender.finish())
            status = listener.stats()["inputs"][0]
            assert status["state"] == "receiving" and status["error"] == ""
        listener.tell("drop 0")
        time.sleep(0.2)
        assert caller.refusal(port, b"", SECRET.encode()) != 0


def test_a_port_that_is_taken_is_told_and_taken_later(stream, tmp_path):
    out = tmp_path / "in.ts"
    with Listener(stream).quiet() as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        listener.tell(f"listen 127.0.0.1:{port} {out} 120 -")
        assert f"127.0.0.1:{port}" in listener.wait(lambda s: s["inputs"][0]["error"])["inputs"][0]["error"]
        other.close()
        time.sleep(4)
        with Sender(f"srt://127.0.0.1:{port}", listener.sent):
            listener.wait(lambda s: s["inputs"][0]["bytes"] > 300_000)


def test_the_end_of_a_stream_is_not_cut_off(stream, tmp_path):
    """What was not due yet when the publisher said goodbye comes, too."""
    out = tmp_path / "pub.ts"
    with Listener(stream, "--latency", "2000").quiet() as listener:
        listener.ask(f"publish pub - {out}")
        with Sender(f"srt://127.0.0.1:{listener.port}?streamid=publish:pub", listener.sent[:1_500_000]) as sender:
            sender.finish()
            time.sleep(0.3)
            assert os.path.getsize(out) < 1_000_000  # the last two seconds wait for their time
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
