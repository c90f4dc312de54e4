"""Access units of a file in the T-STD's main buffers (ISO/IEC 13818-1 2.4.2), for streams whose PES packets hold one each: knows nothing of the product,
counts whole packets and no transport or multiplexing buffer."""
import bisect


def packets(path):
    data = path.read_bytes()
    return [data[at:at + 188] for at in range(0, len(data) - 187, 188)]


def pid_of(packet):
    return (packet[1] & 0x1F) << 8 | packet[2]


def stamp(field):
    return ((field[0] >> 1 & 7) << 30 | field[1] << 22 | field[2] >> 1 << 15 | field[3] << 7 | field[4] >> 1) * 300


class Oracle:
    def __init__(self, path, pid, pcr_pid):
        self.pcrs = []  # (byte, ticks)
        sizes, self.units = [], []  # (byte of the packet, bytes of the elementary stream), (number in sizes, DTS)
        for number, packet in enumerate(packets(path)):
            length = packet[4] if packet[3] & 0x20 else -1
            if pid_of(packet) == pcr_pid and length >= 7 and packet[5] & 0x10:
                base = packet[6] << 25 | packet[7] << 17 | packet[8] << 9 | packet[9] << 1 | packet[10] >> 7
                self.pcrs.append((number * 188 + 10, base * 300 + ((packet[10] & 1) << 8 | packet[11])))
            if pid_of(packet) != pid or not packet[3] & 0x10:
                continue
            payload, header = packet[5 + length:], 0
            if packet[1] & 0x40:
                has_dts = payload[7] & 0xC0 == 0xC0
                header = 9 + payload[8]
                if payload[7] & 0x80:
                    self.units.append((len(sizes), stamp(payload[14:] if has_dts else payload[9:])))
            sizes.append((number * 188, len(payload) - header))
        self.first = [self.time(at) for at, _ in sizes]
        self.last = [self.time(at + 187) for at, _ in sizes]
        self.before = [0]
        for _, size in sizes:
            self.before.append(self.before[-1] + size)

    def time(self, byte):
        after = bisect.bisect_left(self.pcrs, (byte,))
        if after in (0, len(self.pcrs)):
            return None
        (from_byte, from_tick), (to_byte, to_tick) = self.pcrs[after - 1:after + 1]
        return from_tick + (byte - from_byte) * (to_tick - from_tick) / (to_byte - from_byte)

    def judge(self):
        """(longest stay in ms, highest fill in bytes, units that came late) of the units whose times come before the last PCR."""
        stay, fill, late = 0, 0, 0
        arrivals = [-1 if time is None and number < len(self.last) / 2 else float("inf") if time is None else time for number, time in enumerate(self.last)]
        for (begin, dts), (end, _) in zip(self.units, self.units[1:]):
            if self.first[begin] is None or dts > self.pcrs[-1][1]:
                continue
            stay = max(stay, (dts - self.first[begin]) / 27000)
            fill = max(fill, self.before[bisect.bisect_right(arrivals, dts)] - self.before[begin])
            late += arrivals[end - 1] > dts
        return stay, fill, late
