"""What goes wrong in the middle of an apply is undone and said; applies at the same time are one after the other, never mixed."""
import os
import signal
import socket
import subprocess
import time

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


def test_applies_at_the_same_time_wait_for_one_another(rig):
    maps = [{f"c{number}": channel(number)} for number in range(1, 6)]
    with Gateway(rig, maps[0]) as gateway:
        rig.wait_mdb("239.61.1.1", True)
        bridge = gateway.pid("bridge")
        applies = []

        def begin(content):
            gateway.write(content)
            command = netns.command_in(rig.names["gw"], str(HEADGATE), "apply", "--socket", str(gateway.socket))
            applies.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))

        os.kill(bridge, signal.SIGSTOP)
        try:
            begin(maps[1])
            # It is with the bridge, which does not answer: the fast path has the new group already.
            rig.wait_mdb("239.61.1.2", True)
            begin(maps[2])
            time.sleep(0.3)  # in the queue, whenever that is; the map is read when its turn comes
            for _ in range(3):
                begin(maps[3])
            wait_for(lambda: "wait" in gateway.cli("apply").stderr, 5)  # four wait, the next one is told so
            assert all(apply.poll() is None for apply in applies)
            assert [entry["id"] for entry in gateway.json("status")["channels"]] == ["c1"], "neither is in force yet"
        finally:
            os.kill(bridge, signal.SIGCONT)
        ends = [(apply.communicate(timeout=60), apply.returncode) for apply in applies]
        assert [code for _, code in ends] == [0] * 5, ends
        assert [entry["id"] for entry in gateway.json("status")["channels"]] == ["c4"]
        wait_for(lambda: groups(rig) == {"239.61.1.4"})
        # The first read its map, the others, whose turn came later, the last one: one of them changed something.
        summaries = [(entry["number"], entry["summary"]) for entry in gateway.json("history")["history"]]
        assert [number for number, _ in summaries] == [1, 2, 3], summaries
        assert all("1 added, 1 removed" in words for _, words in summaries[1:]), summaries
