"""hls.js plays a channel from the gateway's player page in Chromium."""
import json
import os
from pathlib import Path

from support import hls, media
from support.gateway import Gateway

HERE = Path(__file__).resolve().parent


def watch(rig, seconds, *urls, role="gw", screenshot=None):
    environment = dict(os.environ, HOME="/tmp")
    if screenshot:
        environment["SCREENSHOT"] = str(screenshot)
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


def test_player_page_plays_a_channel(rig, tmp_path):
    channels = {"tv": {"name": "Test <One>", "inputs": ["udp://239.11.1.1:5000"], "serve": {"hls": {"segment": "2s"}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.11.1.1", True)
        sender = rig.send(media.stream("h264_aac", 60), "239.11.1.1", 5000)
        hls.Client(gateway, "tv").follow(3, 20)
        picture = Path(os.environ.get("HEADGATE_SCREENSHOTS", tmp_path)) / "player.png"
        page = watch(rig, 14, gateway.url("/tv/"), screenshot=picture)[0]
        sender.kill()
        assert page["title"] == "Test <One> · Headgate"
        assert page["texts"][-1].startswith("Playing."), page["texts"]
        assert not page["console"], page["console"]
        assert page["videos"][0]["first_movement"] < 3
        assert picture.stat().st_size > 5000
        assert all(video["state"]["hls"] for video in page["videos"]), "hls.js is not what plays"
        assert_plays(page, 10)


def test_page_of_a_channel_without_media_says_so_and_plays_when_it_comes(rig, tmp_path):
    channels = {"tv": {"inputs": ["udp://239.11.1.3:5000"], "serve": {"hls": {"segment": "2s"}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.11.1.3", True)
        picture = Path(os.environ.get("HEADGATE_SCREENSHOTS", tmp_path)) / "no-media.png"
        page = watch(rig, 4, gateway.url("/tv/"), screenshot=picture)[0]
        assert "The channel has no media yet: no signal, or it has just begun." in page["texts"], page["texts"]
        sender = rig.send(media.stream("h264_aac", 60), "239.11.1.3", 5000)
        page = watch(rig, 16, gateway.url("/tv/"))[0]
        sender.kill()
        assert page["texts"][-1].startswith("Playing."), page["texts"]
        assert page["videos"][0]["advanced"] >= 3, page


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
        assert page["texts"][-1].startswith("Playing."), page["texts"]
        print(f"over a restart: advanced {video['advanced']:.1f} s of 25, stalled {video['stalled']:.1f} s")
        assert video["advanced"] >= 14, (video, page["errors"])
        assert video["state"]["error"] is None
