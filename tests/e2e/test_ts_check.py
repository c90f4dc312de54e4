"""The judge that other tests trust: it must find each fault, its size too, and none in a sound stream. Streams made here by hand."""
import subprocess
import sys
from pathlib import Path

import pytest

from support import media, ts_check

RATE = 1_504_000  # a packet each millisecond, 27,000 ticks
# As ffmpeg writes them: program 1, PMT on 0x1000; H.264 on 0x100 with the PCR, AAC on 0x101.
PAT = bytes.fromhex("00b00d0001c100000001f0002ab104b2")
PMT = bytes.fromhex("02b0170001c10000e100f0001be100f0000fe101f0002f44b99b")


def packet(pid, counter, payload, start=False, adaptation=None):
    body = b""
    control = 0x10
    if adaptation is not None or len(payload) < 184:
        adaptation = adaptation if adaptation is not None else b""
        stuffing = 184 - len(payload) - 1 - len(adaptation)
        field = adaptation + (b"" if adaptation or stuffing == 0 else b"\0")
        field += b"\xff" * (184 - len(payload) - 1 - len(field))
        body = bytes([len(field)]) + field
        control = 0x30 if payload else 0x20
    head = bytes([0x47, (0x40 if start else 0) | pid >> 8, pid & 0xFF, control | counter & 15])
    made = head + body + payload
    assert len(made) == 188
    return made


def pcr_field(ticks, announced=False):
    base, extension = divmod(ticks % ((1 << 33) * 300), 300)
    return bytes([0x10 | (0x80 if announced else 0)]) + (base << 15 | 0x7E00 | extension).to_bytes(6, "big")


def stamp(prefix, value):
    value %= 1 << 33
    return bytes([prefix << 4 | value >> 30 << 1 | 1]) + ((value >> 15 & 0x7FFF) << 1 | 1).to_bytes(2, "big") + ((value & 0x7FFF) << 1 | 1).to_bytes(2, "big")


def pes(stream_id, pts, dts):
    return b"\0\0\1" + bytes([stream_id]) + b"\0\0\x80\xc0\x0a" + stamp(3, pts) + stamp(1, dts) + b"\x55" * 165


def section_packet(pid, counter, section):
    return packet(pid, counter, b"\0" + section + b"\xff" * (183 - len(section)), start=True)


class Stream:
    """Packet i at i ms: PAT and PMT each 100 ms, PCR each 30 ms, a picture each 40 ms, sound each 24 ms 50 ms later in time."""

    def __init__(self, milliseconds=3000, first=27_000_000):
        self.packets = []
        counters = {}

        def count(pid):
            counters[pid] = (counters.get(pid, -1) + 1) % 16
            return counters[pid]

        for i in range(milliseconds):
            now = first + i * 27_000
            if i % 100 == 0:
                made = section_packet(0, count(0), PAT)
            elif i % 100 == 1:
                made = section_packet(0x1000, count(0x1000), PMT)
            elif i % 30 == 2:
                made = packet(0x100, counters.get(0x100, 15), b"", adaptation=pcr_field(now))
            elif i % 40 == 3:
                made = packet(0x100, count(0x100), pes(0xE0, now // 300 + 9000 + 3600, now // 300 + 9000), start=True)
            elif i % 24 == 5:
                made = packet(0x101, count(0x101), pes(0xC0, now // 300 + 13500, now // 300 + 13500), start=True)
            else:
                made = packet(0x1FFF, 0, b"\xff" * 184)
            self.packets.append(made)

    def find(self, pid, which=20):
        return [i for i, p in enumerate(self.packets) if (p[1] & 0x1F) << 8 | p[2] == pid][which]

    def pcrs(self):
        return [i for i, p in enumerate(self.packets) if p[3] & 0x20 and p[4] >= 7 and p[5] & 0x10]

    def check(self, **options):
        return ts_check.check(b"".join(self.packets), **options)


def test_a_sound_stream_has_no_faults():
    report = Stream().check()
    assert report.errors() == []
    assert report.packets == 3000
    assert report.pcr[0x100].accuracy_max_ns < 1
    assert report.pcr[0x100].interval_max_ms <= 60
    assert report.rate.mean_bps == pytest.approx(RATE)
    assert report.rate.deviation_max_packets < 1e-6
    assert report.pat.interval_max_ms == pytest.approx(100)
    assert report.programs[1]["streams"] == {0x100: 0x1B, 0x101: 0x0F}
    video, audio = report.times[0x100], report.times[0x101]
    assert (video.kind, audio.kind) == ("video", "audio")
    assert video.ahead_min_ms == pytest.approx(100, abs=0.1) and video.ahead_max_ms == pytest.approx(100, abs=0.1)
    assert audio.ahead_min_ms == pytest.approx(150, abs=0.1)
    assert 50 < report.interleave_max_ms < 100


def test_the_clock_may_wrap():
    report = Stream(first=(1 << 33) * 300 - 40_000_000).check()
    assert report.errors() == []
    assert report.pcr[0x100].jumps == 0


def test_crc_of_a_known_section():
    assert ts_check.crc32(PAT) == 0
    assert ts_check.crc32(PMT) == 0
    assert ts_check.crc32(PMT[:-1] + b"\x9a") != 0


def test_finds_a_lost_packet_and_allows_a_duplicate_once():
    stream = Stream()
    del stream.packets[stream.find(0x101)]
    assert stream.check().continuity_errors == {0x101: 1}
    stream = Stream()
    at = stream.find(0x101)
    stream.packets.insert(at, stream.packets[at])
    report = stream.check()
    assert (report.continuity_errors, report.duplicates) == ({}, 1)
    stream.packets.insert(at, stream.packets[at])
    assert stream.check().continuity_errors == {0x101: 1}


def test_finds_a_damaged_table_and_a_missing_one():
    stream = Stream()
    at = stream.find(0x1000, 5)
    stream.packets[at] = section_packet(0x1000, stream.packets[at][3], PMT[:-1] + b"\x9a")
    report = stream.check()
    assert report.pmt[1].crc_errors == 1
    assert report.pmt[1].interval_max_ms == pytest.approx(200)
    stream = Stream()
    for i in (500, 600, 700, 800, 900, 1000):
        stream.packets[i] = packet(0x1FFF, 0, b"\xff" * 184)
    assert any("PAT after 700 ms" in e for e in stream.check().errors())


def test_measures_how_far_a_pcr_lies_off_the_line():
    stream = Stream()
    at = stream.pcrs()[30]
    exact = 27_000_000 + at * 27_000
    stream.packets[at] = packet(0x100, stream.packets[at][3], b"", adaptation=pcr_field(exact + 270))  # 10 us
    report = stream.check(rate=RATE)
    assert report.pcr[0x100].accuracy_max_ns == pytest.approx(5000, abs=100)  # both sides of the middle
    assert any("off by" in e for e in report.errors())
    assert Stream().check(rate=RATE * 1.0001).pcr[0x100].accuracy_max_ns > 100_000


def test_finds_pcrs_too_far_apart_and_jumps():
    stream = Stream()
    for at in stream.pcrs()[30:34]:
        stream.packets[at] = packet(0x1FFF, 0, b"\xff" * 184)
    assert stream.check().pcr[0x100].interval_max_ms > 100
    for announced in (False, True):
        stream = Stream()
        for n, at in enumerate(stream.pcrs()[30:]):
            ticks = 27_000_000 + at * 27_000 + 99 * 27_000_000
            stream.packets[at] = packet(0x100, stream.packets[at][3], b"", adaptation=pcr_field(ticks, announced and n == 0))
        pcr = stream.check().pcr[0x100]
        assert (pcr.jumps, pcr.announced) == ((0, 1) if announced else (1, 0))
        assert pcr.accuracy_max_ns < 1


def test_finds_a_second_that_holds_too_many_packets():
    stream = Stream()
    stream.packets[1500:1500] = [packet(0x1FFF, 0, b"\xff" * 184)] * 14
    report = stream.check()
    assert 9 < report.rate.deviation_max_packets < 15


def test_finds_units_out_of_order_and_late():
    stream = Stream()
    at = stream.find(0x101)
    now = (27_000_000 + at * 27_000) // 300
    stream.packets[at] = packet(0x101, stream.packets[at][3], pes(0xC0, now - 1800, now - 900), start=True)
    report = stream.check()
    assert report.times[0x101].order_errors == 1
    assert report.times[0x101].pts_before_dts == 1
    assert report.times[0x101].ahead_min_ms == pytest.approx(-10, abs=0.1)
    assert report.interleave_max_ms > 100


def test_finds_lost_sync_and_transport_errors():
    stream = Stream()
    stream.packets[50] = b"\x48" + stream.packets[50][1:]
    stream.packets[51] = stream.packets[51][:1] + bytes([stream.packets[51][1] | 0x80]) + stream.packets[51][2:]
    report = stream.check()
    assert (report.sync_errors, report.transport_errors) == (1, 1)


def test_judges_arrivals():
    packets = Stream(7 * 400).packets
    even = [(1000 + i * 0.007, b"".join(packets[i * 7:i * 7 + 7])) for i in range(400)]
    arrival = ts_check.check_datagrams(even).arrival
    assert arrival.gap_max_ms == pytest.approx(7, abs=0.01)
    assert arrival.line_max_ms < 0.01
    assert arrival.rate_bps == pytest.approx(RATE)
    assert arrival.pcr_max_ms < 6  # the place of a PCR in its datagram
    late = [(t + (0.02 if i % 50 == 0 else 0), d) for i, (t, d) in enumerate(even)]
    arrival = ts_check.check_datagrams(late).arrival
    assert arrival.gap_max_ms == pytest.approx(27, abs=0.1)
    assert 18 < arrival.line_max_ms < 21


def section(body):
    return body + ts_check.crc32(body).to_bytes(4, "big")


class TwoPrograms(Stream):
    """Beside that program another one, whose clock is 40 ppm fast and 1000 s on: H.264 on 0x200 with the PCR, PMT on 0x1001."""
    PAT = section(bytes.fromhex("00b0110001c100000001f0000002f001"))
    PMT = section(bytes.fromhex("02b0120002c10000e200f0001be200f000"))
    PPM = 40

    def __init__(self, milliseconds=3000):
        super().__init__(milliseconds)
        counter = 15
        for i in range(milliseconds):
            now = self.clock(i)
            if i % 100 == 0:
                self.packets[i] = section_packet(0, i // 100, self.PAT)
            elif i % 100 == 4:
                self.packets[i] = section_packet(0x1001, i // 100, self.PMT)
            elif i % 30 == 6:
                self.packets[i] = packet(0x200, counter, b"", adaptation=pcr_field(now))
            elif i % 40 == 11 and self.packets[i][1:3] == b"\x1f\xff":
                counter = (counter + 1) % 16
                self.packets[i] = packet(0x200, counter, pes(0xE0, now // 300 + 7200, now // 300 + 7200), start=True)

    def clock(self, i):
        return 27_000_000 * 1001 + round(i * 27_000 * (1 + self.PPM * 1e-6))


def test_each_program_has_a_line_of_its_own():
    for rate in (None, RATE):
        report = TwoPrograms().check(rate=rate)
        assert report.continuity_errors.keys() <= {0x101}  # some of its packets made room
        assert all("0x0101" in error for error in report.errors())
        assert set(report.programs) == {1, 2}
        assert report.pcr[0x100].accuracy_max_ns < 1
        assert report.pcr[0x200].accuracy_max_ns < 38  # whole ticks
        assert report.pcr[0x100].against_ppm == pytest.approx(0, abs=1e-3) or report.pcr[0x200].against_ppm == pytest.approx(0, abs=1e-3)
        assert report.pcr[0x200].against_ppm - report.pcr[0x100].against_ppm == pytest.approx(40, abs=0.1)
        assert report.pcr[0x200].rate_bps == pytest.approx(RATE / 1.00004, abs=1)
    assert TwoPrograms().check(rate=RATE * 1.0001).pcr[0x100].accuracy_max_ns > 100_000, "the nearest is judged by the rate"


def test_finds_the_program_whose_clock_is_off():
    stream = TwoPrograms()
    at = [i for i in stream.pcrs() if stream.packets[i][1] == 2][30]
    stream.packets[at] = packet(0x200, stream.packets[at][3], b"", adaptation=pcr_field(stream.clock(at) + 270))  # 10 us
    report = stream.check()
    assert report.pcr[0x100].accuracy_max_ns < 1
    assert report.pcr[0x200].accuracy_max_ns == pytest.approx(5000, abs=200)
    assert any("0x0200: PCR off by" in e for e in report.errors()) and not any("0x0100: PCR" in e for e in report.errors())


def test_units_are_judged_by_the_clock_of_their_program():
    report = TwoPrograms().check()
    assert report.times[0x100].ahead_min_ms == pytest.approx(100, abs=0.1)
    assert report.times[0x200].ahead_min_ms == pytest.approx(80, abs=0.1)
    assert report.times[0x200].ahead_max_ms == pytest.approx(80, abs=0.1)
    assert report.interleave_max_ms < 150


def test_runs_as_a_program(tmp_path):
    sound, broken = tmp_path / "sound.ts", tmp_path / "broken.ts"
    stream = Stream()
    sound.write_bytes(b"".join(stream.packets))
    del stream.packets[stream.find(0x101)]
    broken.write_bytes(b"".join(stream.packets))
    folder = Path(ts_check.__file__).parents[1]
    for file, status in ((sound, 0), (broken, 1)):
        done = subprocess.run([sys.executable, "-m", "support.ts_check", str(file), "--json"], cwd=folder, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr


def test_what_ffmpeg_muxes_passes():
    data = media.stream("h264_aac", 20).read_bytes()
    report = ts_check.check(data)
    assert report.continuity_errors == {}
    assert report.pat.crc_errors == 0 and report.pat.count > 0
    assert {t.kind for t in report.times.values()} == {"video", "audio"}
    assert all(t.order_errors == 0 and t.pts_before_dts == 0 for t in report.times.values())
