"""Headgate fetches what Headgate serves: HLS and TS over HTTP of a running channel, and gets every access unit."""
import time

import pytest

from support import media, ts
from support.gateway import Gateway
from support.pull import Pull

GROUP = "239.8.1.1"
SECONDS = 90


@pytest.fixture(scope="module")
def live(rig):
    source = media.looped(media.stream("h264_aac", 18), SECONDS)
    channels = {"tv": {"inputs": [f"udp://{GROUP}:5000"], "serve": {"http-ts": {}, "hls": {"segment": "2s"}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb(GROUP, True)
        rig.send(source, GROUP, 5000)
        deadline = time.monotonic() + 60
        while b"#EXT-X-STREAM-INF" not in gateway.http("/tv/index.m3u8").body:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield gateway, rig, source


def fetch(gateway, rig, kind, target):
    prefix = ("ip", "netns", "exec", rig.names["gw"])
    return Pull(kind, f"http://127.0.0.1:{gateway.http_port}{target}", prefix=prefix)


def check(source, received, status, tmp_path, least):
    assert status["drops"] == {}, status
    scan = ts.Scan(received)
    assert scan.total_cc_errors == 0 and scan.sync_errors == 0, scan.cc_errors
    path = tmp_path / "received.ts"
    path.write_bytes(received)
    ts.assert_same_media(ts.access_units(source, "v:0"), ts.access_units(path, "v:0")[1:-1], least)


def test_ts_over_http(live, tmp_path):
    gateway, rig, source = live
    with fetch(gateway, rig, "http-ts", "/tv/stream.ts") as pull:
        pull.wait_event("attach")
        pull.status()
        time.sleep(10)
        status = pull.status()
        received = pull.media()
    assert status["longest_silence"] < 0.5, status
    check(source, received, status, tmp_path, 200)


def test_hls(live, tmp_path):
    gateway, rig, source = live
    with fetch(gateway, rig, "hls", "/tv/index.m3u8") as pull:
        pull.wait_event("attach", 40)
        pull.status()
        time.sleep(16)
        status = pull.status()
        received = pull.media()
        assert pull.named("detach") == [] and pull.named("gap") == []
    assert status["longest_silence"] < 0.5, status
    check(source, received, status, tmp_path, 300)
