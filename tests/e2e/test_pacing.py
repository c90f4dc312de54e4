"""Inputs that come in lumps leave evenly, at a constant rate where the map says so: judged by ts_check, which shares nothing with
the product, from what the network brought."""
import time

import pytest

from support import media, ts_check
from support.gateway import Gateway, waited

RATE = 3_000_000
LUMP = 0.2


def channel(number, **remux):
    return {"inputs": [f"udp://239.8.11.{number}:5000"], "push": [f"udp://239.8.12.{number}:5000"], "remux": remux}


@pytest.fixture(scope="module")
def gateway(rig):
    channels = {"pace1": channel(1, buffer="600ms", bitrate=f"{RATE // 1000}kbps"), "pace2": channel(2, buffer="600ms")}
    with Gateway(rig, channels) as made:
        yield made


def played(rig, number, seconds):
    path = media.stream("h264_aac", 20)
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
    before_it = waited(gateway.pid("fastpath"))
    path, datagrams = played(rig, 1, 12)
    starved = waited(gateway.pid("fastpath")) - before_it
    assert all(len(data) == 7 * 188 for _, data in datagrams)
    report = ts_check.check_datagrams(datagrams, rate=RATE)
    print(ts_check.show(report))
    assert report.errors(dvb=True) == []
    assert max(p.accuracy_max_ns for p in report.pcr.values()) < 38  # a tick
    assert report.rate.deviation_max_packets < 0.01
    assert abs(report.rate.mean_bps - RATE) < 1
    # In the network: as evenly as a machine that does other things lets it.
    strict = starved < 1.0
    assert report.arrival.second_max_packets < (30 if strict else 60)
    assert report.arrival.line_p99_ms < (20 if strict else 50)
    # Sound and pictures as they were.
    before = ts_check.check(path.read_bytes())
    for pid, times in before.times.items():
        assert abs(report.times[pid].ahead_min_ms - times.ahead_min_ms) < 10
        assert report.times[pid].order_errors == 0


def test_own_rate(rig, gateway):
    _, datagrams = played(rig, 2, 8)
    report = ts_check.check_datagrams(datagrams)
    print(ts_check.show(report))
    assert report.errors() == []
    assert report.arrival.gap_max_ms < LUMP * 1000 / 2
    assert report.arrival.pcr_p99_ms < 30  # a datagram gathers for so long
