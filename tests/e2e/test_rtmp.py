"""RTMP through the whole gateway: real players play a multicast channel, its access units are the source's, a channel
that goes ends its players, others are not touched, status and metrics say what happened."""
import json
import subprocess
import time

import pytest

from support import media
from support.frames import find_run, pictures, sound
from support.gateway import Gateway

SECONDS = 150
GROUP = "239.7.2.1"
OTHER = "239.7.2.2"


def channels(*served):
    return {name: {"inputs": [f"udp://{group}:5000"], "serve": {"rtmp": {}}}
            for name, group in (("tv", GROUP), ("old", OTHER)) if name in served}


@pytest.fixture(scope="module")
def live(rig):
    source = media.looped(media.stream("h264_aac", 18), SECONDS)
    gateway = Gateway(rig, {})
    gateway.rtmp_port = gateway._free_port()
    gateway.node["servers"]["rtmp"] = {"listen": f"[::]:{gateway.rtmp_port}"}
    gateway.write_node()
    gateway.write(channels("tv", "old"))
    with gateway:
        rig.wait_mdb(GROUP, True)
        rig.send(source, GROUP, 5000)
        rig.send(media.looped(media.stream("mpeg2_mp2", 18), SECONDS), OTHER, 5000)
        yield gateway, rig, source


def url(gateway, channel="tv"):
    return f"rtmp://127.0.0.1:{gateway.rtmp_port}/live/{channel}"


def run(gateway, *command, limit=90):
    with gateway.rig.inside("gw"):
        return subprocess.run(["timeout", "-s", "KILL", str(limit), *map(str, command)], capture_output=True, text=True,
                              check=False)


def start(gateway, *command):
    with gateway.rig.inside("gw"):
        return subprocess.Popen(["timeout", "-s", "KILL", "150", *map(str, command)])


def test_ffmpeg_plays_the_sources_media_at_once(live, tmp_path):
    gateway, _, source = live
    deadline = time.monotonic() + 60
    while True:  # the channel's first key frame
        out = tmp_path / "o.flv"
        begin = time.monotonic()
        run(gateway, "ffmpeg", "-v", "error", "-y", "-i", url(gateway), "-t", "6", "-c", "copy", out)
        took = time.monotonic() - begin
        taken = pictures(out)
        if len(taken) > 100 and took < 10:
            break
        assert time.monotonic() < deadline, (len(taken), took)
    want = pictures(source)
    # ffmpeg ends in decoding order: B-pictures before the last ones may be missing.
    taken = taken[:-4]
    at = find_run([p[0] for p in want], [p[0] for p in taken])
    assert at is not None
    shift = want[at][1] - taken[0][1]
    assert all(abs(a[1] - b[1] - shift) <= 1 for a, b in zip(want[at:], taken))
    frames = sound(out)
    assert len(frames) > 200 and find_run(sound(source), frames) is not None


def test_status_and_metrics_tell_of_players_and_refusals(live):
    gateway, _, _ = live
    players = [start(gateway, "ffmpeg", "-v", "quiet", "-i", url(gateway), "-f", "null", "-") for _ in range(2)]
    try:
        gateway.wait_metric("headgate_sessions", 2, channel="tv", output="rtmp")
        gateway.wait_metric("headgate_output_bytes_total", 100_000, channel="tv", output="rtmp")
        said = run(gateway, "ffmpeg", "-v", "error", "-i", url(gateway, "nothing"), "-f", "null", "-").stderr
        assert 'There is no channel "nothing" for RTMP here' in said
        gateway.wait_metric("headgate_rtmp_refused_total", 1, reason="unknown_channel")
        text = json.dumps(gateway.json("status", "old"))
        assert "RTMP has no" in text or "no frames" in text, text
    finally:
        for player in players:
            player.kill()
            player.wait()


def test_a_channel_that_goes_ends_its_players_and_no_others(live, tmp_path):
    gateway, _, _ = live
    taken = tmp_path / "o.flv"
    player = start(gateway, "ffmpeg", "-v", "quiet", "-y", "-i", url(gateway), "-c", "copy", "-flush_packets", "1", taken)
    end = time.monotonic() + 60
    while not (taken.exists() and taken.stat().st_size > 100_000):
        assert time.monotonic() < end, "nothing is played"
        time.sleep(0.1)
    gateway.apply(channels("tv"))
    time.sleep(1)  # and for that long at least
    assert player.poll() is None
    gateway.apply(channels("old"))
    assert player.wait(60) == 0
    assert len(pictures(taken)) > 20
    said = run(gateway, "ffmpeg", "-v", "error", "-i", url(gateway), "-f", "null", "-").stderr
    assert 'There is no channel "tv" for RTMP here' in said
    gateway.apply(channels("tv", "old"))
    again = run(gateway, "ffmpeg", "-v", "error", "-i", url(gateway), "-t", "3", "-c", "copy", "-f", "null", "-")
    assert again.returncode == 0, again.stderr
