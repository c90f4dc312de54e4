"""The transcode process under the launcher and control: killed, stopped, adopted; nobody waits for it."""
import signal
import time

from support.gateway import Gateway, wait_for

CHANNELS = {"tv": {"inputs": ["udp://239.10.1.9:5000"], "serve": ["hls"]}}


def shown(gateway):
    return next(entry for entry in gateway.json("status")["processes"] if entry["name"] == "transcode")


def alarms(gateway):
    return {(alarm["kind"], alarm["subject"]): alarm["severity"] for alarm in gateway.json("status")["alarms"]}


def test_it_is_started_again_adopted_and_stopped_like_the_others(rig):
    with Gateway(rig, CHANNELS) as gateway:
        gateway.wait_answered("transcode")
        wait_for(lambda: shown(gateway)["generation"] == gateway.json("status")["processes"][0]["generation"])
        bridge = gateway.pid("bridge")
        old = gateway.kill("transcode")
        took = gateway.wait_new("transcode", old)
        assert gateway.admin("/readyz").status == 200
        gateway.wait_answered("transcode")
        print(f"transcode killed: back after {took:.2f} s")
        assert took < 2 and gateway.pid("bridge") == bridge
        assert shown(gateway)["deaths"] == 1
        assert gateway.metric("headgate_process_up", process="transcode") == 1
        running = gateway.pid("transcode")
        gateway.kill("launcher")
        gateway.start()
        # Before that it has no handler for the signal that stops it.
        wait_for(lambda: f"adopted transcode, pid {running}" in gateway.log.read_text())
        gateway.wait_answered("transcode")
        assert gateway.pid("transcode") == running, "not adopted"
        assert gateway.stop() == 0
        assert not gateway.alive("transcode"), "an orderly stop left it"


def test_nobody_waits_for_it_and_hung_it_is_replaced(rig):
    with Gateway(rig, CHANNELS) as gateway:
        gateway.wait_answered("transcode")
        old = gateway.kill("transcode", signal.SIGSTOP)
        began = time.monotonic()
        gateway.apply({**CHANNELS, "two": {"inputs": ["udp://239.10.1.10:5000"], "serve": ["hls"]}})
        assert time.monotonic() - began < 8, "apply waited for it"
        gateway.wait_ready(limit=8)
        wait_for(lambda: alarms(gateway).get(("transcode_silent", "transcode")) == "warning", limit=20)
        took = gateway.wait_new("transcode", old, limit=30)
        print(f"transcode stopped: replaced after {took + time.monotonic() - began:.1f} s")
        wait_for(lambda: ("transcode_silent", "transcode") not in alarms(gateway), limit=20)
        wait_for(lambda: shown(gateway)["generation"] == next(
            entry["generation"] for entry in gateway.json("status")["processes"] if entry["name"] == "bridge"))
        assert any(event["kind"] == "process_hung" and event["subject"] == "transcode" for event in gateway.json("events")["events"])
