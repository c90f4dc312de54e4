"""`headgate why`: one cause after another is made, and that one is named."""
import json
import time

from support import media
from support.gateway import Gateway

IDS = ("one", "two", "three")


def address(number):
    return f"udp://239.25.1.{number}:5000"


def channels(**changed):
    return {name: {"inputs": [address(number)], "serve": [], **changed.get(name, {})} for number, name in enumerate(IDS, 1)}


def why(gateway, channel):
    return gateway.json("why", channel)


def wait_culprit(gateway, channel, culprit, says, limit=90):
    end = time.monotonic() + limit
    while True:
        found = why(gateway, channel)
        if found["culprit"] == culprit and says in found["verdict"]:
            print(f"{channel}: {culprit}: {found['verdict']} -> {found['remedy']}")
            return found
        assert time.monotonic() < end, json.dumps(found, indent=1)
        time.sleep(0.3)


def well(gateway, limit=90):
    """Nobody is blamed; a machine that is short of CPU is told of, and is no fault of a channel."""
    end = time.monotonic() + limit
    for channel in IDS:
        while (found := why(gateway, channel))["state"] != "ok" or found["culprit"] not in ("none", "host"):
            assert time.monotonic() < end, json.dumps(found, indent=1)
            time.sleep(0.3)


def test_the_culprit_of_each_trouble_is_named_and_cleared(rig):
    path = media.stream("h264_aac", 60)
    with Gateway(rig, channels()) as gateway:
        send = lambda number: rig.send(path, f"239.25.1.{number}", 5000)
        for number in (1, 2, 3):
            rig.wait_mdb(f"239.25.1.{number}", True)
        senders = [send(number) for number in (1, 2, 3)]
        well(gateway)
        text = gateway.cli("why", "one").stdout
        assert all(len(line) <= 80 for line in text.splitlines()), text
        print(text)

        senders[0].kill()
        wait_culprit(gateway, "one", "source", "2 other inputs on cap0 still come")
        assert why(gateway, "two")["culprit"] in ("none", "host")
        print(gateway.cli("why", "one").stdout)
        senders[0] = send(1)
        well(gateway)

        rig.call("br", "ip", "link", "set", "p-gw", "down")
        for channel in IDS:
            wait_culprit(gateway, channel, "network", "The port cap0 has no link")
        rig.call("br", "ip", "link", "set", "p-gw", "up")
        for number in (1, 2, 3):
            rig.wait_mdb(f"239.25.1.{number}", True)
        well(gateway)

        gateway.write(channels(two={"inputs": ["udp://239.25.1.99:5000"]}))
        assert gateway.cli("apply").returncode == 0
        found = wait_culprit(gateway, "two", "map", "Changed by apply 2 by ")
        assert "--rollback" in found["remedy"], found
        # What the link had cost it may still be told, and a busy machine's sender that paused; never the edit of another channel.
        # And its source is to blame no longer than such a pause.
        end = time.monotonic() + 15
        while True:
            beside = why(gateway, "three")
            assert beside["culprit"] != "map" and "apply" not in beside["verdict"], json.dumps(beside, indent=1)
            if beside["culprit"] != "source":
                break
            assert time.monotonic() < end, json.dumps(beside, indent=1)
            time.sleep(0.3)
        assert gateway.cli("apply", "--rollback").returncode == 0
        well(gateway)


def test_an_unknown_channel_is_told_with_the_one_that_was_meant(rig):
    with Gateway(rig, channels()) as gateway:
        said = gateway.cli("why", "thre")
        assert said.returncode == 1 and "no channel thre in the running map; did you mean three?" in said.stderr, said.stderr
        assert gateway.cli("why").returncode == 2
