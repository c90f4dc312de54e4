"""Multicast to multicast: what the map does not change leaves bit by bit as it came."""
import json
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import media, ts, ts_check, tshark
from support.capture import wait_all_quiet
from support.gateway import Gateway
from support.rig import SOURCE, ethernet_udp

# Real broadcasts: HEVC, MP2, AC-3, E-AC-3, multi-program, PCR wrap, scrambled, SCTE-35, interlaced.
CAPTURES = ["hevc-aac-0.ts", "mpeg2v-mp2-bbb.ts", "ac3-atsc-pcr-wrap.ts", "eac3-atsc-pcr-wrap.ts", "mpts-dvbt-it-8prog.ts",
            "h264-bframes-pcr-wrap.ts", "dvbt-fr-hd-scrambled-csa.ts", "dvbt-fr-hd-h264i-eac3x3-dvbsubx2.ts",
            "hd-2services-eit-one-scrambled.ts", "teletext-fra-psi-h264-mp2x4.ts", "sd-h264i-bars-aacx2.ts",
            "corrupt-tei-cc-scrambled.ts"]
GENERATED = ["h264_aac", "hevc_aac", "mpeg2_mp2", "h264_ac3", "h264_eac3", "radio_mp2", "mpts"]
CUT = "mpts-dvbt-it-8prog.ts"
AT_A_TIME = 7


@dataclass
class Case:
    """A file through a channel of its own."""
    path: Path
    speed: float = 4
    packets: int = 7
    rtp_in: bool = False
    rtp_out: bool = False
    program: int = 0
    options: str = ""
    number: int = 0
    capture: object = None
    sent: int = -1  # the sender's exit status

    @property
    def source(self):
        return self.path.read_bytes()

    def channel(self):
        ways = ["rtp" if rtp else "udp" for rtp in (self.rtp_in, self.rtp_out)]
        made = {"inputs": [f"{ways[0]}://239.1.1.{self.number}:5000"], "push": [f"{ways[1]}://239.2.1.{self.number}:5000{self.options}"]}
        return {**made, "program": self.program} if self.program else made

    def begin(self, rig):
        self.capture = rig.capture(f"239.2.1.{self.number}", 5000)
        rig.wait_mdb(f"239.1.1.{self.number}", True)
        rig.wait_mdb(f"239.2.1.{self.number}", True, port="p-snk")

    def send(self, rig):
        rtp = {"rtp": True} if self.rtp_in else {}
        return rig.send(self.path, f"239.1.1.{self.number}", 5000, speed=self.speed, packets=self.packets, **rtp)

    def came(self):
        """What came out, all of it."""
        assert self.sent == 0 and self.capture.kernel_drops == 0
        return self.capture.rtp_payload() if self.rtp_out else self.capture.payload()


def all_cases():
    found = {name: media.stream(name, 20) for name in GENERATED} | {name: media.capture(name) for name in CAPTURES}
    cases = {name: Case(path, max(1.0, ts.duration(path.read_bytes()) / 4)) for name, path in found.items() if path}
    long, short = media.stream("h264_aac", 20), media.stream("radio_mp2", 20)
    cases |= {"rtp to udp": Case(long, rtp_in=True), "udp to rtp": Case(long, rtp_out=True), "one packet": Case(short, packets=1, speed=8),
              "options": Case(short, speed=20, options="?ttl=9&dscp=34")}
    # The tables come first, so that nothing of the service is lost while the filter looks for them.
    cases |= {f"service {program}": Case(media.stream("mpts", 20), program=program) for program in (101, 102)}
    if media.capture(CUT):
        # Twice, so that the second round finds the tables known.
        rounds = media.looped(media.capture(CUT), 2 * ts.duration(media.capture(CUT).read_bytes()) - 0.1)
        cases["service of a capture"] = Case(rounds, speed=1, program=3401)
    for number, case in enumerate(cases.values(), 1):
        case.number = number
    return cases


@pytest.fixture(scope="module")
def relays(rig):
    """One gateway, a channel a case, several cases at a time."""
    cases = all_cases()
    with Gateway(rig, {f"relay{case.number}": case.channel() for case in cases.values()}) as gateway:
        waiting = list(cases.values())
        while waiting:
            batch, waiting = waiting[:AT_A_TIME], waiting[AT_A_TIME:]
            for case in batch:
                case.begin(rig)
            senders = [case.send(rig) for case in batch]
            for case, sender in zip(batch, senders):
                case.sent = sender.wait(120)
            wait_all_quiet(case.capture for case in batch)
            for case in batch:
                case.capture.stop()
        yield gateway, cases


def case_of(relays, name):
    if name not in relays[1]:
        pytest.skip(f"{name}: captures need HEADGATE_STREAMS")
    return relays[1][name]


@pytest.mark.parametrize("name", GENERATED + CAPTURES)
def test_stream_is_relayed_bit_exact(relays, name):
    gateway, case = relays[0], case_of(relays, name)
    source = case.source
    assert case.came() == source[:len(source) // 188 * 188]
    packets = gateway.metric("headgate_input_ts_packets_total", channel=f"relay{case.number}")
    assert packets == len(source) // 188
    errors = gateway.metric("headgate_input_cc_errors_total", channel=f"relay{case.number}")
    print(f"{name}: {int(packets)} packets bit-exact, {int(errors)} continuity errors counted")
    # Where packets are damaged it is a matter of taste which of them are compared.
    wanted = ts.Scan(source).total_cc_errors
    assert abs(errors - wanted) <= (0.1 * wanted if name.startswith("corrupt") else 0)


@pytest.mark.parametrize("name", ["rtp to udp", "udp to rtp"])
def test_rtp_in_udp_out_and_udp_in_rtp_out(relays, name):
    case = case_of(relays, name)
    assert case.came() == case.source


def test_one_packet_a_datagram(relays):
    case = case_of(relays, "one packet")
    assert case.came() == case.source


def test_ttl_dscp_and_source_address_are_the_maps(relays):
    case = case_of(relays, "options")
    assert case.came() == case.source
    assert (case.capture.ttl, case.capture.tos, case.capture.sender[0]) == (9, 34 << 2, "10.77.0.5")


def test_source_specific_join_takes_its_source_only(rig):
    channels = {"a": {"inputs": [f"udp://{SOURCE}@232.1.2.5:5000"], "push": ["udp://239.2.2.5:5000"]}}
    packet = bytes([0x47, 0x01, 0x00, 0x10]) + bytes(184)
    with Gateway(rig, channels) as gateway:
        capture = rig.capture("239.2.2.5", 5000)
        rig.wait_mdb("232.1.2.5", True)
        assert any(entry == ("232.1.2.5", SOURCE) for entry in rig.mdb()), rig.mdb()
        rig.wait_mdb("239.2.2.5", True, port="p-snk")
        rig.datagram(packet * 7, "232.1.2.5", 5000)
        rig.raw_frame(ethernet_udp(packet * 3, "232.1.2.5", 5000, source="10.77.0.200"))
        capture.wait(1)
        capture.wait_quiet()
        capture.stop()
        assert capture.payload() == packet * 7
        # The switch may keep the foreign source away already; when it does not, it is counted.
        print(f"foreign source: {int(gateway.metric('headgate_drops_total', reason='wrong_source'))} datagrams counted")


FIRST, SECOND, THIRD = SOURCE, "10.77.0.201", "10.77.0.202"


def packets_of(number, count):
    return b"".join(bytes([0x47, 0x01, number, 0x10 | i & 15]) + bytes(184) for i in range(count))


def send_from_each(rig, group):
    """A datagram from each of three sources, told apart by its PID; straight onto the gateway's cable, as the switch may filter."""
    for number, source in enumerate((FIRST, SECOND, THIRD), 1):
        rig.raw_frame(ethernet_udp(packets_of(number, 7), group, 5000, source=source), role="br", interface="p-gw")


def received(captures, least):
    for capture, count in zip(captures, least):
        capture.wait(count)
    captures[0].wait_quiet()
    return [sorted({data[2] for _, data in capture.datagrams}) for capture in captures]


def wait_filter(rig, group, mode, sources=()):
    """Until the switch holds the gateway's port for an includer of these sources, or for one that excludes none."""
    end = time.monotonic() + 60
    while True:
        blocks = json.loads(rig.call("br", "bridge", "-j", "-d", "mdb", "show").stdout or "[]")
        entries = [entry for block in blocks for entry in block.get("mdb", []) if entry["port"] == "p-gw" and entry["grp"] == group]
        modes = {entry.get("filter_mode") for entry in entries if "src" not in entry}
        if modes == {mode} and (mode == "exclude" or {entry["src"] for entry in entries if "src" in entry} == set(sources)):
            return
        assert time.monotonic() < end, f"wanted {mode} {sources}: {entries}"
        time.sleep(0.02)


def test_two_channels_take_one_group_from_two_sources(rig):
    group = "232.1.4.1"
    channels = {"a": {"inputs": [f"udp://{FIRST}@{group}:5000"], "push": ["udp://239.2.4.1:5000"]},
                "b": {"inputs": [f"udp://{SECOND}@{group}:5000"], "push": ["udp://239.2.4.2:5000"]}}
    with Gateway(rig, channels) as gateway:
        captures = [rig.capture("239.2.4.1", 5000), rig.capture("239.2.4.2", 5000)]
        wait_filter(rig, group, "include", (FIRST, SECOND))
        for output in ("239.2.4.1", "239.2.4.2"):
            rig.wait_mdb(output, True, port="p-snk")
        send_from_each(rig, group)
        assert received(captures, (1, 1)) == [[1], [2]]
        for channel in channels:  # each is told of the third
            gateway.wait_metric("headgate_drops_total", 1, channel=channel, reason="wrong_source")
        assert gateway.metric("headgate_drops_total", reason="wrong_source") == 2
        # One of them goes: the switch keeps the other's source only.
        del channels["b"]
        gateway.apply(channels)
        wait_filter(rig, group, "include", (FIRST,))
        send_from_each(rig, group)
        captures[0].wait(2)
        gateway.wait_metric("headgate_drops_total", 3, reason="wrong_source")
        assert received(captures, (2, 1)) == [[1], [2]] and len(captures[1].datagrams) == 1


def test_group_is_taken_from_any_source_and_from_one(rig):
    group = "239.1.4.2"
    any_source = {"inputs": [f"udp://{group}:5000"], "push": ["udp://239.2.4.3:5000"]}
    one_source = {"inputs": [f"udp://{SECOND}@{group}:5000"], "push": ["udp://239.2.4.4:5000"]}
    with Gateway(rig, {"any": any_source, "one": one_source}) as gateway:
        captures = [rig.capture("239.2.4.3", 5000), rig.capture("239.2.4.4", 5000)]
        rig.wait_mdb(group, True)
        for output in ("239.2.4.3", "239.2.4.4"):
            rig.wait_mdb(output, True, port="p-snk")
        send_from_each(rig, group)
        assert received(captures, (3, 1)) == [[1, 2, 3], [2]]
        assert gateway.metric("headgate_drops_total") == 0
        # Through the switch as well: it must not have taken the one source for the only one.
        rig.datagram(packets_of(4, 7), group, 5000)
        captures[0].wait(4)
        gateway.apply({"one": one_source})
        wait_filter(rig, group, "include", (SECOND,))
        rig.raw_frame(ethernet_udp(packets_of(5, 7), group, 5000, source=SECOND))
        captures[1].wait(2)
        gateway.apply({"any": any_source, "one": one_source})
        wait_filter(rig, group, "exclude")
        rig.datagram(packets_of(6, 7), group, 5000)
        captures[0].wait(5)
        gateway.apply({"any": any_source})
        rig.stays_in_mdb(group, 2)
        rig.datagram(packets_of(7, 7), group, 5000)
        assert received(captures, (6, 2)) == [[1, 2, 3, 4, 6, 7], [2, 5]]


def test_one_input_leaves_by_several_pushes(rig):
    path = media.stream("h264_aac", 20)
    channels = {"a": {"inputs": ["udp://239.1.2.6:5000"],
                      "push": ["udp://239.2.2.6:5000", "rtp://239.2.2.7:5000", "udp://239.2.2.8:5008",
                               {"url": "udp://239.2.2.9:5000", "enabled": False}]}}
    with Gateway(rig, channels):
        captures = [rig.capture("239.2.2.6", 5000), rig.capture("239.2.2.7", 5000), rig.capture("239.2.2.8", 5008),
                    rig.capture("239.2.2.9", 5000)]
        rig.wait_mdb("239.1.2.6", True)
        rig.wait_mdb("239.2.2.9", True, port="p-snk")
        assert rig.send(path, "239.1.2.6", 5000, speed=5).wait(120) == 0
        captures[0].wait_quiet()
        source = path.read_bytes()
        assert captures[0].stop().payload() == source
        assert captures[1].stop().rtp_payload() == source
        assert captures[2].stop().payload() == source
        assert captures[3].stop().payload() == b""


def service_checks(source, data, program):
    """The cut service: its own tables, its own PIDs, payloads as they were."""
    assert list(ts.programs(data)) == [program]
    have, pcr_pid = ts.streams(source, program)
    scan, original = ts.Scan(data), ts.Scan(source)
    assert scan.sync_errors == 0
    for pid in have:
        assert scan.packets[pid] == original.packets[pid], f"PID {pid}"
        assert scan.payload_hashes.get(pid) == original.payload_hashes.get(pid), f"payload of PID {pid}"
        assert scan.cc_errors[pid] == original.cc_errors[pid], f"PID {pid}"
    others = set()
    for number in ts.programs(source):
        if number != program:
            others |= set(ts.streams(source, number)[0])
    assert not (others - set(have)) & set(scan.packets), "packets of other services came along"
    assert pcr_pid in scan.packets


@pytest.mark.parametrize("program", [101, 102])
def test_service_is_cut_from_a_multiplex(relays, program):
    case = case_of(relays, f"service {program}")
    data, source = case.came(), case.source
    service_checks(source, data, program)
    print(f"service {program}: {len(data) // 188} of {len(source) // 188} packets")


def test_service_is_cut_from_a_captured_multiplex(relays, tmp_path):
    case = case_of(relays, "service of a capture")
    data, source, program = case.came(), case.source, case.program
    assert list(ts.programs(data)) == [program]
    have, _ = ts.streams(source, program)
    scan, original = ts.Scan(data), ts.Scan(source)
    for pid in have:
        assert scan.packets[pid] >= original.packets[pid] // 2, f"PID {pid}: {scan.packets[pid]} of {original.packets[pid]}"
        assert scan.cc_errors[pid] <= original.cc_errors[pid], f"PID {pid}"
    assert set(scan.packets) <= set(have) | {0, 17, 18, 20, ts.programs(source)[program], ts.streams(source, program)[1]}, scan.packets
    # Its tables, to other eyes: of this service alone, its events with them, and as often as they must come.
    pmt_pid = ts.programs(source)[program]
    path = tmp_path / "tables.pcap"
    path.write_bytes(tshark.pcap(b"".join(packet for packet in ts.packets(data) if ts.pid_of(packet) in (0, 17, 18, pmt_pid))))
    tables = tshark.tables_of(path)
    assert tables["pat"] == {(program, pmt_pid)} and {pid for pid, _ in tables["stream"]} == set(have)
    assert {service for service, _, _ in tables["service"]} == {program} == {service for service, _ in tables["eit"]}
    assert len(tables["event"]) == 2, "present and following"
    report = ts_check.check(data)
    intervals = [report.pat.interval_max_ms, report.pmt[program].interval_max_ms, report.sdt.interval_max_ms]
    print(f"longest ms between two of PAT, PMT, SDT: {intervals}")
    assert all(longest <= limit for longest, limit in zip(intervals, (500, 500, 2000)))
    assert report.pat.count > 5 and report.sdt.count > 1


def test_edits_of_name_and_pushes_leave_the_relay_untouched(rig):
    """A new name, a push switched off and on again: the other push goes on, its RTP numbering and all counters with it."""
    path = media.looped(media.stream("h264_aac", 18), 60)

    def channels(name, enabled):
        return {"a": {"name": name, "inputs": ["udp://239.1.5.1:5000"],
                      "push": ["rtp://239.2.5.1:5000", {"url": "udp://239.2.5.2:5000", "enabled": enabled}]}}

    with Gateway(rig, channels("first", False)) as gateway:
        kept, switched = rig.capture("239.2.5.1", 5000), rig.capture("239.2.5.2", 5000)
        rig.wait_mdb("239.1.5.1", True)
        for group in ("239.2.5.1", "239.2.5.2"):
            rig.wait_mdb(group, True, port="p-snk")
        sender = rig.send(path, "239.1.5.1", 5000, speed=2)
        kept.wait(50)
        assert not switched.datagrams
        for name, enabled in (("second", False), ("second", True), ("third", True)):
            gateway.apply(channels(name, enabled))
            kept.wait(len(kept.datagrams) + 50)
        switched.wait(50)
        gateway.apply(channels("third", False))
        kept.wait(len(kept.datagrams) + 50)
        assert sender.wait(120) == 0
        kept.wait_quiet()
        whole, part = kept.stop().rtp_payload(), switched.stop().payload()
        assert whole == path.read_bytes()
        assert part and part in whole and not whole.endswith(part)
        assert gateway.metric("headgate_input_ts_packets_total", channel="a") == len(whole) // 188
        assert gateway.metric("headgate_input_cc_errors_total", channel="a") == 0
        assert gateway.metric("headgate_drops_total") == 0


def test_channel_added_onto_a_flowing_group_begins_clean(rig):
    channels = {"a": {"inputs": ["udp://239.1.5.3:5000"], "push": ["udp://239.2.5.3:5000"]}}
    later = {"inputs": ["udp://239.1.5.4:5000"], "push": ["udp://239.2.5.4:5000"]}
    path = media.looped(media.stream("radio_mp2", 20), 120)
    with Gateway(rig, channels) as gateway:
        capture = rig.capture("239.2.5.4", 5000)
        rig.wait_mdb("239.2.5.4", True, port="p-snk")
        sender = rig.send(path, "239.1.5.4", 5000)
        for _ in range(4):
            gateway.apply({**channels, "later": later})
            capture.wait(len(capture.datagrams) + 20)
            assert gateway.metric("headgate_input_cc_errors_total", channel="later") == 0
            gateway.apply(channels)
            rig.wait_mdb("239.1.5.4", False)
        sender.kill()
        # What comes between the leave and the switch's obeying is nobody's; nothing else may be lost.
        drops = {labels["reason"] for name, labels, value in gateway.samples() if name == "headgate_drops_total" and value}
        assert drops <= {"no_flow"}, drops
