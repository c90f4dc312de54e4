"""Derived renditions of broadcasts, through the whole gateway: segments that begin at the same pictures as the source's, playlists that say
what is in them, and a worker that can't keep the pace, which harms nothing but its own rendition."""
import json
import os
import signal
import subprocess
import time

import pytest

from support import hls, media
from support.gateway import WholeMap, wait_for
from support.workers import worker_of

SECONDS = 240
# channel: (capture, what is played where there is none)
SOURCES = {"sd": ("sd-h264i-bars-aacx2.ts", "mpeg2_mp2")}
if os.environ.get("HEADGATE_CAPTURES") == "all":  # each takes half a core
    SOURCES |= {"hd": ("mpeg2v-mp2-bbb.ts", "h264i_1080"), "hdi": (None, "h264i_1080")}
GROUPS = {"sd": "239.7.12.1", "hd": "239.7.12.2", "hdi": "239.7.12.3"}
RATES = {"hd": 24} if media.capture("mpeg2v-mp2-bbb.ts") else {}  # frames a second, where not 25
SIZES = {"sd": (144, 400_000), "hd": (144, 300_000), "hdi": (144, 300_000)}
STOPPED = 3  # s; below the time after which a worker counts as hung, and that after which it has to rest


@pytest.fixture(scope="module")
def gateway(rig):
    channels, renditions = {}, {}
    for name in SOURCES:
        channels[name] = {"inputs": [{"url": f"udp://{GROUPS[name]}:5000"}], "serve": {"hls": {"segment": "2s", "window": 8}}}
        height, bitrate = SIZES[name]
        renditions[f"{name}-abr"] = [name, {"from": name, "video": {"height": height, "bitrate": f"{bitrate // 1000}kbps"}}]
    with WholeMap(rig, {"channels": channels, "renditions": renditions}) as made:
        for name, (capture, generated) in SOURCES.items():
            rig.wait_mdb(GROUPS[name], True)
            rig.send(media.looped((capture and media.capture(capture)) or media.stream(generated, 18), SECONDS), GROUPS[name], 5000)
        yield made


def derived(gateway, name):
    return gateway.process_status("bridge")["renditions"][f"{name}-abr"]["members"][1]


def variants(gateway, name):
    """{height: (attributes, playlist's address)}, once both are there."""
    url = f"/{name}-abr/index.m3u8"

    def look():
        answer = gateway.http(url)
        if answer.status != 200:
            return None
        found = {}
        for attributes, target in hls.Playlist(answer.body.decode(), url).variants:
            found.setdefault(int(attributes["RESOLUTION"].split("x")[1]), (attributes, target))
        return found if len(found) == 2 else None
    return wait_for(look, 60)


def segments(gateway, target):
    """{number: (s, address)} of those that are no gap."""
    playlist = hls.Playlist(gateway.http(target).body.decode(), target)
    return {number: (length, address) for number, length, address, gap, _ in playlist.segments if not gap}


def probe(data, tmp_path, *entries):
    path = tmp_path / "s.ts"
    path.write_bytes(data)
    out = subprocess.run(["ffprobe", "-v", "quiet", "-select_streams", "v:0", *entries, "-of", "json", str(path)], capture_output=True, text=True,
                         check=True)
    return json.loads(out.stdout)


def pictures(data, tmp_path):
    """Times of a segment's pictures in the order of decoding, and whether the first is a key frame."""
    packets = probe(data, tmp_path, "-show_entries", "packet=pts,flags")["packets"]
    return [p["pts"] for p in packets if "pts" in p], packets[0]["flags"].startswith("K")


def aligned(gateway, name, tmp_path):
    """Compares two segments that follow one another, of both; False where there are none yet."""
    found = variants(gateway, name)
    small, big = (segments(gateway, found[height][1]) for height in sorted(found))
    first = max((number for number in set(small) & set(big) if number + 1 in small and number + 1 in big), default=None)
    if first is None:
        return False
    shown = []
    for number in (first, first + 1):
        assert small[number][0] == big[number][0]
        answers = [gateway.http(part[number][1]) for part in (small, big)]
        if any(answer.status != 200 for answer in answers):
            return False  # left the window meanwhile
        (ours, key), (theirs, _) = (pictures(answer.body, tmp_path) for answer in answers)
        assert key and ours[0] == theirs[0], (number, ours[:3], theirs[:3])
        shown.append((ours, theirs))
    # Pictures that lead a random access point are in the segment that it begins, or in that before.
    begin, end = (ours[0] for ours, _ in shown)
    ours, theirs = ({pts for part in shown for pts in part[which] if begin <= pts < end} for which in (0, 1))
    # One picture for each of the source's; where two fields have packets of their own the first one's time is the frame's.
    assert ours <= theirs and 2 * len(ours) >= len(theirs), (first, sorted(ours - theirs)[:3])
    # The loop's joint cuts one.
    assert name == "hd" or len(theirs - ours) <= 1, (first, sorted(theirs - ours))
    return True


@pytest.mark.parametrize("name", SOURCES)
def test_segments_begin_at_the_same_pictures(gateway, tmp_path, name):
    wait_for(lambda: aligned(gateway, name, tmp_path), 60)


@pytest.mark.parametrize("name", SOURCES)
def test_the_multivariant_playlist_tells_the_truth(gateway, tmp_path, name):
    wait_for(lambda: aligned(gateway, name, tmp_path), 60)
    for height, (attributes, target) in variants(gateway, name).items():
        listed = segments(gateway, target)
        bodies = [(length, gateway.http(address).body) for length, address in list(listed.values())[:3]]
        stream = probe(bodies[0][1], tmp_path, "-show_entries", "stream=codec_name,profile,level,width,height,avg_frame_rate,r_frame_rate")["streams"][0]
        assert attributes["RESOLUTION"] == f"{stream['width']}x{stream['height']}" and stream["height"] == height
        assert float(attributes["FRAME-RATE"]) == RATES.get(name, 25)
        codec = attributes["CODECS"].split(",")[0]
        if stream["codec_name"] == "h264":
            profile = {"Main": 0x4D, "High": 0x64, "Constrained Baseline": 0x42}[stream["profile"]]
            assert codec.startswith(f"avc1.{profile:02x}") and int(codec[-2:], 16) == stream["level"]
        rates = [len(body) * 8 / length for length, body in bodies]
        assert max(rates) <= int(attributes["BANDWIDTH"])
        average = sum(len(body) for _, body in bodies) * 8 / sum(length for length, _ in bodies)
        assert average <= int(attributes["AVERAGE-BANDWIDTH"]) <= int(attributes["BANDWIDTH"])
        if height == SIZES[name][0]:
            # x264 keeps the rate that was asked for; the sound comes on top.
            assert average < 1.4 * SIZES[name][1]
        print(name, height, attributes, round(average))


def test_a_worker_that_is_late_holds_up_its_own_rendition_alone(gateway, tmp_path):
    wait_for(lambda: aligned(gateway, "sd", tmp_path), 60)
    before = derived(gateway, "sd")
    victim = worker_of(gateway, before["part"], "ladder")
    found = variants(gateway, "sd")
    own, source = (found[height][1] for height in sorted(found))
    os.kill(victim, signal.SIGSTOP)
    try:
        behind, end = [], time.monotonic() + STOPPED  # what it is about
        while time.monotonic() < end:
            behind.append(max(segments(gateway, source)) - max(segments(gateway, own)))
            time.sleep(0.1)
    finally:
        os.kill(victim, signal.SIGCONT)
    assert max(behind) >= 1, behind
    last = max(segments(gateway, source))
    # It catches up, and nobody has lost anything.
    wait_for(lambda: max(segments(gateway, own)) > last, 60)
    for target in (own, source):
        numbers = sorted(segments(gateway, target))
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), target
    after = derived(gateway, "sd")
    assert [after[key] - before[key] for key in ("behind", "left_out", "dropped")] == [0, 0, 0], after
    assert worker_of(gateway, before["part"], "ladder") == victim
