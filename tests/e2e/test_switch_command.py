"""Inputs that the operator forces, over all that control goes through, and the secrets of inputs and pushes in the map."""
import os
import re

import pytest

from support.gateway import Gateway, wait_for

SECRETS = {"srt": "of-the-far-end-0", "encoder": "key-of-the-encoder", "far": "key-of-the-far-server"}
IN_URL = "pass-in-the-url"


def news(*inputs, **more):
    return {"news": {"inputs": list(inputs), "serve": [], **more}}


PRIMARY, BACKUP, LAST = "udp://239.22.1.1:5000", "udp://239.22.1.2:5000", "udp://239.22.1.3:5000"


@pytest.fixture
def gateway(rig):
    with Gateway(rig, news(PRIMARY, BACKUP)) as made:
        yield made


def forced(gateway):
    return gateway.json("status", "news")["forced"]


def apply(gateway, channels):
    gateway.write(channels)
    result = gateway.cli("apply")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_forced_input_outlives_applies_and_control_and_goes_with_the_input(gateway):
    said = gateway.cli("switch", "news", "2")
    assert said.returncode == 0 and "input 2 forced" in said.stdout, said.stdout + said.stderr
    wait_for(lambda: forced(gateway) == 2)
    assert gateway.json("switch", "news", "2") == {"ok": True, "channel": "news", "input": 2, "changed": False}
    apply(gateway, news(PRIMARY, BACKUP, name="News HD"))
    assert forced(gateway) == 2
    dead = gateway.pid("control")
    gateway.kill("control")
    gateway.wait_new("control", dead)
    wait_for(lambda: gateway.cli("status").returncode == 0)
    assert forced(gateway) == 2
    apply(gateway, news(PRIMARY, LAST, BACKUP))
    wait_for(lambda: forced(gateway) == 3)
    apply(gateway, news(PRIMARY, LAST))
    wait_for(lambda: forced(gateway) is None)
    said = [event["message"] for event in gateway.json("events")["events"] if event["kind"] == "switch"]
    assert len(said) == 2 and said[0].startswith("input 2 forced by ") and "not in the map any more" in said[1], said


def test_auto_ends_it_and_both_processes_stay_on_one_generation(gateway):
    before = gateway.json("status")["map"]["generation"]
    pids = [gateway.pid(name) for name in ("fastpath", "bridge")]
    assert gateway.json("switch", "news", "1")["changed"] is True
    assert gateway.json("switch", "news", "auto") == {"ok": True, "channel": "news", "input": "auto", "changed": True}
    wait_for(lambda: gateway.json("status")["ready"])
    status = gateway.json("status")
    assert status["map"]["generation"] == before + 2
    assert {p["generation"] for p in status["processes"] if p["name"] != "transcode"} == {before + 2}, status["processes"]
    assert [gateway.pid(name) for name in ("fastpath", "bridge")] == pids


@pytest.mark.parametrize("words, why", [(("news", "3"), "its inputs are 1 to 2"), (("newz", "1"), "no channel newz")])
def test_what_is_not_there_can_not_be_forced(gateway, words, why):
    refused = gateway.cli("switch", *words)
    assert refused.returncode == 1 and why in refused.stderr, refused.stderr
    assert forced(gateway) is None


def test_one_input_alone_and_a_disabled_channel_have_nothing_to_switch(gateway):
    apply(gateway, {**news(PRIMARY), "off": {"enabled": False, "inputs": [BACKUP, LAST]}})
    for words, why in ((("news", "1"), "has one input"), (("news", "auto"), "has one input"), (("off", "1"), "disabled")):
        refused = gateway.cli("switch", *words)
        assert refused.returncode == 1 and why in refused.stderr, refused.stderr


@pytest.fixture
def secretive(rig):
    made = Gateway(rig, {"a": {
        "inputs": [{"publish": {"key_file": "keys/encoder"}}, {"url": "srt://127.0.0.1:9", "passphrase_file": "keys/srt"},
                   f"http://user:{IN_URL}@127.0.0.1:9/live.m3u8?token={IN_URL}"],
        "serve": [], "push": [{"url": "rtmp://127.0.0.1:9/app", "key_file": "keys/far"}]}})
    (made.folder / "keys").mkdir(mode=0o700)
    for name, secret in SECRETS.items():
        (made.folder / "keys" / name).write_text(secret + "\n")
        (made.folder / "keys" / name).chmod(0o640)
    made.node["servers"]["rtmp"] = {"listen": f"127.0.0.1:{made._free_port()}"}
    made.write_node()
    with made:
        yield made


def test_secrets_of_inputs_and_pushes_stand_in_the_bridges_state_and_nowhere_else(secretive):
    gateway = secretive
    wait_for(lambda: gateway.json("status", "a")["state"] == "waiting")
    state = gateway.run_dir / "state" / "bridge.json"
    places = gateway.everything_told("a")
    for secret in SECRETS.values():
        holders = [place for place, content in places.items() if secret.encode() in content]
        assert holders == [str(state)], holders
    # What the map itself holds stands in the maps that were applied, which nobody else may read.
    holders = [place for place, content in places.items() if IN_URL.encode() in content]
    assert str(state) in holders
    for place in holders:
        assert place == str(state) or re.search(r"/data/history/\d+/", place), place
    assert (gateway.folder / "data").stat().st_mode & 0o077 == 0 or os.stat(gateway.folder / "data" / "history").st_mode & 0o077 == 0


def test_a_key_that_is_gone_closes_its_input_and_tells_so(secretive):
    gateway = secretive
    (gateway.folder / "keys" / "encoder").unlink()
    dead = gateway.pid("control")
    gateway.kill("control")
    gateway.wait_new("control", dead)
    alarm = wait_for(lambda: [a for a in gateway.json("status")["alarms"] if a["kind"] == "key_unreadable"])
    assert alarm[0]["subject"] == "a input 1" and "keys/encoder" in alarm[0]["message"], alarm
    assert gateway.json("status", "a")["inputs"][0]["source"]["state"] == "closed"
