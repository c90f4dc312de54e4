"""hls.js plays a channel from the gateway's player page in Chromium."""
import json
import os
from pathlib import Path

from support import hls, media
from support.gateway import Gateway

HERE = Path(__file__).resolve().parent


def watch(rig, seconds, *urls, role="gw"):
    environment = dict(os.environ, HOME="/tmp")
    result = rig.call(role, "node", str(HERE / "player.js"), str(seconds), *urls, timeout=seconds * len(urls) + 60, env=environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["pages"]


def assert_plays(page, least):
    assert page["videos"], f"no video element on {page['url']}; errors {page['errors']}"
    for video in page["videos"]:
        state = video["state"]
        print(f"{page['url']}: moves after {video['first_movement']} s, advanced {video['advanced']:.1f} s, stalled "
              f"{video['stalled']:.2f} s, {state['width']}x{state['height']}, {state['frames']} frames, {state['dropped']} dropped")
        assert state["error"] is None, state["error"]
        assert video["advanced"] >= least, f"{video}\n{page['errors']}"
        assert state["width"] == 320 and state["frames"] > 20 * least
    assert not page["errors"], page["errors"]


def test_player_page_plays_a_channel(rig):
    channels = {"tv": {"name": "Test", "inputs": ["udp://239.11.1.1:5000"], "serve": {"hls": {"segment": "2s"}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.11.1.1", True)
        sender = rig.send(media.stream("h264_aac", 60), "239.11.1.1", 5000)
        hls.Client(gateway, "tv").follow(3, 20)
        page = watch(rig, 14, gateway.url("/tv/"))[0]
        sender.kill()
        assert all(video["state"]["hls"] for video in page["videos"]), "hls.js is not what plays"
        assert_plays(page, 8)


def test_player_goes_on_over_a_bridge_restart(rig):
    channels = {"tv": {"inputs": ["udp://239.11.1.2:5000"], "serve": {"hls": {"segment": "2s"}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.11.1.2", True)
        sender = rig.send(media.stream("h264_aac_b", 60), "239.11.1.2", 5000)
        hls.Client(gateway, "tv").follow(4, 20)
        import threading
        timer = threading.Timer(7.0, lambda: gateway.kill("bridge"))
        timer.start()
        page = watch(rig, 25, gateway.url("/tv/"))[0]
        timer.join()
        sender.kill()
        video = page["videos"][0]
        print(f"over a restart: advanced {video['advanced']:.1f} s of 25, stalled {video['stalled']:.1f} s")
        assert video["advanced"] >= 14, (video, page["errors"])
        assert video["state"]["error"] is None
