"""Several channels in one multi-program stream: dvbinfo, ffprobe, tshark and ffmpeg agree on what is in it, and no channel feels another
come or go."""
import json
import re
import shutil
import subprocess
import time

import pytest

from support import media
from support.gateway import HEADGATE, WholeMap, wait_for

RATE = 12_000_000
GROUP = "239.30.1.1"
# With EIT where the machine has captures of broadcasts.
SOURCES = {"news": ("h264_aac", 101, "News HD", None), "sport": ("mpeg2_mp2", 102, "Sport", None), "film": ("h264_ac3", None, "Film", None),
           "tele": ("radio_mp2", 7, "Tele", ("hd-2services-eit-one-scrambled.ts", 8810))}


def source_of(name):
    generated, _, _, captured = SOURCES[name]
    path = media.capture(captured[0]) if captured else None
    return (path, captured[1]) if path else (media.stream(generated, 20), None)


def channel(number, name):
    _, lcn, title, _ = SOURCES[name]
    _, program = source_of(name)
    made = {"name": title, "inputs": [f"udp://239.9.7.{number}:5000"], "watch": {"pictures": "never", "sound": "never"}}
    return made | ({"number": lcn} if lcn else {}) | ({"program": program} if program else {})


def the_map(members, others=(), rate="12Mbps"):
    channels = {name: channel(n, name) for n, name in enumerate(SOURCES, 1) if name in members or name in others}
    return {"channels": channels,
            "multiplexes": {"mux1": {"transport_stream_id": 5, "network_id": 0x3001, "original_network_id": 0x20FA, "bitrate": rate,
                                     "lcn": True, "channels": list(members), "push": [f"udp://{GROUP}:5000"]}}}


class Sender:
    """`headgate send` of a channel's source, looped."""

    def __init__(self, rig, name):
        number = list(SOURCES).index(name) + 1
        rig.wait_mdb(f"239.9.7.{number}", True)
        self.process = rig.popen("src", str(HEADGATE), "send", str(source_of(name)[0]), f"udp://239.9.7.{number}:5000?interface=eth0&ttl=4",
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def started(rig):
    """A gateway with three of the four channels in its multiplex, and their senders."""
    members = ["news", "sport", "tele"]
    with WholeMap(rig, the_map(members, others=["film"])) as gateway:
        senders = {}
        try:
            for name in SOURCES:
                if name in members:
                    senders[name] = Sender(rig, name)
            wait_for(lambda: multiplex(gateway)["members_in"] == 3)
            yield gateway, senders
        finally:
            for sender in senders.values():
                sender.stop()


def multiplex(gateway):
    return gateway.json("status")["multiplexes"][0]


def record(rig, seconds):
    capture = rig.capture(GROUP, 5000)
    rig.wait_mdb(GROUP, True, port="p-snk")
    time.sleep(seconds)
    capture.stop()
    assert capture.kernel_drops == 0
    return capture


def packets_of(data):
    return [data[at:at + 188] for at in range(0, len(data) - 187, 188)]


def gaps(data, pids=None):
    """Continuity_counter errors by PID, of packets with payload; a PID's packet sent twice is none."""
    last, found = {}, {}
    for packet in packets_of(data):
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid == 0x1FFF or not packet[3] & 0x10 or (pids is not None and pid not in pids):
            continue
        counter = packet[3] & 15
        if pid in last and counter != (last[pid] + 1) % 16:
            found[pid] = found.get(pid, 0) + 1
        last[pid] = counter
    return found


def ffprobe(path):
    out = subprocess.run(["timeout", "-s", "KILL", "100", "ffprobe", "-v", "error", "-show_programs", "-of", "json", str(path)], capture_output=True,
                         text=True, check=True).stdout
    return {program["program_id"]: program for program in json.loads(out)["programs"]}


def test_one_stream_carries_the_channels_and_says_so(rig, started, tmp_path):
    gateway, _ = started
    capture = record(rig, 25)
    data = capture.payload()
    path = tmp_path / "mux.ts"
    path.write_bytes(data)

    programs = ffprobe(path)
    assert set(programs) == {101, 102, 7}
    assert {number: program["tags"]["service_name"] for number, program in programs.items()} == {101: "News HD", 102: "Sport", 7: "Tele"}
    blocks = {number: program["pmt_pid"] for number, program in programs.items()}
    assert sorted(blocks.values()) == [0x100, 0x180, 0x200]
    for number, program in programs.items():
        for stream in program["streams"]:
            assert blocks[number] < int(stream["id"], 16) < blocks[number] + 0x80

    probe = json.loads(subprocess.run([str(HEADGATE), "probe", str(path), "--json"], capture_output=True, text=True, check=True).stdout)
    assert probe["transport_stream_id"] == 5 and probe["original_network_id"] == 0x20FA
    first_and_second = ("ts_sync_loss", "sync_byte_error", "pat_error", "continuity_count_error", "pmt_error", "pid_error", "transport_error",
                        "crc_error", "pcr_repetition_error", "pcr_discontinuity_indicator_error", "pcr_accuracy_error", "cat_error")
    third = ("nit_actual_error", "sdt_actual_error", "eit_pf_error", "tdt_error", "si_repetition_error", "unreferenced_pid")
    assert {name: probe["tr101290"][name] for name in first_and_second + third} == dict.fromkeys(first_and_second + third, 0)
    dvbinfo_agrees(path, blocks)
    tshark_agrees(path, set(programs), with_events=media.captures_folder() is not None)

    # Filled up to nominal: bytes against the time in which they came, whose ends a busy machine may shift.
    seconds = capture.datagrams[-1][0] - capture.datagrams[0][0]
    assert abs(len(data) * 8 / seconds / RATE - 1) < 0.02
    assert gateway.metric("headgate_output_bytes_total", channel="mux1") > 0
    status = gateway.cli("status").stdout
    assert re.search(r"multiplex mux1: 12\.00M, \S+ used \(\d+ %\), 3 of 3 channels in", status), status


def dvbinfo_agrees(path, blocks):
    told = subprocess.run(["timeout", "-s", "KILL", "100", "dvbinfo", "-f", str(path)], capture_output=True).stdout.decode(errors="replace")
    assert re.search(r"Transport stream id : 5\n", told) and re.search(r"Network id +: 8442\n", told), told[:2000]
    # The last PAT, which names all.
    pat = told.split("PAT: Program Association Table")[-1].split("Active")[0]
    found = {int(number): int(pid, 16) for number, pid in re.findall(r"\| +(\d+) @ pid: (0x[0-9a-f]+)", pat)}
    assert found == {0: 0x10, **blocks}
    for _, _, title, _ in SOURCES.values():
        assert title in told or title == "Film"


def tshark_agrees(path, services, with_events):
    def values(what, name):
        out = subprocess.run(["timeout", "-s", "KILL", "200", "tshark", "-r", str(path), "-Y", what, "-T", "fields", "-e", name], capture_output=True,
                             text=True)
        assert out.stdout, (what, name, out.stderr)
        return {int(value, 0) for line in out.stdout.split() for value in line.split(",")}

    assert values("dvb_nit", "dvb_nit.sid") == {0x3001} and values("dvb_nit", "dvb_nit.ts.id") == {5}
    assert values("dvb_nit", "dvb_nit.ts.original_network_id") == {0x20FA}
    # It reads NorDig's 14 bits, of which EACEM leaves four reserved.
    assert {number & 0x3FF for number in values("dvb_nit", "mpeg_descr.nordig.lcd.svc_list.lcn")} == services
    assert values("dvb_sdt", "dvb_sdt.svc.id") == services
    assert values("dvb_tdt", "mpeg_sect.tid") == {0x70}
    if with_events:
        assert values("dvb_eit", "dvb_eit.sid") == {7} and values("dvb_eit", "dvb_eit.tsid") == {5}
        assert values("dvb_eit", "dvb_eit.original_nid") == {0x20FA}


def payloads(data):
    """Of each PID of tracks what its packets carry, in order."""
    found = {}
    for packet in packets_of(data):
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid < 0x20 or pid == 0x1FFF or not packet[3] & 0x10:
            continue
        found.setdefault(pid, bytearray()).extend(packet[5 + packet[4]:] if packet[3] & 0x20 else packet[4:])
    return found


def test_services_are_bit_exact_and_decode(rig, tmp_path):
    """Recorded from the first packet on, for less than the sources last."""
    members = ["news", "sport", "film"]
    with WholeMap(rig, the_map(members)) as gateway:
        capture = rig.capture(GROUP, 5000)
        rig.wait_mdb(GROUP, True, port="p-snk")
        senders = [Sender(rig, name) for name in members]
        try:
            wait_for(lambda: multiplex(gateway)["members_in"] == 3)
            time.sleep(14)
            capture.stop()
        finally:
            for sender in senders:
                sender.stop()
        assert capture.kernel_drops == 0
        places = {member["channel"]: member for member in desired(gateway)}
    path = tmp_path / "mux.ts"
    path.write_bytes(capture.payload())
    came = payloads(path.read_bytes())
    for name in members:
        base = 0x100 + 0x80 * places[name]["pid_block"]
        sent = payloads(source_of(name)[0].read_bytes())
        tracks = {pid: bytes(content) for pid, content in came.items() if base + 2 <= pid < base + 0x80}
        assert len(tracks) == 2
        for pid, content in tracks.items():
            assert len(content) > 100_000 and any(content in bytes(other) for other in sent.values()), (name, hex(pid))
        result = subprocess.run(["timeout", "-s", "KILL", "200", "ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map",
                                 f"0:p:{places[name]['service_id']}", "-t", "10", "-f", "null", "-"], capture_output=True, text=True)
        assert result.returncode == 0 and not result.stderr, (name, result.stderr)


def what_is_said_of_one_that_is_missing(gateway):
    line = wait_for(lambda: (now := multiplex(gateway))["missing"] and now)
    assert line["state"] == "degraded" and line["reason"] == "1 of 3 channels missing: sport", line
    assert "degraded: 1 of 3 channels missing: sport" in gateway.cli("status").stdout
    page = gateway.json("status", "mux1")
    assert {member["channel"]: member["program_number"] for member in page["members"]} == {"news": 101, "sport": 102, "tele": 7}, page
    assert {member["channel"]: member["state"] == "down" for member in page["members"]} == {"news": False, "sport": True, "tele": False}, page
    assert "sport" in gateway.cli("status", "mux1").stdout
    found = gateway.json("why", "mux1")
    assert found["culprit"] == gateway.json("why", "sport")["culprit"] and "1 of 3 channels missing. sport: " in found["verdict"], found
    assert gateway.json("status", "sport")["multiplexes"] == [{"id": "mux1", "program_number": 102}]
    assert "did you mean mux1" in gateway.cli("status", "mux2").stderr


def test_members_come_and_go_and_the_others_lose_nothing(rig, started):
    gateway, senders = started
    capture = rig.capture(GROUP, 5000)
    rig.wait_mdb(GROUP, True, port="p-snk")
    time.sleep(3)
    places = {member["channel"]: member for member in desired(gateway)}
    senders["sport"].stop()
    time.sleep(4)
    what_is_said_of_one_that_is_missing(gateway)
    senders["sport"] = Sender(rig, "sport")
    time.sleep(3)
    gateway.write(the_map(["news", "sport", "tele", "film"]))
    answer = gateway.cli("apply")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "the channels that stay are not interrupted" in answer.stdout
    senders["film"] = Sender(rig, "film")
    wait_for(lambda: multiplex(gateway)["members_in"] == 4)
    time.sleep(3)
    capture.stop()
    assert capture.kernel_drops == 0
    data = capture.payload()
    after = {member["channel"]: member for member in desired(gateway)}
    assert {name: after[name] for name in places} == places
    for name in ("news", "tele"):
        base = 0x100 + 0x80 * places[name]["pid_block"]
        found = gaps(data, set(range(base, base + 0x80)))
        assert not found, (name, found)
    assert not gaps(data, {0, 0x10, 0x11, 0x12, 0x14})
    # PCRs of what stayed: none marked, none missing.
    base = 0x100 + 0x80 * places["news"]["pid_block"]
    marked = [packet for packet in packets_of(data) if (packet[1] & 0x1F) << 8 | packet[2] in range(base, base + 0x80)
              and packet[3] & 0x20 and packet[4] and packet[5] & 0x80]
    assert not marked
    assert gateway.json("status")["multiplexes"][0]["dropped"] == 0


def test_who_is_over_its_share_loses_and_has_the_alarm(rig):
    """Some 0.9 and 1.5 Mb/s into 2.2: the larger one has half of it and what the other leaves."""
    members = ["news", "sport"]
    with WholeMap(rig, the_map(members, rate="2200kbps")) as gateway:
        senders = [Sender(rig, name) for name in members]
        try:
            wait_for(lambda: (multiplex(gateway)["dropped"] or 0) > 100)
            capture = record(rig, 5)
            raised = wait_for(lambda: [alarm for alarm in gateway.json("alarms")["alarms"] if alarm["kind"] == "multiplex_exceeded"])
        finally:
            for sender in senders:
                sender.stop()
        places = {member["channel"]: member for member in desired(gateway)}
        assert [alarm["channel"] for alarm in raised] == ["sport"], raised
        assert gateway.metric("headgate_drops_total", channel="mux1", reason="multiplex_exceeded") > 100
    base = 0x100 + 0x80 * places["news"]["pid_block"]
    assert not gaps(capture.payload(), set(range(base, base + 0x80)))
    base = 0x100 + 0x80 * places["sport"]["pid_block"]
    assert gaps(capture.payload(), set(range(base, base + 0x80)))


def desired(gateway):
    state = json.loads((gateway.run_dir / "state" / "fastpath.json").read_text())
    return state["multiplexes"][0]["members"]


def test_what_a_channel_was_given_stays_over_a_loss_of_run_dir(rig):
    def without(names):
        return {name: {key: value for key, value in member.items() if key in ("service_id", "pid_block")} for name, member in names.items()}

    with WholeMap(rig, the_map(["sport", "film"])) as gateway:
        before = without({member["channel"]: member for member in desired(gateway)})
        gateway.stop()
        shutil.rmtree(gateway.run_dir)
        gateway.write(the_map(["news", "film", "tele", "sport"]))
        gateway.start()
        after = without({member["channel"]: member for member in desired(gateway)})
    assert {name: after[name] for name in before} == before
    assert len({place["pid_block"] for place in after.values()}) == 4 and len({place["service_id"] for place in after.values()}) == 4
