"""Whether what came out is the source's media: every picture and every frame of sound, in its order, at its time."""
import subprocess

# What is taken away before frames of sound are compared: containers frame AAC in different ways.
UNFRAMED = {"aac": ["-bsf:a", "aac_adtstoasc"]}


def frames(path, selector, sound="aac"):
    """[(hash, PTS in ms)] of each decoded picture ("v"), or of each coded frame of sound ("a")."""
    # Pictures are decoded: a muxer may lay out the same access unit in another way.
    copy = [] if selector == "v" else ["-c", "copy", *UNFRAMED.get(sound, [])]
    text = subprocess.run(["timeout", "-s", "KILL", "60", "ffmpeg", "-v", "quiet", "-copyts", "-i", str(path), "-map", f"0:{selector}",
                           *copy, "-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-f", "framehash", "-hash", "md5", "-"],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stdout
    scale = next((line.split()[-1] for line in text.splitlines() if line.startswith("#tb")), "1/90000").split("/")
    rows = [line.split(",") for line in text.splitlines() if line and not line.startswith("#")]
    return [(row[5].strip(), int(row[2]) * int(scale[0]) / int(scale[1]) * 1000) for row in rows]


def same_media(source, out, least=200, sound="aac", wander_ms=1.5, apart_ms=1.0):
    """Every picture and every frame of sound is one of the source's, in its order, and both are as far apart as there.
    `wander_ms`: for a program that puts times of its own."""
    offsets = {}
    for selector in "va":
        want, got = frames(source, selector, sound), frames(out, selector, sound)
        got = got[3:-8]  # the first may lack a reference, the last come in decoding order
        assert len(got) > least, (selector, len(got))
        hashes = [h for h, _ in want]
        at = next((i for i in range(len(hashes)) if hashes[i:i + len(got)] == [h for h, _ in got]), None)
        assert at is not None, f"{selector}: not a run of the source's: {strangers(hashes, got)}"
        steps = [g[1] - w[1] for g, w in zip(got, want[at:])]
        print(f"{out.name} {selector}: {len(got)} frames, timestamps within {max(steps) - min(steps):.2f} ms")
        assert max(steps) - min(steps) < wander_ms, f"{selector}: timestamps wander by {max(steps) - min(steps):.2f} ms"
        offsets[selector] = sum(steps) / len(steps)
    assert abs(offsets["v"] - offsets["a"]) < apart_ms, f"sound and pictures moved apart by {offsets['v'] - offsets['a']:.3f} ms"


def strangers(hashes, got):
    known = {digest: place for place, digest in enumerate(hashes)}
    places = [known.get(digest) for digest, _ in got]
    lost = [i for i, place in enumerate(places) if place is None]
    jumps = [(i, a, b) for i, (a, b) in enumerate(zip(places, places[1:])) if None not in (a, b) and b != a + 1]
    return f"{len(lost)} of {len(got)} unknown, at {lost[:10]}; {len(jumps)} jumps, {jumps[:5]}"
