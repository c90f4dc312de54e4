"""A multicast network for one test: source, gateway and sink on a Linux bridge that snoops IGMP and asks its queries.

  src  eth0 10.77.0.1/24     senders
  gw   cap0, cap1 no address the gateway's capture ports (its fast path owns ARP and IGMP there)
  snk  eth0 10.77.0.9/24     receivers
  br   br0  10.77.0.254/24   the switch
A new bridge floods until its querier counts as established; Rig waits until an unjoined group stays away.
"""
import json
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from . import netns
from .capture import Capture, Tap

SOURCE = "10.77.0.1"
GATEWAY = "10.77.0.5"
GATEWAY2 = "10.77.0.6"
SINK = "10.77.0.9"
SWITCH = "10.77.0.254"
HERE = Path(__file__).resolve().parent
ETH_P_IP = 0x0800


class Rig:
    def __init__(self, igmp_version=3, query_interval=1.0, membership_interval=3.0, wait=True):
        netns.sweep()
        self.prefix = netns.next_prefix()
        self.query_interval = query_interval
        self.names = {role: f"{self.prefix}-{role}" for role in ("br", "src", "gw", "snk")}
        self.processes = []
        self.captures = []
        try:
            for name in self.names.values():
                netns.create(name)
            self._build(igmp_version, query_interval, membership_interval)
            if wait:
                self.wait_until_no_flooding()
        except BaseException:
            self.close()
            raise

    def _build(self, igmp_version, query_interval, membership_interval):
        br, src, gw, snk = (self.names[role] for role in ("br", "src", "gw", "snk"))
        centi = lambda seconds: str(round(seconds * 100))
        # When the querier is switched on, the bridge floods for one response interval more: set that first, and short.
        netns.run("ip", "-n", br, "link", "add", "br0", "type", "bridge", "mcast_snooping", "1",
                  "mcast_igmp_version", str(igmp_version), "mcast_query_interval", centi(query_interval),
                  "mcast_startup_query_interval", centi(min(query_interval, 1.0)), "mcast_query_response_interval",
                  centi(min(query_interval / 2, 1.0)), "mcast_membership_interval", centi(membership_interval),
                  "mcast_querier_interval", centi(membership_interval), "mcast_last_member_interval", "20",
                  "mcast_last_member_count", "2", "mcast_query_use_ifaddr", "1", "forward_delay", "0")
        lines = ["addr add 10.77.0.254/24 dev br0"]
        for port, role, name in (("p-src", src, "eth0"), ("p-gw", gw, "cap0"), ("p-gw2", gw, "cap1"), ("p-snk", snk, "eth0")):
            lines += [f"link add {port} mtu 1500 type veth peer name {name} netns {role}",
                      f"link set {port} master br0 up"]
        lines.append("link set br0 up")
        netns.run("ip", "-n", br, "-batch", "-", text_input="\n".join(lines))
        self.set_bridge("mcast_querier", "1")
        for namespace, address in ((src, SOURCE), (snk, SINK)):
            netns.run("ip", "-n", namespace, "-batch", "-",
                      text_input=f"addr add {address}/24 dev eth0\nlink set eth0 up\nroute add 224.0.0.0/4 dev eth0")
        netns.run("ip", "-n", gw, "-batch", "-", text_input="link set cap0 up\nlink set cap1 up")

    def wait_until_no_flooding(self, limit=60.0):
        """Sends to a group that nobody joined until none of it reaches the sink for three rounds."""
        group, port = "239.255.77.77", 5777
        with netns.inside(self.names["snk"]):
            watch = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
            watch.bind(("eth0", 0))
        watch.settimeout(0.15)
        with netns.inside(self.names["src"]):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        deadline, quiet = time.monotonic() + limit, 0
        try:
            while quiet < 3:
                if time.monotonic() > deadline:
                    raise RuntimeError("the bridge still floods an unjoined group")
                sender.sendto(b"flood?", (group, port))
                quiet = 0 if self._saw(watch, group) else quiet + 1
        finally:
            watch.close()
            sender.close()

    @staticmethod
    def _saw(watch, group):
        wanted = socket.inet_aton(group)
        until = time.monotonic() + 0.15
        while time.monotonic() < until:
            try:
                frame = watch.recv(2048)
            except TimeoutError:
                return False
            if frame[30:34] == wanted:
                return True
        return False

    def mdb(self, port="p-gw"):
        """Groups that the switch forwards to a port: {(group, source or None)}."""
        text = netns.run("bridge", "-n", self.names["br"], "-j", "-d", "mdb", "show")
        entries = json.loads(text or "[]")
        found = set()
        for block in entries:
            for entry in block.get("mdb", []):
                if entry.get("port") == port:
                    found.add((entry["grp"], entry.get("src")))
        return found

    def wait_mdb(self, group, present, port="p-gw", limit=30.0):
        """Seconds until the group is (not) forwarded to the port; raises when it never is."""
        start = time.monotonic()
        while time.monotonic() - start < limit:
            if any(entry[0] == group for entry in self.mdb(port)) == present:
                return time.monotonic() - start
            time.sleep(0.02)
        raise AssertionError(f"{group} is {'not ' if present else 'still '}forwarded to {port} after {limit} s: {self.mdb(port)}")

    def set_bridge(self, *options):
        netns.run("ip", "-n", self.names["br"], "link", "set", "br0", "type", "bridge", *options)

    def inside(self, role):
        return netns.inside(self.names[role])

    def popen(self, role, *command, **kwargs):
        process = subprocess.Popen(netns.command_in(self.names[role], *command), stdin=subprocess.DEVNULL, **kwargs)
        self.processes.append(process)
        return process

    def call(self, role, *command, timeout=120, **kwargs):
        """Runs to its end; killed when it takes too long. Returns CompletedProcess with text output."""
        kwargs.setdefault("text", True)
        return subprocess.run(netns.command_in(self.names[role], "timeout", "-s", "KILL", str(timeout), *command),
                              stdin=subprocess.DEVNULL, capture_output=True, **kwargs)

    def pictures(self, role, *pipeline, wanted=50, limit=60):
        """How many pictures GStreamer's pipeline, to which a decoder's end is added, hands on, until there are enough."""
        process = self.popen(role, "timeout", "-s", "KILL", str(limit), "gst-launch-1.0", "-v", *pipeline, "!", "fakesink", "silent=false",
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        count, last = 0, []
        for line in process.stdout:
            count += "chain" in line
            last = [*last[-8:], line]
            if count >= wanted:
                break
        process.terminate()
        process.wait()
        assert count >= wanted, f"{count} pictures of {wanted}; {''.join(last)}"
        return count

    def send(self, path, group, port, **options):
        """Starts the independent paced sender in the source namespace; see send_ts.py for the options."""
        command = [sys.executable, str(HERE / "send_ts.py"), str(path), group, str(port), "--interface", SOURCE]
        for key, value in options.items():
            flag = "--" + key.replace("_", "-")
            command += [flag] if value is True else [flag, str(value)]
        return self.popen("src", *command, stdout=subprocess.PIPE, text=True)

    def datagram(self, payload, group, port, role="src", ttl=4):
        with self.inside(role):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        sender.sendto(payload, (group, port))
        sender.close()

    def raw_frame(self, frame, role="src", interface="eth0"):
        with self.inside(role):
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            sender.bind((interface, 0))
        sender.send(frame)
        sender.close()

    def capture(self, group, port, source=None):
        with self.inside("snk"):
            capture = Capture(group, port, SINK, source)
        self.captures.append(capture)
        return capture

    def relayed(self, group_in, group_out, path, port=5000, speed=4):
        """What comes out of one group while a file is sent to another."""
        capture = self.capture(group_out, port)
        self.wait_mdb(group_in, True)
        self.wait_mdb(group_out, True, port="p-snk")
        assert self.send(path, group_in, port, speed=speed).wait(120) == 0
        capture.wait_quiet()
        return capture.stop().payload()

    def tap(self, port="p-gw"):
        """Listens at the switch's end of a port, both ways."""
        with self.inside("br"):
            tap = Tap(port)
        self.captures.append(tap)
        return tap

    def stays_in_mdb(self, group, seconds, port="p-gw", source=None):
        """Asserts that the switch forwards the group to the port at every look, for that long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            entries = self.mdb(port)
            assert any(entry[0] == group and source in (None, entry[1]) for entry in entries), f"{group} forgotten: {entries}"
            time.sleep(0.05)

    def close(self):
        for capture in self.captures:
            capture.stop()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        for name in self.names.values():
            netns.destroy(name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ethernet_udp(payload, group, port, source=SOURCE, length=None, ip_length=None, vlan=None):
    """An Ethernet frame as a broken sender might make it: the lengths may lie, a VLAN tag may be there."""
    udp = struct.pack("!HHHH", 40000, port, length if length is not None else 8 + len(payload), 0) + payload
    total = ip_length if ip_length is not None else 20 + len(udp)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, 0, 0, 4, 17, 0, socket.inet_aton(source), socket.inet_aton(group))
    words = struct.unpack("!10H", header)
    check = sum(words)
    check = (check & 0xFFFF) + (check >> 16)
    check = ~((check & 0xFFFF) + (check >> 16)) & 0xFFFF
    header = header[:10] + struct.pack("!H", check) + header[12:]
    low = socket.inet_aton(group)
    mac = bytes([0x01, 0x00, 0x5E, low[1] & 0x7F, low[2], low[3]])
    tag = struct.pack("!HH", 0x8100, vlan) if vlan is not None else b""
    return mac + b"\x02\x00\x00\x00\x00\x01" + tag + struct.pack("!H", 0x0800) + header + udp
