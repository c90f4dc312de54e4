"""The switch forwards a group after our join, goes on through queries and their gaps, and stops after our leave."""
import time

import pytest

from support.gateway import Gateway, wait_for
from support.rig import Rig

# RFC 2236 section 2.1, RFC 3376 section 4.
IGMP_V2_REPORT, IGMP_V2_LEAVE, IGMP_V3_REPORT = 0x16, 0x17, 0x22
PACKET = bytes([0x47, 0x01, 0x00, 0x10]) + bytes(184)


def channels(*groups):
    return {f"c{i}": {"inputs": [f"udp://{group}:5000"], "push": [f"udp://239.5.9.{i + 1}:5000"]}
            for i, group in enumerate(groups)}


def gateway_sees(gateway, rig, group, channel):
    """A datagram to the group arrives on the channel. By time, not by count: a changed input counts from 0 again."""
    sent = time.time()
    rig.datagram(PACKET * 7, group, 5000)
    end = time.monotonic() + 60
    while True:
        seen = [value for name, have, value in gateway.samples()
                if name == "headgate_input_last_packet_timestamp_seconds" and have["channel"] == channel]
        if max(seen, default=0) >= sent:
            return
        assert time.monotonic() < end, f"{group}: sent at {sent}, last packets of {channel} at {seen}"
        time.sleep(0.1)


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
        print(f"an orderly stop leaves: {rig.wait_mdb('239.5.1.2', False):.2f} s")


def test_membership_outlives_five_query_intervals(rig):
    # Without an answer the switch forgets a group after 3 s; its queries come every second.
    with Gateway(rig, channels("239.5.2.1", "239.5.2.2")) as gateway:
        for group in ("239.5.2.1", "239.5.2.2"):
            rig.wait_mdb(group, True)
        reports = gateway.metric("headgate_igmp_last_query_timestamp_seconds")
        tap = rig.tap()
        end = time.monotonic() + 5 * rig.query_interval + 3.5
        while time.monotonic() < end:
            have = {entry[0] for entry in rig.mdb()}
            assert {"239.5.2.1", "239.5.2.2"} <= have, f"forgotten: {have}"
            time.sleep(0.05)
        assert gateway.metric("headgate_igmp_last_query_timestamp_seconds") > reports
        answers = tap.stop().igmp_types()
        assert len(answers) >= 5 and set(answers) == {IGMP_V3_REPORT}, [hex(kind) for kind in answers]
        print(f"{len(answers)} reports in {5 * rig.query_interval + 3.5} s")
        gateway_sees(gateway, rig, "239.5.2.1", "c0")


def test_membership_outlives_a_querier_restart(rig):
    with Gateway(rig, channels("239.5.3.1")) as gateway:
        rig.wait_mdb("239.5.3.1", True)
        rig.set_bridge("mcast_querier", "0")
        # Gone for longer than a query interval.
        while time.time() - gateway.metric("headgate_igmp_last_query_timestamp_seconds") < 1.2 * rig.query_interval:
            time.sleep(0.05)
        # A switch that restarts has forgotten every group.
        rig.set_bridge("mcast_snooping", "0")
        rig.set_bridge("mcast_snooping", "1", "mcast_querier", "1")
        back = rig.wait_mdb("239.5.3.1", True)
        print(f"known to the restarted querier after {back:.2f} s")
        gateway_sees(gateway, rig, "239.5.3.1", "c0")
        rig.wait_until_no_flooding()


def test_source_specific_membership(rig):
    with Gateway(rig, channels("10.77.0.1@232.5.4.1")) as gateway:
        end = time.monotonic() + 60
        while ("232.5.4.1", "10.77.0.1") not in rig.mdb():
            assert time.monotonic() < end, rig.mdb()
            time.sleep(0.02)
        rig.stays_in_mdb("232.5.4.1", 5 * rig.query_interval, source="10.77.0.1")
        gateway_sees(gateway, rig, "232.5.4.1", "c0")


@pytest.fixture(scope="module")
def old_rig():
    with Rig(igmp_version=2) as made:
        yield made


def test_version_2_querier_is_followed(old_rig):
    with Gateway(old_rig, channels("239.5.6.1")) as gateway:
        old_rig.wait_mdb("239.5.6.1", True)
        # Unasked reports go out in version 3 before the first query tells which version the switch speaks.
        seen = time.time()
        end = time.monotonic() + 60
        while gateway.metric("headgate_igmp_last_query_timestamp_seconds") < seen:
            assert time.monotonic() < end, "no query of version 2 was seen"
            time.sleep(0.1)
        tap = old_rig.tap()
        old_rig.stays_in_mdb("239.5.6.1", 5 * old_rig.query_interval)
        gateway_sees(gateway, old_rig, "239.5.6.1", "c0")
        gateway.apply(channels("239.5.6.2"))
        print(f"left {old_rig.wait_mdb('239.5.6.1', False):.2f} s after apply")
        spoken = tap.stop().igmp_types()
        assert set(spoken) == {IGMP_V2_REPORT, IGMP_V2_LEAVE}, [hex(kind) for kind in spoken]


def test_joins_of_a_big_map_come_at_a_pace_that_a_switch_takes(old_rig):
    # In version 2 a group is a frame: 16 at once, then one a millisecond.
    count = 300
    many = {f"c{number}": {"inputs": [f"udp://239.5.{20 + number // 200}.{number % 200 + 1}:5000"]} for number in range(count)}
    with Gateway(old_rig, {"first": {"inputs": ["udp://239.5.6.3:5000"]}}) as gateway:
        seen = time.time()
        wait_for(lambda: gateway.metric("headgate_igmp_last_query_timestamp_seconds") > seen)
        tap = old_rig.tap()
        gateway.apply(many)
        wait_for(lambda: len(old_rig.mdb() & {(f"239.5.{20 + number // 200}.{number % 200 + 1}", None) for number in range(count)}) == count)
        first = {}
        for when, to_port, frame in tap.stop().frames:
            if not to_port and frame[23] == 2 and frame[30:32] == bytes([239, 5]) and frame[32] >= 20:
                first.setdefault(frame[30:34], when)
        times = sorted(first.values())
        assert len(times) == count
        most = max(sum(1 for other in times if 0 <= other - moment < 0.05) for moment in times)
        print(f"{count} joins in {times[-1] - times[0]:.3f} s, at most {most} within 50 ms")
        assert times[-1] - times[0] > 0.9 * (count - 16) / 1000 and most < 100


def test_version_2_may_be_forced(rig):
    node = {"interfaces": {"cap0": {"device": "af_packet:cap0", "address": "10.77.0.5/24", "igmp": "v2"}}}
    tap = rig.tap()
    with Gateway(rig, channels("239.5.7.1"), node=node):
        rig.wait_mdb("239.5.7.1", True)
        # The switch asks in version 3 meanwhile.
        rig.stays_in_mdb("239.5.7.1", 4)
        spoken = tap.stop().igmp_types()
        assert set(spoken) == {IGMP_V2_REPORT}, [hex(kind) for kind in spoken]


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
        end = time.monotonic() + 60
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
