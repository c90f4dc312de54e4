"""What `headgate probe` counts of every capture, and of copies that are cut and have flipped bits, is what an independent counter counts;
where simple counters count something else, each packet that makes the difference is known."""
import json
import random
import subprocess

import pytest

from support import continuity, media
from support.gateway import HEADGATE

SILENT = "counter without payload is another"
# What is told differently by rules that are coarser than 2.4.3.3, by packets; nothing in the other captures.
DIFFERENT = {
    "corrupt-tei-cc-scrambled.ts": {SILENT: 4},
}
# Packets that were sent more than twice: Continuity_count_error counts them, cc_errors doesn't.
AGAIN = {"duplicates-cc.ts": 302, "scte35-h264-bframes-aac-80s.ts": 332}
# Sections that simple programs put together over a gap and whose CRC is wrong then.
OVER_GAPS = {"corrupt-tei-cc-scrambled.ts": 2}
DAMAGED = ("corrupt-tei-cc-scrambled.ts", "hd-2services-eit-one-scrambled.ts")


def captures():
    folder = media.captures_folder()
    return sorted(path.name for path in folder.glob("*.ts")) if folder else ["none"]


def bytes_of(name):
    if media.captures_folder() is None:
        pytest.skip("no captures: HEADGATE_STREAMS is not set")
    return media.capture(name).read_bytes()


def probed(path):
    result = subprocess.run([HEADGATE, "probe", str(path), "--json"], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def counted(data):
    """The same figures, and the packets."""
    packets, losses, wrong = continuity.read(data)
    heads = [(packet, continuity.Head(packet)) for packet in packets]
    trusted = [(packet, head) for packet, head in heads if not packet[1] & 0x80]
    figures = {"packets": len(packets), "sync_losses": losses, "sync_byte_errors": wrong, "transport_errors": len(heads) - len(trusted),
               "null_packets": sum(head.pid == continuity.NULL_PID for _, head in trusted),
               "scrambled": sum(packet[3] & 0xC0 != 0 and head.pid != continuity.NULL_PID for packet, head in trusted),
               "discontinuity_indicators": sum(head.flagged and head.pid != continuity.NULL_PID for _, head in trusted),
               "crc_errors": continuity.crc_errors(packets), **continuity.totals(packets, continuity.Count())}
    return figures, packets


def by_pid(packets, *verdicts):
    counts = {}
    for _, head, found in continuity.judged(packets, continuity.Count()):
        if found in verdicts:
            counts[head.pid] = counts.get(head.pid, 0) + 1
    return counts


def compare(path, data):
    told = probed(path)
    figures, packets = counted(data)
    assert {name: told[name] for name in figures} == figures
    assert told["tr101290"]["continuity_count_error"] == figures["cc_errors"] + continuity.sent_again(packets)
    for member, verdicts in (("cc_errors", [continuity.ERROR]), ("duplicates", [continuity.DUPLICATE, continuity.AGAIN])):
        assert {pid["pid"]: pid[member] for pid in told["pids"] if pid[member]} == by_pid(packets, *verdicts)
    return told, packets


@pytest.mark.parametrize("name", captures())
def test_captures_count_as_an_independent_counter_counts_them(name):
    data = bytes_of(name)
    told, packets = compare(media.capture(name), data)
    assert continuity.crc_errors(packets, over_gaps=True) - told["crc_errors"] == OVER_GAPS.get(name, 0)
    different = continuity.differences(packets)
    assert different == DIFFERENT.get(name, {})
    plain = continuity.totals(packets, continuity.Plain())
    assert told["cc_errors"] == plain["cc_errors"] + sum(different.values())
    assert told["duplicates"] == plain["duplicates"]
    assert continuity.sent_again(packets) == AGAIN.get(name, 0)


def flipped(data, generator):
    """One bit in each of many places, sync bytes and headers more often than chance would have it."""
    out = bytearray(data)
    for _ in range(len(data) // 4000):
        packet = generator.randrange(len(data) // 188)
        place = packet * 188 + generator.choice([0, 1, 2, 3, 3, 4, 5, generator.randrange(188)])
        out[place] ^= 1 << generator.randrange(8)
    return bytes(out)


def cut(data, generator):
    """Bytes missing at the beginning, at the end, and in the middle: packets that begin anywhere, and packets sent again."""
    out = bytearray()
    for _ in range(12):
        begin = generator.randrange(len(data) - 20_000)
        out += data[begin:begin + generator.randrange(1000, 20_000)]
        again = begin // 188 * 188
        out += data[again:again + 188] * generator.randrange(1, 5)
    return bytes(out)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("damage", [flipped, cut])
@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_copies_count_as_an_independent_counter_counts_them(name, damage, seed, tmp_path):
    data = damage(bytes_of(name), random.Random(f"{name} {damage.__name__} {seed}"))
    path = tmp_path / "damaged.ts"
    path.write_bytes(data)
    told, packets = compare(path, data)
    assert told["cc_errors"] > 0 and len(packets) > 300
    assert told["sync_losses" if damage is cut else "sync_byte_errors"] > 10
    assert "unexplained" not in continuity.differences(packets)
