"""The network that the other tests trust: it must forward what was joined, and nothing else."""
import time

from support import media, ts
from support.rig import GATEWAY, SOURCE, ethernet_udp


def test_joined_group_arrives_whole_and_in_order(rig):
    path = media.stream("h264_aac", 20)
    capture = rig.capture("239.9.1.1", 5000)
    rig.wait_mdb("239.9.1.1", True, port="p-snk")
    sender = rig.send(path, "239.9.1.1", 5000, speed=8)
    assert sender.wait(120) == 0
    capture.wait_quiet()
    capture.stop()
    assert capture.kernel_drops == 0
    assert capture.payload() == path.read_bytes()


def test_unjoined_group_does_not_reach_the_gateway_port(rig):
    assert not any(group == "239.9.1.2" for group, _ in rig.mdb())
    with rig.inside("gw"):
        import socket
        watch = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        watch.bind(("cap0", 0))
    watch.settimeout(0.5)
    for _ in range(20):
        rig.datagram(b"x" * 188, "239.9.1.2", 5000)
    seen = 0
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        try:
            seen += b"\xef\x09\x01\x02" in watch.recv(2048)[:40]
        except TimeoutError:
            break
    watch.close()
    assert seen == 0


def test_leaving_clears_the_switch(rig):
    capture = rig.capture("239.9.1.3", 5000)
    rig.wait_mdb("239.9.1.3", True, port="p-snk")
    capture.stop()
    print(f"switch forgot the group after {rig.wait_mdb('239.9.1.3', False, port='p-snk'):.2f} s")


def test_source_specific_join_is_seen_by_the_switch(rig):
    capture = rig.capture("232.9.1.4", 5000, source=SOURCE)
    end = time.monotonic() + 60
    while ("232.9.1.4", SOURCE) not in rig.mdb("p-snk"):
        assert time.monotonic() < end, rig.mdb("p-snk")
        time.sleep(0.02)
    rig.datagram(b"payload", "232.9.1.4", 5000)
    capture.wait(1)
    capture.stop()


def test_reader_finds_lost_packets_and_looped_streams_are_whole():
    data = media.stream("h264_aac", 20).read_bytes()
    assert ts.Scan(data).total_cc_errors == 0
    hole = data[:188 * 1000] + data[188 * 1007:]
    assert ts.Scan(hole).total_cc_errors > 0
    twice = ts.looped(data[:188 * 4000], 12)
    assert ts.Scan(twice).total_cc_errors == 0


def test_broken_frames_can_be_made(rig):
    capture = rig.capture("239.9.1.5", 5000)
    rig.wait_mdb("239.9.1.5", True, port="p-snk")
    rig.raw_frame(ethernet_udp(b"whole", "239.9.1.5", 5000))
    capture.wait(1)
    assert capture.stop().payload() == b"whole"
    assert GATEWAY.startswith("10.77.")
