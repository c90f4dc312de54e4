"""A bridge that is not scheduled while its ring fills: the loss is counted with its place, and HLS goes on."""
import os
import signal
import time

from support import hls, media
from support.gateway import Gateway

STOPPED = 2.5
# So many channels share the ring that the share of one lasts less than that.
SILENT = 79


def test_an_overflow_is_counted_shown_and_costs_one_hole(rig):
    channels = {"tv": {"inputs": ["udp://239.16.1.1:5000"], "serve": {"hls": {"segment": "2s", "window": 20}}}}
    channels.update({f"quiet{i}": {"inputs": [f"udp://239.16.2.{i + 1}:5000"], "serve": ["hls"]} for i in range(SILENT)})
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.16.1.1", True)
        rig.send(media.stream("mpeg2_mp2", 60), "239.16.1.1", 5000)
        client = hls.Client(gateway, "tv")
        client.follow(3)
        bridge = gateway.pid("bridge")
        os.kill(bridge, signal.SIGSTOP)
        try:
            time.sleep(STOPPED)
        finally:
            os.kill(bridge, signal.SIGCONT)
        newest = max(client.segments)
        end = time.monotonic() + 60
        while max(client.segments) < newest + 5:
            assert time.monotonic() < end, sorted(client.segments)
            client.poll()
            time.sleep(0.1)
        numbers = sorted(client.segments)
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), numbers
        marks = [n for n in numbers if client.segments[n][3]]
        gaps = [n for n in numbers if client.segments[n][2]]
        dropped = {tuple(sorted(labels.items())): value for name, labels, value in gateway.samples()
                   if name == "headgate_drops_total" and labels.get("channel") == "tv"}
        print(f"stopped for {STOPPED} s: drops {dropped}, gaps {gaps}, discontinuities {marks}")
        full = [value for labels, value in dropped.items() if ("reason", "ring_full") in labels and ("where", "ring") in labels]
        assert full and full[0] > 0, dropped
        assert len(marks) <= 1 and len(gaps) <= 2
        ring_gaps = [value for name, labels, value in gateway.samples() if name == "headgate_bridge_ring_gaps_total" and labels["channel"] == "tv"]
        assert ring_gaps and 1 <= ring_gaps[0] <= 2, ring_gaps
        events = [e for e in gateway.json("events")["events"] if e["kind"] == "channel_state" and e["subject"] == "tv"]
        assert any("lost in this node" in e["message"] for e in events), events
        assert gateway.pid("bridge") == bridge
