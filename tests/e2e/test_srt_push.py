"""A channel pushed by SRT to other programs: srt-live-transmit, GStreamer, the gateway's own listener; targets that
are away, refuse, stand still or come back, beside others that lose nothing. All on loopback, in the bridge's sandbox."""
import signal
import subprocess

import pytest

from support import counted_ts
from support.ports import free_port
from support.srt import LATENCY, SECRET, Listener, wait_for_size
from support.udp_proxy import UdpProxy


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    path = tmp_path_factory.mktemp("srt") / "in.ts"
    path.write_bytes(counted_ts.make(90))
    return path


class Target:
    """srt-live-transmit that listens and writes what it gets."""

    def __init__(self, port, path, query=""):
        self.path = path
        self.out = open(path, "wb")
        self.process = subprocess.Popen(["srt-live-transmit", "-q", "-a:no", f"srt://127.0.0.1:{port}?mode=listener{query}",
                                         "file://con"], stdout=self.out, stderr=subprocess.DEVNULL)

    def wait(self, size):
        """Until so much has come: `latency` later than it was sent."""
        wait_for_size(self.path, size)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.out.close()
        return self.path.read_bytes()


def assert_is_piece(data, sent, least=500_000):
    data = data[:len(data) // 188 * 188]
    assert len(data) > least and data in sent



def test_targets_of_two_makes_get_what_was_sent(stream, tmp_path):
    ports = [free_port() for _ in range(2)]
    target = Target(ports[0], tmp_path / "slt.ts", f"&passphrase={SECRET}&latency=1800")
    gst = subprocess.Popen(["gst-launch-1.0", "-q", "srtsrc", f"uri=srt://127.0.0.1:{ports[1]}?mode=listener", "!",
                            "filesink", f"location={tmp_path}/gst.ts", "buffer-mode=2"])
    try:
        with Listener(stream) as listener:
            listener.tell(f"push localhost:{ports[0]} {LATENCY} {SECRET} -")
            listener.tell(f"push 127.0.0.1:{ports[1]} {LATENCY} - some-id")
            stats = listener.wait(lambda s: all(p["bytes"] > 1_500_000 for p in s["pushes"]))
            first, second = stats["pushes"]
            assert first["state"] == second["state"] == "sending" and first["error"] == ""
            assert first["details"]["encrypted"] == "yes" and first["details"]["latency_ms"] == "1800"
            assert second["details"]["encrypted"] == "no" and second["details"]["latency_ms"] == LATENCY
            assert {"rtt_ms", "lost_packets", "retransmitted_packets", "dropped_packets",
                    "bandwidth_mbps"} <= first["details"].keys()
            assert first["skipped"] == 0 and not stats["sessions"]
            target.wait(600_000)
            wait_for_size(tmp_path / "gst.ts", 600_000)
            assert_is_piece(target.stop(), listener.sent)
            gst.kill()
            gst.wait()
            assert_is_piece((tmp_path / "gst.ts").read_bytes(), listener.sent)
    finally:
        gst.kill()
        gst.wait()


def test_a_push_tells_why_it_was_refused(stream, tmp_path):
    with Listener(stream, "--passphrase", SECRET).quiet() as server, Listener(stream) as listener:
        server.ask(f"publish pub s3cret {tmp_path}/pub.ts")
        for line in (f"127.0.0.1:{server.port} 120 a-wrong-passphrase publish:pub?key=s3cret",
                     f"127.0.0.1:{server.port} 120 {SECRET} publish:pub?key=wrong",
                     f"127.0.0.1:{server.port} 120 {SECRET} publish:nobody?key=s3cret",
                     f"127.0.0.1:{free_port()} 120 - -"):
            listener.tell("push " + line)
        stats = listener.wait(lambda s: all(p["failures"] > 0 for p in s["pushes"]))
        for status, text in zip(stats["pushes"], ("(10)", "key in the stream id is wrong (1401)", "(1404)", "no answer")):
            assert text in status["error"] and status["state"] != "sending", (text, status)
            assert status["bytes"] == 0 and status["connections"] == 0


def test_one_gateway_pushes_to_another(stream, tmp_path):
    """Over a path that loses and reorders: what is published there is what is pushed here."""
    out = tmp_path / "pub.ts"
    with Listener(stream).quiet() as server, UdpProxy(server.port, 0.05) as path, Listener(stream) as listener:
        server.ask(f"publish pub s3cret {out}")
        listener.tell(f"push 127.0.0.1:{path.port} 2500 - #!::r=pub?key=s3cret,m=publish")
        server.wait(lambda s: s["publishers"]["pub"]["bytes"] > 3_000_000)
        assert server.stats()["publishers"]["pub"]["gaps"] == 0
        assert int(listener.stats()["pushes"][0]["details"]["retransmitted_packets"]) > 10
        wait_for_size(out, 600_000)
        assert_is_piece(out.read_bytes(), listener.sent)


def test_targets_that_fail_hurt_no_other(stream, tmp_path):
    ports = [free_port() for _ in range(4)]
    good, killed, still = (Target(port, tmp_path / f"{name}.ts") for port, name in zip(ports, ("good", "killed", "still")))
    with Listener(stream) as listener:
        for port in ports:  # nobody listens on the last
            listener.tell(f"push 127.0.0.1:{port} {LATENCY} - -")
        listener.wait(lambda s: all(p["bytes"] > 300_000 for p in s["pushes"][:3]))
        killed.process.kill()
        still.process.send_signal(signal.SIGSTOP)
        stats = listener.wait(lambda s: all(p["failures"] > 0 for p in s["pushes"][1:]))
        assert [p["state"] == "sending" for p in stats["pushes"]] == [True, False, False, False]
        killed.stop()
        back = Target(ports[1], tmp_path / "back.ts")
        still.process.send_signal(signal.SIGCONT)
        stats = listener.wait(lambda s: s["pushes"][1]["connections"] >= 2)
        before = stats["pushes"][1]["bytes"]
        stats = listener.wait(lambda s: s["pushes"][1]["bytes"] > before + 700_000)
        assert stats["pushes"][1]["error"] == "" and stats["pushes"][0]["skipped"] == 0
        listener.tell("unpush 0")
        assert len(listener.wait(lambda s: len(s["pushes"]) == 3)["pushes"]) == 3
        still.stop()
        back.wait(600_000)
        good.wait(3_100_000)
        assert_is_piece(back.stop(), listener.sent)
        assert_is_piece(good.stop(), listener.sent, 3_000_000)


def test_a_push_that_is_taken_away_ends_at_once(stream, tmp_path):
    port = free_port()
    # Without a word of goodbye it would wait for two minutes.
    target = Target(port, tmp_path / "slt.ts", "&peeridletimeo=120000")
    with Listener(stream) as listener:
        listener.tell(f"push 127.0.0.1:{port} {LATENCY} - -")
        listener.wait(lambda s: s["pushes"][0]["bytes"] > 300_000)
        listener.tell("unpush 0")
        assert target.process.wait(60) is not None  # it hears the goodbye, and ends
        listener.wait(lambda s: not s["pushes"])
    target.stop()
