"""The clock of a recorded transport stream: its PCRs unrolled, how far they lie off the line, and when each packet is due."""
from .ts_report import Pcr

PACKET = 188
HZ = 27_000_000
PCR_CYCLE = 300 << 33


def percentile(values, share):
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def line(xs, ys):
    """Slope and the points' distances from the best line; exact enough: centred first."""
    n = len(xs)
    if n < 2:
        return 0.0, [0.0] * n
    x0, y0 = xs[0], ys[0]
    dx, dy = [x - x0 for x in xs], [y - y0 for y in ys]
    mx, my = sum(dx) / n, sum(dy) / n
    below = sum((x - mx) ** 2 for x in dx)
    slope = sum((x - mx) * (y - my) for x, y in zip(dx, dy)) / below if below else 0.0
    return slope, [(y - my) - slope * (x - mx) for x, y in zip(dx, dy)]


def centred(residuals):
    """Distances from the middle between the two outermost ones: what peak to peak means for a limit of plus-minus."""
    middle = (max(residuals) + min(residuals)) / 2
    return [abs(r - middle) for r in residuals]


class Clock:
    """PCRs of one PID unrolled, in stretches between discontinuities."""

    def __init__(self):
        self.stretches = []  # [[(packet index, ticks)]]
        self.last = None
        self.info = Pcr()

    def take(self, pcr, announced, index):
        self.info.count += 1
        self.info.announced += announced
        step = None if self.last is None else (pcr - self.last) % PCR_CYCLE
        jump = step is not None and not announced and (step > HZ)
        self.info.jumps += jump
        self.last = pcr
        if step is None or announced or jump:
            self.stretches.append([(index, pcr)])
            return
        stretch = self.stretches[-1]
        stretch.append((index, stretch[-1][1] + step))
        self.info.interval_max_ms = max(self.info.interval_max_ms, step / 27_000)

    def finish(self, rate=None):
        """PCR_AC, stretch by stretch; the PCR stands for the byte that holds the last bit of its base (2.4.2.2)."""
        worst, slopes = [], []
        spans = [s[-1][1] - s[0][1] for s in self.stretches if len(s) > 1]
        intervals = sum(len(s) - 1 for s in self.stretches)
        self.info.interval_mean_ms = sum(spans) / intervals / 27_000 if intervals else 0.0
        for stretch in self.stretches:
            if len(stretch) < 3:
                continue
            places = [index * PACKET + 10 for index, _ in stretch]
            if rate:
                slope = 8 * HZ / rate
                first_place, first = places[0], stretch[0][1]
                residuals = [(t - first) - (x - first_place) * slope for x, (_, t) in zip(places, stretch)]
            else:
                slope, residuals = line(places, [t for _, t in stretch])
            worst += centred(residuals)
            slopes.append((stretch[-1][1] - stretch[0][1], slope))
        if worst:
            self.info.accuracy_max_ns = max(worst) * 1000 / 27
            self.info.accuracy_p99_ns = percentile(worst, 0.99) * 1000 / 27
            slope = max(slopes)[1]
            self.info.rate_bps = 8 * HZ / slope if slope else 0.0
        return self.info


class Timeline:
    """Ticks since the first PCR for each packet index: straight between two PCRs, on at the last pace where it jumps."""

    def __init__(self, stretches):
        self.knots = []  # (index, ticks on the timeline, raw ticks)
        self.pace = 0.0
        for stretch in stretches:
            for i, (index, ticks) in enumerate(stretch):
                if not self.knots:
                    self.knots.append((index, 0.0, ticks))
                    continue
                last_index, last, last_raw = self.knots[-1]
                elapsed = ticks - last_raw if i else (index - last_index) * self.pace
                if i and index > last_index:
                    self.pace = elapsed / (index - last_index)
                self.knots.append((index, last + elapsed, ticks))
        self._at = 0

    def _knot(self, index):
        if self._at >= len(self.knots) or self.knots[self._at][0] > index:
            self._at = 0
        while self._at + 1 < len(self.knots) and self.knots[self._at + 1][0] <= index:
            self._at += 1
        return self._at

    def _offset(self, k, index):
        """Ticks from knot k to the packet."""
        pace = self.pace
        if k + 1 < len(self.knots):
            pace = (self.knots[k + 1][1] - self.knots[k][1]) / (self.knots[k + 1][0] - self.knots[k][0])
        return (index - self.knots[k][0]) * pace

    def at(self, index):
        """Ticks since the first PCR; None without clock."""
        if len(self.knots) < 2:
            return None
        k = self._knot(index)
        return self.knots[k][1] + self._offset(k, index)

    def pcr_at(self, index):
        """What a PCR would say here (not unrolled over jumps)."""
        if len(self.knots) < 2:
            return None
        k = self._knot(index)
        return self.knots[k][2] + self._offset(k, index)
