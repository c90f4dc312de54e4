"""What goes on when control, the launcher or all die, and is taken over by those that are started again."""
import time

from support import ts
from support.air import Air, channels
from support.gateway import Gateway


def test_control_killed_media_untouched_and_adopted(rig):
    with Gateway(rig, channels(2)) as gateway:
        air = Air(rig, gateway, 2)
        air.client.follow(2)
        pids = {process: gateway.pid(process) for process in ("fastpath", "bridge")}
        died = time.monotonic()
        old = gateway.kill("control")
        gateway.wait_new("control", old)
        while gateway.cli("status").returncode != 0:
            assert time.monotonic() - died < 60, gateway.tail()
        adopted = time.monotonic() - died
        gateway.wait_ready()
        assert {process: gateway.pid(process) for process in pids} == pids
        air.client.follow(5)
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


def test_launcher_killed_media_goes_on_and_a_new_one_adopts(rig):
    with Gateway(rig, channels(4)) as gateway:
        air = Air(rig, gateway, 4)
        air.client.follow(2)
        pids = {process: gateway.pid(process) for process in ("fastpath", "bridge", "control")}
        gateway.kill("launcher")
        air.client.follow(3)
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
        assert not any(gateway.alive(process) for process in pids), "an orderly stop left processes"


def test_everything_killed_at_once_comes_back(rig):
    with Gateway(rig, channels(6)) as gateway:
        air = Air(rig, gateway, 6)
        for process in ("launcher", "control", "bridge", "fastpath"):
            gateway.kill(process)
        before = len(air.capture.datagrams)
        start = time.monotonic()
        gateway.start()
        ready = time.monotonic() - start
        air.capture.wait(before + 20)
        air.finish()
        print(f"all killed: ready {ready:.2f} s after a new start, multicast flows again")
