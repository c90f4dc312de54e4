"""The switch forwards a group after our join, goes on through queries and their gaps, and stops after our leave."""
import time

import pytest

from support.gateway import Gateway
from support.rig import Rig

PACKET = bytes([0x47, 0x01, 0x00, 0x10]) + bytes(184)


def channels(*groups):
    return {f"c{i}": {"inputs": [f"udp://{group}:5000"], "push": [f"udp://239.5.9.{i + 1}:5000"]}
            for i, group in enumerate(groups)}


def gateway_sees(gateway, rig, group, channel):
    before = gateway.metric("headgate_input_datagrams_total", channel=channel)
    rig.datagram(PACKET * 7, group, 5000)
    gateway.wait_metric("headgate_input_datagrams_total", before + 1, limit=3, channel=channel)


def test_join_and_leave_follow_the_map(rig):
    assert not any(entry[0].startswith("239.5.1.") for entry in rig.mdb())
    with Gateway(rig, channels("239.5.1.1")) as gateway:
        rig.wait_mdb("239.5.1.1", True)
        assert not any(entry[0] == "239.5.1.2" for entry in rig.mdb())
        gateway_sees(gateway, rig, "239.5.1.1", "c0")
        start = time.monotonic()
        gateway.apply(channels("239.5.1.2"))
        rig.wait_mdb("239.5.1.2", True)
        print(f"joined {time.monotonic() - start:.2f} s after apply began")
        left = rig.wait_mdb("239.5.1.1", False)
        print(f"left {left:.2f} s after that")
        gateway_sees(gateway, rig, "239.5.1.2", "c0")
        status = gateway.stop()
        assert status == 0
        print(f"an orderly stop leaves: {rig.wait_mdb('239.5.1.2', False, limit=3):.2f} s")


def test_membership_outlives_five_query_intervals(rig):
    # Without an answer the switch forgets a group after 3 s; its queries come every second.
    with Gateway(rig, channels("239.5.2.1", "239.5.2.2")) as gateway:
        for group in ("239.5.2.1", "239.5.2.2"):
            rig.wait_mdb(group, True)
        reports = gateway.metric("headgate_igmp_last_query_timestamp_seconds")
        end = time.monotonic() + 5 * rig.query_interval + 3.5
        while time.monotonic() < end:
            have = {entry[0] for entry in rig.mdb()}
            assert {"239.5.2.1", "239.5.2.2"} <= have, f"forgotten: {have}"
            time.sleep(0.05)
        assert gateway.metric("headgate_igmp_last_query_timestamp_seconds") > reports
        gateway_sees(gateway, rig, "239.5.2.1", "c0")


def test_membership_outlives_a_querier_restart(rig):
    with Gateway(rig, channels("239.5.3.1")) as gateway:
        rig.wait_mdb("239.5.3.1", True)
        rig.set_bridge("mcast_querier", "0")
        time.sleep(1.2)
        # A switch that restarts has forgotten every group.
        rig.set_bridge("mcast_snooping", "0")
        rig.set_bridge("mcast_snooping", "1", "mcast_querier", "1")
        back = rig.wait_mdb("239.5.3.1", True, limit=6)
        print(f"known to the restarted querier after {back:.2f} s")
        gateway_sees(gateway, rig, "239.5.3.1", "c0")
        rig.wait_until_no_flooding()


def test_source_specific_membership(rig):
    with Gateway(rig, channels("10.77.0.1@232.5.4.1")) as gateway:
        end = time.monotonic() + 4
        while ("232.5.4.1", "10.77.0.1") not in rig.mdb():
            assert time.monotonic() < end, rig.mdb()
            time.sleep(0.02)
        time.sleep(4)
        assert ("232.5.4.1", "10.77.0.1") in rig.mdb()
        gateway_sees(gateway, rig, "232.5.4.1", "c0")


@pytest.fixture(scope="module")
def old_rig():
    with Rig(igmp_version=2) as made:
        yield made


def test_version_2_querier_is_followed(old_rig):
    with Gateway(old_rig, channels("239.5.6.1")) as gateway:
        old_rig.wait_mdb("239.5.6.1", True)
        end = time.monotonic() + 6.5
        while time.monotonic() < end:
            assert any(entry[0] == "239.5.6.1" for entry in old_rig.mdb())
            time.sleep(0.05)
        gateway_sees(gateway, old_rig, "239.5.6.1", "c0")
        gateway.apply(channels("239.5.6.2"))
        print(f"left {old_rig.wait_mdb('239.5.6.1', False):.2f} s after apply")


def test_version_2_may_be_forced(rig):
    node = {"interfaces": {"cap0": {"device": "af_packet:cap0", "address": "10.77.0.5/24", "igmp": "v2"}}}
    with Gateway(rig, channels("239.5.7.1"), node=node):
        rig.wait_mdb("239.5.7.1", True)
        time.sleep(4)
        assert any(entry[0] == "239.5.7.1" for entry in rig.mdb())


def test_reports_without_an_address(rig):
    node = {"interfaces": {"cap0": {"device": "af_packet:cap0"}}}
    only = {"c0": {"inputs": ["udp://239.5.8.1:5000"], "serve": ["hls"]}}
    with Gateway(rig, only, node=node) as gateway:
        rig.wait_mdb("239.5.8.1", True)
        gateway_sees(gateway, rig, "239.5.8.1", "c0")


def test_arp_is_answered(rig):
    with Gateway(rig, channels("239.5.9.100")):
        with rig.inside("src"):
            import socket
            probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.sendto(b"x", ("10.77.0.5", 9))
        end = time.monotonic() + 3
        while True:
            text = rig.call("src", "ip", "neigh", "show", "10.77.0.5").stdout
            if "lladdr" in text:
                break
            assert time.monotonic() < end, text
            time.sleep(0.05)
        probe.close()
        ping = rig.call("src", "ping", "-c", "2", "-i", "0.2", "-W", "1", "10.77.0.5") if _has_ping() else None
        if ping is not None:
            assert ping.returncode == 0, ping.stdout


def _has_ping():
    import shutil
    return shutil.which("ping") is not None
