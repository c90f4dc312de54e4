"""hls.js plays a channel from the gateway's player page in Chromium."""
import json
import os
import threading
import time
from pathlib import Path

from support import hls, media
from support.gateway import Gateway

HERE = Path(__file__).resolve().parent


def watch(rig, seconds, *urls, role="gw", screenshot=None, until=None, playing=None, during=None):
    environment = dict(os.environ, HOME="/tmp")
    if until:
        environment["UNTIL"] = until
    if playing:
        environment["PLAYING"] = str(playing)
    if during:
        environment["DURING"] = during
    if screenshot:
        environment["SCREENSHOT"] = str(screenshot)
    result = rig.call(role, "node", str(HERE / "player.js"), str(seconds), *urls, timeout=(seconds + 40) * len(urls) + 40, env=environment)
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
        assert page["texts"][-1].startswith("Playing."), (page["texts"], page["errors"], page["console"])
        assert not page["console"], page["console"]
        assert page["videos"][0]["first_movement"] < 3
        assert picture.stat().st_size > 5000
        assert all(video["state"]["hls"] for video in page["videos"]), "hls.js is not what plays"
        assert_plays(page, 10)


MEDIA_ERROR = """hls.trigger(Hls.Events.ERROR, { type: Hls.ErrorTypes.MEDIA_ERROR, details: Hls.ErrorDetails.BUFFER_APPEND_ERROR,
  fatal: true, error: new Error('made by the test') })"""


def test_player_goes_on_after_a_media_error(rig):
    channels = {"tv": {"inputs": ["udp://239.11.1.6:5000"], "serve": {"hls": {"segment": "2s"}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.11.1.6", True)
        sender = rig.send(media.stream("h264_aac", 60), "239.11.1.6", 5000)
        hls.Client(gateway, "tv").follow(4, 20)
        page = watch(rig, 10, gateway.url("/tv/"), during=MEDIA_ERROR)[0]
        sender.kill()
        assert "Paused." in page["texts"] or "Waiting for media…" in page["texts"][1:], "the error did not reach the player"
        assert page["texts"][-1].startswith("Playing."), (page["texts"], page["errors"])
        assert not page["videos"][0]["state"]["paused"]


def test_page_of_a_channel_without_media_says_so_and_plays_when_it_comes(rig, tmp_path):
    channels = {"tv": {"inputs": ["udp://239.11.1.3:5000"], "serve": {"hls": {"segment": "2s"}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.11.1.3", True)
        picture = Path(os.environ.get("HEADGATE_SCREENSHOTS", tmp_path)) / "no-media.png"
        text = "The channel has no media yet: no signal, or it has just begun."
        page = watch(rig, 4, gateway.url("/tv/"), screenshot=picture, until=text)[0]
        assert text in page["texts"], page["texts"]
        sender = rig.send(media.stream("h264_aac", 60), "239.11.1.3", 5000)
        page = watch(rig, 8, gateway.url("/tv/"))[0]
        sender.kill()
        assert page["texts"][-1].startswith("Playing."), (page["texts"], page["errors"], page["console"])
        assert page["videos"][0]["advanced"] >= 3, page


def test_player_goes_on_over_a_bridge_restart(rig, tmp_path):
    channels = {"tv": {"inputs": ["udp://239.11.1.2:5000"], "serve": {"hls": {"segment": "2s"}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.11.1.2", True)
        sender = rig.send(media.stream("h264_aac_b", 60), "239.11.1.2", 5000)
        hls.Client(gateway, "tv").follow(4, 20)
        plays = tmp_path / "plays"

        def kill_while_it_plays():
            end = time.monotonic() + 60
            while not plays.exists() and time.monotonic() < end:
                time.sleep(0.1)
            time.sleep(3)  # in the middle of the playing
            gateway.kill("bridge")

        killer = threading.Thread(target=kill_while_it_plays)
        killer.start()
        page = watch(rig, 20, gateway.url("/tv/"), playing=plays)[0]
        killer.join()
        sender.kill()
        video = page["videos"][0]
        assert page["texts"][-1].startswith("Playing."), (page["texts"], page["errors"], page["console"])
        print(f"over a restart: advanced {video['advanced']:.1f} s of 20, stalled {video['stalled']:.1f} s")
        assert video["advanced"] >= 12, (video, page["errors"])
        assert video["state"]["error"] is None


def watch_while(rig, gateway, tmp_path, seconds, act):
    """The channel's page, with something done in the middle of the playing."""
    plays = tmp_path / "plays"

    def do():
        end = time.monotonic() + 60
        while not plays.exists() and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(3)
        act()

    doer = threading.Thread(target=do)
    doer.start()
    page = watch(rig, seconds, gateway.url("/tv/"), playing=plays)[0]
    doer.join()
    return page


def test_player_goes_on_over_the_death_of_the_fast_path(rig, tmp_path):
    channels = {"tv": {"inputs": ["udp://239.11.1.4:5000"], "serve": {"hls": {"segment": "2s"}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.11.1.4", True)
        sender = rig.send(media.stream("h264_aac_b", 90), "239.11.1.4", 5000)
        hls.Client(gateway, "tv").follow(4, 20)
        page = watch_while(rig, gateway, tmp_path, 26, lambda: gateway.kill("fastpath"))
        sender.kill()
        video = page["videos"][0]
        assert page["texts"][-1].startswith("Playing."), (page["texts"], page["errors"], page["console"])
        print(f"over the death of the fast path: advanced {video['advanced']:.1f} s of 26, stalled {video['stalled']:.1f} s")
        # Up to 8 s behind the live edge when it dies: what it plays at the end came after.
        assert video["advanced"] >= 16, (video, page["errors"])
        assert video["state"]["error"] is None


def test_player_goes_on_when_segments_get_another_duration(rig, tmp_path):
    def tv(segment):
        return {"tv": {"inputs": ["udp://239.11.1.5:5000"], "serve": {"hls": {"segment": segment, "window": 7}}}}

    with Gateway(rig, tv("2s")) as gateway:
        rig.wait_mdb("239.11.1.5", True)
        sender = rig.send(media.stream("h264_aac_b", 90), "239.11.1.5", 5000)
        hls.Client(gateway, "tv").follow(4, 20)
        page = watch_while(rig, gateway, tmp_path, 36, lambda: gateway.apply(tv("4s")))
        sender.kill()
        video = page["videos"][0]
        print(f"over another duration: advanced {video['advanced']:.1f} s of 36, stalled {video['stalled']:.1f} s, {page['texts']}")
        assert page["texts"][-1].startswith("Playing."), (page["texts"], page["errors"], page["console"])
        assert video["advanced"] >= 14 and video["state"]["error"] is None, (video, page["errors"])
