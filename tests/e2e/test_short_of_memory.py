"""When memory runs out the kernel ends workers first: sound that is made of other sound has a gap that is told, everything else goes on,
and when there is memory again, all is as it was."""
import time

import pytest

from support import media
from support.gateway import Gateway, wait_for
from support.memory_limit import MemoryLimit

SECONDS = 150
CODECS = ("mp2", "ac3")
DAEMONS = ("launcher", "control", "fastpath", "bridge", "transcode")


@pytest.fixture
def group():
    made = MemoryLimit.make()
    if made is None:
        pytest.skip("this machine's control groups can't be written: no limit of memory for a gateway")
    yield made
    made.close()


def sounds(gateway):
    channels = gateway.process_status("bridge")["channels"]
    return {codec: channels[codec]["sound"]["tracks"][0] for codec in CODECS if channels[codec]["sound"]["tracks"]}


def killed(gateway):
    return {job["name"]: job["deaths"]["killed"] for job in gateway.process_status("transcode")["jobs"]}


def transcode_alarms(gateway):
    return {alarm["kind"] for alarm in gateway.json("status")["alarms"] if alarm["kind"].startswith("transcode")}


def test_workers_go_first_and_come_back(rig, group):
    channels = {codec: {"inputs": [f"udp://239.7.8.{i + 1}:5000"], "serve": {"hls": {"segment": "2s"}}} for i, codec in enumerate(CODECS)}
    channels["relay"] = {"inputs": ["udp://239.7.8.9:5000"], "push": ["udp://239.7.8.19:5000"]}
    gateway = Gateway(rig, channels)
    with group.inside():
        gateway.start()
    with_eater = None
    try:
        capture = rig.capture("239.7.8.19", 5000)
        for i, codec in enumerate(CODECS):
            rig.wait_mdb(f"239.7.8.{i + 1}", True)
            rig.send(media.looped(media.stream(f"flash_{codec}", 20), SECONDS), f"239.7.8.{i + 1}", 5000)
        rig.wait_mdb("239.7.8.9", True)
        rig.wait_mdb("239.7.8.19", True, port="p-snk")
        relayed = media.stream("h264_aac", 60)
        sender = rig.send(relayed, "239.7.8.9", 5000)
        capture.wait(10)
        wait_for(lambda: len(sounds(gateway)) == 2 and all(t["present"] and t["frames"] > 50 for t in sounds(gateway).values()))
        before, pids = sounds(gateway), {name: gateway.pid(name) for name in DAEMONS}
        packets = {c: gateway.process_status("bridge")["channels"][c]["packets"] for c in CODECS}
        with_eater = group.eater()
        group.limit(group.usage() + (24 << 20))
        eaten = 0
        end = time.monotonic() + 60
        while not all(killed(gateway).get(f"sound.{codec}", 0) for codec in CODECS):
            assert time.monotonic() < end, f"{group.kills()} kills, {eaten} MiB taken: {killed(gateway)}"
            if group.kills() > sum(killed(gateway).values()):
                time.sleep(0.1)  # one is gone, and not yet told of: nothing more is to be taken
                continue
            print("1", file=with_eater.stdin, flush=True)
            with_eater.stdout.readline()
            eaten += 1
        deaths = killed(gateway)
        assert group.kills() >= 2 and with_eater.poll() is None
        wait_for(lambda: "transcode_failing" in transcode_alarms(gateway), 30)
        assert {name: gateway.pid(name) for name in DAEMONS} == pids, "more than workers were ended"
        with_eater.kill()
        with_eater.wait()
        group.limit(None)
        wait_for(lambda: all(t["present"] and t["frames"] > before[c]["frames"] + 50 and t["gaps"] > before[c]["gaps"]
                             for c, t in sounds(gateway).items()), 90)
        wait_for(lambda: not transcode_alarms(gateway), 60)
        assert {name: gateway.pid(name) for name in DAEMONS} == pids
        assert all(gateway.process_status("bridge")["channels"][c]["packets"] > packets[c] for c in CODECS)
        sender.kill()
        sender.wait()
        capture.wait_quiet()
        capture.stop()
        got = capture.payload()
        print(f"{eaten} MiB taken, killed {deaths}; {len(got)} bytes relayed meanwhile")
        assert capture.kernel_drops == 0 and relayed.read_bytes()[:len(got)] == got, "the channel without workers was touched"
    except BaseException:
        print(f"--- the gateway's log ends with\n{gateway.tail(60)}")
        raise
    finally:
        if with_eater is not None and with_eater.poll() is None:
            with_eater.kill()
            with_eater.wait()
        gateway.close()
