"""node-media-server, an RTMP server of others that knows HEVC: channels are pushed to it and pulled from it, and what arrives at the far
end is the source's media. It says of nothing what it takes, as most servers; HEVC and AC-3 go there all the same."""
import json

import pytest

from judge import Stage, end, needs_module, said, wait_for
from support import media
from support.content import same_media

AVC, HEVC = "239.9.7.1", "239.9.7.2"
PULLED_AVC, PULLED_HEVC = "239.9.7.3", "239.9.7.4"
BYTES = 8 * 700_000 // 8

pytestmark = needs_module("node-media-server", "node-av")


@pytest.fixture(scope="module")
def relayed(rig):
    """The whole way, all at once: two channels are pushed to the server, and pulled back into two others."""
    avc, hevc = (media.looped(media.stream(name, 18), 150) for name in ("h264_aac", "hevc_ac3"))
    with Stage(rig) as stage:
        port = stage.free_port()
        server = stage.script("media_server.js", port)
        stage.wait_port(port, server)
        base = f"rtmp://127.0.0.1:{port}/live"
        stage.apply({
            "avc": {"inputs": [f"udp://{AVC}:5000"], "serve": [], "push": [{"url": base, "key_file": stage.key_file("avc")}]},
            "hevc": {"inputs": [f"udp://{HEVC}:5000"], "serve": [], "audio": {"transcode": "never"}, "push": [{"url": base, "key_file": stage.key_file("hevc")}]},
            "from-avc": {"inputs": [f"{base}/avc"], "serve": [], "push": [f"udp://{PULLED_AVC}:5000"]},
            "from-hevc": {"inputs": [f"{base}/hevc"], "serve": [], "push": [f"udp://{PULLED_HEVC}:5000"]},
        })
        for group, path in ((AVC, avc), (HEVC, hevc)):
            rig.wait_mdb(group, True)
            rig.send(path, group, 5000)
        captures = {"avc": rig.capture(PULLED_AVC, 5000), "hevc": rig.capture(PULLED_HEVC, 5000)}
        for name in ("avc", "hevc"):
            stage.wait_metric("headgate_output_bytes_total", 50_000, channel=name)
        files = {name: stage.open_folder / f"{name}.ts" for name in ("avc", "hevc")}
        players = {"avc": stage.beside_it("ffmpeg", "-v", "error", "-i", f"{base}/avc", "-c", "copy", "-f", "mpegts", files["avc"]),
                   "hevc": stage.script("ffmpeg8.js", f"{base}/hevc", files["hevc"], "mpegts")}
        for name, capture in captures.items():
            wait_for(lambda: sum(len(d) for _, d in capture.datagrams) > BYTES, 90,
                     lambda: f"{name}: {json.dumps(stage.json('status', f'from-{name}'))}")
        for name, player in players.items():
            wait_for(lambda: files[name].exists() and files[name].stat().st_size > BYTES, 90, lambda: said(player))
            end(player)
        for name, capture in captures.items():
            (stage.open_folder / f"pulled-{name}.ts").write_bytes(capture.stop().payload())
        yield stage, {"avc": avc, "hevc": hevc}


def test_h264_and_aac_are_pushed(relayed):
    stage, sources = relayed
    same_media(sources["avc"], stage.open_folder / "avc.ts", least=100)


def test_hevc_and_ac3_are_pushed_by_enhanced_rtmp(relayed):
    stage, sources = relayed
    same_media(sources["hevc"], stage.open_folder / "hevc.ts", least=100, sound="ac3")


def test_h264_and_aac_are_pulled(relayed):
    stage, sources = relayed
    same_media(sources["avc"], stage.open_folder / "pulled-avc.ts", least=150)


def test_hevc_and_ac3_are_pulled(relayed):
    stage, sources = relayed
    same_media(sources["hevc"], stage.open_folder / "pulled-hevc.ts", least=150, sound="ac3")


def test_status_says_that_nothing_is_left_out(relayed):
    stage, _ = relayed
    for name in ("avc", "hevc"):
        pushes = stage.json("status", name)["bridge"]["pushes"]
        assert [(push["state"], push["left_out"], push["error"]) for push in pushes] == [("sending", [], "")]
