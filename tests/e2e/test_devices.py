"""The other ways in and out: af_xdp, pcap, memif, tap, any driver of DPDK's. What this machine cannot do is skipped with its reason."""
import contextlib
import socket
import struct
import sys
import time

import pytest

from support import media
from support.capture import Capture
from support.gateway import Gateway
from support.rig import HERE, ethernet_udp


def test_af_xdp_on_veth(rig):
    channels = {"a": {"inputs": ["udp://239.10.1.1:5000"], "push": ["udp://239.10.2.1:5000"]}}
    gateway = Gateway(rig, channels, device="af_xdp:cap0")
    try:
        try:
            gateway.start()
        except RuntimeError as error:
            text = str(error).lower()
            if any(word in text for word in ("not permitted", "not supported", "memlock")):
                pytest.skip(f"this kernel gives no AF_XDP socket: {gateway.tail(3)}")
            raise
        path = media.stream("h264_aac", 20)
        assert rig.relayed("239.10.1.1", "239.10.2.1", path) == path.read_bytes()
    finally:
        gateway.close()


def write_pcap(path, stream, group, port, seconds):
    """A capture file of the stream in datagrams of 7 packets."""
    data = stream.read_bytes()
    count = len(data) // 1316
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for index in range(count):
            frame = ethernet_udp(data[index * 1316:(index + 1) * 1316], group, port)
            when = index * seconds / count
            file.write(struct.pack("<IIII", int(when), int(when % 1 * 1e6), len(frame), len(frame)) + frame)
    return data[:count * 1316]


def read_pcap(path):
    """The frames of a capture file."""
    data, at, frames = path.read_bytes(), 24, []
    assert struct.unpack("<I", data[:4])[0] in (0xA1B2C3D4, 0xA1B23C4D)
    while at < len(data):
        size = struct.unpack("<I", data[at + 8:at + 12])[0]
        frames.append(data[at + 16:at + 16 + size])
        at += 16 + size
    return frames


def test_pcap_file_as_an_input_and_another_as_an_output(rig):
    with contextlib.ExitStack() as stack:
        channels = {"a": {"inputs": [{"url": "udp://239.10.1.2:5000", "interface": "file0"}],
                          "push": [{"url": "udp://239.10.2.2:5000", "interface": "cap0"},
                                   {"url": "udp://239.10.2.12:5000", "interface": "file0"}]}}
        gateway = Gateway(rig, channels)
        stack.callback(gateway.close)
        trace = gateway.folder / "in.pcap"
        trace.parent.chmod(0o755)
        sent = write_pcap(trace, media.stream("radio_mp2", 4), "239.10.1.2", 5000, 4)
        gateway.node["interfaces"] = {"cap0": {"device": "af_packet:cap0", "address": "10.77.0.5/24", "default": True},
                                      "file0": {"device": f"pcap:{trace}", "address": "10.78.0.5/24"}}
        gateway.write_node()
        capture = rig.capture("239.10.2.2", 5000)
        rig.wait_mdb("239.10.2.2", True, port="p-snk")
        gateway.start()
        gateway.wait_metric("headgate_input_datagrams_total", len(sent) // 1316, channel="a")
        capture.wait_quiet()
        capture.stop()
        got = capture.payload()
        print(f"pcap: {len(got) // 188} of {len(sent) // 188} packets relayed")
        assert got == sent, "what left is not what the file holds"
        assert gateway.stop() == 0
        group = socket.inet_aton("239.10.2.12")
        written = [frame[42:] for frame in read_pcap(trace.with_name("in.pcap.out.pcap")) if frame[30:34] == group]
        assert b"".join(written) == sent, "what was written is not what came"


def test_memif_between_two_gateways(rig):
    """The first gateway takes multicast from the switch and hands it on by shared memory; the second sends it out."""
    with contextlib.ExitStack() as stack:
        first = Gateway(rig, {"a": {"inputs": [{"url": "udp://239.10.1.3:5000", "interface": "cap0"}],
                                    "push": [{"url": "udp://239.10.3.3:5000", "interface": "mem0"}]}}, name="first")
        stack.callback(first.close)
        shared = first.folder / "memif.sock"
        first.node["interfaces"] = {"cap0": {"device": "af_packet:cap0", "address": "10.77.0.5/24", "default": True},
                                    "mem0": {"device": f"memif:{shared},role=server", "address": "10.79.0.1/24"}}
        second = Gateway(rig, {"a": {"inputs": [{"url": "udp://239.10.3.3:5000", "interface": "mem0"}],
                                     "push": [{"url": "udp://239.10.2.3:5000", "interface": "cap1"}]}}, name="second")
        stack.callback(second.close)
        second.node["interfaces"] = {"cap1": {"device": "af_packet:cap1", "address": "10.77.0.6/24", "default": True},
                                     "mem0": {"device": f"memif:{shared},role=client", "address": "10.79.0.2/24"}}
        first.write_node()
        second.write_node()
        first.start()
        second.start()
        for gateway in (first, second):
            gateway.wait_metric("headgate_interface_up", 1, interface="mem0")
        path = media.stream("h264_aac", 20)
        assert rig.relayed("239.10.1.3", "239.10.2.3", path) == path.read_bytes()


def test_two_interfaces_of_one_gateway(rig):
    channels = {"a": {"inputs": [{"url": "udp://239.10.1.4:5000", "interface": "cap0"}],
                      "push": [{"url": "udp://239.10.2.4:5000", "interface": "cap1"}]}}
    node = {"interfaces": {"cap0": {"device": "af_packet:cap0", "address": "10.77.0.5/24", "default": True},
                           "cap1": {"device": "af_packet:cap1", "address": "10.77.0.6/24"}}}
    with Gateway(rig, channels, node=node) as gateway:
        path = media.stream("h264_aac", 20)
        assert rig.relayed("239.10.1.4", "239.10.2.4", path) == path.read_bytes()


def test_vlan_tagged_stream_comes_in_and_leaves(rig):
    """The switch here knows no VLANs: tagged frames are flooded, so tag handling is judged on the wire itself."""
    channels = {"a": {"inputs": [{"url": "udp://239.10.1.5:5000", "vlan": 120}],
                      "push": [{"url": "udp://239.10.2.5:5000", "vlan": 130}]}}
    node = {"interfaces": {"cap0": {"device": "af_packet:cap0", "address": "10.77.0.5/24",
                                    "vlans": {"120": {"address": "10.21.0.5/24"}, "130": {"address": "10.22.0.5/24"}}}}}
    packet = bytes([0x47, 0x01, 0x00, 0x10]) + bytes(184)
    with Gateway(rig, channels, node=node) as gateway:
        # At the switch's own side of the gateway's cable: the bridge would strip or flood.
        with rig.inside("br"):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            wire.bind(("p-gw", 0))
            wire.setsockopt(263, 8, 1)  # PACKET_AUXDATA: the kernel takes the tag out of the frame
        wire.settimeout(0.2)
        seen = {}
        end = time.monotonic() + 60
        sent = 0
        while time.monotonic() < end and 130 not in seen:
            rig.raw_frame(ethernet_udp(packet * 7, "239.10.1.5", 5000, vlan=120), role="br", interface="p-gw")
            sent += 1
            try:
                while True:
                    data, ancillary, _, address = wire.recvmsg(2048, 256)
                    if address[2] == 4:
                        continue
                    tag = None
                    for level, kind, value in ancillary:
                        if level == 263 and kind == 8:
                            fields = struct.unpack("IIIHHHH", value[:20])
                            if fields[0] & 0x10:
                                tag = fields[5] & 0xFFF
                    offset = 12
                    if data[12:14] == b"\x81\x00":
                        tag = struct.unpack("!H", data[14:16])[0] & 0xFFF
                        offset = 16
                    if socket.inet_aton("239.10.2.5") in data[offset:offset + 30]:
                        assert packet * 7 in data
                        seen[tag] = seen.get(tag, 0) + 1
            except TimeoutError:
                pass
        wire.close()
        assert set(seen) == {130}, f"datagrams by VLAN tag: {seen}, {sent} sent"
        gateway.wait_metric("headgate_input_datagrams_total", sent, channel="a")
        rig.raw_frame(ethernet_udp(packet * 7, "239.10.1.5", 5000, vlan=121), role="br", interface="p-gw")
        rig.raw_frame(ethernet_udp(packet * 7, "239.10.1.5", 5000), role="br", interface="p-gw")
        gateway.wait_metric("headgate_drops_total", 2, reason="no_flow")
        assert gateway.metric("headgate_input_datagrams_total", channel="a") == sent


def test_tap_both_ways(rig):
    """A tap is a kernel interface: a local receiver gets what is pushed there, a local sender's stream is an input."""
    channels = {"out": {"inputs": [{"url": "udp://239.10.1.7:5000", "interface": "cap0"}],
                        "push": [{"url": "udp://239.10.2.7:5000", "interface": "tap0"}]},
                "in": {"inputs": [{"url": "udp://239.10.1.8:5000", "interface": "tap0"}],
                       "push": [{"url": "udp://239.10.2.8:5000", "interface": "cap0"}]}}
    node = {"interfaces": {"cap0": {"device": "af_packet:cap0", "address": "10.77.0.5/24", "default": True},
                           "tap0": {"device": "tap:hgtap1", "address": "10.80.0.5/24"}}}
    path = media.stream("h264_aac", 20)
    with Gateway(rig, channels, node=node):
        assert rig.call("gw", "ip", "addr", "add", "10.80.0.1/24", "dev", "hgtap1").returncode == 0
        with rig.inside("gw"):
            local = Capture("239.10.2.7", 5000, "10.80.0.1")
        rig.captures.append(local)
        remote = rig.capture("239.10.2.8", 5000)
        rig.wait_mdb("239.10.1.7", True)
        rig.wait_mdb("239.10.2.8", True, port="p-snk")
        outside = rig.send(path, "239.10.1.7", 5000, speed=4)
        inside = rig.popen("gw", sys.executable, str(HERE / "send_ts.py"), str(path), "239.10.1.8", "5000", "--interface", "10.80.0.1",
                           "--speed", "4")
        assert outside.wait(120) == 0 and inside.wait(120) == 0
        for capture in (local, remote):
            capture.wait_quiet()
            assert capture.stop().payload() == path.read_bytes()


def test_driver_named_by_its_devargs(rig):
    channels = {"a": {"inputs": ["udp://239.10.1.9:5000"], "push": ["udp://239.10.2.9:5000"]}}
    with Gateway(rig, channels, device="dpdk:net_af_packet7,iface=cap0,framecnt=4096,framesz=2048,blocksz=262144") as gateway:
        path = media.stream("h264_aac", 20)
        assert rig.relayed("239.10.1.9", "239.10.2.9", path) == path.read_bytes()
