"""What a file sounds like and when, as FFmpeg decodes it: samples on a timeline of 48 kHz, and how like another's they are."""
import dataclasses
import json
import subprocess
import tempfile
from pathlib import Path

import numpy

RATE = 48000
SAME_RUN = 0.002  # s: frames whose times step by more than what they last, or less, do not join
WRAP = 2**33 / 90000  # s: FFmpeg unrolls times by where other programmes of a file stand
LEAD = 0.5  # s: of the first PES packet that it sees FFmpeg stamps two frames alike
SEARCH = 0.02  # s to either side of where a copy's sound is due
SIDES = {"FL": (1, 0), "FR": (0, 1), "FC": (0.70710678, 0.70710678), "BL": (0.70710678, 0), "SL": (0.70710678, 0), "BR": (0, 0.70710678),
         "SR": (0, 0.70710678), "LFE": (0, 0)}  # ITU-R BS.775-3 table 2
LAYOUTS = {"stereo": ["FL", "FR"], "3.0": ["FL", "FR", "FC"], "5.0(side)": ["FL", "FR", "FC", "SL", "SR"],
           "5.1(side)": ["FL", "FR", "FC", "LFE", "SL", "SR"], "5.1": ["FL", "FR", "FC", "LFE", "BL", "BR"]}


@dataclasses.dataclass
class Heard:
    first: float  # s, of the first sample
    samples: numpy.ndarray  # (samples, 2), 48 kHz, silence where there is nothing
    jitter: tuple  # s: by how much the times of frames are before and after where their samples belong
    holes: list  # (begin, end), s: where no frame is


def tracks(path):
    """Streams as ffprobe tells them; `id`: the PID as a number."""
    text = subprocess.run(["timeout", "-s", "KILL", "60", "ffprobe", "-v", "quiet", "-show_streams", "-of", "json", str(path)], capture_output=True,
                          text=True, check=False).stdout
    found = json.loads(text or "{}").get("streams", [])
    return [{**stream, "id": int(stream.get("id", "0"), 0)} for stream in found]


def sound(path, track):
    """Of one of `tracks`; None: it has none that can be decoded."""
    drc = ["-drc_scale", "0"] if track["codec_name"] in ("ac3", "eac3") else []
    chosen = ["-map", f"0:{track['index']}", "-c:a", "pcm_f32le", "-f"]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        text = subprocess.run(["timeout", "-s", "KILL", "120", "ffmpeg", "-v", "quiet", "-nostdin", "-copyts", *drc, "-i", str(path), *chosen, "f32le",
                               str(raw), *chosen, "framecrc", "-"], capture_output=True, text=True, check=False).stdout
        data = numpy.fromfile(raw, dtype="<f4") if raw.exists() else numpy.zeros(0, "f4")
    lines = text.splitlines()
    rows = [[int(item) for item in line.split(",")[2:5]] for line in lines if line and line[0] != "#"]
    if not rows or not len(data):
        return None
    rate = int(next(line.split("/")[1] for line in lines if line.startswith("#tb")))
    layout = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("#channel_layout_name"))
    times, counts = [row[0] / rate for row in rows], [row[1] for row in rows]
    if len(data) % sum(counts):  # the layout changed on the way
        return None
    data = both_sides(data.reshape(-1, len(data) // sum(counts)), layout)
    if str(path).endswith(".flv"):  # of milliseconds, which ffmpeg's counting of samples hides
        stamps = packet_times(path, track["index"])
        if len(stamps) == len(times):
            times = stamps
    return placed(times, counts, data, rate)


def both_sides(data, layout):
    if data.shape[1] == 1:
        return numpy.repeat(data, 2, axis=1)
    names = LAYOUTS[layout]
    return data @ numpy.array([SIDES[name] for name in names], dtype=numpy.float32)


def packet_times(path, index):
    out = subprocess.run(["ffprobe", "-v", "quiet", "-select_streams", str(index), "-show_entries", "packet=pts_time", "-of", "csv=p=0", str(path)],
                         capture_output=True, text=True, check=False).stdout
    return [float(line.strip(",")) for line in out.split() if line.strip(",") not in ("", "N/A")]


def placed(times, counts, data, rate):
    runs = []  # [estimates of when it begins], first sample, samples
    position = 0
    for time, count in zip(times, counts):
        begins = time - (position - runs[-1][1]) / rate if runs else None
        if not runs or abs(begins - (min(runs[-1][0]) + max(runs[-1][0])) / 2) > SAME_RUN:
            runs.append([[time], position, 0])
        else:
            runs[-1][0].append(begins)
        runs[-1][2] += count
        position += count
    # Times are rounded, to 1/90000 s or to a millisecond: the middle of what they say is nearest.
    begins = [(min(said) + max(said)) / 2 for said, _, _ in runs]
    first = min(begins)
    size = max(round((begin - first) * rate) + count for begin, (_, _, count) in zip(begins, runs))
    samples = numpy.zeros((size, 2), dtype=numpy.float32)
    for begin, (_, at, count) in zip(begins, runs):
        to = round((begin - first) * rate)
        samples[to:to + count] = data[at:at + count]
    jitter = max((max(said) - min(said)) / 2 for said, _, _ in runs)
    ends = [begin + count / rate for begin, (_, _, count) in zip(begins, runs)]
    return Heard(first, resampled(samples, rate), (-jitter, jitter), list(zip(ends, begins[1:])))


def resampled(samples, rate, reach=16):
    """To 48 kHz by a windowed sinc; from less only."""
    if rate == RATE:
        return samples
    padded = numpy.pad(samples, ((reach, reach), (0, 0)))
    out = numpy.zeros((len(samples) * RATE // rate, 2), dtype=numpy.float32)
    offsets = numpy.arange(1 - reach, reach + 1)
    for at in range(0, len(out), RATE):
        position = numpy.arange(at, min(at + RATE, len(out))) * (rate / RATE)
        whole = numpy.floor(position).astype(int)
        distance = (position - whole)[:, None] - offsets
        taps = numpy.sinc(distance) * (0.5 + 0.5 * numpy.cos(numpy.pi * distance / reach))
        for side in range(2):
            out[at:at + len(position), side] = (padded[(whole[:, None] + offsets) + reach, side] * taps).sum(axis=1)
    return out


@dataclasses.dataclass
class Likeness:
    shift: float  # s, by which the copy's clock is ahead: of equal sound
    correlation: float
    loudness: tuple  # LUFS of the source and of the copy, where both are
    seconds: float


def compare(source, copy, due=None, leave_out=None):
    """`due`: by how much the copy's times are ahead, give or take SEARCH; None: anything. `leave_out`: s to either side of the source's holes."""
    if leave_out is not None:
        source = dataclasses.replace(source, samples=source.samples.copy())
        for begin, end in source.holes:
            source.samples[max(0, round((begin - source.first - leave_out) * RATE)):max(0, round((end - source.first + leave_out) * RATE))] = 0
    size = 1 << int(len(source.samples) + len(copy.samples)).bit_length()
    spectrum = numpy.fft.rfft(copy.samples.sum(axis=1), size) * numpy.conj(numpy.fft.rfft(source.samples.sum(axis=1), size))
    product = numpy.fft.irfft(spectrum, size)  # [n]: the copy's sample i + n is the source's sample i
    base = copy.first - source.first
    if due is None:
        lags = numpy.arange(-len(source.samples) + 1, len(copy.samples))
    else:
        base += round((due - base) / WRAP) * WRAP
        middle = round((due - base) * RATE)
        lags = numpy.arange(middle - round(SEARCH * RATE), middle + round(SEARCH * RATE) + 1)
    lag = int(lags[numpy.argmax(product[lags % size])])
    begin, end = max(0, -lag), min(len(source.samples), len(copy.samples) - lag)
    margin = min(960, max(0, (end - begin) // 8))
    begin, end = begin + max(margin, min(round(LEAD * RATE) - begin - lag, (end - begin) // 4)), end - margin
    a, b = source.samples[begin:end], copy.samples[begin + lag:end + lag]
    if leave_out is not None:
        b = numpy.where((a == 0).all(axis=1, keepdims=True), 0, b)
    power = float(numpy.sqrt((a.astype(float) ** 2).sum() * (b.astype(float) ** 2).sum()))
    correlation = float((a.astype(float) * b).sum()) / power if power > 0 else 0.0
    return Likeness(base + lag / RATE, correlation, (loudness(a), loudness(b)), len(a) / RATE)


def loudness(samples):
    """Integrated, LUFS; of what is too short for a block of 400 ms, by its power alone."""
    if len(samples) < RATE // 2:
        return 10 * float(numpy.log10((samples.astype(float) ** 2).mean(axis=0).sum() + 1e-12)) - 0.691
    text = subprocess.run(["ffmpeg", "-v", "quiet", "-f", "f32le", "-ar", str(RATE), "-ac", "2", "-i", "-", "-af",
                           "ebur128=metadata=1,ametadata=print:key=lavfi.r128.I:file=-", "-f", "null", "-"], input=samples.tobytes(),
                          capture_output=True, check=True).stdout.decode()
    return float(text.rsplit("=", 1)[1])
