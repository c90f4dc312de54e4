"""Whether what came out is the source's media: every picture and every frame of sound, in its order, at its time."""
import bisect
import functools
import statistics
import subprocess

WRAP_MS = (1 << 33) / 90  # of a transport stream's times
# What is taken away before frames of sound are compared: containers frame AAC in different ways.
UNFRAMED = {"aac": ["-bsf:a", "aac_adtstoasc"]}


def frames(path, selector, sound="aac"):
    """[(hash, PTS in ms)] of each decoded picture ("v"; `sound` None), or of each coded frame of sound ("a")."""
    # Pictures are decoded: a muxer may lay out the same access unit in another way.
    copy = [] if selector == "v" or sound is None else ["-c", "copy", *UNFRAMED.get(sound, [])]
    # A second is added and taken off again: FFmpeg 5.1 moves what begins at 0 to where the chosen track begins, copyts or not.
    text = subprocess.run(["timeout", "-s", "KILL", "120", "ffmpeg", "-v", "quiet", "-copyts", "-itsoffset", "1", "-i", str(path), "-map", f"0:{selector}",
                           *copy, "-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f", "framehash", "-hash", "md5", "-"],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stdout
    scale = next((line.split()[-1] for line in text.splitlines() if line.startswith("#tb")), "1/90000").split("/")
    rows = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")]
    return [(row[5].strip(), int(row[2]) * int(scale[0]) / int(scale[1]) * 1000 - 1000) for row in rows]


of_source = functools.lru_cache(maxsize=8)(frames)  # many ends are judged against one source


def same_media(source, out, least=200, sound="aac", own_clock=False, apart_ms=1.0):
    """Every picture and every frame of sound is one of the source's, in its order, and both are as far apart as there.
    `own_clock`: the program stamps them anew by when they came; then only sound against pictures is judged."""
    offsets = {}
    for selector in "va":
        want, got = of_source(source, selector, sound), frames(out, selector, sound)
        got = got[3:-8]  # the first may lack a reference, the last come in decoding order
        assert len(got) > least, (selector, len(got))
        hashes = [h for h, _ in want]
        at = next((i for i in range(len(hashes)) if hashes[i:i + len(got)] == [h for h, _ in got]), None)
        assert at is not None, f"{selector}: not a run of the source's: {strangers(hashes, got)}"
        steps = [(w[1], g[1] - w[1]) for g, w in zip(got, want[at:])]
        wander = max(step for _, step in steps) - min(step for _, step in steps)
        print(f"{out.name} {selector}: {len(got)} frames, timestamps within {wander:.2f} ms")
        assert own_clock or wander < 1.5, f"{selector}: timestamps wander by {wander:.2f} ms"
        offsets[selector] = steps
    apart = statistics.median(away(offsets["v"], offsets["a"]))
    apart = (apart + WRAP_MS / 2) % WRAP_MS - WRAP_MS / 2  # one of them may have begun before its clock's wrap
    assert abs(apart) < apart_ms, f"sound and pictures moved apart by {apart:.3f} ms"


def away(pictures, sounds):
    """How much later each frame of sound is against the picture of its time than in the source, in ms."""
    times = [time for time, _ in pictures]
    return [step - pictures[bisect.bisect_left(times, time)][1] for time, step in sounds if times[0] < time <= times[-1]]


def strangers(hashes, got):
    known = {digest: place for place, digest in enumerate(hashes)}
    places = [known.get(digest) for digest, _ in got]
    lost = [i for i, place in enumerate(places) if place is None]
    jumps = [(i, a, b) for i, (a, b) in enumerate(zip(places, places[1:])) if None not in (a, b) and b != a + 1]
    around = [(places[i - 1], places[i + 1]) for i in lost if 0 < i < len(got) - 1]
    missing = [(a, next((p for p in places[i:] if p is not None), None)) for i, (a, b) in zip(lost, around) if a is not None]
    return (f"{len(lost)} of {len(got)} unknown, at {lost[:10]}, instead of those between {missing[:5]} of {len(hashes)}; {len(jumps)} jumps, {jumps[:5]}; "
            f"at {[round(got[i][1]) for i in lost[:3]]} ms")
