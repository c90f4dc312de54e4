"""Derived renditions of broadcasts, through the whole gateway: segments that begin at the same pictures as the source's, playlists that say
what is in them, and a worker that can't keep the pace, which harms nothing but its own rendition."""
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from support import hls, media
from support.gateway import Gateway, wait_for

SECONDS = 240
# channel: (capture, program, what is played without captures)
SOURCES = {"sd": ("mpts-dvbt-it-8prog.ts", 3411, "mpeg2_mp2"), "hd": ("dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts", None, "h264_ac3")}
GROUPS = {"sd": "239.7.12.1", "hd": "239.7.12.2"}
SIZES = {"sd": (180, 400_000), "hd": (180, 300_000)}
STOPPED = 3.5  # s; below the time after which a worker counts as hung


class WholeMap(Gateway):
    """Its map is written as it is given."""

    def write(self, channels):
        self.map.write_text(json.dumps(channels, indent=2) + "\n")


@pytest.fixture(scope="module")
def gateway(rig):
    channels, renditions = {}, {}
    for name, (_, program, _) in SOURCES.items():
        entry = {"url": f"udp://{GROUPS[name]}:5000"}
        if program is not None and media.capture(SOURCES[name][0]):
            entry["program"] = program
        channels[name] = {"inputs": [entry], "serve": {"hls": {"segment": "2s", "window": 8}}}
        height, bitrate = SIZES[name]
        renditions[f"{name}-abr"] = [name, {"from": name, "video": {"height": height, "bitrate": f"{bitrate // 1000}kbps"}}]
    with WholeMap(rig, {"channels": channels, "renditions": renditions}) as made:
        for name, (capture, _, generated) in SOURCES.items():
            rig.wait_mdb(GROUPS[name], True)
            rig.send(media.looped(media.capture(capture) or media.stream(generated, 18), SECONDS), GROUPS[name], 5000)
        yield made


def bridge_status(gateway):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(gateway.run_dir / "bridge" / "control.sock"))
        client.sendall(b'{"v":1,"id":1,"method":"status"}\n')
        with client.makefile() as answer:
            return json.loads(answer.readline())["result"]


def derived(gateway, name):
    return bridge_status(gateway)["renditions"][f"{name}-abr"]["members"][1]


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


def aligned(gateway, name, tmp_path, first=0, least=2):
    """Compares all segments that both have, from that number on; how many pairs there were."""
    found = variants(gateway, name)
    small, big = (segments(gateway, found[height][1]) for height in sorted(found))
    both = [number for number in sorted(set(small) & set(big)) if number >= first]
    if len(both) < least:
        return 0
    for number in both[:3]:
        assert small[number][0] == big[number][0]
        answers = [gateway.http(part[number][1]) for part in (small, big)]
        if any(answer.status != 200 for answer in answers):
            continue  # left the window meanwhile
        (ours, key), (theirs, _) = (pictures(answer.body, tmp_path) for answer in answers)
        assert key and ours[0] == theirs[0], (number, ours[:3], theirs[:3])
        # One picture for each of the source's; where two fields have packets of their own the first one's time is the frame's.
        assert set(ours) <= set(theirs) and 2 * len(ours) >= len(set(theirs)), (number, sorted(set(ours) - set(theirs))[:3])
        assert name == "hd" or set(ours) == set(theirs), number
    return len(both)


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
        assert float(attributes["FRAME-RATE"]) == 25
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


def worker_of(gateway, name):
    part = derived(gateway, name)["part"]
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            parent = next(line.split()[1] for line in (comm.parent / "status").read_text().splitlines() if line.startswith("PPid"))
            daemon = (Path("/proc") / parent / "cmdline").read_bytes()
            if comm.read_text().strip() == f"ladder.{part}"[:15] and str(gateway.run_dir).encode() in daemon:
                return int(comm.parent.name)
        except (OSError, StopIteration):
            pass
    return None


def test_a_worker_that_falls_behind_harms_its_own_rendition_only(gateway, tmp_path):
    wait_for(lambda: aligned(gateway, "sd", tmp_path), 60)
    before = derived(gateway, "sd")
    victim = worker_of(gateway, "sd")
    os.kill(victim, signal.SIGSTOP)
    try:
        time.sleep(STOPPED)  # what it is about
    finally:
        os.kill(victim, signal.SIGCONT)
    after = wait_for(lambda: (now := derived(gateway, "sd"))["behind"] > before["behind"] and now)
    assert after["left_out"] > before["left_out"] and "pace" in after["trouble"]
    alarm = wait_for(lambda: [a for a in gateway.json("status")["alarms"] if a["kind"] == "rendition_failing"
                              and a["subject"].startswith("sd-abr ")])
    assert "derive it from a smaller channel" in alarm[0]["message"]
    # The channel itself goes on without a gap; the rendition comes back at the source's boundaries.
    target = variants(gateway, "sd")
    height = max(target)
    numbers = sorted(segments(gateway, target[height][1]))
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    wait_for(lambda: derived(gateway, "sd")["frames"] > after["frames"] + 50, 60)
    assert worker_of(gateway, "sd") == victim
    wait_for(lambda: aligned(gateway, "sd", tmp_path, first=numbers[-1] + 2), 60)
