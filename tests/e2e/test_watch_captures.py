"""Ten minutes of broadcasts, looped, through a whole gateway with its defaults: no alarm of pictures or sound but those that are true by
FFmpeg's own detectors, or by the stream's own clock.

Every capture of HEADGATE_STREAMS that has a clock and shows or plays a second or more, all at once. Part of `scripts/test --long`; HEADGATE_WATCH_SECONDS
makes it shorter.
"""
import os
import re
import subprocess
import time
from dataclasses import dataclass, field

import pytest

from support import media, ts
from support.gateway import HEADGATE, Gateway, pressure

SECONDS = int(os.environ.get("HEADGATE_WATCH_SECONDS", "600"))
WATCHED = ("picture_", "sound_", "unwatched")
SHORT = 2.0  # s; of so short a film all looks may fall on one picture
STARVED = 10.0  # of 30 s: workers that get no CPU see and hear nothing


def detected(path, sound=None, picture=None):
    """What FFmpeg's filters say of a stream."""
    filters = [*(["-af", sound] if sound else ["-an"]), *(["-vf", picture] if picture else ["-vn"])]
    done = subprocess.run(["timeout", "-s", "KILL", "240", "ffmpeg", "-hide_banner", "-nostats", "-i", str(path), *filters, "-f", "null", "-"],
                          capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def is_black(path, _):
    return any(float(found) >= 3 for found in re.findall(r"black_duration:([0-9.]+)", detected(path, picture="blackdetect=d=3:pix_th=0.1:pic_th=0.98")))


def is_silent(path, _):
    text = detected(path, sound="silencedetect=n=-70dB:d=3")
    return any(float(found) >= 3 for found in re.findall(r"silence_duration: ([0-9.]+)", text))


def is_quiet_or_loud(path, _):
    """Short-term loudness, ten times a second, beyond the default range for 30 s on end."""
    text = detected(path, sound="ebur128=metadata=1,ametadata=print:key=lavfi.r128.S:file=-")
    run = longest = 0
    for found in re.findall(r"lavfi.r128.S=(-?[0-9.]+|-inf|nan)", text)[30:]:
        run = 0 if -40 <= float(found) <= -8 else run + 1
        longest = max(longest, run)
    return longest >= 300


def is_out_of_time(path, pids):
    """A track whose times lie an hour and more from the programme's clock: nobody can play it."""
    track, clock = pids
    data = path.read_bytes()
    stamps = [ts._stamp(packet, start + 9) / 90000 for packet in ts.packets(data) if ts.pid_of(packet) == track
              and (start := ts.pes_start(packet)) is not None and packet[start + 7] & 0x80]
    clocks = [found[1] / 27e6 for packet in ts.packets(data) if (found := ts.pcr(packet)) is not None and found[0] == clock]
    return min(abs(stamp - clocks[0]) for stamp in stamps) > 3600


@dataclass
class Source:
    files: tuple  # one after the other
    program: int = 0
    true: dict = field(default_factory=dict)  # the alarms that belong there: {kind: (proof, its argument)}


SOURCES = {
    "bbb": Source(("bbb-1s-h264-aac.ts",), true={"sound_loudness": (is_quiet_or_loud, None)}),
    "avc-hd": Source(("dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts",)),
    "avc": Source(("h264-aac-0.ts", "h264-aac-1.ts", "h264-aac-2.ts")),
    "opening": Source(("h264-aac-0.ts",)),
    "ac3": Source(("h264-ac3dvb-0.ts", "h264-ac3dvb-1.ts")),
    "wrap": Source(("h264-bframes-pcr-wrap.ts",)),
    "opus": Source(("h264-opus.ts",)),
    "news": Source(("hd-2services-eit-one-scrambled.ts",), program=8810),
    "hevc": Source(("hevc-aac-0.ts", "hevc-aac-1.ts")),
    "mpeg2": Source(("mpeg2v-mp2-bbb.ts",), true={"sound_loudness": (is_quiet_or_loud, None)}),
    "obs": Source(("obs-hevc-aac.ts",), true={"sound_silent": (is_silent, None)}),
    "drama": Source(("scte35-h264-bframes-aac-80s.ts",)),
    "bars": Source(("sd-h264i-bars-aacx2.ts",)),
    "sintel": Source(("sintel-cea608.ts",), true={"picture_black": (is_black, None)}),
    **{f"dvbt-{program}": Source(("mpts-dvbt-it-8prog.ts",), program=program) for program in (3401, 3402, 3405, 3410, 3411)},
    "dvbt-3403": Source(("mpts-dvbt-it-8prog.ts",), program=3403, true={"unwatched": (is_out_of_time, (0x2B9, 0x202))}),
}


def groups():
    """{files: group}: services of one stream come by one group."""
    return {files: f"239.9.11.{number + 1}" for number, files in enumerate(dict.fromkeys(source.files for source in SOURCES.values()))}


def channel(source):
    url = f"udp://{groups()[source.files]}:5000"
    return {"inputs": [{"url": url, "program": source.program} if source.program else url], "serve": {"hls": {}}}


def joined(files, folder):
    """One stream of those that follow each other."""
    path = folder / "+".join(files)
    path.write_bytes(ts.joined([media.capture(name).read_bytes() for name in files]))
    return path


class Log:
    """Which alarms there were, whether there was enough to judge by, and how much CPU was missing, by polling."""

    def __init__(self, gateway):
        self.gateway, self.begun = gateway, time.time()
        self.raised, self.verdicts, self.busy = {}, {}, []

    def look(self):
        now = time.time()
        self.busy.append((now, pressure()))
        for alarm in self.gateway.json("status")["alarms"]:
            self.add(alarm, now)
        if now > self.begun + 30:
            for name, labels, value in self.gateway.samples():
                if name == "headgate_watch_verdict":
                    self.verdicts.setdefault(labels["channel"], []).append(value)

    def add(self, told, when):
        if told["kind"].startswith(WATCHED):
            self.raised.setdefault((told["subject"].split()[0], told["kind"]), []).append((when, told["message"]))

    def starved(self, until):
        inside = [busy for when, busy in self.busy if until - 30 < when <= until]
        return inside[-1] - inside[0] if inside else 0.0


def test_no_alarm_in_ten_minutes_of_broadcasts_but_what_is_true(rig, tmp_path):
    if media.captures_folder() is None:
        pytest.skip("HEADGATE_STREAMS names no captures")
    paths = {files: joined(files, tmp_path) for files in groups()}
    for name, source in SOURCES.items():
        for kind, (proof, argument) in source.true.items():
            rounds = tmp_path / "rounds.ts"
            rounds.write_bytes(ts.looped(paths[source.files].read_bytes(), 75))
            assert proof(rounds, argument), f"{name}: {kind} is not true"
    with Gateway(rig, {name: channel(source) for name, source in SOURCES.items()}) as gateway:
        gateway.wait_answered("transcode")
        for files, group in groups().items():
            rig.wait_mdb(group, True)
            rig.popen("src", str(HEADGATE), "send", str(paths[files]), f"udp://{group}:5000?interface=eth0")
        log = Log(gateway)
        while time.time() < log.begun + SECONDS:
            time.sleep(2)
            log.look()
        for event in gateway.json("events")["events"]:
            log.add(event, event["unix_ns"] / 1e9)

        false = []
        for (name, kind), told in sorted(log.raised.items()):
            if kind in SOURCES[name].true:
                print(f"{name}: {kind}, true: {told[0][1]}")
            elif kind in ("picture_frozen", "picture_still") and ts.duration(paths[SOURCES[name].files].read_bytes()) < SHORT:
                print(f"{name}: {kind}, not judged, the same pictures again and again: {told[0][1]}")
            elif kind == "unwatched" and all(log.starved(when) > STARVED for when, _ in told):
                print(f"{name}: {kind}, not judged, without CPU: {told[0][1]}")
            else:
                false.append((name, kind, [(round(when - log.begun, 1), text) for when, text in told[:5]]))
        shares = {name: round(sum(values) / len(values), 3) for name, values in log.verdicts.items()}
        starved = log.busy[-1][1] - log.busy[0][1]
        looked = {name: gateway.json("status", name)["bridge"]["thumbnail"]["looks"] for name in SOURCES}
        print(f"{len(SOURCES)} channels, {time.time() - log.begun:.0f} s, starved for {starved:.0f} s; looks {looked}; with a verdict {shares}")
        assert not false, false
        for name, source in SOURCES.items():
            assert "unwatched" in source.true or shares[name] > 0.95 - starved / SECONDS, (name, shares[name])
