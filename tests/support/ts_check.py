"""An independent judge of a recorded transport stream, from ISO/IEC 13818-1 and ETSI TR 101 290 alone: it shares
nothing with the product, nor with ts.py.

    report = check(data)                           # bytes of whole 188-byte packets
    report = check_datagrams([(seconds, payload)]) # as capture.Capture gives them: also judged by arrival
    report.to_dict()                               # all of it

    python3 -m support.ts_check FILE [--json] [--rate BITS] [--dvb]     exit 1 where something is wrong

What is measured (Report's fields):
  sync, transport errors     TR 101 290 1.1, 1.2, 2.1
  continuity                 a PID; 1.4; a duplicate is allowed once (2.4.3.3)
  sections                   CRC (2.2), and the longest time between two of PAT, PMT (1.3, 1.5), SDT (3.5)
  pcr                        a PID: longest interval (2.3), unannounced jumps, and PCR_AC: how far each PCR lies from the
                             straight line through byte position and PCR (2.4): each PID has a line of its own, the best
                             one. A given rate counts the seconds of one program's clock: that PID whose line is the
                             nearest is judged by it
  rate                       mean, and what whole seconds deviate from it, by the stream's clock
  times                      a PID: order of DTS, PTS before DTS, distance of DTS to the PCR of its program at its position
                             (2.5: interval)
  interleave                 how far the DTS of sound and pictures of a program at the same place lie apart
  arrival                    gaps between datagrams, deviation from the best constant-rate line, PCR against arrival
"""
import argparse
import json
import struct
import sys

from .ts_clock import HZ, PACKET, Clock, Timeline, line, percentile
from .ts_report import NOTHING, Arrival, Report, Section, Times, show

STAMP_CYCLE = 1 << 33
PAT, SDT = 0, 0x11
PAT_TABLE, PMT_TABLE, SDT_TABLE = 0x00, 0x02, 0x42
VIDEO_TYPES = {0x01, 0x02, 0x10, 0x1B, 0x20, 0x24, 0x33, 0xEA}
AUDIO_TYPES = {0x03, 0x04, 0x0F, 0x11, 0x1C, 0x81, 0x87}


def _crc_table():
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


_CRC = _crc_table()


def crc32(data):
    """Annex A; 0 over a section whose CRC_32 is right."""
    value = 0xFFFFFFFF
    for byte in data:
        value = (value << 8 & 0xFFFFFF00) ^ _CRC[value >> 24 ^ byte]
    return value


class _Packet:
    """One pass over the bytes: what later steps need."""
    __slots__ = ("pid", "start", "has_payload", "counter", "offset", "discontinuity", "pcr")

    def __init__(self, b, at):
        self.pid = (b[at + 1] & 0x1F) << 8 | b[at + 2]
        self.start = bool(b[at + 1] & 0x40)
        control = b[at + 3] >> 4 & 3
        self.has_payload = bool(control & 1)
        self.counter = b[at + 3] & 15
        self.offset = 4
        self.discontinuity = False
        self.pcr = None
        if control & 2:
            length = b[at + 4]
            self.offset = 5 + length
            if length > 0:
                flags = b[at + 5]
                self.discontinuity = bool(flags & 0x80)
                if flags & 0x10 and length >= 7:
                    high, low = struct.unpack_from(">IH", b, at + 6)
                    self.pcr = (high << 1 | low >> 15) * 300 + (low & 0x1FF)


class _Counter:
    def __init__(self):
        self.last = {}  # PID: (counter, bytes, was a duplicate)
        self.errors = {}
        self.duplicates = 0

    def take(self, p, raw):
        if p.pid == NOTHING:
            return True
        before = self.last.get(p.pid)
        self.last[p.pid] = (p.counter, raw, False)
        if before is None or p.discontinuity:
            return True
        counter, bytes_before, duplicate = before
        if not p.has_payload:
            if p.counter != counter:
                self._error(p.pid)
            return True
        if p.counter == counter and not duplicate and self._same(raw, bytes_before, p):
            self.duplicates += 1
            self.last[p.pid] = (p.counter, raw, True)
            return False
        if p.counter != (counter + 1) % 16:
            self._error(p.pid)
        return True

    @staticmethod
    def _same(raw, before, p):
        if p.pcr is None:
            return raw == before
        return raw[:6] == before[:6] and raw[12:] == before[12:]  # 2.4.3.3: a duplicate's PCR may be its own

    def _error(self, pid):
        self.errors[pid] = self.errors.get(pid, 0) + 1


class _Sections:
    """Whole sections of one PID; calls on_section(bytes, index of the packet that ended it)."""

    def __init__(self, on_section):
        self.on_section = on_section
        self.bytes = None

    def take(self, payload, start, index):
        if start:
            pointer = payload[0]
            if self.bytes is not None:
                self.bytes += payload[1:1 + pointer]
                self._finish(index)
            self.bytes = bytearray(payload[1 + pointer:])
            while self._finish(index):
                pass
        elif self.bytes is not None:
            self.bytes += payload
            self._finish(index)

    def _finish(self, index):
        b = self.bytes
        if b is None or len(b) < 3 or b[0] == 0xFF:
            if b is not None and b[:1] == b"\xff":
                self.bytes = None
            return False
        length = 3 + ((b[1] & 0x0F) << 8 | b[2])
        if len(b) < length:
            return False
        self.on_section(bytes(b[:length]), index)
        self.bytes = b[length:]
        if not self.bytes:
            self.bytes = None
            return False
        return True


def _stamp(b, at):
    return (b[at] >> 1 & 7) << 30 | (b[at + 1] << 8 | b[at + 2]) >> 1 << 15 | (b[at + 3] << 8 | b[at + 4]) >> 1


def _pes_times(payload):
    """(stream_id, PTS, DTS) of a PES header at the start of the payload; None where there is none."""
    if len(payload) < 9 or payload[:3] != b"\0\0\1":
        return None
    stream_id = payload[3]
    if stream_id in (0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF) or payload[6] >> 6 != 2:
        return None
    flags = payload[7] >> 6
    if not flags & 2 or len(payload) < 14:
        return stream_id, None, None
    pts = _stamp(payload, 9)
    dts = _stamp(payload, 14) if flags == 3 and len(payload) >= 19 else pts
    return stream_id, pts, dts


def _nearest(value, cycle):
    value %= cycle
    return value - cycle if value > cycle // 2 else value


class _Checker:
    def __init__(self, data, rate):
        self.data = data
        self.rate = rate
        self.report = Report()
        self.counter = _Counter()
        self.clocks = {}
        self.sections = {PAT: _Sections(self._pat), SDT: _Sections(self._sdt)}
        self.pmt_pids = {}  # PID: program_number
        self.ends = {}  # table: packet indexes of its ends
        self.units = []  # (index, PID, stream_id, PTS, DTS)

    def run(self):
        data, report = self.data, self.report
        report.packets, report.rest_bytes = divmod(len(data), PACKET)
        for index in range(report.packets):
            at = index * PACKET
            if data[at] != 0x47:
                report.sync_errors += 1
                continue
            if data[at + 1] & 0x80:
                report.transport_errors += 1
                continue
            p = _Packet(data, at)
            report.pids[p.pid] = report.pids.get(p.pid, 0) + 1
            if p.pid == NOTHING:
                continue
            new = self.counter.take(p, data[at:at + PACKET])
            if p.pcr is not None:
                self.clocks.setdefault(p.pid, Clock()).take(p.pcr, p.discontinuity, index)
            if data[at + 3] & 0xC0:
                report.scrambled += 1
            elif new and p.has_payload and p.offset < PACKET:
                self._payload(p, data[at + p.offset:at + PACKET], index)
        report.continuity_errors = self.counter.errors
        report.duplicates = self.counter.duplicates
        report.pcr = {pid: clock.finish() for pid, clock in self.clocks.items()}
        if self.rate and self.clocks:
            min(self.clocks.values(), key=lambda c: abs(c.info.rate_bps - self.rate)).finish(self.rate)
        self.timelines = {pid: Timeline(clock.stretches) for pid, clock in self.clocks.items()}
        main = max(self.clocks, key=lambda pid: report.pcr[pid].count, default=None)
        self.timeline = self.timelines.get(main) or Timeline([])
        for pcr in report.pcr.values():
            if pcr.rate_bps:  # a clock that is fast counts more seconds for the same bytes
                pcr.against_ppm = (report.pcr[main].rate_bps / pcr.rate_bps - 1) * 1e6
        self._tables()
        self._rate()
        self._times()
        return report

    def _payload(self, p, payload, index):
        if p.pid in self.sections:
            self.sections[p.pid].take(payload, p.start, index)
        elif p.start:
            times = _pes_times(payload)
            if times and times[1] is not None:
                self.units.append((index, p.pid, *times))

    # ---- tables ----

    def _section(self, table, key, section, index):
        if crc32(section):
            table.crc_errors += 1
            return False
        table.count += 1
        version = section[5] >> 1 & 31
        if not table.versions or table.versions[-1] != version:
            table.versions.append(version)
        if section[6] == 0:  # section_number: a table of several sections is one
            self.ends.setdefault(key, []).append(index)
        return True

    def _pat(self, section, index):
        if section[0] != PAT_TABLE or not self._section(self.report.pat, "pat", section, index):
            return
        for at in range(8, len(section) - 4, 4):
            number, pid = struct.unpack_from(">HH", section, at)
            pid &= 0x1FFF
            if number == 0:
                continue
            self.report.programs.setdefault(number, {"pmt_pid": pid})["pmt_pid"] = pid
            if pid not in self.pmt_pids:
                self.sections[pid] = _Sections(self._pmt)
            self.pmt_pids[pid] = number

    def _pmt(self, section, index):
        if section[0] != PMT_TABLE:
            return
        number = section[3] << 8 | section[4]
        if not self._section(self.report.pmt.setdefault(number, Section()), ("pmt", number), section, index):
            return
        program = self.report.programs.setdefault(number, {})
        program["pcr_pid"] = (section[8] & 0x1F) << 8 | section[9]
        at = 12 + ((section[10] & 15) << 8 | section[11])
        streams = {}
        while at + 5 <= len(section) - 4:
            streams[(section[at + 1] & 0x1F) << 8 | section[at + 2]] = section[at]
            at += 5 + ((section[at + 3] & 15) << 8 | section[at + 4])
        program["streams"] = streams

    def _sdt(self, section, index):
        if section[0] != SDT_TABLE or not self._section(self.report.sdt, "sdt", section, index):
            return
        at = 11
        while at + 5 <= len(section) - 4:
            service = section[at] << 8 | section[at + 1]
            end = at + 5 + ((section[at + 3] & 15) << 8 | section[at + 4])
            at += 5
            while at + 2 <= end:
                tag, length = section[at], section[at + 1]
                body = section[at + 2:at + 2 + length]
                if tag == 0x48 and length >= 3:
                    provider = body[2:2 + body[1]]
                    name = body[3 + body[1]:3 + body[1] + body[2 + body[1]]]
                    self.report.service_names[service] = (provider.decode("latin-1"), name.decode("latin-1"))
                at += 2 + length
            at = end

    def _tables(self):
        for key, ends in self.ends.items():
            table = {"pat": self.report.pat, "sdt": self.report.sdt}.get(key) or self.report.pmt[key[1]]
            ticks = [self.timeline.at(index) for index in ends]
            if None not in ticks:
                table.interval_max_ms = max((b - a for a, b in zip(ticks, ticks[1:])), default=0) / 27_000

    # ---- rate ----

    def _rate(self):
        rate, packets = self.report.rate, self.report.packets
        knots = self.timeline.knots
        rate.null_share = self.report.pids.get(NOTHING, 0) / packets if packets else 0.0
        if len(knots) < 2 or knots[-1][1] <= 0:
            return
        rate.mean_bps = (knots[-1][0] - knots[0][0]) * PACKET * 8 * HZ / knots[-1][1]
        mean = rate.mean_bps / 8 / PACKET
        # Where each whole second of the stream's clock ends, in packets.
        ends, second = [], 0
        for (i, t, _), (j, u, _) in zip(knots, knots[1:]):
            while u > t and second * HZ <= u:
                ends.append(i + (j - i) * (second * HZ - t) / (u - t))
                second += 1
        rate.seconds = max(0, len(ends) - 1)
        rate.deviation_max_packets = max((abs(b - a - mean) for a, b in zip(ends, ends[1:])), default=0.0)

    # ---- times ----

    def _kind(self, pid, stream_id):
        for program in self.report.programs.values():
            kind = program.get("streams", {}).get(pid)
            if kind in VIDEO_TYPES:
                return "video"
            if kind in AUDIO_TYPES:
                return "audio"
        return "video" if 0xE0 <= stream_id <= 0xEF else "audio" if 0xC0 <= stream_id <= 0xDF else "data"

    def _program(self, pid):
        """(program_number, its PCR PID) of the first program that has this PID; None: of no program that is known."""
        for number, program in self.report.programs.items():
            if pid in program.get("streams", {}):
                return number, program.get("pcr_pid")
        return None, None

    def _times(self):
        last, last_pts, latest = {}, {}, {}
        spread = 0.0
        for index, pid, stream_id, pts, dts in self.units:
            times = self.report.times.setdefault(pid, Times(kind=self._kind(pid, stream_id)))
            times.units += 1
            program, pcr_pid = self._program(pid)
            pcr = self.timelines.get(pcr_pid, self.timeline).pcr_at(index)
            ahead = None if pcr is None else _nearest(dts - round(pcr / 300), STAMP_CYCLE) / 90
            jumped = False
            if pid in last:
                step = _nearest(dts - last[pid], STAMP_CYCLE)
                jumped = abs(step) > 10 * 90_000
                times.order_errors += step <= 0 and not jumped
                if not jumped:
                    gap = abs(_nearest(pts - last_pts[pid], STAMP_CYCLE)) / 90
                    times.interval_max_ms = max(times.interval_max_ms, gap)
            last[pid], last_pts[pid] = dts, pts
            times.pts_before_dts += _nearest(pts - dts, STAMP_CYCLE) < 0
            if ahead is not None:
                first = times.units == 1
                times.ahead_min_ms = ahead if first else min(times.ahead_min_ms, ahead)
                times.ahead_max_ms = ahead if first else max(times.ahead_max_ms, ahead)
            if times.kind == "data" or (program is None and self.report.programs):
                continue
            if jumped:
                latest.pop(program, None)
            both = latest.setdefault(program, {})
            both[times.kind] = dts
            if len(both) == 2:
                spread = max(spread, abs(_nearest(both["video"] - both["audio"], STAMP_CYCLE)) / 90)
        self.report.interleave_max_ms = spread


def check(data, rate=None):
    """Judges packets in a row. rate: PCR_AC of one program against this rate in b/s instead of the best line."""
    return _Checker(bytes(data), rate).run()


def check_datagrams(datagrams, rate=None):
    """The same for (arrival in seconds, payload of whole packets) in order, judged by arrival too."""
    datagrams = list(datagrams)
    checker = _Checker(b"".join(payload for _, payload in datagrams), rate)
    report = checker.run()
    report.arrival = _arrival(datagrams, checker)
    return report


def _arrival(datagrams, checker):
    result = Arrival(datagrams=len(datagrams))
    if len(datagrams) < 3:
        return result
    times = [t for t, _ in datagrams]
    gaps = [(b - a) * 1000 for a, b in zip(times, times[1:])]
    result.gap_p50_ms, result.gap_p99_ms, result.gap_max_ms = percentile(gaps, 0.5), percentile(gaps, 0.99), max(gaps)
    ends, total = [], 0
    for _, payload in datagrams:
        total += len(payload) // PACKET
        ends.append(total)
    slope, residuals = line(ends, times)
    result.rate_bps = PACKET * 8 / slope if slope > 0 else 0.0
    off = [abs(r) * 1000 for r in residuals]
    result.line_p50_ms, result.line_p99_ms, result.line_max_ms = percentile(off, 0.5), percentile(off, 0.99), max(off)
    # Whole seconds of our clock.
    counts = {}
    for t, (_, payload) in zip(times, datagrams):
        second = int(t - times[0])
        counts[second] = counts.get(second, 0) + len(payload) // PACKET
    whole = [counts.get(s, 0) for s in range(int(times[-1] - times[0]))]
    if whole and slope > 0:
        result.second_max_packets = max(abs(c - 1 / slope) for c in whole)
    # Each PCR against the arrival of its datagram.
    clock = max(checker.clocks.values(), key=lambda c: c.info.count, default=None)
    longest = max(clock.stretches, key=len, default=[]) if clock else []
    if len(longest) >= 3:
        came, at = [], 0
        for index, _ in longest:
            while ends[at] <= index:
                at += 1
            came.append(times[at])
        _, residuals = line([ticks / HZ for _, ticks in longest], came)
        off = [abs(r) * 1000 for r in residuals]
        result.pcr_p50_ms, result.pcr_p99_ms, result.pcr_max_ms = percentile(off, 0.5), percentile(off, 0.99), max(off)
    return result


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Judges a recorded transport stream (188-byte packets).")
    parser.add_argument("file")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rate", type=float, help="judge PCRs against this rate in b/s instead of the best line")
    parser.add_argument("--dvb", action="store_true", help="PCR every 40 ms, SDT every 2 s")
    parser.add_argument("--vbr", action="store_true", help="not of constant rate: PCR against position is no error")
    o = parser.parse_args(arguments)
    with open(o.file, "rb") as file:
        report = check(file.read(), o.rate)
    errors = report.errors(dvb=o.dvb, accuracy_ns=None if o.vbr else 500.0)
    if o.json:
        print(json.dumps({**report.to_dict(), "errors": errors}, indent=1))
    else:
        print(show(report))
        for error in errors:
            print("error: " + error)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
