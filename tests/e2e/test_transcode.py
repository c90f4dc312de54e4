"""Sound for everyone and a look at the picture, through the whole gateway: AAC that is made of other sound keeps its place
to the millisecond, a worker that dies or stands costs a gap that is told, thumbnails are the channel's picture."""
import os
import signal
import subprocess
import time

import numpy
import pytest

from support import media
from support.gateway import Gateway, wait_for
from support.workers import sound_status, worker_of

SECONDS = 150
RATE = 48000
WINDOW = 3  # seconds that are compared
CODECS = ("mp2", "ac3", "eac3")
# Of the sound against the pictures, s: FLV's times are milliseconds, each rounded by itself; those of HLS are the source's, and the
# sound stands on the grid of its samples.
LIMITS = {"rtmp": 0.001, "hls": 0.0001}


@pytest.fixture(scope="module")
def live(rig):
    gateway = Gateway(rig, {})
    gateway.rtmp_port = gateway._free_port()
    gateway.node["servers"]["rtmp"] = {"listen": f"[::]:{gateway.rtmp_port}"}
    gateway.write_node()
    sources = {codec: media.stream(f"flash_{codec}", 20) for codec in CODECS}
    channels = {codec: {"inputs": [f"udp://239.7.9.{i + 1}:5000"], "serve": {"rtmp": {}, "hls": {"segment": "1s"}}} for i, codec in enumerate(CODECS)}
    channels["still"] = {"inputs": ["udp://239.7.9.9:5000"], "serve": {"hls": {}}, "watch": {"every": "1s"}}
    gateway.write(channels)
    with gateway:
        for i, codec in enumerate(CODECS):
            rig.wait_mdb(f"239.7.9.{i + 1}", True)
            rig.send(media.looped(sources[codec], SECONDS), f"239.7.9.{i + 1}", 5000)
        rig.send(media.looped(media.stream("h264_aac_b", 18), SECONDS), "239.7.9.9", 5000)
        yield gateway, sources


def run(gateway, *command, limit=90):
    with gateway.rig.inside("gw"):
        return subprocess.run(["timeout", "-s", "KILL", str(limit), *map(str, command)], capture_output=True, check=False)


def times(path, kind):
    """Of the packets, s."""
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pts_time", "-of", "csv=p=0", path],
                         capture_output=True, text=True, check=False).stdout
    return [float(line.strip(",")) for line in out.split() if line.strip(",") not in ("", "N/A")]


def sound(path):
    """Mono samples and the time of the first, which the times of all packets agree on: those of FLV are milliseconds."""
    packets = times(path, "a:0")
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "a:0", "-ac", "1", "-ar", str(RATE), "-f", "f32le", "-"],
                         capture_output=True, check=True).stdout
    return numpy.frombuffer(raw, dtype="<f4"), packets


def flashes(path):
    """Times at which a white picture is shown, s."""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "v:0", "-vsync", "passthrough", "-vf", "scale=8:8,format=gray", "-f",
                          "rawvideo", "-"], capture_output=True, check=True).stdout
    luma = numpy.frombuffer(raw, dtype=numpy.uint8).reshape(-1, 64).mean(axis=1)
    shown = sorted(times(path, "v:0"))[:len(luma)]
    return [t for t, level in zip(shown, luma) if level > 200]


def clock(packets, begin, end, samples_a_packet=1024):
    """What the first sample's time would be by the packets of a range of samples, s: a clock that steps elsewhere is no matter."""
    return float(numpy.median([packets[i] - i * samples_a_packet / RATE
                               for i in range(begin // samples_a_packet, min(-(-end // samples_a_packet), len(packets)))]))


def lag_of(path, source_path):
    """Seconds that the sound comes later against the picture than in the source, and how alike it is."""
    samples, packets = sound(path)
    source, source_packets = sound(source_path)
    source_first = source_packets[0]
    white, source_white = flashes(path), flashes(source_path)
    assert len(white) >= 4
    # The flashes of the two are alike: the sweep beneath the beeps says which is which. Where the stream began anew nothing is, and
    # the copy's clock stands elsewhere after it: sound and flashes are of one window, the best of several.
    against = numpy.fft.rfft(source - source.mean(), 1 << 21)
    best = (-1.0, 0.0)
    for begin in range(RATE // 2, len(samples) - WINDOW * RATE, RATE // 2):
        window = samples[begin:begin + RATE * WINDOW]
        position = clock(packets, begin, begin + len(window)) + begin / RATE  # of the window, by the copy's clock
        spectrum = numpy.fft.rfft(window - window.mean(), 1 << 21)
        correlation = numpy.fft.irfft(against * numpy.conj(spectrum))[:len(source)]
        at = int(numpy.argmax(correlation))
        same = source[at:at + len(window)]
        alike = float(numpy.corrcoef(same, window)[0, 1]) if len(same) == len(window) else 0.0
        shift = position - (source_first + at / RATE)  # copy minus source, by the sound
        by_picture = [w - min(source_white, key=lambda s, w=w: abs(w - shift - s)) for w in white if position <= w < position + WINDOW]
        if len(by_picture) >= 2:
            best = max(best, (alike, shift - float(numpy.median(by_picture))))
    alike, lag = best
    return lag, alike


def beeps_after_flashes(path, samples_a_packet=1024):
    """How long after each flash its beep begins, s, by what is in the file alone."""
    samples, packets = sound(path)
    beep = numpy.sin(2 * numpy.pi * 1000 * numpy.arange(RATE // 25) / RATE)
    size = 1 << (len(samples) + len(beep)).bit_length()
    found = numpy.fft.irfft(numpy.fft.rfft(samples, size) * numpy.conj(numpy.fft.rfft(beep, size)), size)[:len(samples)]
    first = clock(packets, 0, len(samples), samples_a_packet)
    after = []
    for flash in flashes(path):
        begin, end = (round((flash + away - first) * RATE) for away in (-0.2, 0.2))
        if 0 <= begin and end + len(beep) <= len(samples):
            after.append((begin + int(numpy.argmax(found[begin:end]))) / RATE + first - flash)
    return after


def recorded(gateway, how, codec, out):
    """Eight seconds of what ffmpeg is given as a player: a seam of the loop leaves a window on one of its sides."""
    source = {"rtmp": ["-i", f"rtmp://127.0.0.1:{gateway.rtmp_port}/live/{codec}"],
              "hls": ["-i", gateway.url(f"/{codec}/index.m3u8"), "-map", "0:p:0"]}[how]

    def taken():
        if how == "hls" and b'GROUP-ID="aac"' not in gateway.http(f"/{codec}/index.m3u8").body:
            return False
        out.unlink(missing_ok=True)
        run(gateway, "ffmpeg", "-v", "error", "-y", *source, "-t", "8", "-c", "copy", out)
        return out.exists() and len(times(out, "a:0")) > 300
    wait_for(taken, 90)


@pytest.mark.parametrize("how", LIMITS)
@pytest.mark.parametrize("codec", CODECS)
def test_the_aac_is_the_sound_and_in_time(live, tmp_path, codec, how):
    gateway, sources = live
    out = tmp_path / {"rtmp": "o.flv", "hls": "o.ts"}[how]
    recorded(gateway, how, codec, out)
    codecs = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "compact=nk=1:p=0", out], capture_output=True,
                            text=True, check=True).stdout.split()
    assert set(codecs) == {"aac", "h264"}
    lag, alike = lag_of(out, sources[codec])
    source, copy = beeps_after_flashes(sources[codec], {"mp2": 1152, "ac3": 1536, "eac3": 1536}[codec]), beeps_after_flashes(out)
    beeps = [beep - float(numpy.median(source)) for beep in copy]
    print(f"{codec} by {how}: {lag * 1000:.3f} ms, correlation {alike:.5f}; {len(beeps)} beeps after their flashes: "
          f"{min(beeps) * 1000:.3f} to {max(beeps) * 1000:.3f} ms")
    assert abs(lag) < LIMITS[how]
    assert len(beeps) >= 4 and max(map(abs, beeps)) < 0.001
    assert alike > 0.99


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_stands_until_it_is_killed_costs_a_gap_that_is_told(live, how):
    gateway, _ = live
    before, others = (wait_for(lambda c=codec: (now := sound_status(gateway, c)) and now["frames"] > 100 and now) for codec in ("mp2", "ac3"))
    victim = worker_of(gateway, "mp2")
    os.kill(victim, how)
    wait_for(lambda: worker_of(gateway, "mp2") not in (None, victim), 30)
    end = time.monotonic() + 60
    # The figures are of up to a second ago, and of what the victim had made.
    while (after := sound_status(gateway, "mp2"))["frames"] <= before["frames"] + 100 or after["gaps"] <= before["gaps"]:
        assert time.monotonic() < end, f"no AAC, or no gap, after the worker's restart: before {before}, now {after}"
        time.sleep(0.2)
    assert after["present"]
    beside = sound_status(gateway, "ac3")
    # What other programs of the machine took from its worker is told: AAC that came too late, and was withdrawn.
    late = any(beside[key] > others[key] for key in ("late", "withdrawn"))
    assert late or beside["gaps"] == others["gaps"], beside


def test_the_thumbnail_is_the_channels_picture(live, tmp_path):
    gateway, _ = live
    answer = wait_for(lambda: (got := gateway.http("/still/thumbnail.jpg")).status == 200 and got, 60)
    assert answer.headers["Content-Type"] == "image/jpeg" and answer.headers["Cache-Control"] == "public, max-age=1"
    assert answer.headers["Last-Modified"]
    same = gateway.http("/still/thumbnail.jpg", headers={"If-None-Match": answer.headers["ETag"]})
    assert same.status == 304 or same.headers["ETag"] != answer.headers["ETag"]
    assert 'poster="thumbnail.jpg"' in gateway.http("/still/").body.decode()
    body = answer.body
    jpeg = tmp_path / "t.jpg"
    jpeg.write_bytes(body)
    size = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0:s=x", jpeg], capture_output=True,
                          text=True, check=True).stdout.strip()
    pictures = []
    for path in (jpeg, media.stream("h264_aac_b", 18)):
        raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-frames:v", "1", "-vf", f"scale={size.replace('x', ':')}:flags=bicubic,format=gray",
                              "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
        pictures.append(numpy.frombuffer(raw, dtype=numpy.uint8).astype(float))
    psnr = 10 * numpy.log10(255 ** 2 / max(((pictures[0] - pictures[1]) ** 2).mean(), 1e-9))
    print(f"thumbnail {size}, {psnr:.1f} dB")
    assert psnr > 35
    assert (gateway.run_dir / "bridge" / "pictures" / "still.tile").stat().st_size == 192 * 108 * 3


def test_a_bridge_that_starts_anew_has_the_thumbnail_at_once(live):
    gateway, _ = live
    wait_for(lambda: gateway.http("/still/thumbnail.jpg").status == 200, 60)
    old = gateway.kill("bridge")
    gateway.wait_new("bridge", old)

    def answered():
        try:
            return gateway.http("/still/thumbnail.jpg")
        except OSError:
            return None
    answer = wait_for(answered, 30)  # the first that is no refused connection
    assert answer.status == 200 and answer.body[:2] == b"\xff\xd8"
