"""Every capture with clear video or audio, through the fast path and the bridge: what comes out is what went in."""
import subprocess
import time
from collections import defaultdict

import pytest

from support import hls, media, ts
from support.gateway import Gateway

SECONDS = 14
SEGMENT = 2
BATCH = 10
WRAP = 1 << 33
# Files that follow one another stand together. The rest of the folder has no clear media, is too short to loop, or has no usable
# PCR (teletext-fra-psi-h264-mp2x4 none, cea608-multichannel one in 2 s), without which nobody knows when to send it.
CAPTURES = {
    "h264-aac": ["h264-aac-0.ts", "h264-aac-1.ts", "h264-aac-2.ts"], "h264-ac3dvb": ["h264-ac3dvb-0.ts", "h264-ac3dvb-1.ts"],
    "hevc-aac": ["hevc-aac-0.ts", "hevc-aac-1.ts"], "scte35-h264-bframes-aac-80s": None, "mpeg2v-mp2-bbb": None,
    "sd-h264i-bars-aacx2": None, "dvbt-fr-hd-h264i-eac3x3-dvbsubx2": None, "mpts-dvbt-it-8prog": None,
    "hd-2services-eit-one-scrambled": None, "h264-bframes-pcr-wrap": None, "ac3-atsc-pcr-wrap": None,
    "eac3-atsc-pcr-wrap": None, "h264-opus": None, "obs-hevc-aac": None,
    "sintel-cea608": None, "bbb-1s-h264-aac": None, "avc-pic-timing": None, "h264-mp2": None,
    "h264-dts": None,
}
pytestmark = pytest.mark.skipif(media.captures_folder() is None, reason="captures need HEADGATE_STREAMS")


def source_of(name, folder):
    parts = CAPTURES[name] or [f"{name}.ts"]
    data = b"".join(media.capture(part).read_bytes() for part in parts)
    joined = folder / f"{name}.ts"
    joined.write_bytes(ts.looped(data, SECONDS))
    return joined, max(0, round(SECONDS / ts.duration(data) + 0.49) - 1), len(parts) - 1


class Outcome:
    """What a channel had served when its source had ended."""

    def __init__(self, gateway, channel, source, rounds, cuts):
        self.source, self.rounds, self.cuts, self.url = source, rounds, cuts, gateway.url(f"/{channel}/index.m3u8")
        self.client = hls.Client(gateway, channel)
        self.client.multivariant()
        self.playlist = self.client.poll()

    @property
    def media_segments(self):
        return {n: s for n, s in self.client.segments.items() if not s[2]}

    def runs(self):
        """The media from each mark of a discontinuity to the next."""
        found = [b""]
        for _, (_, data, _, marked) in sorted(self.client.segments.items()):
            if marked:
                found.append(b"")
            found[-1] += data
        return found


def wait_settled(gateway, channels, quiet=SEGMENT + 4, limit=90):
    """Until no playlist grows any more: the last segment is closed when the input has been silent, at the end of its slot."""
    seen, since, end = None, 0.0, time.monotonic() + limit
    while True:
        now = [gateway.http(f"/{channel}/index.media-{1000 * SEGMENT}.m3u8").body for channel in channels]
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > quiet:
            return
        assert time.monotonic() < end, "the playlists go on growing"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def outcomes(rig, tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures")
    names = list(CAPTURES)
    channels = {f"c{i}": {"inputs": [f"udp://239.13.1.{i + 1}:5000"], "serve": {"hls": {"segment": f"{SEGMENT}s", "window": 20}},
                         # All tracks in one playlist, as they came: AAC beside them is tests/e2e/test_transcode.py's.
                         "audio": {"transcode": "never"}}
                for i in range(len(names))}
    found, sources = {}, {}
    with Gateway(rig, channels) as gateway:
        for i in range(len(names)):
            rig.wait_mdb(f"239.13.1.{i + 1}", True)
        for start in range(0, len(names), BATCH):
            batch = list(enumerate(names))[start:start + BATCH]
            sources |= {name: source_of(name, folder) for _, name in batch}
            senders = [rig.send(sources[name][0], f"239.13.1.{i + 1}", 5000) for i, name in batch]
            for sender in senders:
                assert sender.wait(SECONDS + 100) == 0
        wait_settled(gateway, list(channels))
        for i, name in enumerate(names):
            try:
                found[name] = Outcome(gateway, f"c{i}", *sources[name])
            except AssertionError as error:
                found[name] = f"{error}; {gateway.json('status', f'c{i}')}"
        yield gateway, found


def outcome(outcomes, name):
    found = outcomes[1][name]
    assert isinstance(found, Outcome), found
    return found


def dropped(gateway):
    return {tuple(labels.values()): value for name, labels, value in gateway.samples() if name == "headgate_drops_total" and value > 0}


def packets_by_pid(path):
    """{PID: [(pts, dts, hash)]} as ffprobe splits the stream into access units."""
    result = subprocess.run(["timeout", "-s", "KILL", "60", "ffprobe", "-v", "quiet", "-show_data_hash", "CRC32", "-show_entries",
                             "stream=index,id:packet=stream_index,pts,dts,data_hash", "-of", "compact=p=1:nk=0", str(path)],
                            capture_output=True, text=True)
    pids, units = {}, defaultdict(list)
    rows = [dict(item.split("=", 1) for item in line.split("|")[1:] if "=" in item) | {"kind": line.split("|")[0]}
            for line in result.stdout.replace("\n|", "|").splitlines()]  # side data breaks a packet's line
    for row in rows:
        if row["kind"] == "stream" and row.get("id", "").startswith("0x"):
            pids[row["index"]] = int(row["id"], 16)
    for row in rows:
        if row["kind"] == "packet" and row["stream_index"] in pids:
            stamp = tuple(int(row[k]) % WRAP if row.get(k, "N/A") != "N/A" else None for k in ("pts", "dts"))
            units[pids[row["stream_index"]]].append((*stamp, row.get("data_hash")))
    return units


def align(source, output):
    """(matched pairs, units of the output that the source has not, units of the source left out in between)."""
    places = defaultdict(list)
    for index, unit in enumerate(source):
        places[unit[2], unit[0]].append(index)
    at, pairs, strangers, skipped = None, [], 0, 0
    for unit in output:
        later = [p for p in places[unit[2], unit[0]] if at is None or p > at]
        if not later:
            strangers += 1
            continue
        if at is not None:
            skipped += later[0] - at - 1
        at = later[0]
        pairs.append((source[at], unit))
    return pairs, strangers, skipped


@pytest.mark.parametrize("name", CAPTURES)
def test_access_units_and_their_times_are_the_sources(outcomes, tmp_path, name):
    out = outcome(outcomes, name)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(out.client.joined())
    source, output = packets_by_pid(out.source), packets_by_pid(joined)
    assert output, "nothing came out"
    # A capture sent in rounds has no break of its own at the joints either: what breaks here was lost on the way.
    if errors := [found for run in out.runs() if (found := ts.Scan(run).cc_errors)]:
        wanted = ts.Scan(out.source.read_bytes()).total_cc_errors
        assert sum(sum(each.values()) for each in errors) <= wanted, f"continuity errors {errors}, the source has {wanted}; {dropped(outcomes[0])}"
    line = []
    for pid, units in output.items():
        pairs, strangers, skipped = align(source[pid], units)
        line.append(f"PID {pid}: {len(pairs)} of {len(source[pid])} units with hash and PTS alike, {strangers} strange, {skipped} left out")
        # A DTS that ffprobe read, rather than guessed, is the same too.
        assert sum(a[1] == b[1] for a, b in pairs) >= 0.95 * len(pairs)
        # What may be missing or other than in the source, and nothing else:
        #  - ffprobe splits the first and the last PES packet with their neighbours in the source, without them in the output: 2;
        #  - where a loop begins anew nothing: its source was made of whole PES packets, with times that go on (ts.looped);
        #  - where files were joined that were cut anywhere: the PES packet on either side, 2;
        #  - where the clock jumps, which stands marked: what came before the next slot's first random access point, two slots at most.
        marks = sum(segment[3] for segment in out.client.segments.values())
        waiting = 2 * SEGMENT * len(source[pid]) / SECONDS
        allowed = 2 + 2 * out.cuts + marks * waiting
        assert strangers + skipped <= allowed, f"at most {allowed:.0f}: " + "; ".join(line)
        assert len(pairs) >= 0.5 * len(source[pid]) - 8, "; ".join(line)
    print(f"{name}: {len(out.media_segments)} segments, {out.rounds} rounds more, {out.cuts} cuts, {marks} marks; " + "; ".join(line))


def first_dts(data, pid):
    for packet in ts.packets(data):
        start = ts.pes_start(packet) if ts.pid_of(packet) == pid else None
        if start is not None and packet[start + 7] & 0x80:
            return ts._stamp(packet, start + (14 if packet[start + 7] & 0x40 else 9))
    return None


@pytest.mark.parametrize("name", CAPTURES)
def test_durations_are_the_medias(outcomes, name):
    out = outcome(outcomes, name)
    segments, worst = out.media_segments, 0.0
    program, = ts.programs(next(iter(segments.values()))[1])
    for number, (duration, data, _, _) in out.client.segments.items():
        assert round(duration) <= out.playlist.target
        after = out.client.segments.get(number + 1)
        # A jump of the source's clock, marked, is no duration.
        if not data or after is None or not after[1] or after[3]:
            continue
        kinds = ts.streams(data, program)[0]
        master = next((pid for pid, kind in kinds.items() if kind in (0x01, 0x02, 0x1B, 0x24)), next(iter(kinds)))
        begin, end = first_dts(data, master), first_dts(after[1], master)
        worst = max(worst, abs(((end - begin) % WRAP) / 90000 - duration))
    print(f"{name}: EXTINF is off by at most {worst * 1000:.3f} ms, target {out.playlist.target}")
    assert worst < 0.001


def players(commands, wanted):
    """Runs them side by side; {name: stdout and stderr} of those that did not bring what is wanted."""
    running = {name: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
               for name, command in commands.items()}
    failed = {}
    for name, process in running.items():
        text = process.communicate()[0]
        if not wanted(name, text):
            failed[name] = text[-600:]
    return failed


def in_gateway(rig, *command):
    return ["ip", "netns", "exec", rig.names["gw"], "timeout", "-s", "KILL", *command]


def test_ffmpeg_decodes_each(rig, outcomes):
    # The parameter sets of avc-pic-timing lie in its last PES packet, which the capture cuts off and the loop leaves out:
    # ffmpeg can't decode the source either.
    names = [n for n in CAPTURES if isinstance(outcomes[1][n], Outcome) and n != "avc-pic-timing"]
    bad = {}
    for start in range(0, len(names), 4):
        commands = {n: in_gateway(rig, "120", "ffmpeg", "-hide_banner", "-nostdin", "-live_start_index", "0", "-i", outcomes[1][n].url,
                                  "-t", "5", "-f", "null", "-") for n in names[start:start + 4]}
        bad |= players(commands, lambda _, text: "muxing overhead" in text and "video:0kB audio:0kB" not in text)
    assert not bad, {n: (text, vars(outcomes[1][n].playlist)) for n, text in bad.items()}
    print(f"ffmpeg decodes {len(names)} channels")


def test_gstreamer_takes_each(rig, outcomes, tmp_path):
    names = [n for n in CAPTURES if isinstance(outcomes[1][n], Outcome)]
    # At the live edge of playlists that do not grow any more: each reads what is there and waits on.
    running = [subprocess.Popen(in_gateway(rig, "120", "gst-launch-1.0", "-q", "souphttpsrc", f"location={outcomes[1][n].url}", "!", "hlsdemux",
                                           "!", "filesink", f"location={tmp_path / n}", "buffer-mode=2"), stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for n in names]
    sizes, deadline = {}, time.monotonic() + 100
    while time.monotonic() < deadline and not (sizes and all(size > 10_000 for size in sizes.values())):
        time.sleep(0.1)
        sizes = {n: (tmp_path / n).stat().st_size if (tmp_path / n).exists() else 0 for n in names}
    for process in running:
        process.terminate()
        process.wait()
    print("GStreamer read " + ", ".join(f"{n} {size // 1000} kB" for n, size in sizes.items()))
    assert all(size > 10_000 for size in sizes.values()), sizes
