"""FFmpeg 8.1, for Debian's knows no Enhanced RTMP: it publishes HEVC with AC-3 and with E-AC-3, plays them, and is a target of pushes.
What it publishes leaves as multicast; all three ends must have the source's media."""
import json

import pytest

from judge import Stage, end, needs_module, said, wait_for
from support import media
from support.content import same_media

GROUPS = {"ac3": "239.9.8.1", "eac3": "239.9.8.2"}
BYTES = 8 * 600_000 // 8

pytestmark = needs_module("node-av")


@pytest.fixture(scope="module")
def carried(rig):
    """Of each sound one publisher, and at the same time a player, a target and a receiver of the multicast."""
    sources = {sound: media.looped(media.stream(f"hevc_{sound}", 18), 120) for sound in GROUPS}
    with Stage(rig) as stage:
        ports = {sound: stage.free_port() for sound in GROUPS}
        files = {(sound, at): stage.open_folder / f"{sound}-{at}.ts" for sound in GROUPS for at in ("target", "player", "multicast")}
        takers = {(sound, "target"): stage.script("ffmpeg8.js", "--listen", f"rtmp://127.0.0.1:{port}/app/name",
                                                files[sound, "target"], "mpegts") for sound, port in ports.items()}
        stage.apply({sound: {"inputs": [{"publish": {"key_file": stage.key_file("very-s3cret")}}], "serve": ["rtmp"],
                             "audio": {"transcode": "never"},
                             "push": [f"udp://{group}:5000",
                                      {"url": f"rtmp://127.0.0.1:{ports[sound]}/app", "key_file": stage.key_file("name")}]}
                     for sound, group in GROUPS.items()})
        captures = {sound: rig.capture(group, 5000) for sound, group in GROUPS.items()}
        for sound, source in sources.items():
            stage.script("ffmpeg8.js", "--real-time", source, stage.rtmp(f"{sound}?key=very-s3cret"), "flv")
        for sound in GROUPS:
            stage.wait_metric("headgate_input_bytes_total", 50_000, channel=sound)
            takers[sound, "player"] = stage.script("ffmpeg8.js", stage.rtmp(sound), files[sound, "player"], "mpegts")
        for sound, capture in captures.items():
            told = lambda: json.dumps(stage.json("status", sound))  # noqa: B023
            wait_for(lambda: sum(len(d) for _, d in capture.datagrams) > BYTES, 90, told)  # noqa: B023
            files[sound, "multicast"].write_bytes(capture.stop().payload())
        for which, process in takers.items():
            wait_for(lambda: files[which].exists() and files[which].stat().st_size > BYTES, 90,  # noqa: B023
                     lambda: f"{which}: {said(process)}{json.dumps(stage.json('status', which[0]))}")  # noqa: B023
            end(process)
        yield sources, files


@pytest.mark.parametrize("sound", GROUPS)
@pytest.mark.parametrize("at", ["multicast", "player", "target"])
def test_hevc_and_its_sound_arrive(carried, sound, at):
    sources, files = carried
    same_media(sources[sound], files[sound, at], least=100, sound=sound)
