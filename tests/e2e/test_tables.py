"""What the library reads in the tables of every capture (tests/mpegts/golden, which its own test holds it to), against what tshark, dvbinfo (libdvbpsi) and
ffprobe read in the same bytes, each where it knows the table. tshark is given the packets of the tables alone: it reads slowly."""
import datetime
import json
import pathlib
import re
import shutil
import subprocess

import pytest

from support import media
from support.tshark import number, pcap, tables_of

GOLDEN = pathlib.Path(__file__).parents[1] / "mpegts/golden"
FOLDER = media.captures_folder()
NAMES = sorted(path.name[:-len(".tables.txt")] for path in GOLDEN.glob("*.tables.txt"))
# ffprobe's names; what is not here it does not know by the PMT alone.
CODECS = {"mpeg2_video": {"mpeg2video", "mpeg1video"}, "h264": {"h264"}, "hevc": {"hevc"}, "mpeg_audio": {"mp2", "mp3", "mp1"}, "aac_adts": {"aac"},
          "aac_latm": {"aac_latm", "aac"}, "ac3": {"ac3", "eac3"}, "eac3": {"eac3"}, "dts": {"dts"}, "opus": {"opus"}, "teletext": {"dvb_teletext"},
          "dvb_subtitles": {"dvb_subtitle"}, "scte35": {"scte_35"}, "id3": {"timed_id3"}}
pytestmark = pytest.mark.skipif(FOLDER is None, reason="captures need HEADGATE_STREAMS")


class Golden:
    """The golden file: lines `name key=value …`."""

    def __init__(self, name):
        self.lines = []
        for line in (GOLDEN / f"{name}.tables.txt").read_text(encoding="utf-8").splitlines():
            kind, _, rest = line.partition(" ")
            text, _, last = rest.partition(" name=")
            values = dict(part.split("=", 1) for part in text.split(" ") if "=" in part)
            if last or " name=" in rest:
                values["name"] = last
            self.lines.append((kind, values))

    def all(self, kind, *keys):
        return {tuple(number(values[key]) for key in keys) for name, values in self.lines if name == kind}

    def pids(self):
        """Of tables, and where the PAT promises one."""
        return {number(values["pid"]) for kind, values in self.lines if kind in ("section", "pat")}


def table_packets(name):
    """The packets of PIDs with tables, 188 bytes each."""
    data = (FOLDER / f"{name}.ts").read_bytes()
    size = 204 if data[204] == 0x47 and data[408] == 0x47 and data[188] != 0x47 else 188
    start = next(at for at in range(size) if data[at] == data[at + size] == data[at + 2 * size] == 0x47)
    wanted = Golden(name).pids()
    return b"".join(data[at:at + 188] for at in range(start, len(data) - 187, size)
                    if data[at] == 0x47 and not data[at + 1] & 0x80 and ((data[at + 1] & 0x1F) << 8 | data[at + 2]) in wanted)


# Neither tshark nor ffprobe minds a wrong CRC_32 or a lost packet.
DAMAGED = {"corrupt-tei-cc-scrambled", "psi-eitpf-cat-tei"}


@pytest.mark.parametrize("name", NAMES)
def test_tshark_reads_the_same(name, tmp_path):
    golden, path = Golden(name), tmp_path / "tables.pcap"
    path.write_bytes(pcap(table_packets(name)))
    ours = {"pat": golden.all("pat", "program", "pid"), "pmt": set(pmts(golden)), "stream": golden.all("stream", "pid", "type"),
            "service": golden.all("service", "id", "running", "scrambled"), "nit": golden.all("nit.stream", "tsid", "onid"),
            "event": golden.all("event", "id", "running")}
    theirs = tables_of(path)
    for kind, values in ours.items():
        assert values <= theirs[kind] if name in DAMAGED else values == theirs[kind], kind


def pmts(golden):
    version = None
    for kind, values in golden.lines:
        if kind == "section":
            version = number(values["version"])
        elif kind == "pmt":
            yield number(values["program"]), version, number(values["pcr"])


def utc(value):
    """The 40 bits of EN 300 468 Annex C, by the calendar of Python."""
    day = datetime.datetime(1858, 11, 17, tzinfo=datetime.timezone.utc) + datetime.timedelta(days=value >> 24)
    hours, minutes, seconds = (int(f"{value >> shift & 0xFF:x}") for shift in (16, 8, 0))
    return int((day + datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)).timestamp())


@pytest.mark.skipif(shutil.which("dvbinfo") is None, reason="needs dvbinfo (package dvbpsi-utils)")
@pytest.mark.parametrize("name", NAMES)
def test_dvbinfo_reads_the_same(name, tmp_path):
    golden, path = Golden(name), FOLDER / f"{name}.ts"
    if "204byte" in name:  # which it does not read
        path = tmp_path / "tables.ts"
        path.write_bytes(table_packets(name))
    done = subprocess.run(["dvbinfo", "-s", "table", "-f", path], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    text = done.stdout.decode("latin-1")
    found = {"pat": set(), "stream": set(), "service": set(), "event": set(), "time": set()}
    for part in re.split(r"\n  (?=[A-Z]{3}: )", text)[1:]:
        found["pat"] |= {(int(number_), int(pid, 16)) for number_, pid in re.findall(r"\|\s+(\d+) @ pid: (0x[0-9a-f]+)", part)}
        if part.startswith("PMT"):
            found["stream"] |= {(int(pid, 16), int(kind, 16)) for kind, pid in re.findall(r"\| (0x[0-9a-f]+) @ pid (0x[0-9a-f]+)", part)}
        if part.startswith("SDT"):
            found["service"] |= {(int(service, 16), int(running), int(ca == "yes")) for service, running, ca in re.findall(
                r"Service id   : (0x[0-9a-f]+).*?Running      : (\d).*?Free CA      : (yes|no)", part, re.S)}
        if part.startswith("EIT"):
            found["event"] |= {(int(event), utc(int(start))) for event, start in re.findall(r"Event id: (\d+)\s+\| Start time: (\d+)", part)}
        if part.startswith(("TDT", "TOT")):
            found["time"] |= {(utc(int(value)),) for value in re.findall(r"UTC time       : (\d+)", part)}
    assert found["pat"] == golden.all("pat", "program", "pid")
    assert found["stream"] <= golden.all("stream", "pid", "type")
    assert found["service"] <= golden.all("service", "id", "running", "scrambled")
    assert found["event"] <= golden.all("event", "id", "start")
    assert found["time"] <= golden.all("tdt", "unix") | golden.all("tot", "unix")
    print({kind: len(values) for kind, values in found.items()})


@pytest.mark.parametrize("name", NAMES)
def test_ffprobe_reads_the_same(name):
    golden = Golden(name)
    done = subprocess.run(["ffprobe", "-v", "quiet", "-of", "json", "-show_programs", FOLDER / f"{name}.ts"], capture_output=True, timeout=120, check=False)
    programs = json.loads(done.stdout or b"{}").get("programs", [])
    names = {number(values["id"]): values["name"] for kind, values in golden.lines if kind == "service"}
    streams = {(number(values["program"]), number(values["pid"])): values for kind, values in golden.lines if kind == "stream"}
    known = 0
    for program in programs:
        number_ = program["program_num"]
        if "service_name" in program.get("tags", {}):
            assert program["tags"]["service_name"] == names[number_]
        for stream in program["streams"]:
            if name in DAMAGED and (number_, int(stream["id"], 16)) not in streams:
                continue
            ours = streams[number_, int(stream["id"], 16)]
            codec = stream.get("codec_name", "unknown")
            # It guesses at the LATM of that one, which the PMT gives as 0x11.
            assert codec == "unknown" or name == "isdbtb-204byte-latm" or ours["kind"] not in CODECS or codec in CODECS[ours["kind"]], ours
            language = stream.get("tags", {}).get("language", "").split(",")[0].lower()
            # Of teletext and subtitles ffprobe shows their own descriptors', of an audio description the supplementary_audio_descriptor's.
            assert language == ours["language"] or ours["kind"] in ("teletext", "dvb_subtitles") or ours["language"] == "qad", ours
            known += 1
    print(f"{len(programs)} programs, {known} streams")
