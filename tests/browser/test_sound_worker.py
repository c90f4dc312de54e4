"""hls.js plays on while the worker that makes its AAC is late, dies, and is not started any more; and what playlists say of that."""
import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from support import hls, media
from support.gateway import Gateway, wait_for
from support.workers import sound_status, worker_of
from watch import play_on, watch, when

GROUP = "239.11.4.1"
LISTEN = (Path(__file__).resolve().parent / "listen.js").read_text()
GERMAN = 440  # Hz
SECONDS = 24


@pytest.fixture(scope="module")
def gateway(rig):
    with Gateway(rig, {"tv": {"inputs": [f"udp://{GROUP}:5000"], "serve": {"hls": {"segment": "1s"}}}}) as made:
        rig.wait_mdb(GROUP, True)
        rig.send(media.looped(media.stream("h264_mp2_deu_eng", 20), 240), GROUP, 5000)
        wait_for(lambda: made.http("/tv/index.m3u8").status == 200 and sound_status(made, "tv")["frames"] > 300, 60)
        made.addresses = sorted(set(re.findall(r'^[^#\s]\S*|(?<=URI=")[^"]+', made.http("/tv/index.m3u8").body.decode(), re.M)))
        yield made


class Look:
    """Follows all playlists of the channel from its own thread; looks are kept as (time, {what: answer})."""

    def __init__(self, gateway):
        self.gateway, self.looks, self.ended = gateway, [], threading.Event()
        self.addresses = gateway.addresses
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.wait(0.5):
            self.looks.append({address: self.gateway.http(f"/tv/{address}") for address in ["index.m3u8", *self.addresses]})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def playlists(self, what):
        return [hls.Playlist(look[a].body.decode(), "/tv/") for look in self.looks for a in self.addresses if what in a]


def test_a_player_plays_on_whatever_the_worker_does(rig, gateway, tmp_path):
    began = sound_status(gateway, "tv")
    told = {}

    def sound_job():
        return next(job for job in gateway.process_status("transcode")["jobs"] if job["name"] == "sound.tv")

    def act():
        victim = worker_of(gateway, "tv")
        os.kill(victim, signal.SIGSTOP)
        time.sleep(4)  # it stands: that is what is tested
        os.kill(victim, signal.SIGCONT)
        told["late"] = wait_for(lambda: (now := sound_status(gateway, "tv"))["state"] == "running" and now, 20)
        for death in range(3):
            victim = wait_for(lambda: sound_job()["state"] == "running" and worker_of(gateway, "tv"), 30)
            os.kill(victim, signal.SIGSEGV)  # what a decoder does that its input breaks
            wait_for(lambda death=death: sound_job()["deaths"]["crashed"] == death + 1, 20)
        told["quarantined"] = wait_for(lambda: (now := sound_status(gateway, "tv"))["state"] == "silent" and now, 30)

    plays = tmp_path / "plays"
    steps = [{"track": 0, "hz": GERMAN}, {"seconds": SECONDS}]
    with Look(gateway) as look, when(plays, act, 6):
        page = watch(rig, [{"url": gateway.url("/tv/"), "seconds": SECONDS + 40, "playing": str(plays), "told": "heard",
                            "during": f"{LISTEN}\nlisten({json.dumps(steps)})", "until": "heard.done"}])[0]
    heard = page["told"]
    print(json.dumps({"stood": heard["stood"], "silent": heard["silent"], "errors": heard["errors"], "fatal": heard["fatal"], **told}))
    # Late is no gap.
    assert [told["late"][key] - began[key] for key in ("gaps", "late", "filled", "withdrawn")] == [0, 0, 0, 0]
    assert told["quarantined"]["gaps"] > began["gaps"] and told["quarantined"]["filled"] > 0
    play_on(page, SECONDS * 0.8, "while the worker is late, dies and is not started any more")
    assert heard["done"] and not heard["fatal"] and not page["errors"], (heard, page["errors"])
    assert heard["stood"] < 3, "the pictures stood with the sound"
    # The rest of the channel noticed nothing, and nothing went away.
    assert look.looks and all(answer.status == 200 for each in look.looks for answer in each.values())
    for playlist in look.playlists("index."):
        assert not any(gap or discontinuity for *_, gap, discontinuity in playlist.segments), playlist.text
        assert playlist.discontinuity_sequence == 0
    offers = {re.sub(r"BANDWIDTH=\d+", "", each["index.m3u8"].body.decode()) for each in look.looks}
    assert len(offers) == 1, offers
    # While it was late its playlist stood still; then it went on.
    behind = [max(hls.Playlist(each[a].body.decode(), "/tv/").segments[-1][0] for a in look.addresses)
              - min(hls.Playlist(each[a].body.decode(), "/tv/").segments[-1][0] for a in look.addresses if "aac" in a) for each in look.looks]
    print("segments that AAC was behind:", behind)
    assert max(behind) >= 2


def test_one_that_brings_nothing_for_long_is_not_offered_and_told(gateway):
    wait_for(lambda: sound_status(gateway, "tv")["state"] == "idle", 60)
    wait_for(lambda: "mp4a.40.2" not in gateway.http("/tv/index.m3u8").body.decode(), 20)
    assert "mp4a.40.33" in gateway.http("/tv/index.m3u8").body.decode()
    assert all(gateway.http(f"/tv/{address}").status == 200 for address in gateway.addresses)  # who plays it plays on
    text = gateway.cli("status", "tv").stdout
    assert re.search(r"mpeg_audio deu -> 0x\w+ aac  idle for", text) and "! worker quarantined" in text, text
