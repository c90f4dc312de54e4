"""Whom `plan` says a change of a channel interrupts, beside what a receiver of its multicast sees of that change."""
import pytest

from support.gateway import Gateway, wait_for
from support.on_air import OnAir, channel, check

NAME = "switch7"
TWO = channel(7)
ONE = {**TWO, "inputs": TWO["inputs"][:1]}


@pytest.fixture
def gateway(rig):
    with Gateway(rig, {NAME: ONE}) as made:
        yield made


def told(gateway, wanted):
    """The change that `plan` names, and whether it interrupts what leaves as multicast."""
    gateway.write({NAME: wanted})
    changed = gateway.json("plan")["plan"]["changed"]
    assert [change["id"] for change in changed] == [NAME]
    text = gateway.cli("plan").stdout
    interrupts = bool(changed[0]["interrupts_media"] or changed[0]["interrupts_pushes"])
    assert (interrupts or bool(changed[0]["interrupts_viewers"])) == ("nobody is interrupted" not in text), text
    return changed[0]["keys"], interrupts


def force(gateway, number):
    assert gateway.cli("switch", NAME, number).returncode == 0
    if number != "auto":
        wait_for(lambda: gateway.json("status", NAME)["switch"]["on_air"] == int(number))


def test_what_interrupts_nobody_is_not_seen(rig, gateway, tmp_path):
    air = OnAir(rig, gateway, 7, both=False)

    def apply(wanted, keys):
        assert told(gateway, wanted) == (keys, False)
        gateway.apply({NAME: wanted})
        air.capture.wait(len(air.capture.datagrams) + 150)

    apply(TWO, ["inputs"])
    air.send(1)
    air.wait_second()
    apply({**TWO, "failover": {"after": "700ms"}}, ["failover"])
    # Over and back: from here on what leaves is not what the input brings.
    for number in ("2", "1", "auto"):
        force(gateway, number)
    apply(ONE, ["inputs", "failover"])
    apply({**ONE, "serve": ["hls", "http-ts"]}, ["serve.hls", "serve.http-ts"])
    apply({**ONE, "serve": ["hls"], "push": [*ONE["push"], "udp://239.8.4.7:5000"]}, ["push", "serve.http-ts"])
    gateway.apply({NAME: ONE})
    check(air, air.finish(tmp_path), [0, 1, 0])


def test_what_is_taken_from_the_input_on_air_is_told(rig, gateway, tmp_path):
    gateway.apply({NAME: TWO})
    air = OnAir(rig, gateway, 7)
    assert told(gateway, ONE) == (["inputs"], False)
    assert told(gateway, {**TWO, "inputs": TWO["inputs"][::-1]}) == (["inputs"], True)
    assert told(gateway, {**TWO, "remux": {"bitrate": "3Mbps"}}) == (["remux"], True)
    force(gateway, "2")
    wait_for(lambda: told(gateway, ONE) == (["inputs"], True))
    gateway.apply({NAME: ONE})
    wait_for(lambda: gateway.json("status", NAME)["switch"]["on_air"] == 1)
    air.finish(tmp_path)
