"""VLC as encoder and as player: what it publishes by RTMP leaves as multicast, and it plays a published channel by RTMP and by SRT, all of it
picture by picture. (It can't publish by SRT: see docs/srt.md.)"""
import json

import pytest

from judge import Stage, end, needs, said, wait_for
from support import media
from support.content import frames, same_media
from support.ts_check import check_datagrams

GROUP = "239.9.6.1"
BYTES = 9 * 1_000_000 // 8

pytestmark = needs("cvlc")


@pytest.fixture(scope="module")
def shown(rig):
    """All at once: VLC publishes one channel and plays another, that ffmpeg publishes, by two protocols."""
    source = media.stream("h264_aac", 30)
    with Stage(rig) as stage:
        stage.apply({
            "cam": {"inputs": [{"publish": {}}], "serve": ["rtmp", "srt"]},
            "stage": {"inputs": [{"publish": {"key_file": stage.key_file("very-s3cret")}}], "push": [f"udp://{GROUP}:5000"], "serve": []},
        })
        capture = rig.capture(GROUP, 5000)
        stage.publish(source, "cam")
        # A file beside it says what it sent: while it starts on a busy machine it leaves out pictures that it takes for late.
        sent = stage.open_folder / "sent.flv"
        to = {"avio": stage.rtmp("stage?key=very-s3cret"), "file": sent}
        encoder = stage.vlc(source, "--sout", "#duplicate{" + ",".join(f"dst=std{{access={way},mux=ffmpeg{{mux=flv}},dst={at}}}" for way, at in to.items())
                            + "}")
        stage.wait_metric("headgate_input_bytes_total", 100_000, channel="cam")
        files = {how: stage.open_folder / f"{how}.ts" for how in ("rtmp", "srt", "srt_received")}
        # Time enough for a machine that stands for a moment: SRT leaves out what comes later.
        srt = f"srt://127.0.0.1:{stage.srt_port}?streamid=cam&latency=2000"
        players = {how: stage.vlc(url, "--sout", f"#std{{access=file,mux=ts,dst={files[how]}}}") for how, url in (("rtmp", stage.rtmp("cam")), ("srt", srt))}
        players["srt_received"] = stage.vlc(srt, "--demux", "dump", "--demuxdump-file", files["srt_received"])
        wait_for(lambda: sum(len(d) for _, d in capture.datagrams) > BYTES, 90,
                 lambda: said(encoder) + json.dumps(stage.json("status", "stage")))
        for how, player in players.items():
            wait_for(lambda: files[how].exists() and files[how].stat().st_size > BYTES, 90, lambda: said(player))  # noqa: B023
            end(player)
        capture.stop()
        files["published"] = stage.open_folder / "published.ts"
        files["published"].write_bytes(capture.payload())
        print(json.dumps(stage.json("status", "stage")))  # what was dropped, and where
        end(encoder)
        yield source, sent, files, capture


@pytest.mark.parametrize("how", ["rtmp", "srt_received"])
def test_it_receives_a_published_channel(shown, how):
    source, _, files, _ = shown
    same_media(source, files[how], least=150)


def test_it_plays_a_published_channel_by_srt(shown):
    """A live transport stream it stamps by its own clock, which follows the stream's arrival, and its muxer leaves out pictures whose time
    that moves too far: what it received is judged above, here that it plays."""
    source, _, files, _ = shown
    for selector in "va":
        known = {digest: place for place, (digest, _) in enumerate(frames(source, selector))}
        places = [known.get(digest) for digest, _ in frames(files["srt"], selector)[3:-8]]
        right = [place for place in places if place is not None]
        assert len(right) > 150 and len(right) > 0.8 * len(places) and right == sorted(right), (selector, len(right), len(places))


def test_what_it_publishes_by_rtmp_leaves_as_multicast(shown):
    _, sent, files, capture = shown
    wrong = check_datagrams(capture.datagrams).errors(dvb=True, accuracy_ns=None)
    assert not wrong, wrong
    same_media(sent, files["published"], least=150)
