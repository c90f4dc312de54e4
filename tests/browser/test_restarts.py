"""hls.js in Chromium goes on playing when a process of the gateway dies."""
import pytest

from support import hls, media
from support.gateway import Gateway
from watch import play_on, watch, when

GROUP = "239.11.2.1"


@pytest.fixture(scope="module")
def gateway(rig):
    with Gateway(rig, {"tv": {"inputs": [f"udp://{GROUP}:5000"], "serve": {"hls": {"segment": "2s"}}}}) as made:
        rig.wait_mdb(GROUP, True)
        rig.send(media.looped(media.stream("h264_aac_b", 10), 400), GROUP, 5000)
        yield made


def watch_and_kill(rig, gateway, tmp_path, process, seconds):
    hls.Client(gateway, "tv").follow(4)
    plays = tmp_path / "plays"
    with when(plays, lambda: gateway.kill(process), 3):
        return watch(rig, [{"url": gateway.url("/tv/"), "seconds": seconds, "playing": str(plays)}])[0]


def test_player_goes_on_over_a_bridge_restart(rig, gateway, tmp_path):
    play_on(watch_and_kill(rig, gateway, tmp_path, "bridge", 26), 12, "over a restart of the bridge, of 26 s")


def test_player_goes_on_over_the_death_of_the_fast_path(rig, gateway, tmp_path):
    # Up to 8 s behind the live edge when it dies: what it plays at the end came after.
    play_on(watch_and_kill(rig, gateway, tmp_path, "fastpath", 32), 16, "over the death of the fast path, of 32 s")
