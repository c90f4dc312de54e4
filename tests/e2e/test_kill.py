"""kill -9 of each process stops one thing only, and for how long. Each case prints its figures. What is adopted: test_adopt.py."""
import time

import pytest

from support.air import Air, channels
from support.gateway import Gateway, pressure, waited


@pytest.fixture(scope="module")
def on_air(rig):
    with Gateway(rig, channels(1)) as gateway:
        air = Air(rig, gateway, 1)
        air.client.follow(4)
        yield gateway, air
        air.finish()


def test_bridge_killed_multicast_untouched_and_hls_back(on_air):
    gateway, air = on_air
    before = dict(air.client.segments)
    listed = air.client.media()
    fastpath = gateway.pid("fastpath")
    died, busy = time.monotonic(), pressure()
    old = gateway.kill("bridge")
    while True:
        try:
            playlist = air.client.media()
            break
        except (OSError, AssertionError):
            assert time.monotonic() - died < 60, f"HLS is not back\n{gateway.tail()}"
            time.sleep(0.01)
    back, busy = time.monotonic() - died, pressure() - busy
    gateway.wait_new("bridge", old)
    assert playlist.sequence >= listed.sequence, "numbers went back"
    kept = 0
    for number, _duration, url, gap, _ in playlist.segments:
        if number in before and not gap and not before[number][2]:
            assert gateway.http(url).body == before[number][1], f"segment {number} changed"
            kept += 1
    assert kept >= 3
    air.client.segments = dict(before)
    newest = max(before)
    end = time.monotonic() + 60
    while max(air.client.segments) < newest + 4 and time.monotonic() < end:
        air.client.poll()
        time.sleep(0.1)
    numbers = sorted(air.client.segments)
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), f"numbers skip: {numbers}"
    assert numbers[-1] >= newest + 4
    gaps = [n for n in numbers if air.client.segments[n][2]]
    assert 1 <= len(gaps) <= 2, f"gaps {gaps}"
    assert gateway.pid("fastpath") == fastpath
    whole = air.whole()
    print(f"bridge killed: HLS answers after {back:.2f} s, {kept} finished segments kept, gap at {gaps}, "
          f"{len(air.capture.datagrams)} datagrams relayed, longest gap {air.capture.longest_gap() * 1000:.0f} ms")
    assert whole, "multicast was touched"
    assert back - busy < 2.0


def test_fastpath_killed_first_packet_within_a_second(on_air):
    gateway, air = on_air
    bridge = gateway.pid("bridge")
    air.client.poll()
    newest = max(air.client.segments)
    before = len(air.capture.datagrams)
    died = time.time()
    old = gateway.kill("fastpath")
    end = time.monotonic() + 60
    while not [t for t, _ in air.capture.datagrams[before:] if t > died + 0.02]:
        assert time.monotonic() < end, f"no packet\n{gateway.tail()}"
        time.sleep(0.005)
    first = next(t for t, _ in air.capture.datagrams[before:] if t > died + 0.02) - died
    gateway.wait_new("fastpath", old)
    starved = waited(gateway.pid("fastpath"), main_thread=True)  # other programs' doing, nearly all of it at the start
    assert gateway.pid("bridge") == bridge
    end = time.monotonic() + 60
    while max(air.client.segments) < newest + 4 and time.monotonic() < end:
        air.client.poll()
        time.sleep(0.1)
    numbers = sorted(air.client.segments)
    assert numbers == list(range(numbers[0], numbers[-1] + 1)) and numbers[-1] >= newest + 4, numbers
    marked = [n for n in numbers if n >= newest and air.client.segments[n][3]]
    gaps = [n for n in numbers if n >= newest and air.client.segments[n][2]]
    print(f"fast path killed: first packet out after {first:.2f} s, {starved:.2f} s without a CPU, HLS goes on: discontinuity at {marked}, gap at {gaps}")
    assert marked or gaps, "the loss is marked nowhere"
    assert first - starved < 1.0


def test_crash_loop_backs_off_and_raises_an_alarm(rig):
    with Gateway(rig, channels(5)) as gateway:
        waits, busy = [], pressure()
        for _ in range(6):
            old = gateway.kill("bridge")
            waits.append(gateway.wait_new("bridge", old))
            busy = busy if len(waits) > 1 else pressure() - busy
        print("crash loop: restarts after " + ", ".join(f"{w:.2f}" for w in waits) + " s")
        assert waits[0] - busy < 1.0
        assert waits[-1] > 3 * waits[0] and waits[-1] > 0.5, "no back-off"
        end = time.monotonic() + 60
        while ("crash_loop", "bridge") not in (told := [(alarm["kind"], alarm["subject"]) for alarm in gateway.json("status")["alarms"]]):
            assert time.monotonic() < end, f"{told}; {gateway.json('events')}"
            time.sleep(0.1)
        assert gateway.alive("fastpath")


def test_status_tells_a_death_at_once(rig):
    """Not when control looks again, which is once a second."""
    with Gateway(rig, channels(8)) as gateway:
        for process in ("bridge", "fastpath"):
            gateway.wait_answered(process)
            old = gateway.kill(process)
            gateway.wait_new(process, old)
            begin, busy = time.monotonic(), pressure()
            while (shown := next(p for p in gateway.json("status")["processes"] if p["name"] == process))["pid"] in (0, old):
                assert time.monotonic() - begin < 60, shown
            took = time.monotonic() - begin
            print(f"{process}: told {took:.2f} s after it was back")
            assert shown["deaths"] == 1 and took - (pressure() - busy) < 0.5, shown
