"""The sound of captured broadcasts through the whole gateway: sent once at its own rate, recorded by ffmpeg as a player of HLS (AAC and
the original, each language) and of RTMP, decoded, and held against what ffmpeg decodes of the source: as like, as loud, and as far from
the pictures. HEADGATE_CAPTURES: `all` that have sound, or names with commas between; without it a choice."""
import collections
import dataclasses
import json
import os
import re
import statistics
import subprocess
import time

import pytest

from support import content, hls, heard, media, ts
from support.gateway import Gateway, wait_for

SEGMENT = 1
BATCH = 5
TWIN = {"mp2", "ac3", "eac3", "dts", "aac_latm"}  # beside which AAC is made
RTMP_PICTURES = {"h264"}  # that ffmpeg takes; Enhanced RTMP it does not
SHORT = 2.0  # s: less is sent in rounds, its clock going on: no player could begin
ROUNDS = 6.0  # s
TRIES = 3  # of what the gateway tells was lost to other programs of the machine
# How like: the worker's own limits; of what is only carried, as like as two decodings of it.
TWIN_ALIKE, CARRIED_ALIKE, LOUDNESS = 0.98, 0.985, 0.3
JOINT = 0.1  # s beside a hole: each decoder makes its own of frames that a round's end cut through
MIXED = 1.0  # LU: an AC-3 stream says itself how much of centre and surround is heard, which this test takes as BS.775's
EXACT = 0.05e-3  # s: two samples
MILLISECONDS = 1.0e-3  # FLV's times: each to the nearest
SILENT = -69  # LUFS


@dataclasses.dataclass(frozen=True)
class Capture:
    name: str
    files: tuple = ()  # that follow one another
    program: int = 0
    stray: tuple = ()  # PIDs whose times have nothing to do with the programme's clock: nobody can play them
    chosen: bool = False  # in the normal suite


# Those left out have less than 0.2 s of sound (h264-dts, h264-mp2, latm-aac, sdt), no PCR (ait-eac3-eit, teletext-fra-psi-h264-mp2x4), one in 2.9 s where
# its only random access point is (sintel-cea608), or Opus, which neither HLS nor RTMP is given.
CAPTURES = {capture.name: capture for capture in [
    Capture("h264-ac3dvb", ("h264-ac3dvb-0.ts", "h264-ac3dvb-1.ts"), chosen=True),
    Capture("dvbt-fr-hd-h264i-eac3x3-dvbsubx2", chosen=True),
    Capture("mpeg2v-mp2-bbb", chosen=True),
    Capture("sd-h264i-bars-aacx2", chosen=True),
    *(Capture(f"mpts-{program}", ("mpts-dvbt-it-8prog.ts",), program, stray=(697,) if program == 3403 else (), chosen=program == 3401)
      for program in (3401, 3402, 3403, 3404, 3405, 3406, 3411)),
    Capture("hevc-aac", ("hevc-aac-0.ts", "hevc-aac-1.ts")),
    *(Capture(name) for name in ("h264-aac-0", "h264-aac-1", "h264-aac-2", "ac3-atsc-pcr-wrap", "eac3-atsc-pcr-wrap", "scte35-mpeg2v-mp2", "mp3-id3-discontinuity",
                                 "bbb-1s-h264-aac", "obs-hevc-aac", "scte35-h264-bframes-aac-80s")),
]}
WANTED = os.environ.get("HEADGATE_CAPTURES", "")
NAMES = [name for name, capture in CAPTURES.items() if WANTED == "all" or (name in WANTED.split(",") if WANTED else capture.chosen)]
pytestmark = pytest.mark.skipif(media.captures_folder() is None, reason="captures need HEADGATE_STREAMS")


class Recording:
    """A capture on the air, and what players make of it."""

    def __init__(self, gateway, capture, number, folder):
        self.gateway, self.capture = gateway, capture
        self.channel, self.group = f"c{number}", f"239.14.{number // 250 + 1}.{number % 250 + 1}"
        self.folder = folder / self.channel
        self.folder.mkdir()
        data = b"".join(media.capture(file).read_bytes() for file in capture.files or (f"{capture.name}.ts",))
        seconds = ts.duration(data)
        self.joint = None
        if seconds < SHORT:
            data = ts.looped(data, ROUNDS)
            self.joint = min(JOINT, 0.15 * seconds)
        self.source = self.folder / "source.ts"
        self.source.write_bytes(data)
        self.pictures = any(track.get("codec_name") in RTMP_PICTURES for track in heard.tracks(self.source))
        self.packets = len(data) // ts.SIZE
        self.hls, self.rtmp = self.folder / "hls.ts", self.folder / "rtmp.flv"
        self.players = {}
        self.settled = self.offer = None

    def map(self):
        program = {"program": self.capture.program} if self.capture.program else {}
        return {"inputs": [f"udp://{self.group}:5000"], "serve": {"hls": {"segment": f"{SEGMENT}s", "window": 120}, "rtmp": {}}, **program}

    def play(self, path, *options):
        with open(f"{path}.log", "w", encoding="utf-8") as log:
            self.players[path] = self.gateway.rig.popen("gw", "ffmpeg", "-v", "warning", "-nostdin", "-y", *options, "-c", "copy", "-flush_packets", "1", str(path),
                                                        stdout=log, stderr=log)

    def begin(self):
        self.play(self.rtmp, "-analyzeduration", "300000", "-i", f"rtmp://127.0.0.1:{self.gateway.rtmp_port}/live/{self.channel}", "-map", "0:a",
                  *(["-map", "0:v?"] if self.pictures else []))
        self.sender = self.gateway.rig.send(self.source, self.group, 5000)

    def look(self):
        """Whether all has come: the playlists do not grow any more, nor does what the players keep."""
        if self.hls not in self.players:
            answer = self.gateway.http(f"/{self.channel}/index.m3u8")
            if answer.status == 200:
                self.multivariant = answer.body.decode()
                self.offer = hls.Playlist(self.multivariant, f"/{self.channel}/index.m3u8").variants
                self.play(self.hls, "-copyts", "-live_start_index", "0", "-i", self.gateway.url(f"/{self.channel}/index.m3u8"), "-map", "0:a",
                          "-map", "0:v:0?", "-mpegts_copyts", "1", "-muxdelay", "0", "-muxpreload", "0")
        if self.sender.poll() is None:
            return False
        state = [self.gateway.http(url).body for _, url in self.offer or []], [path.stat().st_size for path in self.players if path.exists()]
        now = time.monotonic()
        if self.settled is None or self.settled[0] != state:
            self.settled = (state, now)
        return now - self.settled[1] > SEGMENT + 4

    def end(self):
        self.told = self.gateway.json("status", self.channel)
        playlists = {url.rsplit("/", 1)[0] + "/" + uri for _, url in self.offer or [] for uri in re.findall('URI="([^"]+)"', self.multivariant)}
        answers = {url: self.gateway.http(url) for url in playlists}
        self.gaps = sum(answer.status != 200 or any(segment[3] for segment in hls.Playlist(answer.body.decode(), url).segments[1:-1])
                        for url, answer in answers.items())
        for player in self.players.values():  # which has written what came
            player.kill()
            player.wait()

    def starved(self):
        """What was lost because the machine was busy with something else, as the gateway tells it."""
        bridge, source = self.told["bridge"], self.told["inputs"][0]
        drops = {reason: count for reason, count in (bridge or {}).get("drops", {}).items()
                 if count and reason in ("twin_late", "twin_withheld", "sound_not_sent", "rtmp_skipped", "slow_client")}
        lost = self.packets - source["ts_packets"]
        return {**drops, **({"packets on the way": lost} if lost else {}), **({"sounds of HLS with gaps": self.gaps} if self.gaps else {}), **({"ring": bridge["ring_gaps"]} if bridge and bridge["ring_gaps"] else {})}


@pytest.fixture(scope="module")
def recordings(rig, tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures")
    gateway = Gateway(rig, {})
    gateway.rtmp_port = gateway._free_port()
    gateway.node["servers"]["rtmp"] = {"listen": f"[::]:{gateway.rtmp_port}"}
    gateway.write_node()
    done, number = {}, 0
    with gateway:
        gateway.wait_answered("transcode")
        waiting = [(name, 1) for name in NAMES]
        while waiting:
            batch = []
            for name, turn in waiting[:BATCH]:
                batch.append((turn, Recording(gateway, CAPTURES[name], number, folder)))
                number += 1
            del waiting[:BATCH]
            gateway.apply({one.channel: one.map() for _, one in batch})
            for _, one in batch:
                rig.wait_mdb(one.group, True)
                one.begin()
            wait_for(lambda: all([one.look() for _, one in batch]), 200)
            for turn, one in batch:
                one.end()
                done[one.capture.name] = one
                if one.starved() and turn < TRIES:
                    print(f"{one.capture.name}: once more, lost were {one.starved()}")
                    waiting.append((one.capture.name, turn + 1))
        yield done


def source_tracks(one):
    """The sound tracks of the service, and its video track if it has one."""
    found = heard.tracks(one.source)
    if one.capture.program:
        text = subprocess.run(["ffprobe", "-v", "quiet", "-show_programs", "-of", "json", str(one.source)], capture_output=True, text=True,
                              check=True).stdout
        own = next(program for program in json.loads(text)["programs"] if program["program_num"] == one.capture.program)
        found = [track for track in found if track["index"] in {stream["index"] for stream in own["streams"]}]
    kinds = {kind: [track for track in found if track.get("codec_type") == kind] for kind in ("audio", "video")}
    return kinds["audio"], next(iter(kinds["video"]), None)


def picture_shifts(one, track, copy):
    """By how much the time of each picture is ahead of its time in the source, s."""
    places = collections.defaultdict(list)
    for digest, time_ms in content.of_source(one.source, f"{track['index']}", None):
        places[digest].append(time_ms)
    got = content.frames(copy, "v:0", None)
    every = [t - s for digest, t in got for s in places[digest]]
    if not every:
        return []
    wraps = round(statistics.median(every) / 1000 / heard.WRAP) * heard.WRAP * 1000
    got = [(digest, t - wraps) for digest, t in got]
    every = [shift - wraps for shift in every]
    usual = collections.Counter(round(shift) for shift in every).most_common(1)[0][0]
    if copy == one.hls and any(abs(shift) < 1 for shift in every):  # pictures that are repeated: HLS has the source's times
        usual = 0
    shifts = [min((t - s for s in places[digest]), key=lambda shift: abs(shift - usual)) for digest, t in got if places[digest]]
    return [shift / 1000 for shift in shifts if abs(shift - usual) < 20]


class Judge:
    """What is wrong with a capture's sound, and a line of figures for each of its copies."""

    def __init__(self, one):
        self.one, self.wrong = one, []
        self.sounds, self.video = source_tracks(one)
        self.sounds = [track for track in self.sounds if track["id"] not in one.capture.stray]
        self.heard = [heard.sound(one.source, track) for track in self.sounds]

    def expect(self, good, what):
        if not good:
            self.wrong.append(what)

    def hls(self):
        one = self.one
        found = heard.tracks(one.hls) if one.hls.exists() else []
        pictures = []
        if self.video is not None:
            pictures = picture_shifts(one, self.video, one.hls)
            # A still picture that is sent again is its neighbour, too.
            exact = sum(abs(shift) < EXACT for shift in pictures)
            self.expect(pictures and exact > 0.9 * len(pictures), f"HLS: {exact} of {len(pictures)} pictures are at their times")
        groups = collections.defaultdict(list)
        for track in found:
            if track.get("codec_type") == "audio":
                groups[track["codec_name"]].append(track)
        for number, (source, want) in enumerate(zip(self.sounds, self.heard)):
            own = source["codec_name"]
            for codec in [own, *(["aac"] if own in TWIN else [])]:
                place = sum(track["codec_name"] in ({own} if codec == own else TWIN) for track in self.sounds[:number])
                if place >= len(groups[codec]):
                    self.expect(False, f"HLS: no {codec} of PID {source['id']}")
                    continue
                copy = heard.sound(one.hls, groups[codec][place])
                self.hold(f"HLS {codec}", source, want, copy, 0.0, EXACT, TWIN_ALIKE if codec != own else CARRIED_ALIKE)

    def rtmp(self):
        one = self.one
        found = heard.tracks(one.rtmp) if one.rtmp.exists() else []
        track = next((track for track in found if track.get("codec_type") == "audio"), None)
        if track is None:
            return self.expect(False, "RTMP: no sound")
        copy = heard.sound(one.rtmp, track)
        shifts = []
        if self.video is not None and self.video["codec_name"] in RTMP_PICTURES and any(t.get("codec_type") == "video" for t in found):
            shifts = picture_shifts(one, self.video, one.rtmp)
            self.expect(shifts, "RTMP: no picture is the source's")
        due = statistics.median(shifts) if shifts else None
        own = self.sounds[0]["codec_name"]
        self.hold(f"RTMP {track['codec_name']}", self.sounds[0], self.heard[0], copy, due, MILLISECONDS,
                  CARRIED_ALIKE if own == track["codec_name"] else TWIN_ALIKE, shifts)

    def hold(self, what, source, want, copy, due, limit, alike, shifts=()):
        what = f"{what} of PID {source['id']}"
        if want is None or copy is None:
            return self.expect(False, f"{what}: {'the source' if want is None else 'it'} can't be decoded")
        whole = len(want.samples) / heard.RATE
        silent = heard.loudness(want.samples) < SILENT
        if silent:
            level = heard.loudness(copy.samples)
            print(f"{self.one.capture.name:36} {what:22} {len(copy.samples) / heard.RATE:6.2f} s of {whole:6.2f}, silent as the source: {level:.2f} LUFS")
            return self.expect(level < SILENT + 9, f"{what}: silence came out as {level:.1f} LUFS")
        like = heard.compare(want, copy, due, leave_out=self.one.joint)
        off = like.shift - due if due is not None else None
        # Of any picture against any frame of sound, each rounded by itself.
        among = [*(shift - due for shift in shifts), *(like.shift + jitter - due for jitter in copy.jitter)] if shifts else [0.0]
        spread = max(among) - min(among)
        print(f"{self.one.capture.name:36} {what:22} {like.seconds:6.2f} s of {whole:6.2f}, correlation {like.correlation:8.5f}, {like.loudness[0]:6.2f} -> "
              f"{like.loudness[1]:6.2f} LUFS, off by {'-' if off is None else f'{off * 1000:.3f}'} ms"
              + (f", any two within {spread * 1000:.3f} ms" if shifts else ""))
        self.expect(like.seconds > 0.5 * whole - 1.5 and like.seconds > 0.3, f"{what}: {like.seconds:.2f} s of it")
        self.expect(like.correlation > alike, f"{what}: correlation {like.correlation:.5f}")
        mixed = source["codec_name"] in TWIN and "aac" in what and int(source["channels"]) > 2
        louder = like.loudness[1] - like.loudness[0]
        if mixed and abs(want.samples).max() > 1:  # there is no room for it: limited
            self.expect(louder < MIXED, f"{what}: loudness {like.loudness}")
        else:
            self.expect(abs(louder) < (MIXED if mixed else LOUDNESS), f"{what}: loudness {like.loudness}")
        self.expect(off is None or abs(off) < limit, f"{what}: {off} s against the pictures")
        self.expect(spread < limit + EXACT, f"{what}: {spread} s between a picture and a frame of sound")
        return None


@pytest.mark.parametrize("name", NAMES)
def test_sound_is_the_sources_and_in_time_with_the_pictures(recordings, name):
    one = recordings[name]
    print()
    judge = Judge(one)
    judge.hls()
    judge.rtmp()
    assert not judge.wrong, f"{judge.wrong}; lost: {one.starved()}; {one.told['bridge']}"
