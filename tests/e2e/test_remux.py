"""The service that leaves, as `remux` makes it: multicast to multicast, judged by ffprobe and tshark; and each service of each capture under other PIDs
and back (tests/mpegts/remux_captures_test.cpp), judged by ffmpeg as a demuxer and a decoder."""
import json
import os
import re
import subprocess

import pytest

from support import media, ts, ts_check
from support.gateway import BIN, Gateway, wait_for
from support.tshark import pcap, tables_of

ECM, EMM = 0x700, 0x710
CA = bytes([0x09, 4, 0x05, 0x00])  # of one system; the PID follows


def section_packet(pid, section, counter):
    return (bytes([0x47, 0x40 | pid >> 8, pid & 0xFF, 0x10 | counter & 15, 0]) + section).ljust(188, b"\xff")


def sealed(section):
    """With its length and CRC_32."""
    section = bytearray(section)
    length = len(section) - 3 + 4
    section[1], section[2] = section[1] & 0xF0 | length >> 8, length & 0xFF
    return bytes(section) + ts_check.crc32(bytes(section)).to_bytes(4, "big")


def ca_descriptor(pid):
    return CA + bytes([0xE0 | pid >> 8, pid & 0xFF])


def with_conditional_access(data):
    """ffmpeg's stream with a CA_descriptor in its PMT and what that names, a CAT, ECM and EMM, beside each PMT."""
    out, counter = [], 0
    for packet in ts.packets(data):
        if ts.pid_of(packet) != 0x1000:
            out.append(packet)
            continue
        length = (packet[6] & 15) << 8 | packet[7]
        pmt = packet[5:5 + 3 + length - 4]
        information = (pmt[10] & 15) << 8 | pmt[11]
        descriptors = ca_descriptor(ECM) + pmt[12:12 + information]
        pmt = pmt[:10] + bytes([0xF0, len(descriptors)]) + descriptors + pmt[12 + information:]
        cat = bytes([0x01, 0xB0, 0, 0xFF, 0xFF, 0xC1, 0, 0]) + ca_descriptor(EMM)
        out.append(section_packet(0x1000, sealed(pmt), packet[3]))
        out.append(section_packet(1, sealed(cat), counter))
        out += [section_packet(pid, bytes([0x80, 0x70, 4, 1, 2, 3, 4]), counter) for pid in (ECM, EMM)]
        counter += 1
    return b"".join(out)


def payloads(data):
    found = {}
    for packet in ts.packets(data):
        found.setdefault(ts.pid_of(packet), []).append(packet[4:])
    return found


def probe(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-show_programs", "-of", "json", path], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)["programs"]


CHANNELS = {
    "sport": {"name": "Sport 24", "inputs": ["udp://239.8.71.1:5000"], "push": ["udp://239.8.72.1:5000"],
              "serve": ["hls"], "remux": {"service_id": 101, "provider": "Example", "ca": "drop",
                        "pids": {"pmt": 0x40, "video": 0x200, "audio.eng": 0x101, "audio.deu": "drop"}}},
    "keep": {"inputs": ["udp://239.8.71.1:5000"], "push": ["udp://239.8.72.2:5000"], "remux": {"ca": "keep", "pids": {"video": EMM}}},
    "whole": {"inputs": ["udp://239.8.71.1:5000"], "push": ["udp://239.8.72.3:5000"]},
    # An input beside it that never comes.
    "two": {"inputs": ["udp://239.8.71.1:5000", "udp://239.8.71.9:5000"], "push": ["udp://239.8.72.4:5000"],
            "remux": {"service_id": 102, "pids": {"audio": 0x77}, "buffer": "300ms"}},
}


@pytest.fixture(scope="module")
def came(rig, tmp_path_factory):
    """What left by each channel, and a file of it."""
    folder = tmp_path_factory.mktemp("remux")
    source = folder / "source.ts"
    source.write_bytes(with_conditional_access(media.stream("h264_mp2_deu_eng", 20).read_bytes()))
    with Gateway(rig, CHANNELS) as gateway:
        captures = {name: rig.capture(f"239.8.72.{i + 1}", 5000) for i, name in enumerate(CHANNELS)}
        rig.wait_mdb("239.8.71.1", True)
        for i in range(len(CHANNELS)):
            rig.wait_mdb(f"239.8.72.{i + 1}", True, port="p-snk")
        assert rig.send(source, "239.8.71.1", 5000, speed=1).wait(120) == 0
        for capture in captures.values():
            capture.wait_quiet()
        bridged = gateway.process_status("bridge")["channels"]["sport"]
        found = {name: capture.stop().payload() for name, capture in captures.items()}
    for name, data in found.items():
        (folder / f"{name}.ts").write_bytes(data)
    assert found["whole"] == source.read_bytes(), "what the map does not change"
    assert bridged["service"] == 101 and not bridged["program_unset"]
    assert sorted(track["pid"] for track in bridged["tracks"]) == [0x101, 0x200], "what players get is of it, too"
    return found, folder


def test_ffprobe_finds_the_service_that_the_map_describes(came):
    _, folder = came
    program, = probe(folder / "sport.ts")
    assert (program["program_id"], program["pmt_pid"], program["pcr_pid"]) == (101, 0x40, 0x200)
    assert (program["tags"]["service_name"], program["tags"]["service_provider"]) == ("Sport 24", "Example")
    assert [(int(s["id"], 0), s["codec_name"], s.get("tags", {}).get("language")) for s in program["streams"]] == [(0x200, "h264", None), (0x101, "mp2", "eng")]
    program, = probe(folder / "two.ts")
    assert program["program_id"] == 102
    assert [(int(s["id"], 0), s.get("tags", {}).get("language")) for s in program["streams"]] == [(0x100, None), (0x77, "deu"), (0x102, "eng")]


def test_tshark_finds_no_conditional_access_where_it_is_dropped(came, tmp_path):
    found, _ = came

    def read(name):
        data = b"".join(packet for packet in ts.packets(found[name]) if ts.pid_of(packet) in (0, 1, 0x11, 0x40, 0x1000))
        path = tmp_path / f"{name}.pcap"
        path.write_bytes(pcap(data))
        return tables_of(path), subprocess.run(["tshark", "-n", "-r", path, "-d", "udp.port==5000,mp2t", "-T", "fields", "-e", "mpeg_descr.ca.pid"],
                                               capture_output=True, text=True, timeout=120, check=True).stdout
    tables, ca = read("sport")
    assert tables["pat"] == {(101, 0x40)} and not ca.strip()
    assert {pid for pid, _ in tables["stream"]} == {0x200, 0x101}
    assert set(payloads(found["sport"])) == {0, 0x11, 0x40, 0x200, 0x101}
    tables, ca = read("keep")
    moved = 0x1FFA  # the video has the PID of the EMM
    assert {int(pid, 0) for line in ca.split() for pid in line.split(",")} == {ECM, moved}
    assert set(payloads(found["keep"])) >= {0, 1, ECM, moved, EMM}


@pytest.mark.parametrize("name,pids", [("sport", {0x100: 0x200, 0x102: 0x101}), ("keep", {0x100: EMM, 0x101: 0x101, 0x102: 0x102, ECM: ECM}),
                                       ("two", {0x100: 0x100, 0x101: 0x77, 0x102: 0x102})])
def test_no_byte_of_a_payload_changes(came, name, pids):
    found, _ = came
    source, output = payloads(found["whole"]), payloads(found[name])
    for before, after in pids.items():
        start = source[before].index(output[after][0])
        assert start <= 3, "but those in front of the first tables"
        left = len(source[before]) - start
        assert output[after][:left] == source[before][start:], hex(before)
        assert name == "two" or len(output[after]) == left, "what fills a silence comes behind"
    assert ts.Scan(found[name]).total_cc_errors == 0


def test_another_name_is_told_without_a_break(rig):
    source = media.stream("h264_mp2_deu_eng", 20)
    with Gateway(rig, {"sport": CHANNELS["sport"]}) as gateway:
        rig.wait_mdb("239.8.71.1", True)
        capture = rig.capture("239.8.72.1", 5000)
        rig.wait_mdb("239.8.72.1", True, port="p-snk")
        sender = rig.send(source, "239.8.71.1", 5000, speed=1)
        wait_for(lambda: b"Sport 24" in capture.payload())
        other = {"sport": {**CHANNELS["sport"], "name": "Sport 25"}}
        gateway.write(other)
        change, = gateway.json("plan")["plan"]["changed"]
        assert change["keys"] == ["name"] and not change["interrupts_media"]
        gateway.apply(other)
        wait_for(lambda: b"Sport 25" in capture.payload())
        moved = {"sport": {**other["sport"], "remux": {**other["sport"]["remux"], "ca": "ecm"}}}
        gateway.write(moved)
        change, = gateway.json("plan")["plan"]["changed"]
        assert change["keys"] == ["remux"] and change["interrupts_media"]
        assert sender.wait(120) == 0
        capture.wait_quiet()
        came = payloads(capture.stop().payload())
        sent = payloads(source.read_bytes())
        assert came[0x200] == sent[0x100][-len(came[0x200]):]


def run(*command):
    return subprocess.run(["ffmpeg", "-nostdin", *command], capture_output=True, text=True, timeout=300, check=False)


def hashes(path, program):
    """Of each stream of the program, in the order of the PMT. (Of the EIT ffmpeg makes a stream, too, which has the service's number.)"""
    done = run("-v", "error", "-copy_unknown", "-i", path, "-map", f"0:p:{program}", "-c", "copy", "-f", "streamhash", "-hash", "md5", "-")
    return [line.split(",", 1)[1] for line in done.stdout.splitlines()]


def warnings(path):
    """ffmpeg's, decoding, without its name, addresses and numbers of streams, PIDs and programs."""
    done = run("-v", "warning", "-i", path, "-map", "0:v?", "-map", "0:a?", "-f", "null", "-")
    return {re.sub(r"\b(0x[0-9a-f]+|\d+)\b", "N", line.replace(str(path), "FILE")) for line in done.stderr.splitlines() if "Last message repeated" not in line}


@pytest.mark.skipif(media.captures_folder() is None, reason="captures need HEADGATE_STREAMS")
def test_ffmpeg_gets_the_same_out_of_each_capture(tmp_path):
    environment = {**os.environ, "HEADGATE_REMUX_FILES": str(tmp_path), "HEADGATE_STREAMS": str(media.captures_folder())}
    subprocess.run([BIN / "mpegts_test", "--gtest_filter=RemuxCaptures.*"], env=environment, capture_output=True, timeout=300, check=True)
    cuts = sorted(tmp_path.glob("*.cut.ts"))
    assert len(cuts) > 30
    compared = 0
    for cut in cuts:
        there, back = (cut.with_name(cut.name.replace(".cut.", f".{way}.")) for way in ("there", "back"))
        program = int(cut.name.split(".")[-3])
        before = hashes(cut, program)
        assert hashes(there, 4711) == before, cut.name
        assert hashes(back, program) == before, cut.name
        assert warnings(there) <= warnings(cut), cut.name
        compared += len(before)
    assert compared > 60
