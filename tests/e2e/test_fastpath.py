"""The fast path alone, as its neighbours see it: devices, its socket, what its port lost, its log."""
import contextlib
import json
import os
import signal
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from support import media, ts
from support.gateway import HEADGATE, Gateway
from support.rig import ethernet_udp

PACKET = bytes([0x47, 0x01, 0x00, 0x10]) + bytes(184)
CHANNEL = {"a": {"inputs": ["udp://239.11.1.1:5000"], "push": ["udp://239.11.2.1:5000"]}}
CAP0 = {"device": "af_packet:cap0", "address": "10.77.0.5/24", "default": True}


def refused(rig, interfaces, fastpath=None):
    """What a gateway that can't open its devices says."""
    gateway = Gateway(rig, CHANNEL, node={"interfaces": {"cap0": CAP0, **interfaces}, "fastpath": {"hugepages": "never", **(fastpath or {})}})
    try:
        gateway.start(ready=False)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            lines = [line for line in gateway.tail().splitlines() if "error" in line and "interface" in line or "hugepages" in line]
            if lines:
                return lines[0]
            time.sleep(0.1)
        raise AssertionError(gateway.tail())
    finally:
        gateway.close()


def ask(gateway, method):
    """The fast path's own answer on its socket."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as client:
        client.settimeout(60)
        client.connect(str(gateway.run_dir / "fastpath" / "control.sock"))
        client.sendall(json.dumps({"v": 1, "id": 1, "method": method}).encode() + b"\n")
        text = b""
        while not text.endswith(b"\n"):
            text += client.recv(65536)
    return json.loads(text)


@pytest.mark.parametrize("interface,says", [
    ({"device": "pci:0000:7f:00.0"}, "vfio-pci"),
    ({"device": "dpdk:net_nothing0"}, "is it a device that DPDK knows"),
    ({"device": "pcap:/nowhere/in.pcap"}, "is the file there"),
    ({"device": "dpdk:net_af_packet0,iface=cap1"}, "is that of interface cap0 already"),
    ({"device": "af_packet:eth77"}, "the kernel has no interface eth77"),
])
def test_device_that_is_not_there_is_named_with_its_remedy(rig, interface, says):
    line = refused(rig, {"x": interface})
    print(line)
    assert says in line and "interface x" in line


def test_required_huge_pages_are_asked_for(rig):
    if any(line.startswith("HugePages_Free") and int(line.split()[1]) > 0 for line in open("/proc/meminfo")):
        pytest.skip("this machine has huge pages")
    line = refused(rig, {}, {"hugepages": "required"})
    assert "vm.nr_hugepages=" in line, line


# The kernel's sysfs without /sys/module, as containers show it.
WITHOUT_MODULES = """set -e
mount -t tmpfs none /mnt
mkdir /mnt/sys
mount --rbind /sys /mnt/sys
mount -t tmpfs none /sys
mkdir /sys/devices /sys/kernel
mount --rbind /mnt/sys/devices /sys/devices
mount --rbind /mnt/sys/kernel /sys/kernel
exec "$@"
"""


def start_without_modules(gateway):
    with open(gateway.log, "ab") as log:
        gateway.launcher = gateway.rig.popen("gw", "sh", "-c", WITHOUT_MODULES, "sh", str(HEADGATE), "run", "--config", str(gateway.config),
                                             stdout=log, stderr=log)


def test_starts_where_sysfs_shows_no_modules(rig):
    """DPDK looks there whether VFIO is loaded, and gives up when it can't tell."""
    gateway = Gateway(rig, CHANNEL)
    try:
        start_without_modules(gateway)
        gateway.wait_ready()
        rig.wait_mdb("239.11.1.1", True)
        rig.datagram(PACKET * 7, "239.11.1.1", 5000)
        gateway.wait_metric("headgate_output_datagrams_total", 1, channel="a")
        seen_by_it = Path("/proc", str(gateway.pid("fastpath")), "root")  # what it takes for the top of the file system
        assert not (seen_by_it / "sys" / "module").exists(), "the case is none"
    finally:
        gateway.close()


def test_card_without_sysfs_modules_is_refused_with_the_remedy(rig):
    gateway = Gateway(rig, CHANNEL, node={"interfaces": {"cap0": CAP0, "x": {"device": "pci:0000:7f:00.0"}}})
    try:
        start_without_modules(gateway)
        end = time.monotonic() + 60
        while "mount sysfs" not in gateway.tail():
            assert time.monotonic() < end, gateway.tail()
            time.sleep(0.1)
    finally:
        gateway.close()


class Stream:
    """A steady stream of known continuity, without a beginning or an end."""

    def __init__(self, rig, group, datagrams_per_second):
        self.group, self.rate, self._stop = group, datagrams_per_second, threading.Event()
        with rig.inside("src"):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        start, sent = time.monotonic(), 0
        while not self._stop.is_set():
            while sent < (time.monotonic() - start) * self.rate:
                first = sent * 7
                self._socket.sendto(b"".join(bytes([0x47, 1, 0, 0x10 | (first + i) & 15]) + bytes(184) for i in range(7)), (self.group, 5000))
                sent += 1
            time.sleep(0.0005)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._socket.close()


def test_start_onto_a_flowing_stream_is_clean(rig):
    """The switch forwards the group already, as after a restart: what the port takes first must have no hole."""
    rig.call("br", "bridge", "mdb", "add", "dev", "br0", "port", "p-gw", "grp", "239.11.1.8", "permanent")
    try:
        with Stream(rig, "239.11.1.8", 2000):
            for _ in range(8):
                with Gateway(rig, {"a": {"inputs": ["udp://239.11.1.8:5000"], "push": ["udp://239.11.2.8:5000"]}}) as gateway:
                    taken = gateway.wait_metric("headgate_input_datagrams_total", 1000, channel="a")
                    assert gateway.metric("headgate_input_cc_errors_total", channel="a") == 0, f"of {taken} datagrams"
                    assert gateway.metric("headgate_drops_total") == 0
                    sockets = [line.split() for line in rig.call("gw", "cat", "/proc/net/packet").stdout.splitlines()[1:]]
                    assert sockets and all(int(fields[4]) != 0 for fields in sockets if int(fields[3], 16) != 0), \
                        f"a socket takes the frames of every interface: {sockets}"
    finally:
        rig.call("br", "bridge", "mdb", "del", "dev", "br0", "port", "p-gw", "grp", "239.11.1.8", "permanent")


def stopped_while_it_starts(gateway):
    """Starts the gateway and stops its fast path between opening the port and the first tables. False: too late."""
    gateway.start(ready=False)
    end = time.monotonic() + 60
    with gateway.rig.inside("gw"):
        while not any(int(line.split()[4]) for line in open("/proc/thread-self/net/packet").readlines()[1:]):
            assert time.monotonic() < end, gateway.tail()
    gateway.kill("fastpath", signal.SIGSTOP)
    return "fastpath: generation" not in gateway.tail(100)


def test_stream_begins_whole_though_the_port_ran_over_during_the_start(rig):
    frames = [ethernet_udp(b"".join(bytes([0x47, 1, 0, 0x10 | (7 * n + i) & 15]) + bytes(184) for i in range(7)), "239.11.1.10", 5000)
              for n in range(16)]
    for _ in range(5):
        gateway = Gateway(rig, {"a": {"inputs": ["udp://239.11.1.10:5000"], "push": ["udp://239.11.2.10:5000"]}})
        try:
            if not stopped_while_it_starts(gateway):
                continue
            with rig.inside("br"):
                sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
                sender.bind(("p-gw", 0))
            sent, began = 0, time.monotonic()
            while sent < 10001:  # the ring holds 8192; one more than a multiple of 16, so that a hole shows
                sender.send(frames[sent % 16])
                sent += 1
            gateway.kill("fastpath", signal.SIGCONT)
            gateway.wait_ready()
            while sent < 10101:
                sender.send(frames[sent % 16])
                sent += 1
            sender.close()
            gateway.wait_metric("headgate_input_datagrams_total", 100, channel="a")
            taken = gateway.metric("headgate_input_datagrams_total", channel="a")
            missed = gateway.metric("headgate_drops_total", reason="nic_missed")
            print(f"{sent} sent: {missed:.0f} missed, {taken:.0f} taken")
            assert gateway.metric("headgate_input_cc_errors_total", channel="a") == 0
            # The switch asks its queries meanwhile, one a second.
            assert 0 <= missed + taken - sent <= 10 + 2 * (time.monotonic() - began)
            return
        finally:
            gateway.close()
    raise AssertionError("the fast path could never be stopped in time")


def test_second_memif_server_leaves_the_first_its_socket(rig, tmp_path):
    path = tmp_path / "m.sock"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(str(path))
    server.listen(1)
    assert "another memif server listens" in refused(rig, {"x": {"device": f"memif:{path}"}})
    assert path.exists()
    server.close()  # killed: the socket stays behind
    with Gateway(rig, CHANNEL, node={"interfaces": {"cap0": CAP0, "x": {"device": f"memif:{path}"}}}) as gateway:
        assert gateway.alive("fastpath")


def test_null_and_tap_devices(rig):
    """A tap is a kernel interface of the gateway's namespace: what is pushed there, a local program receives."""
    channels = {"a": {"inputs": ["udp://239.11.1.2:5000"],
                      "push": [{"url": "udp://239.11.2.2:5000", "interface": "tap0"}, {"url": "udp://239.11.2.3:5000", "interface": "null0"}]}}
    node = {"interfaces": {"cap0": CAP0, "tap0": {"device": "tap:hgtap0", "address": "10.80.0.5/24"},
                           "null0": {"device": "dpdk:net_null0,size=64", "address": "10.81.0.5/24"}}}
    with Gateway(rig, channels, node=node) as gateway:
        link = rig.call("gw", "ip", "-br", "link", "show", "hgtap0")
        assert link.returncode == 0 and "UP" in link.stdout, link
        with rig.inside("gw"):
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            wire.bind(("hgtap0", 0))
        wire.settimeout(60)
        rig.wait_mdb("239.11.1.2", True)
        rig.datagram(PACKET * 7, "239.11.1.2", 5000)
        wanted = socket.inet_aton("239.11.2.2")
        while True:
            frame = wire.recv(2048)
            if frame[30:34] == wanted and PACKET * 7 in frame:
                break
        wire.close()
        gateway.wait_metric("headgate_output_datagrams_total", 2, channel="a")


def test_service_by_name_out_of_a_captured_multiplex(rig):
    path = media.capture("mpts-dvbt-it-8prog.ts")
    if path is None:
        pytest.skip("captures need HEADGATE_STREAMS")
    source = path.read_bytes()
    program = 3411
    channels = {"a": {"program": {"name": "rai news 24"}, "inputs": ["udp://239.11.1.4:5000"], "push": ["udp://239.11.2.4:5000"]}}
    with Gateway(rig, channels) as gateway:
        capture = rig.capture("239.11.2.4", 5000)
        rig.wait_mdb("239.11.1.4", True)
        rig.wait_mdb("239.11.2.4", True, port="p-snk")
        assert rig.send(path, "239.11.1.4", 5000).wait(120) == 0
        capture.wait_quiet()
        data = capture.stop().payload()
        whole = len(source) // 1316 * 7  # the sender's datagrams are of seven
        assert gateway.metric("headgate_input_ts_packets_total", channel="a") >= whole
    found = list(ts.programs(data))
    print(f"programs {found}, {len(data) // 188} of {len(source) // 188} packets, datagrams of "
          f"{sorted({len(d) // 188 for _, d in capture.datagrams})} packets")
    assert len(found) == 1
    program = found[0]
    split = lambda stream, pid: [stream[i:i + 188] for i in range(0, len(stream), 188) if (stream[i + 1] & 31) << 8 | stream[i + 2] == pid]
    for pid in ts.streams(data, program)[0]:
        part, all_of_it = split(data, pid), split(source, pid)
        assert part == all_of_it[len(all_of_it) - len(part):], f"PID {pid} is not bit-exact"


def test_interface_change_is_refused_by_the_running_fast_path(rig):
    with Gateway(rig, CHANNEL) as gateway:
        state_file = gateway.run_dir / "state" / "fastpath.json"
        kept = state_file.read_bytes()
        state = json.loads(kept)
        state["interfaces"][0]["mtu"] = 1400
        state["channels"] = []
        state_file.write_text(json.dumps(state))
        answer = ask(gateway, "apply")
        state_file.write_bytes(kept)
        assert "restart_required" in json.dumps(answer), answer
        assert [m["group"] for m in ask(gateway, "status")["result"]["memberships"]] == ["239.11.1.1"]


@pytest.fixture
def long_memory(rig):
    """The switch goes on forwarding to one that answers no query for a while."""
    rig.set_bridge("mcast_membership_interval", "6000")
    yield
    rig.set_bridge("mcast_membership_interval", "300")


def test_frames_that_found_the_port_full_are_counted(rig, long_memory):
    with Gateway(rig, CHANNEL) as gateway:
        rig.wait_mdb("239.11.1.1", True)
        pid = gateway.pid("fastpath")
        os.kill(pid, signal.SIGSTOP)
        try:
            with rig.inside("src"):
                sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for _ in range(12000):  # the ring holds 8192 frames
                sender.sendto(PACKET * 7, ("239.11.1.1", 5000))
            sender.close()
        finally:
            os.kill(pid, signal.SIGCONT)
        end = time.monotonic() + 60
        while True:
            taken = gateway.metric("headgate_input_datagrams_total", channel="a")
            missed = gateway.metric("headgate_drops_total", reason="nic_missed")
            if taken + missed >= 12000:
                break
            assert time.monotonic() < end, f"{taken:.0f} taken and {missed:.0f} missed of 12000"
            time.sleep(0.05)
        print(f"12000 sent while it stood still: {taken:.0f} taken, {missed:.0f} missed")
        assert missed > 0


def test_first_reports_lost_by_the_switch_are_made_up_for(rig):
    """The gateway's port is not part of the bridge while it joins: nobody hears the reports."""
    rig.call("br", "ip", "link", "set", "p-gw", "nomaster")
    try:
        tap = rig.tap()
        with Gateway(rig, {"a": {"inputs": ["udp://239.11.1.9:5000"], "serve": ["hls"]}}) as gateway:
            end = time.monotonic() + 60
            while len(tap.igmp_types()) < 2:  # join and repetition, into the void
                assert time.monotonic() < end
                time.sleep(0.02)
            tap.stop()
            rig.set_bridge("mcast_querier", "0")  # no query will help
            rig.call("br", "ip", "link", "set", "p-gw", "master", "br0")
            took = rig.wait_mdb("239.11.1.9", True)
            print(f"known to the switch {took:.2f} s after its port forwards")
            rig.datagram(PACKET * 7, "239.11.1.9", 5000)
            gateway.wait_metric("headgate_input_datagrams_total", 1, channel="a")
            end = time.monotonic() + 60
            while not all(m["media"] for m in ask(gateway, "status")["result"]["memberships"]):
                assert time.monotonic() < end
                time.sleep(0.05)
    finally:
        rig.call("br", "ip", "link", "set", "p-gw", "master", "br0")
        rig.set_bridge("mcast_querier", "1")
        rig.wait_until_no_flooding()


def test_json_log_is_json_whatever_is_in_it(rig):
    with Gateway(rig, CHANNEL, node={"log": {"format": "json", "level": "debug"}}) as gateway:
        state_file = gateway.run_dir / "state" / "fastpath.json"
        kept = state_file.read_bytes()
        state_file.write_bytes(b'{"version": "1\\"\\u0007\x01\xff\n')
        answer = ask(gateway, "apply")
        state_file.write_bytes(kept)
        assert "error" in answer
        lines = [line for line in gateway.log.read_bytes().splitlines() if b'"fastpath"' in line]
        assert any(b"apply refused" in line for line in lines)
        for line in lines:
            json.loads(line.decode())


def test_pushes_on_interfaces_of_different_mtu(rig):
    channels = {"a": {"inputs": ["udp://239.11.1.7:5000"],
                      "push": [{"url": "udp://239.11.2.7:5000", "interface": "cap0"}, {"url": "udp://239.11.2.8:5000", "interface": "cap1"}]}}
    rig.call("gw", "ip", "link", "set", "cap1", "mtu", "1400")
    try:
        node = {"interfaces": {"cap0": CAP0, "cap1": {"device": "af_packet:cap1", "address": "10.77.0.6/24", "mtu": 1400}}}
        with Gateway(rig, channels, node=node) as gateway:
            captures = [rig.capture(f"239.11.2.{i}", 5000) for i in (7, 8)]
            rig.wait_mdb("239.11.1.7", True)
            for i in (7, 8):
                rig.wait_mdb(f"239.11.2.{i}", True, port="p-snk")
            for _ in range(10):
                rig.datagram(PACKET * 7, "239.11.1.7", 5000)
            gateway.wait_metric("headgate_output_datagrams_total", 20, channel="a")
            for capture in captures:
                capture.wait_quiet()
                assert capture.stop().payload() == PACKET * 70
    finally:
        rig.call("gw", "ip", "link", "set", "cap1", "mtu", "1500")
