"""Streams that an input calls for by SRT, or takes on a port of its own. All on loopback, in the bridge's sandbox; what arrives is
held against what was sent byte for byte."""
import socket

import pytest

from support import counted_ts
from support.ports import free_port
from support.srt import LATENCY, NO_ANSWER, SECRET, Caller, Listener, Sender, assert_arrived
from support.udp_proxy import UdpProxy


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("srt") / "in.ts"
    path.write_bytes(counted_ts.make(40))
    return path


class Server:
    """srt-live-transmit that waits for a caller and sends it the stream."""

    def __init__(self, port, data, query=""):
        self.sender = Sender(f"srt://127.0.0.1:{port}?mode=listener{query}", data)

    def __enter__(self):
        return self.sender

    def __exit__(self, *_):
        self.sender.stop()


def test_an_input_calls_and_calls_again(stream, tmp_path):
    out, port = tmp_path / "in.ts", free_port()
    with Listener(stream).quiet() as listener:
        listener.tell(f"call localhost:{port} {out} {LATENCY} {SECRET} -")
        status = listener.wait(lambda s: s["inputs"][0]["error"] != "")["inputs"][0]
        assert status["state"] == "connecting" and "no answer" in status["error"]
        for connection in (1, 2):
            before = listener.stats()["inputs"][0]["bytes"]
            with Server(port, listener.sent, f"&passphrase={SECRET}"):
                stats = listener.wait(lambda s: s["inputs"][0]["bytes"] > before + 1_000_000)
                status = stats["inputs"][0]
                assert status["state"] == "receiving" and status["error"] == ""
                assert status["connections"] == connection and status["peer"] == f"127.0.0.1:{port}"
                assert status["details"]["encrypted"] == "yes" and status["details"]["latency_ms"] == LATENCY
            listener.wait(lambda s: s["inputs"][0]["state"] == "connecting")
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
        stats = listener.wait(lambda s: all(i["error"] for i in s["inputs"]))
        for status, text in zip(stats["inputs"], texts):
            assert text in status["error"], (text, status)
            assert status["state"] == "connecting"


def test_an_input_takes_the_gateways_own_channel(stream, tmp_path):
    """Both ends are ours: what the one serves the other takes, over a bad path."""
    out = tmp_path / "in.ts"
    with Listener(stream, "--latency", "2500") as server, UdpProxy(server.port, 0.05) as path:
        with Listener(stream).quiet() as listener:
            listener.tell(f"call 127.0.0.1:{path.port} {out} 2500 - #!::r=c0,m=request")
            stats = listener.wait(lambda s: s["inputs"][0]["bytes"] > 2_000_000)
            assert stats["inputs"][0]["gaps"] == 0
            got = out.read_bytes()
            first = next(at for at in range(0, len(got), 188) if (got[at + 1] & 0x1F) << 8 | got[at + 2] == 0x101)
            assert got[first:len(got) // 188 * 188] in server.sent


def test_an_input_has_a_port_of_its_own(stream, tmp_path):
    out, port = tmp_path / "in.ts", free_port()
    caller = Caller()
    with Listener(stream).quiet() as listener:
        listener.tell(f"listen :{port} {out} {LATENCY} {SECRET}")
        assert listener.wait(lambda s: s["inputs"])["inputs"][0]["state"] == "waiting"
        caller.wait_refusal(10, port, b"", b"a wrong passphrase")
        listener.wait(lambda s: "passphrase" in s["inputs"][0]["error"])
        with Sender(f"srt://127.0.0.1:{port}?passphrase={SECRET}", listener.sent[:2_000_000]) as sender:
            listener.wait(lambda s: s["inputs"][0]["bytes"] > 300_000)
            assert caller.refusal(port, b"whatever", SECRET.encode()) == 1409
            assert_arrived(out, sender.finish())
            status = listener.stats()["inputs"][0]
            assert status["state"] == "receiving" and status["error"] == ""
        listener.tell("drop 0")
        caller.wait_refusal(NO_ANSWER, port, b"", SECRET.encode())


def test_a_port_that_is_taken_is_told_and_taken_later(stream, tmp_path):
    out = tmp_path / "in.ts"
    with Listener(stream).quiet() as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        listener.tell(f"listen 127.0.0.1:{port} {out} {LATENCY} -")
        assert f"127.0.0.1:{port}" in listener.wait(lambda s: s["inputs"][0]["error"])["inputs"][0]["error"]
        other.close()
        listener.wait(lambda s: not s["inputs"][0]["error"])
        with Sender(f"srt://127.0.0.1:{port}", listener.sent):
            listener.wait(lambda s: s["inputs"][0]["bytes"] > 300_000)
