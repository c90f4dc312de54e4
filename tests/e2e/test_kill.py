"""kill -9 of each process stops one thing only. Each case prints its figures."""
import time

from support import ts
from support.air import Air, channels
from support.gateway import Gateway


def test_bridge_killed_multicast_untouched_and_hls_back(rig):
    with Gateway(rig, channels(1)) as gateway:
        air = Air(rig, gateway, 1)
        air.client.follow(4, 25)
        before = dict(air.client.segments)
        listed = air.client.media()
        fastpath = gateway.pid("fastpath")
        died = time.monotonic()
        old = gateway.kill("bridge")
        while True:
            try:
                playlist = air.client.media()
                break
            except (OSError, AssertionError):
                assert time.monotonic() - died < 5, f"HLS is not back\n{gateway.tail()}"
                time.sleep(0.01)
        back = time.monotonic() - died
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
        end = time.monotonic() + 14
        while max(air.client.segments) < newest + 4 and time.monotonic() < end:
            air.client.poll()
            time.sleep(0.1)
        numbers = sorted(air.client.segments)
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), f"numbers skip: {numbers}"
        assert numbers[-1] >= newest + 4
        gaps = [n for n in numbers if air.client.segments[n][2]]
        assert 1 <= len(gaps) <= 2, f"gaps {gaps}"
        assert gateway.pid("fastpath") == fastpath
        whole = air.finish()
        print(f"bridge killed: HLS answers after {back:.2f} s, {kept} finished segments kept, gap at {gaps}, "
              f"{len(air.capture.datagrams)} datagrams relayed, longest gap {air.capture.longest_gap() * 1000:.0f} ms")
        assert whole, "multicast was touched"
        assert back < 2.0


def test_control_killed_media_untouched_and_adopted(rig):
    with Gateway(rig, channels(2)) as gateway:
        air = Air(rig, gateway, 2)
        air.client.follow(2, 20)
        pids = {process: gateway.pid(process) for process in ("fastpath", "bridge")}
        died = time.monotonic()
        old = gateway.kill("control")
        gateway.wait_new("control", old)
        while gateway.cli("status").returncode != 0:
            assert time.monotonic() - died < 10, gateway.tail()
        adopted = time.monotonic() - died
        gateway.wait_ready()
        assert {process: gateway.pid(process) for process in pids} == pids
        air.client.follow(5, 20)
        assert not any(s[2] for s in air.client.segments.values())
        rig.wait_mdb("239.7.1.2", True)
        # It commands again: an edit goes through, and rests on what runs.
        edited = channels(2)
        edited["more"] = {"inputs": ["udp://239.7.4.2:5000"], "serve": ["hls"]}
        gateway.apply(edited)
        rig.wait_mdb("239.7.4.2", True)
        assert {process: gateway.pid(process) for process in pids} == pids
        whole = air.finish()
        scan = ts.Scan(air.client.joined())
        print(f"control killed: status answers after {adopted:.2f} s, {len(air.capture.datagrams)} datagrams relayed, "
              f"longest gap {air.capture.longest_gap() * 1000:.0f} ms, HLS {len(air.client.segments)} segments, "
              f"{scan.total_cc_errors} continuity errors")
        assert whole and scan.total_cc_errors == 0


def test_fastpath_killed_first_packet_within_a_second(rig):
    with Gateway(rig, channels(3)) as gateway:
        air = Air(rig, gateway, 3)
        air.client.follow(3, 20)
        bridge = gateway.pid("bridge")
        newest = max(air.client.segments)
        before = len(air.capture.datagrams)
        died = time.time()
        old = gateway.kill("fastpath")
        end = time.monotonic() + 5
        while not [t for t, _ in air.capture.datagrams[before:] if t > died + 0.02]:
            assert time.monotonic() < end, f"no packet\n{gateway.tail()}"
            time.sleep(0.005)
        first = next(t for t, _ in air.capture.datagrams[before:] if t > died + 0.02) - died
        gateway.wait_new("fastpath", old)
        assert gateway.pid("bridge") == bridge
        end = time.monotonic() + 16
        while max(air.client.segments) < newest + 4 and time.monotonic() < end:
            air.client.poll()
            time.sleep(0.1)
        numbers = sorted(air.client.segments)
        assert numbers == list(range(numbers[0], numbers[-1] + 1)) and numbers[-1] >= newest + 4, numbers
        marked = [n for n in numbers if air.client.segments[n][3]]
        gaps = [n for n in numbers if air.client.segments[n][2]]
        air.finish()
        print(f"fast path killed: first packet out after {first:.2f} s, HLS goes on: discontinuity at {marked}, gap at {gaps}")
        assert marked or gaps, "the loss is marked nowhere"
        assert first < 1.0


def test_launcher_killed_media_goes_on_and_a_new_one_adopts(rig):
    with Gateway(rig, channels(4)) as gateway:
        air = Air(rig, gateway, 4)
        air.client.follow(2, 20)
        pids = {process: gateway.pid(process) for process in ("fastpath", "bridge", "control")}
        gateway.kill("launcher")
        air.client.follow(3, 10)
        assert all(gateway.alive(process) for process in pids)
        gateway.start(ready=True)
        assert {process: gateway.pid(process) for process in pids} == pids, "a process was started again"
        # The new launcher watches what it did not start.
        old = gateway.kill("bridge")
        back = gateway.wait_new("bridge", old)
        whole = air.finish()
        print(f"launcher killed: adopted by the next one, which restarts a bridge it did not start in {back:.2f} s"
              f"; {len(air.capture.datagrams)} datagrams relayed")
        assert whole
        assert gateway.stop() == 0
        time.sleep(0.2)
        assert not any(gateway.alive(process) for process in pids), "an orderly stop left processes"


def test_crash_loop_backs_off_and_raises_an_alarm(rig):
    with Gateway(rig, channels(5)) as gateway:
        waits = []
        for _ in range(6):
            old = gateway.kill("bridge")
            waits.append(gateway.wait_new("bridge", old, limit=20))
        print("crash loop: restarts after " + ", ".join(f"{w:.2f}" for w in waits) + " s")
        assert waits[0] < 1.0
        assert waits[-1] > 3 * waits[0] and waits[-1] > 0.5, "no back-off"
        events = gateway.cli("events").stdout
        assert "crash" in events or "restart" in events or "bridge" in events, events
        assert gateway.alive("fastpath")


def test_status_tells_a_death_at_once(rig):
    with Gateway(rig, channels(8)) as gateway:
        time.sleep(1.5)
        old = gateway.kill("bridge")
        time.sleep(0.25)
        bridge = [p for p in gateway.json("status")["processes"] if p["name"] == "bridge"][0]
        assert bridge["pid"] != old and bridge["deaths"] == 1, bridge


def test_everything_killed_at_once_comes_back(rig):
    with Gateway(rig, channels(6)) as gateway:
        air = Air(rig, gateway, 6)
        for process in ("launcher", "control", "bridge", "fastpath"):
            gateway.kill(process)
        before = len(air.capture.datagrams)
        start = time.monotonic()
        gateway.start()
        ready = time.monotonic() - start
        air.capture.wait(before + 20, 5)
        air.finish()
        print(f"all killed: ready {ready:.2f} s after a new start, multicast flows again")
