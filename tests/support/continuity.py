"""Counts of a stream's packets by rules of their own, packet by packet, for what `headgate probe` counts of damaged captures; shares
nothing with the product.

`Count` is the rule of ISO/IEC 13818-1 2.4.3.3 and TR 101 290 1.4. `Plain` is what simple programs count: they take no note of packets
without payload. `differences()` names each packet of which the
two think differently, so that what differs is known to the packet."""
from collections import Counter

from .ts_check import crc32

SIZE, SYNC, NULL_PID = 188, 0x47, 0x1FFF
LOCK = 5  # TR 101 290 5.2.1: sync bytes in a row that begin synchronisation
OK, DUPLICATE, AGAIN, ERROR = "ok", "duplicate", "again", "error"
TABLES = {0, 1, 0x10, 0x11, 0x12, 0x13, 0x14, 0x1FFB}  # PIDs of PSI and SI that no table names


def read(data):
    """(packets, sync losses, wrong sync bytes): five sync bytes in a row begin a stream of 188, 192 or 204 (at the end of the file: two);
    one that is wrong between right ones costs its packet, two in a row the synchronisation."""
    found, losses, wrong, size, at = [], 0, 0, 0, 0

    def size_at(place):
        for candidate in (188, 192, 204):
            marks = data[place:place + candidate * (LOCK - 1) + 1:candidate]
            if set(marks) == {SYNC} and (len(marks) == LOCK or (place + SIZE <= len(data) and (len(marks) > 1 or place == 0 and not found))):
                return candidate
        return 0

    while at < len(data):
        if not size:
            at = data.find(SYNC, at)
            if at < 0:
                break
            size = size_at(at)
            at += 0 if size else 1
        elif at + SIZE > len(data):
            break
        elif data[at] == SYNC:
            found.append(data[at:at + SIZE])
            at += size
        else:
            wrong += 1
            if at + size < len(data) and data[at + size] == SYNC:
                at += size
            else:
                losses, size, at = losses + 1, 0, at + 1
    return found, losses, wrong


class Head:
    __slots__ = ("pid", "control", "counter", "flagged", "pcr")

    def __init__(self, packet):
        self.pid = (packet[1] & 0x1F) << 8 | packet[2]
        self.control, self.counter = packet[3] >> 4 & 3, packet[3] & 15
        length = packet[4] if self.control & 2 else 0
        flags = packet[5] if length else 0
        self.flagged, self.pcr = bool(flags & 0x80), bool(flags & 0x10 and length >= 7)


class Count:
    """A duplicate is a repetition of a packet with payload, of the same bytes but for the PCR; AGAIN each beyond the first. The counter
    of a packet without payload is that of the packet before. The reserved adaptation_field_control 0 is discarded. `bytes_too=False`:
    whatever has the counter of the packet before passes for its repetition, as who keeps no bytes must take it."""

    def __init__(self, bytes_too=True):
        self.bytes_too = bytes_too
        self.last = {}  # PID: [counter, the latest packet with payload, how often it came]

    def judge(self, head, packet):
        if head.control == 0:
            return OK
        state = self.last.get(head.pid)
        if state is None:
            self.last[head.pid] = [head.counter, packet, 1]
            return OK
        counter, before, times = state
        payload = head.control & 1
        if payload and head.counter == counter and not head.flagged and self._same(head, packet, before):
            self.last[head.pid] = [counter, packet, times + 1]
            return DUPLICATE if times == 1 else AGAIN
        if not payload and head.counter == counter:
            return OK
        expected = counter + 1 & 15 if payload else counter
        self.last[head.pid] = [head.counter, packet if payload else before, 1]
        return OK if head.flagged or head.counter == expected else ERROR

    def _same(self, head, packet, before):
        if not self.bytes_too:
            return True
        return packet == before or head.pcr and packet[:6] == before[:6] and packet[12:] == before[12:]


class Plain:
    """Packets with payload only; bytes 6 to 11 (where a PCR would be) unlooked at."""

    def __init__(self):
        self.last = {}

    def judge(self, head, packet):
        if not head.control & 1:
            return OK
        before = self.last.get(head.pid)
        if before is not None and not head.flagged and before[0] == head.counter and packet[:6] == before[1][:6] and packet[12:] == before[1][12:]:
            return DUPLICATE
        self.last[head.pid] = (head.counter, packet)
        return OK if before is None or head.flagged or head.counter == before[0] + 1 & 15 else ERROR


def judged(packets, rule):
    """[(index, head, verdict)] of the packets whose counter says anything: not null packets, nor those with transport_error_indicator."""
    found = []
    for index, packet in enumerate(packets):
        head = Head(packet)
        if not packet[1] & 0x80 and head.pid != NULL_PID:
            found.append((index, head, rule.judge(head, packet)))
    return found


def totals(packets, rule):
    count = Counter(verdict for _, _, verdict in judged(packets, rule))
    return {"cc_errors": count[ERROR], "duplicates": count[DUPLICATE] + count[AGAIN]}


def differences(packets):
    """Counter of the kinds of packets that Count and Plain judge differently; the kind "unexplained" is a fault of one of them."""
    kinds, silent = Counter(), {}
    for (index, head, ours), (_, _, theirs) in zip(judged(packets, Count()), judged(packets, Plain())):
        payload = head.control & 1
        ours = DUPLICATE if ours == AGAIN else ours
        if ours != theirs:
            if not payload:
                kind = "counter without payload is another" if head.control == 2 and ours == ERROR else "unexplained"
            elif (ours, theirs) == (ERROR, DUPLICATE):
                kind = "other bytes where no PCR is"
            else:
                # Plain goes by the packet with payload before, Count by the one without between them.
                kind = "behind a counter without payload" if silent.get(head.pid) else "unexplained"
            kinds[kind] += 1
        if payload:
            silent[head.pid] = False
        elif head.control == 2 and (ours == ERROR or head.flagged):
            silent[head.pid] = True
    return dict(kinds)


def sent_again(packets):
    """How many packets came a third time or more."""
    return sum(verdict == AGAIN for _, _, verdict in judged(packets, Count()))


def crc_errors(packets, over_gaps=False):
    """Sections whose CRC_32 is wrong. A section behind a gap of its PID's counter is not whole and has no CRC to look at; `over_gaps`: it
    is put together from what is left all the same, as simple programs do."""
    wrong, wanted, buffers, rule = 0, set(TABLES), {}, Count()
    for packet in packets:
        head = Head(packet)
        if packet[1] & 0x80 or head.pid not in wanted:
            continue
        verdict = rule.judge(head, packet)
        payload = packet[5 + packet[4] if head.control & 2 else 4:] if head.control & 1 and not packet[3] & 0xC0 else b""
        if verdict in (DUPLICATE, AGAIN) or not payload:
            continue
        if not over_gaps and (verdict == ERROR or head.flagged):
            buffers.pop(head.pid, None)
        done = []
        if packet[1] & 0x40:
            if 1 + payload[0] > len(payload):
                buffers.pop(head.pid, None)
                continue
            if head.pid in buffers:
                done += _whole(buffers[head.pid] + payload[1:1 + payload[0]])[0]
            more, buffers[head.pid] = _whole(payload[1 + payload[0]:])
            done += more
        elif head.pid in buffers:
            more, buffers[head.pid] = _whole(buffers[head.pid] + payload)
            done += more
        for section in done:
            if section[1] & 0x80 and crc32(section):
                wrong += 1
            elif head.pid == 0 and section[0] == 0:
                wanted |= {(section[at + 2] & 0x1F) << 8 | section[at + 3] for at in range(8, len(section) - 7, 4) if section[at] or section[at + 1]}
    return wrong


def _whole(data):
    """The whole sections that data begins with, and the rest."""
    found = []
    while len(data) >= 3 and data[0] != 0xFF:
        size = 3 + ((data[1] & 0x0F) << 8 | data[2])
        if len(data) < size:
            break
        found.append(data[:size])
        data = data[size:]
    return found, data
