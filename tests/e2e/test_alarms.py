"""What is said of processes that hang or are gone: who is blamed, and what is remembered."""
import signal
import time

from support import media
from support.air import Air, channels
from support.gateway import Gateway, wait_for


def alarms(gateway):
    return {(alarm["kind"], alarm["subject"]): alarm["message"] for alarm in gateway.json("status")["alarms"]}


def wait_alarm(gateway, kind, subject, there=True, limit=60):
    end = time.monotonic() + limit
    while ((kind, subject) in alarms(gateway)) != there:
        assert time.monotonic() < end, f"{kind} {subject} {'not raised' if there else 'not cleared'}: {alarms(gateway)}"
        time.sleep(0.2)
    return alarms(gateway).get((kind, subject))


def wait_all_ok(gateway, seconds=2, limit=60):
    """Since when each channel is, all of them for that long: {id: since}."""
    end = time.monotonic() + limit
    while True:
        found = gateway.json("status")["channels"]
        if {channel["state"] for channel in found} == {"ok"}:
            since = {channel["id"]: channel["since_unix_ns"] for channel in found}
            if time.time() - max(since.values()) / 1e9 > seconds:
                return since
        assert time.monotonic() < end, found
        time.sleep(0.2)


def test_a_stopped_fastpath_or_bridge_is_blamed_and_not_the_source(rig):
    with Gateway(rig, channels(10)) as gateway:
        air = Air(rig, gateway, 10)
        air.client.follow(2)
        for process in ("fastpath", "bridge"):
            gateway.wait_answered(process)
            old = gateway.kill(process, signal.SIGSTOP)
            wait_alarm(gateway, "process_silent", process)
            reasons = {c["id"]: (c["state"], c["reason"]) for c in gateway.json("status")["channels"]}
            print(f"{process} stopped: {reasons}")
            if process == "fastpath":
                assert all(state == "down" and "the fast path does not answer (for " in why for state, why in reasons.values()), reasons
            else:
                assert reasons["tv"][0] == "degraded" and "the bridge does not answer (for " in reasons["tv"][1], reasons
                assert reasons["relay"] == ("ok", ""), reasons
            gateway.wait_new(process, old)
            gateway.wait_ready()
            wait_alarm(gateway, "process_silent", process, there=False)
        air.finish()


def test_a_cable_that_is_pulled_is_one_alarm_until_all_is_well(rig):
    groups = [f"239.7.4.{number}" for number in (1, 2, 3)]
    with Gateway(rig, {f"c{group[-1]}": {"inputs": [f"udp://{group}:5000"], "serve": []} for group in groups}) as gateway:
        for group in groups:
            rig.wait_mdb(group, True)
            rig.send(media.stream("h264_aac", 60), group, 5000)
        wait_all_ok(gateway)

        def told():
            return gateway.json("status")["alarms"]

        rig.call("gw", "ip", "link", "set", "cap0", "down")
        root = wait_for(lambda: next((a for a in told() if a["kind"] == "link_down" and a["consequences"] == len(groups)), None))
        assert (root["subject"], root["cause"]) == ("cap0", None), root
        rig.call("gw", "ip", "link", "set", "cap0", "up")
        while alarms_now := told():
            alone = [a for a in alarms_now if a["cause"] is None and a["kind"] != "link_down"]
            assert not alone, "on its way back a channel is blamed for itself"
            time.sleep(0.3)
        over = [e["message"] for e in gateway.json("events")["events"] if e["kind"] == "alarm_over"]
        assert len(over) == 1 + len(groups), over


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
        since = wait_all_ok(gateway)
        control = gateway.kill("control")
        gateway.wait_new("control", control)
        gateway.wait_ready()
        assert wait_all_ok(gateway) == since
        assert [e for e in gateway.json("events")["events"] if e["kind"] == "adopted"][-1]["message"].endswith("media went on")
        old = {process: gateway.kill(process) for process in ("bridge", "fastpath", "control")}
        for process, pid in old.items():
            gateway.wait_new(process, pid)
        gateway.wait_ready()
        end = time.monotonic() + 60
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
