"""Inputs that come in lumps leave evenly, at a constant rate where the map says so: judged by ts_check, which shares nothing with
the product, from what the network brought."""
import time

import pytest

from support import media, ts_check
from support.gateway import Gateway, waited

RATE = 3_000_000
LUMP = 0.2
CONSTANT, OWN, WHOLE = (1, 3, 5), (2, 4, 6), (7, 8, 9)  # a channel that has played begins in another way


def channel(number, **remux):
    return {"inputs": [f"udp://239.8.11.{number}:5000"], "push": [f"udp://239.8.12.{number}:5000"], "remux": remux}


@pytest.fixture(scope="module")
def gateway(rig):
    channels = {f"pace{number}": channel(number, buffer="600ms", bitrate=f"{RATE // 1000}kbps") for number in CONSTANT + WHOLE}
    channels.update({f"pace{number}": channel(number, buffer="600ms") for number in OWN})
    with Gateway(rig, channels) as made:
        yield made


def played_awake(rig, gateway, numbers, seconds, stream="h264_aac"):
    """Played anew where the fast path waited for a CPU meanwhile: its clock is the machine's. The best of them; also how long it waited,
    and what it dropped for it."""
    tries = []
    for number in numbers:
        before, dropped = waited(gateway.pid("fastpath")), gateway.metric("headgate_drops_total")
        path, datagrams = played(rig, number, seconds, stream)
        starved, dropped = waited(gateway.pid("fastpath")) - before, gateway.metric("headgate_drops_total") - dropped
        print(f"the fast path waited {starved:.2f} s for a CPU, {dropped:.0f} packets dropped")
        tries.append((path, datagrams, starved, dropped))
        if starved < 0.5:
            break
    return min(tries, key=lambda each: (each[3] > 0, each[2]))


def played(rig, number, seconds, stream):
    path = media.stream(stream, 20)
    capture = rig.capture(f"239.8.12.{number}", 5000)
    rig.wait_mdb(f"239.8.11.{number}", True)
    rig.wait_mdb(f"239.8.12.{number}", True, port="p-snk")
    sender = rig.send(path, f"239.8.11.{number}", 5000, lump=LUMP)
    capture.wait(50)
    time.sleep(seconds)
    sender.kill()
    sender.wait()
    capture.wait_quiet()
    capture.stop()
    assert capture.kernel_drops == 0
    return path, capture.datagrams


def test_constant_rate(rig, gateway):
    path, datagrams, starved, dropped = played_awake(rig, gateway, CONSTANT, 12)
    assert all(len(data) == 7 * 188 for _, data in datagrams)
    report = ts_check.check_datagrams(datagrams, rate=RATE)
    print(ts_check.show(report))
    if starved > 1.0 and dropped:
        pytest.skip(f"without a CPU for {starved:.1f} s the fast path lost {dropped:.0f} packets, three times")
    assert report.errors(dvb=True) == []
    assert max(p.accuracy_max_ns for p in report.pcr.values()) < 38  # a tick
    assert report.rate.deviation_max_packets < 0.01
    assert abs(report.rate.mean_bps - RATE) < 1
    # In the network: as evenly as a machine that does other things lets it.
    strict = starved < 0.5
    assert report.arrival.second_max_packets < (30 if strict else 60 + 300 * starved)
    assert report.arrival.line_p99_ms < (20 if strict else 50 + 1000 * starved)
    # Sound and pictures as they were.
    before = ts_check.check(path.read_bytes())
    for pid, times in before.times.items():
        assert abs(report.times[pid].ahead_min_ms - times.ahead_min_ms) < 10
        assert report.times[pid].order_errors == 0


def test_a_whole_multiplex_at_a_constant_rate(rig, gateway):
    path, datagrams, starved, dropped = played_awake(rig, gateway, WHOLE, 12, "two_programs")
    report = ts_check.check_datagrams(datagrams, rate=RATE)
    print(ts_check.show(report))
    if starved > 1.0 and dropped:
        pytest.skip(f"without a CPU for {starved:.1f} s the fast path lost {dropped:.0f} packets, three times")
    assert report.errors(dvb=True) == []
    assert set(report.programs) == {1, 2}
    assert {program["pcr_pid"] for program in report.programs.values()} == set(report.pcr)
    assert len(report.pcr) == 2
    assert max(p.accuracy_max_ns for p in report.pcr.values()) < 38
    before = ts_check.check(path.read_bytes())
    for pid, times in before.times.items():
        assert abs(report.times[pid].ahead_min_ms - times.ahead_min_ms) < 40  # what a file of variable rate says between its PCRs
        assert report.times[pid].order_errors == 0


def test_own_rate(rig, gateway):
    _, datagrams, starved, dropped = played_awake(rig, gateway, OWN, 8)
    report = ts_check.check_datagrams(datagrams)
    print(ts_check.show(report))
    late = 0 if starved < 0.5 else 1000 * starved
    # A buffer that ran over while nobody emptied it has lost something, and counts it.
    assert report.errors() == [] or (late and dropped), (report.errors(), starved, dropped)
    assert report.arrival.gap_max_ms < LUMP * 1000 / 2 + late
    assert report.arrival.pcr_p99_ms < 30 + late  # a datagram gathers for so long
