"""What goes wrong in the middle of an apply is undone and said; applies at the same time are one after the other, never mixed."""
import json
import os
import select
import signal
import socket
import subprocess

from support import media, netns, ts
from support.gateway import HEADGATE, Gateway, wait_for


def channel(number, **more):
    return {"inputs": [f"udp://239.61.1.{number}:5000"], "push": [f"udp://239.61.2.{number}:5000"], **more}


def groups(rig):
    return {group for group, _ in rig.mdb() if group.startswith("239.61.1.")}


def test_a_bridge_that_refuses_undoes_what_the_fast_path_had_done(rig):
    one = {"one": channel(1, serve=["hls"])}
    with Gateway(rig, one) as gateway:
        rig.wait_mdb("239.61.1.1", True)
        capture = rig.capture("239.61.2.1", 5000)
        rig.wait_mdb("239.61.2.1", True, port="p-snk")
        sender = rig.send(media.stream("h264_aac", 30), "239.61.1.1", 5000)
        capture.wait(50)
        with rig.inside("gw"):
            taken = socket.create_server(("127.0.0.1", 0))
        gateway.node["servers"]["rtmp"] = {"listen": f"127.0.0.1:{taken.getsockname()[1]}"}
        gateway.write_node()
        before, pids = gateway.json("history"), {name: gateway.pid(name) for name in ("fastpath", "bridge", "control")}
        # The fast path takes it, the bridge finds the port taken.
        result = gateway.apply({"one": {**one["one"], "push": ["udp://239.61.2.1:5000?ttl=9"], "serve": ["rtmp"]}, "two": channel(2)}, ok=False)
        assert result.returncode == 1 and "bridge refused the map" in result.stderr and "everything was put back" in result.stderr, result.stderr
        assert str(taken.getsockname()[1]) in result.stderr, result.stderr
        status = gateway.json("status")
        assert [entry["id"] for entry in status["channels"]] == ["one"]
        assert [entry["protocol"] for entry in gateway.json("status", "one")["serve"]] == ["hls"]
        wait_for(lambda: groups(rig) == {"239.61.1.1"})
        assert gateway.json("history") == before
        assert {name: gateway.pid(name) for name in pids} == pids
        event = [entry for entry in gateway.json("events")["events"] if entry["kind"] == "apply_failed"][-1]
        assert "everything was put back" in event["message"], event
        wait_for(lambda: gateway.admin("/readyz").status == 200)
        # What was on air stays there, as it was.
        capture.wait(len(capture.datagrams) + 100)
        assert ts.Scan(capture.payload()).total_cc_errors == 0 and capture.ttl == 16
        # And the same map goes through once the port is free.
        taken.close()
        assert gateway.cli("apply").returncode == 0
        wait_for(lambda: groups(rig) == {"239.61.1.1", "239.61.1.2"})
        capture.wait(len(capture.datagrams) + 50)
        assert capture.ttl == 9
        sender.kill()


def ask_apply(gateway):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(gateway.socket))
    client.sendall(b'{"v":1,"id":1,"method":"apply","params":{}}\n')
    return client


def answer(client):
    with client, client.makefile() as lines:
        return json.loads(lines.readline())


def test_applies_at_the_same_time_wait_for_one_another(rig):
    maps = [{f"c{number}": channel(number)} for number in range(1, 5)]
    with Gateway(rig, maps[0]) as gateway:
        rig.wait_mdb("239.61.1.1", True)
        bridge = gateway.pid("bridge")
        os.kill(bridge, signal.SIGSTOP)
        try:
            gateway.write(maps[1])
            first = ask_apply(gateway)
            # It is with the bridge, which does not answer: the fast path has the new group already.
            rig.wait_mdb("239.61.1.2", True, limit=5)
            gateway.write(maps[2])
            others = [ask_apply(gateway) for _ in range(5)]
            # Four wait, the fifth is told so.
            refused = select.select([first, *others], [], [], 5)[0]
            assert len(refused) == 1 and refused[0] is not first
            others.remove(refused[0])
            assert "busy: an apply by root (0) is under way and 4 wait" in answer(refused[0])["error"]["message"]
            gateway.write(maps[3])
        finally:
            os.kill(bridge, signal.SIGCONT)
        # The first read its map, the others the last one when their turn came: one of them changed something.
        results = [answer(client)["result"] for client in (first, *others)]
        assert all(result["ok"] for result in results), results
        assert [result["changed"] for result in results].count(True) == 2 and results[0]["plan"]["added"] == ["c2"], results
        assert [entry["id"] for entry in gateway.json("status")["channels"]] == ["c4"]
        wait_for(lambda: groups(rig) == {"239.61.1.4"})
        summaries = [(entry["number"], entry["summary"]) for entry in gateway.json("history")["history"]]
        assert summaries[1:] == [(2, "1 added, 1 removed"), (3, "1 added, 1 removed")], summaries
        told = gateway.cli("history", "3").stdout
        assert " by root (0), beside map 2\n+ c4\n- c2\n1 added, 1 removed\n" in told, told


def test_control_that_dies_in_the_middle_leaves_one_map_and_not_two(rig):
    with Gateway(rig, {"one": channel(1)}) as gateway:
        rig.wait_mdb("239.61.1.1", True)
        bridge, control = gateway.pid("bridge"), gateway.pid("control")
        gateway.write({"two": channel(2)})
        os.kill(bridge, signal.SIGSTOP)
        try:
            command = netns.command_in(rig.names["gw"], str(HEADGATE), "apply", "--socket", str(gateway.socket))
            apply = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            rig.wait_mdb("239.61.1.2", True)  # the fast path has taken it over
            gateway.kill("control")
        finally:
            os.kill(bridge, signal.SIGCONT)
        assert apply.wait(60) == 1, apply.communicate()
        gateway.wait_new("control", control)
        wait_for(lambda: gateway.admin("/readyz").status == 200)
        # Nobody was told that the second map is in force: it is not, anywhere.
        assert [entry["id"] for entry in gateway.json("status")["channels"]] == ["one"]
        assert [entry["number"] for entry in gateway.json("history")["history"]] == [1]
        wait_for(lambda: groups(rig) == {"239.61.1.1"})
        assert gateway.cli("apply").returncode == 0
        wait_for(lambda: groups(rig) == {"239.61.1.2"})


def test_a_cold_start_with_broken_files_runs_the_map_that_was_applied_last(rig):
    with Gateway(rig, {"one": channel(1)}) as gateway:
        rig.wait_mdb("239.61.1.1", True)
        gateway.apply({"two": channel(2)})
        wait_for(lambda: groups(rig) == {"239.61.1.2"})
        assert gateway.json("status")["map"]["differs"] is False
        assert gateway.stop() == 0
        gateway.map.write_text("channels:\n  two:\n    inptus: []\n")
        gateway.start()
        wait_for(lambda: groups(rig) == {"239.61.1.2"})
        status = gateway.json("status")
        assert [entry["id"] for entry in status["channels"]] == ["two"]
        assert status["map"]["number"] == 2 and status["map"]["differs"] is True and status["map"]["files_valid"] is False, status["map"]
        alarm = wait_for(lambda: [alarm for alarm in gateway.json("alarms")["alarms"] if alarm["kind"] == "map_rejected"])[0]
        assert "running the map applied before (2)" in alarm["message"] and "channels.yaml:3:5" in alarm["message"], alarm
        assert gateway.metric("headgate_map_differs") == 1
        # Files that are right again, and other ones: those are what a cold start takes.
        gateway.write({"three": channel(3)})
        assert gateway.stop() == 0
        gateway.start()
        wait_for(lambda: groups(rig) == {"239.61.1.3"})
        status = gateway.json("status")
        assert status["map"]["number"] == 3 and status["map"]["differs"] is False, status["map"]
        assert not [alarm for alarm in status["alarms"] if alarm["kind"] == "map_rejected"]
