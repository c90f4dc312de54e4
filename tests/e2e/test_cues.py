"""Cues (SCTE 35): told as events once, counted, and carried to what players take with their distance to the pictures kept. The stream is
ffmpeg's with cues put in by hand; what leaves is read by a parser of the test's own."""
import re

import pytest

from support import media, ts, ts_check
from support.gateway import Gateway, wait_for
from test_http_ts import Stream

GROUPS = {1: "239.8.91.1", 2: "239.8.91.2"}
SECONDS, PMT, VIDEO, CUES = 24, 0x1000, 0x100, 0x1F4


def sealed(section):
    """With its length and CRC_32."""
    section = bytearray(section)
    length = len(section) - 3 + 4
    section[1], section[2] = section[1] & 0xF0 | length >> 8, length & 0xFF
    return bytes(section) + ts_check.crc32(bytes(section)).to_bytes(4, "big")


def packet_of(pid, section, counter):
    return (bytes([0x47, 0x40 | pid >> 8, pid & 0xFF, 0x10 | counter & 15, 0]) + section).ljust(188, b"\xff")


def splice_insert(event, pts, out):
    """ANSI/SCTE 35 9.7.3."""
    body = bytes([0, 0, 0, 0, 0, 0, 0, 0xFF, 0xF0, 15 + 5 * out, 5]) + event.to_bytes(4, "big") + bytes([0x7F, 0xEF if out else 0x4F])
    body += (pts | 0xFE << 32).to_bytes(5, "big") + ((20 * 90000 | 0xFE << 32).to_bytes(5, "big") if out else b"") + bytes([0, 1, 0, 0, 0, 0])
    return sealed(bytes([0xFC, 0x30, 0]) + body)


SPLICE_NULL = sealed(bytes([0xFC, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xF0, 0, 0, 0, 0]))


def video_pts(packet):
    """Of a PES packet of the video that begins here."""
    payload = ts.payload_of(packet)
    if ts.pid_of(packet) != VIDEO or not packet[1] & 0x40 or not payload[7] & 0x80:
        return None
    p = payload[9:14]
    return (p[0] >> 1 & 7) << 30 | p[1] << 22 | (p[2] >> 1) << 15 | p[3] << 7 | p[4] >> 1


def with_cues(data):
    """The PMT names a PID with cues; each second a splice_null; at 8 s and 12 s a cue, sent three times, for 4 s later."""
    out, counter, begin, clock, due = [], 0, None, 0.0, 0.0
    plan = [(at + again * 0.3, event, leaves) for at, event, leaves in ((8, 71, True), (12, 72, False)) for again in range(3)]
    times = {}
    for packet in ts.packets(data):
        if ts.pid_of(packet) == PMT:
            pmt = packet[5:5 + 3 + ((packet[6] & 15) << 8 | packet[7]) - 4]
            packet = packet_of(PMT, sealed(pmt + bytes([0x86, 0xE0 | CUES >> 8, CUES & 0xFF, 0xF0, 0])), packet[3])
        out.append(packet)
        if (pts := video_pts(packet)) is None:
            continue
        begin = pts if begin is None else begin
        clock = (pts - begin) / 90000
        if clock >= due:
            due += 1
            out.append(packet_of(CUES, SPLICE_NULL, counter))
            counter += 1
        while plan and clock >= plan[0][0]:
            _, event, leaves = plan.pop(0)
            at = times.setdefault(event, pts + 4 * 90000)
            out.append(packet_of(CUES, splice_insert(event, at, leaves), counter))
            counter += 1
    return b"".join(out)


def cues_of(data):
    """{event: how far it lies behind the picture that began last when it first came, 90 kHz}."""
    found, last = {}, None
    for packet in ts.packets(data):
        last = pts if (pts := video_pts(packet)) is not None else last
        section = ts.payload_of(packet)[1:]
        if ts.pid_of(packet) != CUES or section[13] != 5 or last is None:
            continue
        length = (section[1] & 15) << 8 | section[2]
        assert ts_check.crc32(section[:length + 3]) == 0
        adjustment = int.from_bytes(section[4:9], "big") & ts.PTS_MODULUS - 1
        at = int.from_bytes(section[20:25], "big") & ts.PTS_MODULUS - 1
        found.setdefault(int.from_bytes(section[14:18], "big"), (at + adjustment - last) % ts.PTS_MODULUS)
    return found


@pytest.fixture(scope="module")
def live(rig, tmp_path_factory):
    source = tmp_path_factory.mktemp("cues") / "cues.ts"
    source.write_bytes(with_cues(media.stream("h264_aac", SECONDS).read_bytes()))
    serve = {"http-ts": {}}
    channels = {"one": {"inputs": [f"udp://{GROUPS[1]}:5000"], "serve": serve},
                "two": {"inputs": [f"udp://{group}:5000" for group in GROUPS.values()], "serve": serve}}
    with Gateway(rig, channels) as gateway:
        for group in GROUPS.values():
            rig.wait_mdb(group, True)
        yield gateway, rig, source


def told(gateway, channel):
    events = gateway.json("events")["events"]
    return [event["message"] for event in events if event["kind"] == "scte35" and event["channel"] == channel]


def test_cues_are_told_once_and_leave_with_their_pictures(live):
    gateway, rig, source = live
    wanted = cues_of(source.read_bytes())
    assert wanted == {71: 4 * 90000, 72: 4 * 90000}
    senders = [rig.send(source, group, 5000) for group in GROUPS.values()]
    taken = {}
    for channel in ("one", "two"):
        wait_for(lambda name=channel: gateway.json("status", name)["inputs"][0]["datagrams"] > 0)
        taken[channel] = Stream(gateway, f"/{channel}/stream.ts")
    bodies = dict.fromkeys(taken, b"")
    while not all(72 in cues_of(body) for body in bodies.values()):
        for channel, stream in taken.items():
            bodies[channel] += stream.read(size=20_000)
            assert not stream.ended
    for channel, body in bodies.items():
        assert cues_of(body) == wanted, channel
    assert [sender.wait(120) for sender in senders] == [0, 0]
    for channel in ("one", "two"):
        events = wait_for(lambda name=channel: len(told(gateway, name)) >= 2 and told(gateway, name))
        assert len(events) == 2, events
        # The PCR lies before the picture.
        found = [re.fullmatch(r"input 1, PID 0x01f4: (.*) at PTS \d+ \(\d+\.\d{3} s\), (\d\.\d) s ahead", event) for event in events]
        assert [match[1] for match in found] == ["splice_insert event 71 out for 20.0 s, auto return", "splice_insert event 72 in"], events
        assert all(4.0 <= float(match[2]) <= 5.0 for match in found), events
    for channel, number in (("one", 1), ("two", 1), ("two", 2)):
        gateway.wait_metric("headgate_input_scte35_cues_total", 2, channel=channel, input=number)
        assert gateway.metric("headgate_input_scte35_cues_total", channel=channel, input=number) == 2
        assert gateway.json("status", channel)["inputs"][number - 1]["scte35_cues"] == 2


def test_a_control_that_is_started_anew_tells_no_cue_again(live):
    gateway, _, _ = live
    before = {channel: told(gateway, channel) for channel in ("one", "two")}
    old = gateway.kill("control")
    gateway.wait_new("control", old)
    gateway.wait_answered("fastpath")
    gateway.wait_metric("headgate_input_scte35_cues_total", 2, channel="one")
    assert {channel: told(gateway, channel) for channel in ("one", "two")} == before
