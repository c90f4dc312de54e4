"""The transcode process under the launcher and control: killed, stopped, adopted; nobody waits for it."""
import os
import shutil
import signal
import time

from support import media
from support.gateway import HEADGATE, Gateway, wait_for

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


def sound_job(gateway):
    return next((job for job in gateway.process_status("transcode")["jobs"] if job["name"] == "sound.tv"), None)


def test_an_input_in_quarantine_stays_there_when_the_process_is_killed(rig):
    with Gateway(rig, CHANNELS) as gateway:
        rig.wait_mdb("239.10.1.9", True)
        sender = rig.send(media.looped(media.stream("flash_mp2", 20), 150), "239.10.1.9", 5000)
        gateway.wait_answered("transcode")
        for deaths in range(3):
            pid = wait_for(lambda: (job := sound_job(gateway)) and job["pid"])
            os.kill(pid, signal.SIGSEGV)  # what a decoder does that its input breaks
            wait_for(lambda: sound_job(gateway)["deaths"]["crashed"] == deaths + 1)
        wait_for(lambda: alarms(gateway).get(("transcode_quarantined", "sound.tv")) == "critical")
        old = gateway.kill("transcode")
        gateway.wait_new("transcode", old)
        gateway.wait_answered("transcode")
        job = wait_for(lambda: sound_job(gateway))
        assert (job["state"], job["pid"], job["last_error"]) == ("quarantined", 0, "killed by SIGSEGV")
        assert alarms(gateway)[("transcode_quarantined", "sound.tv")] == "critical"
        # What changes is another job.
        gateway.apply({"tv": {**CHANNELS["tv"], "audio": {"transcode": "never"}, "watch": {"sound": "never"}}})
        wait_for(lambda: sound_job(gateway) is None)
        gateway.apply(CHANNELS)
        wait_for(lambda: (job := sound_job(gateway)) and job["state"] == "running")
        wait_for(lambda: ("transcode_quarantined", "sound.tv") not in alarms(gateway))
    sender.kill()  # the next test has this group for itself
    sender.wait()


def test_a_gateway_without_it_says_what_is_missing_and_carries_the_rest(rig, tmp_path):
    for path in HEADGATE.parent.glob("headgate*"):
        if path.name in ("headgate", "headgate-control", "headgate-fastpath", "headgate-bridge"):
            shutil.copy2(path, tmp_path / path.name)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # the bridge is another user
    with Gateway(rig, {"plain": {"inputs": ["udp://239.10.1.9:5000"], "push": ["udp://239.10.2.9:5000"]}},
                 program=tmp_path / "headgate") as gateway:
        assert "headgate-transcode is neither beside this program" in gateway.log.read_text()
        assert "transcode_missing" not in {kind for kind, _ in alarms(gateway)}, "nothing needs it"
        gateway.apply(CHANNELS)
        wait_for(lambda: alarms(gateway).get(("transcode_missing", "transcode")) == "warning")
        told = next(alarm for alarm in gateway.json("status")["alarms"] if alarm["kind"] == "transcode_missing")["message"]
        assert "no AAC" in told and "no thumbnails" in told and "Install it" in told, told
        rig.wait_mdb("239.10.1.9", True)
        rig.send(media.looped(media.stream("flash_mp2", 20), 150), "239.10.1.9", 5000)
        offer = wait_for(lambda: (got := gateway.http("/tv/index.m3u8")).status == 200 and got.body.decode())
        assert "mp4a.40.33" in offer and "mp4a.40.2\"" not in offer, offer
        assert all("twin" not in track for track in gateway.process_status("bridge")["channels"]["tv"]["sound"]["tracks"]), "nobody waits for AAC"
        status = gateway.cli("status")
        assert status.returncode == 0
        gateway.apply({"plain": {"inputs": ["udp://239.10.1.9:5000"], "push": ["udp://239.10.2.9:5000"]}})
        wait_for(lambda: "transcode_missing" not in {kind for kind, _ in alarms(gateway)})
