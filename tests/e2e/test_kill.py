"""kill -9 of each process stops one thing only. Each case prints its figures."""
import time


from support import hls, media, ts
from support.gateway import Gateway

SECONDS = 60


class Air:
    """Two channels on the air: one to multicast, one to multicast and HLS."""

    def __init__(self, rig, gateway, number):
        self.rig, self.gateway = rig, gateway
        self.path = media.stream("h264_aac", SECONDS)
        self.other = media.stream("h264_aac_b", SECONDS)
        self.capture = rig.capture(f"239.7.2.{number}", 5000)
        rig.wait_mdb(f"239.7.1.{number}", True)
        rig.wait_mdb(f"239.7.3.{number}", True)
        rig.wait_mdb(f"239.7.2.{number}", True, port="p-snk")
        self.senders = [rig.send(self.path, f"239.7.1.{number}", 5000), rig.send(self.other, f"239.7.3.{number}", 5000)]
        self.capture.wait(10)
        self.client = hls.Client(gateway, "tv")

    def finish(self):
        """Ends the senders; True when the multicast that came is a whole piece of what was sent."""
        for sender in self.senders:
            sender.kill()
            sender.wait()
        self.capture.wait_quiet()
        self.capture.stop()
        assert self.capture.kernel_drops == 0
        got = self.capture.payload()
        return self.path.read_bytes()[:len(got)] == got


def channels(number):
    return {"relay": {"inputs": [f"udp://239.7.1.{number}:5000"], "push": [f"udp://239.7.2.{number}:5000"]},
            "tv": {"inputs": [f"udp://239.7.3.{number}:5000"], "serve": {"hls": {"segment": "2s", "window": 12}}}}


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


def test_a_stopped_process_is_killed_and_comes_back(rig):
    import signal
    with Gateway(rig, channels(7)) as gateway:
        for process in ("bridge", "control", "fastpath"):
            time.sleep(2.5)  # it has answered under this pid
            old = gateway.kill(process, signal.SIGSTOP)
            print(f"{process} stopped: runs again after {gateway.wait_new(process, old, limit=30):.1f} s")
            gateway.wait_ready()
        end = time.monotonic() + 5
        while True:
            kinds = [(event["kind"], event["subject"]) for event in gateway.json("events")["events"]]
            if all(("process_hung", process) in kinds for process in ("bridge", "control", "fastpath")):
                break
            assert time.monotonic() < end, kinds
            time.sleep(0.2)
        assert ("adopted", "control") in kinds, kinds
        assert ("process_restarted", "control") in kinds, kinds


def test_what_hung_before_its_watcher_started_is_killed_too(rig):
    """The watcher never had an answer of it: control of the media processes, the launcher of control."""
    import signal
    with Gateway(rig, channels(9)) as gateway:
        for process in ("fastpath", "bridge"):
            old = gateway.kill(process, signal.SIGSTOP)
            control = gateway.kill("control")
            gateway.wait_new("control", control)
            print(f"{process} stopped, control killed: {process} runs again after "
                  f"{gateway.wait_new(process, old, limit=40):.1f} s")
            gateway.wait_ready()
        old = gateway.kill("control", signal.SIGSTOP)
        gateway.kill("launcher")
        gateway.start(ready=False)
        print(f"control stopped, launcher killed: control runs again after {gateway.wait_new('control', old, limit=40):.1f} s")
        gateway.wait_ready()


def alarms(gateway):
    return {(alarm["kind"], alarm["subject"]): alarm["message"] for alarm in gateway.json("status")["alarms"]}


def wait_alarm(gateway, kind, subject, there=True, limit=12):
    end = time.monotonic() + limit
    while ((kind, subject) in alarms(gateway)) != there:
        assert time.monotonic() < end, f"{kind} {subject} {'not raised' if there else 'not cleared'}: {alarms(gateway)}"
        time.sleep(0.2)
    return alarms(gateway).get((kind, subject))


def test_a_stopped_fastpath_or_bridge_is_blamed_and_not_the_source(rig):
    import signal
    with Gateway(rig, channels(10)) as gateway:
        air = Air(rig, gateway, 10)
        air.client.follow(2, 20)
        for process in ("fastpath", "bridge"):
            time.sleep(1.5)
            old = gateway.kill(process, signal.SIGSTOP)
            wait_alarm(gateway, "process_silent", process)
            reasons = {c["id"]: (c["state"], c["reason"]) for c in gateway.json("status")["channels"]}
            print(f"{process} stopped: {reasons}")
            if process == "fastpath":
                assert all(state == "down" and "the fast path does not answer (for " in why for state, why in reasons.values()), reasons
            else:
                assert reasons["tv"][0] == "degraded" and "the bridge does not answer (for " in reasons["tv"][1], reasons
                assert reasons["relay"] == ("ok", ""), reasons
            gateway.wait_new(process, old, limit=20)
            gateway.wait_ready()
            wait_alarm(gateway, "process_silent", process, there=False)
        air.finish()


def test_a_dead_launcher_is_an_alarm_until_it_is_back(rig):
    with Gateway(rig, channels(11)) as gateway:
        gateway.kill("launcher")
        message = wait_alarm(gateway, "launcher_lost", "launcher")
        assert message == "not running: nothing restarts a process that dies; start `headgate run` again"
        gateway.start(ready=True)
        wait_alarm(gateway, "launcher_lost", "launcher", there=False)
        kinds = [(event["kind"], event["subject"]) for event in gateway.json("events")["events"]]
        assert kinds.count(("launcher_lost", "launcher")) == 1 and ("launcher_back", "launcher") in kinds, kinds


def test_what_died_with_control_is_told_and_since_is_kept(rig):
    with Gateway(rig, channels(12)) as gateway:
        air = Air(rig, gateway, 12)
        time.sleep(4)
        since = {c["id"]: c["since_unix_ns"] for c in gateway.json("status")["channels"]}
        control = gateway.kill("control")
        gateway.wait_new("control", control)
        gateway.wait_ready()
        time.sleep(1.5)
        assert {c["id"]: c["since_unix_ns"] for c in gateway.json("status")["channels"]} == since
        assert [e for e in gateway.json("events")["events"] if e["kind"] == "adopted"][-1]["message"].endswith("media went on")
        old = {process: gateway.kill(process) for process in ("bridge", "fastpath", "control")}
        for process, pid in old.items():
            gateway.wait_new(process, pid)
        gateway.wait_ready()
        end = time.monotonic() + 8
        while True:
            events = gateway.json("events")["events"]
            died = {e["subject"] for e in events if e["kind"] == "process_died"}
            if died == set(old):
                break
            assert time.monotonic() < end, events
            time.sleep(0.2)
        adopted = [e["message"] for e in events if e["kind"] == "adopted"][-1]
        print(adopted)
        assert "fastpath" in adopted and "bridge" in adopted and "media went on" not in adopted, adopted
        air.finish()


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
