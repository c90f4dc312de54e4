"""Outputs to players in the map: whom a change interrupts, and where a passphrase stands and where not."""
import http.client
import json
import os

import pytest

from support import media
from support.gateway import Gateway, wait_for

SECRETS = ("of-the-server-0", "of-one-channel-0")


def channel(number, serve):
    return {"inputs": [f"udp://239.21.1.{number}:5000"], "serve": serve}


@pytest.fixture
def gateway(rig):
    made = Gateway(rig, {"a": channel(1, {"hls": {}, "rtmp": {}, "srt": {"passphrase_file": "keys/a"}, "http-ts": {}}),
                         "b": channel(2, ["srt"])})
    (made.folder / "keys").mkdir(mode=0o700)
    for name, secret in zip(("server", "a"), SECRETS):
        (made.folder / "keys" / name).write_text(secret + "\n")
        (made.folder / "keys" / name).chmod(0o640)
    made.node["servers"]["rtmp"] = {"listen": f"127.0.0.1:{made._free_port()}"}
    made.node["servers"]["srt"] = {"listen": "127.0.0.1:9000", "passphrase_file": "keys/server"}
    made.write_node()
    with made:
        yield made


def desired(gateway):
    return json.loads((gateway.run_dir / "state" / "bridge.json").read_text())


def test_a_passphrase_stands_in_the_bridges_state_and_nowhere_else(gateway):
    state = gateway.run_dir / "state" / "bridge.json"
    for secret in SECRETS:
        holders = [place for place, content in gateway.everything_told("a").items() if secret.encode() in content]
        assert holders == [str(state)], holders
    about = state.stat()
    assert about.st_mode & 0o777 == (0o600 if about.st_gid == os.getegid() else 0o640), oct(about.st_mode)


def test_plan_names_the_players_of_the_protocol_that_changes(gateway):
    gateway.write({"a": channel(1, {"hls": {}, "srt": {"passphrase_file": "keys/a"}, "http-ts": {}}),
                   "b": channel(2, ["srt", "rtmp"])})
    plan = gateway.json("plan")["plan"]
    changed = {change["id"]: change for change in plan["changed"]}
    assert changed["a"]["keys"] == ["serve.rtmp"] and changed["a"]["interrupts_viewers"] == ["rtmp"]
    assert changed["b"]["keys"] == ["serve.rtmp"] and changed["b"]["interrupts_viewers"] == []
    text = gateway.cli("plan").stdout
    assert "rtmp player" in text and "HLS viewer" not in text, text
    pids = [gateway.pid(name) for name in ("fastpath", "bridge")]
    assert gateway.cli("apply").returncode == 0
    assert [gateway.pid(name) for name in ("fastpath", "bridge")] == pids
    outputs = {c["id"]: (c["rtmp"], c["srt"] is not None, c["http_ts"]) for c in desired(gateway)["channels"]}
    assert outputs == {"a": (False, True, True), "b": (True, True, False)}


def test_another_passphrase_counts_from_the_next_apply_on(gateway):
    (gateway.folder / "keys" / "a").write_text("another-passphrase\n")
    plan = gateway.json("plan")["plan"]
    assert [(c["id"], c["keys"], c["interrupts_viewers"]) for c in plan["changed"]] == [("a", ["serve.srt"], ["srt"])]
    assert plan["restarts"] == [] and plan["node_keys"] == []
    assert gateway.cli("apply").returncode == 0
    assert {c["id"]: c["srt"]["passphrase"] for c in desired(gateway)["channels"]} == {"a": "another-passphrase", "b": ""}


def test_a_stream_whose_passphrase_is_gone_is_closed_and_not_sent_in_clear(gateway):
    key = gateway.folder / "keys" / "a"
    secret = key.read_text()
    key.unlink()
    check = gateway.cli("check", "--config", str(gateway.config), socket_option=False)
    assert check.returncode == 1 and "passphrase_file" in check.stdout + check.stderr
    # Control alone begins anew: the map goes on as it was applied, but for what can't be encrypted.
    old = gateway.kill("control")
    gateway.wait_new("control", old)
    alarm = wait_for(lambda: [a for a in gateway.json("status")["alarms"] if a["kind"] == "passphrase_unreadable"])
    assert [a["subject"] for a in alarm] == ["a"]
    assert {c["id"]: c["srt"] for c in desired(gateway)["channels"]} == {"a": None, "b": {"passphrase": ""}}
    srt = {output["protocol"]: output for output in gateway.json("status", "a")["serve"]}["srt"]
    assert "can't be read" in srt["closed"]
    key.write_text(secret)
    assert gateway.cli("apply").returncode == 0
    wait_for(lambda: not [a for a in gateway.json("status")["alarms"] if a["kind"] == "passphrase_unreadable"])
    assert desired(gateway)["channels"][0]["srt"] == {"passphrase": secret.strip()}


def test_status_and_metrics_count_the_players_of_an_output(rig, gateway):
    rig.wait_mdb("239.21.1.1", True)
    sender = rig.send(media.stream("h264_aac", 60), "239.21.1.1", 5000)
    try:
        gateway.wait_metric("headgate_input_ts_packets_total", 5000, channel="a")
        with rig.inside("gw"):
            player = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=60)
            player.connect()
        player.request("GET", "/a/stream.ts")
        answer = player.getresponse()
        assert answer.status == 200

        def output():
            return {entry["protocol"]: entry for entry in gateway.json("status", "a")["serve"]}["http-ts"]

        def playing():
            assert len(answer.read(20_000)) == 20_000
            now = output()
            return now if now["sessions"] == 1 and now["bitrate_bps"] else None

        seen = wait_for(playing)
        assert seen["bytes"] > 20_000 and seen["bitrate_bps"] > 100_000, seen
        assert seen["addresses"] == [f"http://HOST:{gateway.http_port}/a/stream.ts"]
        assert gateway.metric("headgate_sessions", channel="a", output="http-ts") == 1
        assert gateway.metric("headgate_output_bytes_total", channel="a", output="http-ts") >= seen["bytes"]
        line = {entry["id"]: entry for entry in gateway.json("status")["channels"]}["a"]
        assert line["viewers"] >= 1
        # Whoever plays is counted in what a change would interrupt.
        gateway.write({"a": channel(1, ["hls"]), "b": channel(2, ["srt"])})
        text = gateway.cli("plan").stdout
        assert "1 http-ts player" in text, text
        answer.close()
        player.close()
        wait_for(lambda: output()["sessions"] == 0)
    finally:
        sender.kill()
