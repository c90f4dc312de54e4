"""The page of /metrics of a running gateway: promtool has nothing to say, indicators of TR 101 290 count what was sent, the PCRs of a
constant rate are measured, and what leaves the map leaves the page."""
import os
import shutil
import subprocess

import pytest

from support import media
from support.gateway import ROOT, Gateway, wait_for

PROMTOOL = next((path for path in (str(ROOT / "build/tools/promtool"), shutil.which("promtool")) if path and os.path.exists(path)), None)
MADE = {"inputs": ["udp://239.8.61.1:5000"]}
PACED = {"inputs": ["udp://239.8.61.2:5000"], "push": ["udp://239.8.62.2:5000"], "serve": ["hls"], "remux": {"bitrate": "3100kbps"}}
PID = 0x100


@pytest.fixture(scope="module")
def gateway(rig):
    with Gateway(rig, {"made": MADE, "paced": PACED}) as made:
        yield made


def packet(counter, pcr_ms=None, error=False):
    head = bytes([0x47, (0x80 if error else 0) | PID >> 8, PID & 0xFF])
    if pcr_ms is None:
        return head + bytes([0x10 | counter & 15]) + b"\xaa" * 184
    base = pcr_ms * 90
    pcr = bytes([base >> 25 & 255, base >> 17 & 255, base >> 9 & 255, base >> 1 & 255, (base & 1) << 7 | 0x7E, 0])
    return head + bytes([0x30 | counter & 15, 7, 0x10]) + pcr + b"\xaa" * 176


def indicators(gateway):
    return {labels["indicator"]: value for name, labels, value in gateway.samples()
            if name == "headgate_input_tr101290_errors_total" and labels["channel"] == "made"}


def test_indicators_count_what_was_sent(rig, gateway):
    rig.wait_mdb("239.8.61.1", True)
    without = b"\x48" + packet(0)[1:]
    datagrams = [
        [packet(0, 1000), packet(1), packet(2), packet(3), packet(4, 1040)],
        [packet(5, 1200)],                         # a PCR 160 ms behind the one before
        [packet(6), packet(9), packet(10)],        # two lost
        [packet(11, error=True), packet(11)],
        [without, packet(12), packet(13)],         # one alone is no loss of synchronisation
        [packet(14, 900_000)],                     # the clock jumps
        [without, without],                        # dropped: no packet begins with 0x47
        [packet(15), packet(0), packet(1), packet(2), packet(3)],
    ]
    for packets in datagrams:
        rig.datagram(b"".join(packets), "239.8.61.1", 5000)
    gateway.wait_metric("headgate_input_datagrams_total", len(datagrams) - 1, channel="made")
    found = wait_for(lambda: (seen := indicators(gateway)) if seen_all(gateway, datagrams) else None)
    # By value alone the jump is a wrong clock, and by arrival it came in time or late, as the machine ran.
    assert found.pop("pcr_repetition_error") in (1, 2)
    wanted = {"ts_sync_loss": 1, "sync_byte_error": 1, "continuity_count_error": 1, "transport_error": 1,
              "pcr_discontinuity_indicator_error": 2, "crc_error": 0, "pmt_error": 0, "pts_error": 0}
    assert {name: found[name] for name in wanted} == wanted


def seen_all(gateway, datagrams):
    """The counters of one input are written at once, a while after."""
    return gateway.metric("headgate_input_ts_packets_total", channel="made") == sum(map(len, datagrams)) - 2


def test_pcr_accuracy_of_a_constant_rate(rig, gateway):
    rig.wait_mdb("239.8.61.2", True)
    sender = rig.send(media.stream("h264_aac", 20), "239.8.61.2", 5000)
    try:
        name = "headgate_output_pcr_accuracy_max_seconds"
        found = wait_for(lambda: [s for s in gateway.samples() if s[0] == name])
    finally:
        sender.kill()
        sender.wait()
    assert [labels for _, labels, _ in found] == [{"channel": "paced", "output": "udp://239.8.62.2:5000"}]
    # Within a tick of 27 MHz: positions of 3.1 Mb/s lie between ticks.
    assert 0 < found[0][2] <= 40e-9
    # Silent, it measures nothing, and says nothing.
    wait_for(lambda: not [s for s in gateway.samples() if s[0] == name])


def test_promtool_has_nothing_to_say(gateway):
    if PROMTOOL is None:
        pytest.skip("promtool is not there: scripts/setup test fetches it")
    text = gateway.admin("/metrics").body
    said = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")


def test_what_leaves_the_map_leaves_the_page(gateway):
    assert gateway.metric("headgate_channel_state", channel="paced") == 1
    gateway.apply({"made": MADE})
    names = {labels.get("channel") for _, labels, _ in gateway.samples()}
    assert names <= {None, "made"}, names
    assert b"239.8.62.2" not in gateway.admin("/metrics").body
