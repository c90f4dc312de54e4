"""What ts_check found out about a transport stream, what of it is wrong, and how a person reads it."""
from dataclasses import asdict, dataclass, field

NOTHING = 0x1FFF


@dataclass
class Section:
    count: int = 0
    crc_errors: int = 0
    interval_max_ms: float = 0.0
    versions: list = field(default_factory=list)


@dataclass
class Pcr:
    count: int = 0
    interval_max_ms: float = 0.0
    interval_mean_ms: float = 0.0
    announced: int = 0  # discontinuity_indicator
    jumps: int = 0  # without it: backwards or more than a second on
    accuracy_max_ns: float = 0.0  # PCR_AC
    accuracy_p99_ns: float = 0.0
    rate_bps: float = 0.0  # of the line
    against_ppm: float = 0.0  # how much faster the clock is than that of the PID with the most PCRs


@dataclass
class Times:
    kind: str = ""
    units: int = 0
    order_errors: int = 0  # DTS that don't rise
    pts_before_dts: int = 0
    interval_max_ms: float = 0.0
    ahead_min_ms: float = 0.0  # DTS minus the clock at its position
    ahead_max_ms: float = 0.0


@dataclass
class Rate:
    mean_bps: float = 0.0
    seconds: int = 0
    deviation_max_packets: float = 0.0  # of whole seconds, against the mean
    null_share: float = 0.0


@dataclass
class Arrival:
    datagrams: int = 0
    gap_p50_ms: float = 0.0
    gap_p99_ms: float = 0.0
    gap_max_ms: float = 0.0
    rate_bps: float = 0.0
    line_p50_ms: float = 0.0  # distance from the best constant-rate line
    line_p99_ms: float = 0.0
    line_max_ms: float = 0.0
    second_max_packets: float = 0.0  # whole seconds against the mean
    pcr_p50_ms: float = 0.0  # PCR against arrival, the line removed
    pcr_p99_ms: float = 0.0
    pcr_max_ms: float = 0.0


@dataclass
class Report:
    packets: int = 0
    rest_bytes: int = 0
    sync_errors: int = 0
    transport_errors: int = 0
    scrambled: int = 0
    pids: dict = field(default_factory=dict)  # PID: packets
    continuity_errors: dict = field(default_factory=dict)  # PID: count, only where there are some
    duplicates: int = 0
    pat: Section = field(default_factory=Section)
    sdt: Section = field(default_factory=Section)
    pmt: dict = field(default_factory=dict)  # program_number: Section
    programs: dict = field(default_factory=dict)  # program_number: {"pmt_pid", "pcr_pid", "streams": {PID: type}}
    service_names: dict = field(default_factory=dict)  # service_id: (provider, name) as raw text
    pcr: dict = field(default_factory=dict)  # PID: Pcr
    rate: Rate = field(default_factory=Rate)
    times: dict = field(default_factory=dict)  # PID: Times
    interleave_max_ms: float = 0.0
    arrival: Arrival | None = None

    def to_dict(self):
        return asdict(self)

    def errors(self, dvb=False, accuracy_ns=500.0):
        """What is wrong, one sentence each. dvb: PCR every 40 ms instead of 100, SDT every 2 s."""
        found = []

        def wrong(bad, text):
            if bad:
                found.append(text)

        wrong(self.rest_bytes, f"{self.rest_bytes} bytes at the end are no packet")
        wrong(self.sync_errors, f"{self.sync_errors} packets without sync byte")
        wrong(self.transport_errors, f"{self.transport_errors} packets with transport_error_indicator")
        for pid, count in self.continuity_errors.items():
            found.append(f"PID {pid:#06x}: {count} continuity errors")
        wrong(not self.pat.count, "no PAT")
        wrong(self.pat.interval_max_ms > 500, f"PAT after {self.pat.interval_max_ms:.0f} ms")
        for name, table in [("PAT", self.pat), ("SDT", self.sdt)] + [(f"PMT {n}", t) for n, t in self.pmt.items()]:
            wrong(table.crc_errors, f"{name}: {table.crc_errors} CRC errors")
        for number in self.programs:
            table = self.pmt.get(number)
            wrong(not table or not table.count, f"program {number}: no PMT")
            wrong(table and table.interval_max_ms > 500, f"PMT {number} after {table.interval_max_ms if table else 0:.0f} ms")
        wrong(dvb and not self.sdt.count, "no SDT")
        wrong(self.sdt.interval_max_ms > 2000, f"SDT after {self.sdt.interval_max_ms:.0f} ms")
        limit = 40 if dvb else 100
        for pid, pcr in self.pcr.items():
            wrong(pcr.interval_max_ms > limit, f"PID {pid:#06x}: PCR after {pcr.interval_max_ms:.1f} ms")
            wrong(pcr.jumps, f"PID {pid:#06x}: {pcr.jumps} PCR jumps that nothing announces")
            wrong(accuracy_ns is not None and pcr.accuracy_max_ns > accuracy_ns,
                  f"PID {pid:#06x}: PCR off by {pcr.accuracy_max_ns:.0f} ns from the line of {pcr.rate_bps:.0f} b/s")
        for number, program in self.programs.items():
            pid = program.get("pcr_pid", NOTHING)
            wrong(pid != NOTHING and pid not in self.pcr, f"program {number}: no PCR on PID {pid:#06x}")
        for pid, times in self.times.items():
            wrong(times.order_errors, f"PID {pid:#06x}: DTS goes back {times.order_errors} times")
            wrong(times.pts_before_dts, f"PID {pid:#06x}: PTS before DTS {times.pts_before_dts} times")
            wrong(times.ahead_min_ms < 0, f"PID {pid:#06x}: a unit comes {-times.ahead_min_ms:.0f} ms after its DTS")
            wrong(times.interval_max_ms > 700, f"PID {pid:#06x}: PTS after {times.interval_max_ms:.0f} ms")
        return found


def show(report):
    """What a person wants to read of it."""
    lines = [f"{report.packets} packets, {report.rate.mean_bps / 1e6:.6f} Mb/s, seconds deviate by "
             f"{report.rate.deviation_max_packets:.2f} packets, {report.rate.null_share:.1%} null"]
    tables = [("PAT", report.pat), ("SDT", report.sdt)] + [(f"PMT {n}", t) for n, t in report.pmt.items()]
    lines += [f"{name}: {t.count}, longest interval {t.interval_max_ms:.0f} ms, versions {t.versions}" for name, t in tables]
    for pid, p in report.pcr.items():
        lines.append(f"PCR {pid:#06x}: {p.count}, interval {p.interval_mean_ms:.1f} ms, longest {p.interval_max_ms:.1f} ms, off the line of "
                     f"{p.rate_bps:.1f} b/s by {p.accuracy_max_ns:.0f} ns at most, p99 {p.accuracy_p99_ns:.0f} ns, "
                     f"{p.announced} discontinuities announced, {p.jumps} not, clock {p.against_ppm:+.3f} ppm")
    for pid, t in report.times.items():
        lines.append(f"{t.kind} {pid:#06x}: {t.units} units, DTS {t.ahead_min_ms:.1f} to {t.ahead_max_ms:.1f} ms ahead of the clock")
    lines.append(f"sound and pictures at most {report.interleave_max_ms:.1f} ms apart")
    if report.arrival:
        a = report.arrival
        lines.append(f"arrival: gaps p50 {a.gap_p50_ms:.2f}, p99 {a.gap_p99_ms:.2f}, max {a.gap_max_ms:.2f} ms; off the line p50 {a.line_p50_ms:.3f}, "
                     f"p99 {a.line_p99_ms:.3f}, max {a.line_max_ms:.3f} ms; PCR p50 {a.pcr_p50_ms:.3f}, p99 {a.pcr_p99_ms:.3f}, max {a.pcr_max_ms:.3f} ms")
    return "\n".join(lines)
