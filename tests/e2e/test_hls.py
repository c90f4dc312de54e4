"""Multicast to HLS: players play it, and its access units are the source's."""
import re
import subprocess
import time

import pytest

from support import hls, media, ts
from support.gateway import Gateway

SECONDS = 16
# (stream, codecs by RFC 6381, least segments of 2 s)
GENERATED = {"h264_aac": r"avc1\.[0-9a-f]{6},mp4a\.40\.2", "hevc_aac": r"hvc1\.[^,]+,mp4a\.40\.2",
             "h264_ac3": r"avc1\.[0-9a-f]{6},ac-3", "h264_eac3": r"avc1\.[0-9a-f]{6},ec-3", "mpeg2_mp2": None,
             "radio_mp2": None}


def channel(number, **extra):
    # All tracks in one playlist, as they came: AAC beside them is test_transcode.py's.
    return {"inputs": [f"udp://239.3.1.{number}:5000"], "serve": {"hls": {"segment": "2s", "window": 8}},
            "audio": {"transcode": "never"}, **extra}


@pytest.fixture(scope="module")
def plant(rig):
    """All streams on the air at once through one gateway; each test looks at one channel. Captures: tests/bridge/live/test_captures.py."""
    sources = {name: media.stream(name, SECONDS) for name in [*GENERATED, "mpts"]}
    numbers = {name: index + 1 for index, name in enumerate(sources)}
    channels = {f"c{number}": channel(number, **({"program": 101} if name == "mpts" else {})) for name, number in numbers.items()}
    with Gateway(rig, channels) as gateway:
        for number in numbers.values():
            rig.wait_mdb(f"239.3.1.{number}", True)
        clients = {name: hls.Client(gateway, f"c{number}") for name, number in numbers.items()}
        senders = [rig.send(sources[name], f"239.3.1.{number}", 5000) for name, number in numbers.items()]
        deadline, ended = time.monotonic() + SECONDS + 120, None
        while time.monotonic() < deadline:
            for client in clients.values():
                if not hasattr(client, "variant"):
                    answer = gateway.http(f"/{client.channel}/index.m3u8")
                    if answer.status == 200 and hls.Playlist(answer.body.decode(), "/").variants:
                        client.master = client.multivariant()
                else:
                    client.last = client.poll()
            if all(sender.poll() is not None for sender in senders):
                ended = ended or time.monotonic()
                if time.monotonic() - ended > 1.0:
                    break
            time.sleep(0.2)
        yield gateway, clients, sources


def compare(source_path, client, selector, tmp_path, least, program=None):
    joined = tmp_path / "joined.ts"
    joined.write_bytes(client.joined())
    source = ts.access_units(source_path, selector, program)
    output = ts.access_units(joined, selector)
    # FFmpeg's HEVC parser gives the zero byte before a start code to the unit before: the first unit of a file has one more.
    first = 1 if "hevc" in source_path.name and selector == "v:0" else 0
    place = ts.assert_same_media(source, output[first:-1], least)
    return len(output), place


@pytest.mark.parametrize("name", [*GENERATED, "mpts"])
def test_access_units_are_the_sources(plant, tmp_path, name):
    gateway, clients, sources = plant
    client = clients[name]
    assert hasattr(client, "variant"), f"no playlist for {name}; status {gateway.json('status', client.channel)}"
    media_segments = {n: s for n, s in client.segments.items() if not s[2]}
    assert len(media_segments) >= 5, f"{len(media_segments)} segments of {name}"
    numbers = sorted(client.segments)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    selector = "a:0" if name.startswith("radio") else "v:0"
    scan = ts.Scan(client.joined())
    lost = {tuple(labels.values()): value for name_, labels, value in gateway.samples()
            if name_ == "headgate_drops_total" and value > 0}
    assert scan.total_cc_errors == 0, f"continuity errors {scan.cc_errors}; the gateway counted as dropped: {lost}"
    count, place = compare(sources[name], client, selector, tmp_path, 50, 101 if name == "mpts" else None)
    audio = ""
    if selector == "v:0":
        audio_count, _ = compare(sources[name], client, "a:0", tmp_path, 50, 101 if name == "mpts" else None)
        audio = f", {audio_count} of audio"
    print(f"{name}: {len(media_segments)} segments, {count} access units of {selector}{audio}, from unit {place} of the source")


@pytest.mark.parametrize("name", list(GENERATED))
def test_playlists_say_what_the_media_is(plant, name):
    _, clients, _ = plant
    client = clients[name]
    attributes = client.master.variants[0][0]
    assert int(attributes["BANDWIDTH"]) > 100000
    if GENERATED[name]:
        assert re.fullmatch(GENERATED[name], attributes["CODECS"]), attributes["CODECS"]
    if not name.startswith("radio"):
        assert attributes["RESOLUTION"] == "320x180"
    assert client.last.target == 4, client.last.text
    # The last one ends where the stream does.
    last = max(client.segments)
    for number, (duration, data, gap, _) in client.segments.items():
        if not gap:
            least = 0 if number == last else 0.95
            assert least < duration < 3.05, f"EXTINF {duration} of segment {number}"


@pytest.mark.parametrize("name", ["h264_aac", "hevc_aac", "mpeg2_mp2"])
def test_durations_are_exact_and_segments_start_at_random_access_points(plant, tmp_path, name):
    _, clients, _ = plant
    client = clients[name]
    firsts, durations = [], []
    for number in sorted(client.segments):
        duration, data, gap, _ = client.segments[number]
        assert not gap
        path = tmp_path / "segment.ts"
        path.write_bytes(data)
        result = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=dts,flags",
                                 "-of", "csv=p=0", str(path)], capture_output=True, text=True)
        first = result.stdout.splitlines()[0].split(",")
        assert first[1].startswith("K"), f"segment {number} does not start at a random access point: {first}"
        firsts.append(int(first[0]))
        durations.append(duration)
    for index in range(len(firsts) - 1):
        exact = ((firsts[index + 1] - firsts[index]) % ts.PTS_MODULUS) / 90000
        assert abs(exact - durations[index]) < 0.001, f"EXTINF {durations[index]}, media {exact}"


def test_headers_allow_caching_and_other_origins(plant):
    gateway, clients, _ = plant
    client = clients["h264_aac"]
    playlist = gateway.http(client.variant, headers={"Origin": "http://elsewhere.example"})
    assert playlist.getheader("Access-Control-Allow-Origin") == "*"
    assert playlist.getheader("Content-Type") in ("application/vnd.apple.mpegurl", "application/x-mpegURL")
    assert re.search(r"max-age=\d|no-cache", playlist.getheader("Cache-Control"))
    segment_url = hls.Playlist(playlist.body.decode(), client.variant).segments[-1][2]
    segment = gateway.http(segment_url)
    assert segment.getheader("Content-Type") == "video/mp2t"
    assert int(re.search(r"max-age=(\d+)", segment.getheader("Cache-Control")).group(1)) >= 10
    assert "immutable" in segment.getheader("Cache-Control")
    head = gateway.http(segment_url, method="HEAD")
    assert head.status == 200 and head.body == b"" and int(head.getheader("Content-Length")) == len(segment.body)
    assert gateway.http("/nowhere/index.m3u8").status == 404
    assert gateway.http("/c1/../../../etc/passwd").status in (400, 404)


@pytest.fixture(scope="module")
def live(rig, plant):
    gateway, _, _ = plant
    path = media.looped(media.stream("h264_aac_b", 18), 150)
    gateway.apply({"live": channel(250)})
    rig.wait_mdb("239.3.1.250", True)
    sender = rig.send(path, "239.3.1.250", 5000)
    hls.Client(gateway, "live").follow(3)
    yield gateway, rig
    sender.kill()


def test_ffprobe_and_ffmpeg_play(live):
    gateway, rig = live
    url = gateway.url("/live/index.m3u8")
    probe = rig.call("gw", "ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0", url)
    assert "h264,320,180" in probe.stdout and "aac" in probe.stdout, probe.stdout + probe.stderr
    play = rig.call("gw", "ffmpeg", "-v", "error", "-xerror", "-nostdin", "-i", url, "-t", "4", "-f", "framehash", "-")
    assert play.returncode == 0, play.stderr
    frames = [line for line in play.stdout.splitlines() if line.startswith("0,")]
    assert len(frames) >= 95, f"{len(frames)} pictures decoded"
    print(f"ffmpeg decoded {len(frames)} pictures without an error")


def test_gstreamer_plays(live):
    gateway, rig = live
    pictures = rig.pictures("gw", "souphttpsrc", f"location={gateway.url('/live/index.m3u8')}", "!", "hlsdemux", "!", "tsdemux", "name=d", "d.", "!",
                            "queue", "!", "h264parse", "!", "avdec_h264")
    print(f"GStreamer decoded {pictures} pictures")


def test_http_keeps_connections_alive(live):
    import http.client
    gateway, rig = live
    with rig.inside("gw"):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=60)
        connection.connect()
    first = connection.sock
    for _ in range(5):
        connection.request("GET", "/live/index.m3u8")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200 and connection.sock is first
    connection.close()
