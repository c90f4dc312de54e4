"""hls.js plays channels from the gateway's player page in Chromium: four pages at the same time."""
import contextlib
import os
import time
from pathlib import Path

import pytest

from support import hls, media
from support.gateway import Gateway, pressure
from watch import play_on, watch, when

GROUPS = {name: f"239.11.1.{number}" for number, name in enumerate(("tv", "fault", "late", "longer"), 1)}
NO_MEDIA = "The channel has no media yet: no signal, or it has just begun."
MEDIA_ERROR = """hls.trigger(Hls.Events.ERROR, { type: Hls.ErrorTypes.MEDIA_ERROR, details: Hls.ErrorDetails.BUFFER_APPEND_ERROR,
  fatal: true, error: new Error('made by the test') })"""


def channels(longer):
    made = {name: {"inputs": [f"udp://{group}:5000"], "serve": {"hls": {"segment": "2s"}}} for name, group in GROUPS.items()}
    made["tv"]["name"] = "Test <One>"
    made["longer"]["serve"] = {"hls": {"segment": longer, "window": 7}}
    return made


@pytest.fixture(scope="module")
def pages(rig, tmp_path_factory):
    """{channel: what its page showed}: one plays, one has an error made, one has no media at first, one gets other segments."""
    folder = tmp_path_factory.mktemp("pages")
    pictures = Path(os.environ.get("HEADGATE_SCREENSHOTS", folder))
    with Gateway(rig, channels("2s")) as gateway:
        for group in GROUPS.values():
            rig.wait_mdb(group, True)

        def send(name):
            return rig.send(media.looped(media.stream("h264_aac_b" if name == "longer" else "h264_aac", 18), 240), GROUPS[name], 5000)

        senders = [send(name) for name in GROUPS if name != "late"]
        for name in ("tv", "fault", "longer"):
            hls.Client(gateway, name).follow(4)
        says_so, plays = folder / "says-so", folder / "plays"
        wanted = {"tv": {"seconds": 16, "screenshot": str(pictures / "player.png")}, "fault": {"seconds": 14, "during": MEDIA_ERROR},
                  "late": {"seconds": 10, "saying": {NO_MEDIA: str(says_so)}}, "longer": {"seconds": 36, "playing": str(plays)}}
        with contextlib.ExitStack() as stack:
            stack.enter_context(when(says_so, lambda: senders.append(send("late"))))
            stack.enter_context(when(plays, lambda: gateway.apply(channels("4s")), 3))
            begin, busy = time.monotonic(), pressure()
            shown = watch(rig, [{"url": gateway.url(f"/{name}/"), **page} for name, page in wanted.items()])
            busy = pressure() - busy
            print(f"watched for {time.monotonic() - begin:.1f} s")
        for sender in senders:
            sender.kill()
    return dict(zip(wanted, shown)), pictures, busy


def test_player_page_plays_a_channel(pages):
    page, picture = pages[0]["tv"], pages[1] / "player.png"
    play_on(page, 10, "plays")
    video = page["videos"][0]
    state = video["state"]
    assert page["title"] == "Test <One> · Headgate"
    assert not page["console"] and not page["errors"], (page["console"], page["errors"])
    assert video["first_movement"] < 5 + pages[2]
    assert picture.stat().st_size > 5000
    assert state["hls"], "hls.js is not what plays"
    assert state["width"] == 320 and state["frames"] > 200, state


def test_player_goes_on_after_a_media_error(pages):
    page = pages[0]["fault"]
    play_on(page, 5, "over a media error")
    assert "Paused." in page["texts"] or "Waiting for media…" in page["texts"][1:], "the error did not reach the player"


def test_page_of_a_channel_without_media_says_so_and_plays_when_it_comes(pages):
    page = pages[0]["late"]
    assert NO_MEDIA in page["texts"], page["texts"]
    play_on(page, 3, "when media came")


def test_player_goes_on_when_segments_get_another_duration(pages):
    play_on(pages[0]["longer"], 14, "over another duration, of 36 s")
