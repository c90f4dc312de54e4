"""Test streams: made once by ffmpeg into build/media, and captures of real broadcasts where HEADGATE_STREAMS names them."""
import fcntl
import os
import subprocess
from pathlib import Path

from . import ts

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("HEADGATE_MEDIA", ROOT / "build" / "media"))

_PICTURE = "testsrc2=size=320x180:rate=25"
_H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-keyint_min", "25", "-sc_threshold", "0",
         "-b:v", "700k", "-maxrate", "700k", "-bufsize", "350k", "-pix_fmt", "yuv420p"]
_HEVC = ["-c:v", "libx265", "-preset", "ultrafast", "-b:v", "500k", "-x265-params",
         "keyint=25:min-keyint=25:scenecut=0:log-level=none:open-gop=0"]
_MUX = ["-f", "mpegts", "-pcr_period", "20", "-pat_period", "0.1", "-sdt_period", "0.5"]


def _lavfi(tone, seconds, picture=_PICTURE):
    return ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", f"sine=frequency={tone}:sample_rate=48000", "-t", str(seconds)]


# Each second a white picture and a beep; a sweep beneath, by which sound is found again.
_FLASH = "color=black:size=320x180:rate=25,drawbox=c=white:t=fill:enable='lt(mod(n,25),1)'"
_BEEP = "aevalsrc=0.5*sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.04)+0.15*sin(2*PI*(200+37*t)*t):s=48000"


def _flash(seconds, codec):
    return ["-f", "lavfi", "-i", _FLASH, "-f", "lavfi", "-i", _BEEP, "-t", str(seconds), *_H264, "-ac", "2", "-c:a", codec,
            "-b:a", "192k", *_MUX, "-muxrate", "1400k"]


# What watching is there to tell, from one second on to another: black, a frozen picture amid a shot, silence.
def _faulty(seconds, video="null", sound="anull"):
    return ["-f", "lavfi", "-i", f"{_PICTURE},{video}", "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000,{sound}", "-t", str(seconds),
            *_H264, "-c:a", "aac", "-b:a", "96k", *_MUX, "-muxrate", "1300k", "-pes_payload_size", "0"]


def _black(seconds, begin, end):
    return _faulty(seconds, video=f"drawbox=c=black:t=fill:enable='gte(t,{begin})*lt(t,{end})'")


FAULT = (12, 21)  # where it is in these, s
LATE_BLACK = 31


def _two_languages(seconds):
    """H.264, and MP2 in German, 440 Hz, and English, 1250 Hz."""
    return [*_lavfi(440, seconds, "testsrc2=size=640x360:rate=25"), "-f", "lavfi", "-i", "sine=frequency=1250:sample_rate=48000", "-map", "0:v",
            "-map", "1:a", "-map", "2:a", "-t", str(seconds), *_H264, "-ac", "2", "-c:a", "mp2", "-b:a", "128k", "-metadata:s:a:0",
            "language=deu", "-metadata:s:a:1", "language=eng", *_MUX, "-muxrate", "1600k"]


def _two_programs(seconds):
    """H.264 and AAC twice, two programs in one stream of variable rate; each has PCRs of its own."""
    return ["-f", "lavfi", "-i", _PICTURE, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-f", "lavfi", "-i", f"{_PICTURE},hue=h=90",
            "-f", "lavfi", "-i", "sine=frequency=880:sample_rate=48000", "-t", str(seconds), *(f for n in range(4) for f in ("-map", str(n))), *_H264,
            "-c:a", "aac", "-b:a", "96k", "-program", "title=one:st=0:st=1", "-program", "title=two:st=2:st=3", *_MUX]


RECIPES = {
    "h264_mp2_deu_eng": _two_languages,
    "two_programs": _two_programs,
    "fault_black": lambda s: _black(s, *FAULT),
    "fault_black_late": lambda s: _black(s, LATE_BLACK, s),
    "fault_frozen": lambda s: _faulty(s, video=f"loop=loop={(FAULT[1] - FAULT[0]) * 25}:size=1:start={FAULT[0] * 25},setpts=N/FRAME_RATE/TB"),
    "fault_silent": lambda s: _faulty(s, sound=f"volume=0:enable='gte(t,{FAULT[0]})*lt(t,{FAULT[1]})'"),
    "flash_mp2": lambda s: _flash(s, "mp2"),
    "flash_ac3": lambda s: _flash(s, "ac3"),
    "flash_eac3": lambda s: _flash(s, "eac3"),
    "h264_aac": lambda s: [*_lavfi(440, s), *_H264, "-c:a", "aac", "-b:a", "96k", *_MUX, "-muxrate", "1200k"],
    "h264_aac_b": lambda s: [*_lavfi(660, s, "smptehdbars=size=320x180:rate=25"), *_H264, "-c:a", "aac", "-b:a", "96k",
                             *_MUX, "-muxrate", "1200k"],
    # Two fields a frame, macroblocks of either kind: what broadcasters call 1080i25.
    "h264i_1080": lambda s: [*_lavfi(450, s, "testsrc2=size=1920x1080:rate=50"), "-vf", "interlace=scan=tff", "-r", "25", "-c:v", "libx264", "-preset",
                             "ultrafast", "-flags", "+ilme+ildct", "-x264-params", "tff=1:force-cfr=1", "-bf", "2", "-g", "25", "-sc_threshold", "0", "-b:v",
                             "6000k", "-maxrate", "6000k", "-bufsize", "6000k", "-pix_fmt", "yuv420p", "-c:a", "mp2", "-b:a", "128k", *_MUX,
                             "-muxrate", "8000k"],
    "hevc_aac": lambda s: [*_lavfi(550, s), *_HEVC, "-c:a", "aac", "-b:a", "96k", *_MUX, "-muxrate", "1400k"],
    "hevc_ac3": lambda s: [*_lavfi(560, s), *_HEVC, "-c:a", "ac3", "-b:a", "128k", *_MUX, "-muxrate", "1400k"],
    "hevc_eac3": lambda s: [*_lavfi(570, s), *_HEVC, "-c:a", "eac3", "-b:a", "128k", *_MUX, "-muxrate", "1400k"],
    "mpeg2_mp2": lambda s: [*_lavfi(330, s), "-c:v", "mpeg2video", "-g", "12", "-bf", "2", "-b:v", "1500k", "-maxrate",
                            "1500k", "-bufsize", "1000k", "-c:a", "mp2", "-b:a", "128k", *_MUX, "-muxrate", "2400k"],
    "h264_ac3": lambda s: [*_lavfi(770, s), *_H264, "-c:a", "ac3", "-b:a", "128k", *_MUX, "-muxrate", "1300k"],
    "h264_eac3": lambda s: [*_lavfi(880, s), *_H264, "-c:a", "eac3", "-b:a", "128k", *_MUX, "-muxrate", "1300k"],
    "radio_mp2": lambda s: [*_lavfi(220, s)[4:], "-c:a", "mp2", "-b:a", "192k", *_MUX],
    # Two services in one stream: 101 with H.264 and AAC, 102 with MPEG-2 and MP2.
    "mpts": lambda s: [*_lavfi(440, s), "-f", "lavfi", "-i", "smptehdbars=size=320x180:rate=25", "-f", "lavfi", "-i",
                       "sine=frequency=990:sample_rate=48000", "-map", "0:v", "-map", "1:a", "-map", "2:v", "-map", "3:a",
                       "-t", str(s), "-c:v:0", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-sc_threshold", "0", "-b:v:0",
                       "700k", "-pix_fmt", "yuv420p", "-c:v:1", "mpeg2video", "-g:v:1", "12", "-b:v:1", "900k", "-c:a:0",
                       "aac", "-c:a:1", "mp2", "-program", "program_num=101:title=One:st=0:st=1", "-program",
                       "program_num=102:title=Two:st=2:st=3", *_MUX, "-muxrate", "3500k"],
}


def stream(name, seconds=20):
    """Path of a generated stream; encoded on first use."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{name}-{seconds}.ts"
    with open(CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            partial = path.with_suffix(".partial")
            command = ["ffmpeg", "-v", "error", "-y", "-nostdin", *RECIPES[name](seconds), str(partial)]
            result = subprocess.run(["timeout", "-s", "KILL", "280", *command], capture_output=True, text=True)
            if result.returncode != 0:
                raise RuntimeError(f"{' '.join(command)}\n{result.stderr}")
            partial.rename(path)
    return path


def captures_folder():
    """The folder of real captures, or None where the machine has none."""
    value = os.environ.get("HEADGATE_STREAMS")
    return Path(value) if value and Path(value).is_dir() else None


def capture(name):
    """Path of a capture, or None."""
    folder = captures_folder()
    path = folder / name if folder else None
    return path if path and path.exists() else None


def looped(path, seconds):
    """A path to the stream repeated to that length, timestamps and continuity going on."""
    path = Path(path)
    CACHE.mkdir(parents=True, exist_ok=True)
    out = CACHE / f"{path.stem}-rounds-{seconds}.ts"
    with open(CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not out.exists():
            partial = out.with_suffix(".partial")
            partial.write_bytes(ts.looped(path.read_bytes(), seconds))
            partial.rename(out)
    return out
