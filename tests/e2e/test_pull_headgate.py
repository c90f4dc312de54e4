"""Headgate fetches what Headgate serves: HLS and TS over HTTP of a running channel, and a file. Once with the source
alone, and once through the whole gateway back to multicast: every access unit is there, in order, at an even pace."""
import time

import pytest

from support import media, ts
from support.gateway import Gateway, pressure
from support.pull import Pull

GROUP = "239.8.1.1"
WAYS = {"from-hls": ("239.8.2.1", "/tv/index.m3u8"), "from-ts": ("239.8.2.2", "/tv/stream.ts"), "from-file": ("239.8.2.3", None)}
SECONDS = 240


@pytest.fixture(scope="module")
def live(rig):
    source = media.looped(media.stream("h264_aac", 18), SECONDS)
    file = media.stream("h264_aac", 4)
    gateway = Gateway(rig, {})
    channels = {"tv": {"inputs": [f"udp://{GROUP}:5000"], "serve": {"http-ts": {}, "hls": {"segment": "2s"}}}}
    for name, (group, target) in WAYS.items():
        url = f"http://localhost:{gateway.http_port}{target}" if target else f"file://{file}"
        channels[name] = {"inputs": [url], "push": [f"udp://{group}:5000"], "serve": []}
    gateway.write(channels)
    with gateway:
        rig.wait_mdb(GROUP, True)
        rig.send(source, GROUP, 5000)
        deadline = time.monotonic() + 60
        while b"#EXT-X-STREAM-INF" not in gateway.http("/tv/index.m3u8").body:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield gateway, rig, source, file


def fetch(gateway, rig, kind, target):
    prefix = ("ip", "netns", "exec", rig.names["gw"])
    return Pull(kind, f"http://127.0.0.1:{gateway.http_port}{target}", prefix=prefix)


def check(source, received, tmp_path, least):
    scan = ts.Scan(received)
    assert scan.total_cc_errors == 0 and scan.sync_errors == 0, scan.cc_errors
    path = tmp_path / "received.ts"
    path.write_bytes(received)
    return ts.assert_same_media(ts.access_units(source, "v:0"), ts.access_units(path, "v:0")[1:-1], least)


def check_rounds(file, received, tmp_path, least):
    """The file, over again: the same units in the same order, and time stamps that go on across the joints."""
    scan = ts.Scan(received)
    assert scan.total_cc_errors == 0 and scan.sync_errors == 0, scan.cc_errors
    path = tmp_path / "received.ts"
    path.write_bytes(received)
    wanted = ts.access_units(file, "v:0")
    got = ts.access_units(path, "v:0")[1:-1]
    assert len(got) >= least
    hashes = [unit[0] for unit in wanted]
    place = hashes.index(got[0][0])
    assert [unit[0] for unit in got] == [hashes[(place + i) % len(hashes)] for i in range(len(got))]
    # A round lasts as long as the file's clock says, which is a little longer than its pictures.
    joint = round(ts.duration(file.read_bytes()) * 90000) - (wanted[-1][3] - wanted[0][3]) % ts.PTS_MODULUS
    steps = [(step, joint if (place + i + 1) % len(hashes) == 0 else 3600) for i, (_, step) in enumerate(ts.stamp_steps(got))]
    assert all(abs(step - expected) <= 1 for step, expected in steps), steps
    assert joint in [expected for _, expected in steps], "no joint was seen"


def test_ts_over_http(live, tmp_path):
    gateway, rig, source, _ = live
    with fetch(gateway, rig, "http-ts", "/tv/stream.ts") as pull:
        pull.wait_event("attach")
        pull.status()
        busy = pressure()
        status = pull.wait_bytes(1_150_000)
        busy = pressure() - busy
        received = pull.media()
    assert status["longest_silence"] < 0.5 + busy and status["drops"] == {}, status
    check(source, received, tmp_path, 150)


def test_hls(live, tmp_path):
    gateway, rig, source, _ = live
    with fetch(gateway, rig, "hls", "/tv/index.m3u8") as pull:
        pull.wait_event("attach")
        pull.status()
        busy = pressure()
        status = pull.wait_bytes(1_800_000)
        busy = pressure() - busy
        received = pull.media()
        assert pull.named("detach") == [] and pull.named("gap") == []
    assert status["longest_silence"] < 0.5 + busy and status["drops"] == {}, status
    check(source, received, tmp_path, 250)


@pytest.fixture(scope="module")
def on_air(live):
    """{way: capture}: six seconds of each, at the same time."""
    _, rig, _, _ = live
    captures = {name: rig.capture(group, 5000) for name, (group, _) in WAYS.items()}
    for capture in captures.values():
        capture.wait(10)
    busy = pressure()
    for capture in captures.values():
        capture.wait(10 + 6 * 1_200_000 // 8 // 1316)
    return {name: capture.stop() for name, capture in captures.items()}, pressure() - busy


@pytest.mark.parametrize("name", list(WAYS))
def test_through_the_gateway_back_to_multicast(live, on_air, tmp_path, name):
    _, _, source, file = live
    captures, busy = on_air
    data, times = captures[name].payload(), [when for when, _ in captures[name].datagrams]
    if name == "from-file":
        check_rounds(file, data, tmp_path, 100)
    else:
        check(source, data, tmp_path, 100)
    longest = max(b - a for a, b in zip(times, times[1:]))
    assert longest < 0.2 + busy, f"{longest:.3f} s without a datagram"
    print(f"{name}: {len(times)} datagrams, longest silence {longest * 1000:.0f} ms")
