"""Broadcasts that are damaged in every way while sound is made of them, their pictures are looked at and one is made smaller: no process
of the gateway dies or grows, the channel beside loses nothing, what was discarded is counted, and all is well when the signal is."""
import json
import random
import time
from pathlib import Path

import pytest

from support import damage, hls, media, ts
from support.gateway import DAEMONS, Gateway, wait_for

BEGIN, EACH = 4, 3  # s of the signal before the damage, and of each damage
PATIENCE = 90  # s until all is well, at most: workers come last where the machine is busy
SECONDS = BEGIN + EACH * len(damage.ALL) + PATIENCE
PROCESSES = (*DAEMONS, "transcode")
GROWTH = 96 << 20  # bytes: a decoder's pictures are the largest of it
SOURCES = {  # a capture, or what is made where there are none
    "first": (["h264-ac3dvb-0.ts", "h264-ac3dvb-1.ts"], "h264_ac3"),
    "second": (["mpeg2v-mp2-bbb.ts"], "mpeg2_mp2"),
    "third": (["hevc-aac-0.ts", "hevc-aac-1.ts"], "hevc_eac3"),
}
GROUPS = {name: f"239.15.1.{number + 1}" for number, name in enumerate([*SOURCES, "clean"])}
CLEAN_OUT = "239.15.2.1"


class WithRendition(Gateway):
    def write(self, channels):
        small = {"from": "first", "video": {"height": 180, "bitrate": "300kbps", "codec": "h264"}}
        self.map.write_text(json.dumps({"channels": channels, "renditions": {"rates": ["first", small]}}))


def channels():
    made = {name: {"inputs": [f"udp://{group}:5000"], "serve": {"hls": {"segment": "1s", "window": 60}, "rtmp": {}}, "watch": {"every": "1s"}}
            for name, group in GROUPS.items()}
    made["clean"]["push"] = [f"udp://{CLEAN_OUT}:5000"]
    return made


def source(name, folder):
    files, generated = SOURCES[name]
    if media.captures_folder() is None:
        return media.looped(media.stream(generated, 18), SECONDS).read_bytes()
    joined = folder / f"{name}-of-captures.ts"
    joined.write_bytes(b"".join(media.capture(file).read_bytes() for file in files))
    return media.looped(joined, SECONDS).read_bytes()


def descendants():
    """{pid: parent} of all processes."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError, ValueError):
            pass
    return found


def memory(gateway):
    """Bytes that are a process's own, of each process with its children."""
    parents, totals = descendants(), {}
    for name in PROCESSES:
        family = {gateway.pid(name)}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        totals[name] = 0
        for pid in family:
            try:
                fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
            except OSError:
                continue
            totals[name] += int(fields.get("RssAnon", "0 kB").split()[0]) << 10
    return totals


def alarms(gateway):
    """Some captures are very quiet, which is said in time; on a busy machine the encoder falls behind, which is said, too."""
    return {(alarm["subject"].split()[0], alarm["kind"]) for alarm in gateway.json("status")["alarms"]
            if alarm["subject"] and alarm["kind"] != "sound_loudness" and "keep the source's pace" not in alarm["message"]}


def playlists(gateway, name):
    """{address: media playlist} of all that a channel or a rendition offers."""
    url = f"/{name}/index.m3u8"
    answer = gateway.http(url)
    if answer.status != 200:
        return {}
    text = answer.body.decode()
    sounds = [line.split('URI="')[1].split('"')[0] for line in text.splitlines() if 'URI="' in line]
    urls = {target for _, target in hls.Playlist(text, url).variants} | {f"/{name}/{sound}" for sound in sounds}
    answers = {target: gateway.http(target) for target in sorted(urls)}
    return {target: hls.Playlist(answer.body.decode(), target) for target, answer in answers.items() if answer.status == 200}


def unwell(gateway, names, since):
    """What is not as it should be long after the damage: `since` a time of the machine's clock."""
    wrong = [f"{subject}: {kind}" for subject, kind in alarms(gateway)]
    for name in names:
        status = gateway.json("status", name)
        wrong += [f"{name} is {status['state']}: {status['reason']}"] if status["state"] != "ok" else []
        wrong += [f"{name}: sound {track['pid']}: {track['trouble'] or 'is not there'}" for track in status["bridge"]["sound"]["tracks"]
                  if track["trouble"] or (track["twin"] is not None and not track["present"])]
        if status["bridge"]["thumbnail"] is None or (status["bridge"]["thumbnail"]["unix"] or 0) < since:
            wrong.append(f"{name}: no new thumbnail")
    for name in [*names, "rates"]:
        lists = playlists(gateway, name)
        wrong += [f"{name}: not offered"] if not lists else []
        wrong += [f"{url}: gaps at its end" for url, playlist in lists.items() if not playlist.segments or any(s[3] for s in playlist.segments[-3:])]
    return wrong


@pytest.fixture(scope="module")
def run(rig, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    generator, paths, marks, rates = random.Random(4711), {}, {}, {}
    for name in SOURCES:
        data, marks[name] = damage.damaged(source(name, folder), BEGIN, EACH, SECONDS, generator)
        rates[name] = len(data) * 8 / SECONDS
        paths[name] = folder / f"{name}.ts"
        paths[name].write_bytes(data)
    clean = media.looped(media.stream("h264_mp2_deu_eng", 20), 240)
    gateway = WithRendition(rig, {})
    gateway.node["servers"]["rtmp"] = {"listen": f"[::]:{gateway._free_port()}"}
    gateway.write_node()
    gateway.write(channels())
    with gateway:
        for group in GROUPS.values():
            rig.wait_mdb(group, True)
        gateway.wait_answered("transcode")
        capture = rig.capture(CLEAN_OUT, 5000)
        rig.wait_mdb(CLEAN_OUT, True, port="p-snk")
        pids = {name: gateway.pid(name) for name in PROCESSES}
        senders = [rig.send(clean, GROUPS["clean"], 5000)]
        client = hls.Client(gateway, "clean")
        client.multivariant()
        senders += [rig.send(path, GROUPS[name], 5000, rate=rates[name]) for name, path in paths.items()]
        seen, last, before, peak, told = {name: [] for name in SOURCES}, {}, None, {}, set()

        def progress():
            nonlocal before
            client.poll()
            told.update(kind for subject, kind in alarms(gateway) if subject == "clean")
            now = memory(gateway)
            for name in SOURCES:
                status = gateway.json("status", name)
                packets = status["inputs"][0]["ts_packets"]
                while len(seen[name]) < len(marks[name]) and packets >= marks[name][len(seen[name])]:
                    # The first is of before the damage.
                    seen[name].append(status if seen[name] else last.get(name, status))
                last[name] = status
            if before is None and all(seen.values()):
                before = now
            for process in PROCESSES:
                peak[process] = max(peak.get(process, 0), now[process])
            return all(len(seen[name]) == len(marks[name]) for name in SOURCES)

        wait_for(progress, SECONDS + 60)
        ended = time.time()
        try:
            wait_for(lambda: progress() and not unwell(gateway, SOURCES, ended), PATIENCE - 5)
        except AssertionError:
            pass
        print(f"all is well {time.time() - ended:.1f} s after the damage")
        left, beside = unwell(gateway, SOURCES, ended), gateway.json("status", "clean")["bridge"]
        for sender in senders:
            sender.kill()
            sender.wait()
        capture.wait_quiet()
        capture.stop()
        yield {"gateway": gateway, "pids": pids, "seen": seen, "before": before, "peak": peak, "told": told, "left": left, "client": client, "beside": beside,
               "capture": capture, "clean": clean, "transcode": gateway.json("status")}


def test_no_process_dies(run):
    gateway = run["gateway"]
    assert {name: gateway.pid(name) for name in PROCESSES} == run["pids"], gateway.tail(60)
    for process in run["transcode"]["processes"]:
        assert process["deaths"] == 0, process


def test_memory_is_bounded(run):
    growth = {name: run["peak"][name] - run["before"][name] for name in PROCESSES}
    print({name: f"{run['before'][name] >> 20} MiB, at most {growth[name] >> 20} more" for name in PROCESSES})
    assert all(more < GROWTH for more in growth.values()), growth


def test_the_channel_beside_loses_nothing(run):
    capture, client, bridge = run["capture"], run["client"], run["beside"]
    got, sent = capture.payload(), run["clean"].read_bytes()
    assert capture.kernel_drops == 0 and len(got) > 100_000 and sent[:len(got)] == got
    numbers = sorted(client.segments)
    assert numbers == list(range(numbers[0], numbers[-1] + 1)) and not any(gap for _, _, gap, _ in client.segments.values())
    # What other programs of the machine took from the workers is told: AAC that came too late and was withdrawn, looks that were skipped.
    late = any(track["late"] or track["withdrawn"] for track in bridge["sound"]["tracks"])
    assert late or not any(track["gaps"] for track in bridge["sound"]["tracks"]), bridge["sound"]
    assert late or not any(discontinuity for *_, discontinuity in client.segments.values())
    assert not run["told"] - ({"unwatched"} if late or bridge["thumbnail"]["skipped"] else set()), run["told"]
    assert bridge["damaged_pes"] == bridge["cc_errors"] == bridge["ring_gaps"] == 0
    print(f"{len(got) // ts.SIZE} packets bit by bit, {len(numbers)} segments without a gap")


@pytest.mark.parametrize("name", SOURCES)
def test_what_was_discarded_is_counted(run, name):
    states = run["seen"][name]
    figures = []
    for state in states:
        bridge, entered = state["bridge"], state["inputs"][0]
        figures.append({"cc_errors": entered["cc_errors"], "scrambled": entered["scrambled"], "transport_errors": entered["transport_errors"],
                        "damaged_pes": bridge["damaged_pes"], "scrambled_pes": bridge["scrambled_pes"],
                        "decode_errors": sum(track["decode_errors"] for track in bridge["sound"]["tracks"])})
    steps = [{key: after[key] - before[key] for key in before} for before, after in zip(figures, figures[1:])]
    for kind, step in zip(damage.ALL, steps):
        print(f"{name}: {kind.__name__}: {step}")
    assert all(value == 0 for key, value in figures[0].items() if key in ("scrambled", "transport_errors")), figures[0]
    step = dict(zip([kind.__name__ for kind in damage.ALL], steps))
    assert step["flipped"]["cc_errors"] > 2 and step["flipped"]["damaged_pes"] > 2
    assert step["dropped"]["cc_errors"] > 10 and step["dropped"]["damaged_pes"] > 5
    assert step["truncated"]["damaged_pes"] + step["truncated"]["decode_errors"] + step["noise"]["decode_errors"] > 0
    assert step["scrambled"]["scrambled"] > 100 and step["scrambled"]["scrambled_pes"] > 0


def test_all_is_well_when_the_signal_is(run):
    assert not run["left"], run["left"]
