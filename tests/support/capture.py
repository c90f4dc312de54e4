"""Receivers in a thread, stamped by the kernel: of one multicast group by a UDP socket, of all frames on a cable by a packet socket."""
import select
import socket
import struct
import threading
import time

SO_RCVBUFFORCE = 33
SO_RXQ_OVFL = 40
SO_TIMESTAMPNS = 35
IP_ADD_SOURCE_MEMBERSHIP = 39
IP_MULTICAST_ALL = 49
ETH_P_ALL = 3
PACKET_OUTGOING = 4


class Capture:
    """Made inside the sink's namespace; the socket stays there."""

    def __init__(self, group, port, interface, source=None):
        self.datagrams = []  # (arrival in seconds since the epoch, payload)
        self.kernel_drops = 0
        self._stop = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        self._socket.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
        self._socket.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
        self._socket.bind((group, port))
        self.ttl = self.tos = None
        local, wanted = socket.inet_aton(interface), socket.inet_aton(group)
        if source is None:
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, wanted + local)
        else:
            self._socket.setsockopt(socket.IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, wanted + local + socket.inet_aton(source))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        self._socket.setblocking(False)
        while not self._stop.is_set():
            if not select.select([self._socket], [], [], 0.05)[0]:
                continue
            for _ in range(256):
                try:
                    data, ancillary, _flags, sender = self._socket.recvmsg(65536, 256)
                except BlockingIOError:
                    break
                self._note(data, ancillary, sender)

    def _note(self, data, ancillary, sender):
        arrival = time.time()
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                arrival = seconds + nanoseconds / 1e9
            elif level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL:
                self.kernel_drops = struct.unpack("I", value[:4])[0]
            elif level == socket.IPPROTO_IP and kind == socket.IP_TTL:
                self.ttl = struct.unpack("i", value[:4])[0]
            elif level == socket.IPPROTO_IP and kind == socket.IP_TOS:
                self.tos = value[0]
        self.sender = sender
        self.datagrams.append((arrival, data))

    def wait(self, datagrams=1, limit=60.0):
        """Waits until that many datagrams have come; returns the seconds it took."""
        start = time.monotonic()
        while len(self.datagrams) < datagrams:
            if time.monotonic() - start > limit:
                raise AssertionError(f"{len(self.datagrams)} of {datagrams} datagrams after {limit} s")
            time.sleep(0.01)
        return time.monotonic() - start

    def wait_quiet(self, quiet=1.5, limit=60.0):
        """Waits until nothing has come for a while."""
        wait_all_quiet([self], quiet, limit)

    def stop(self):
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            self._socket.close()
        return self

    def payload(self):
        """All UDP payloads in a row."""
        return b"".join(data for _, data in self.datagrams)

    def rtp_payload(self):
        """RTP payloads in a row; asserts version 2, type 33 and consecutive sequence numbers."""
        out, expected, ssrc = [], None, None
        for _, data in self.datagrams:
            first, kind, sequence, _stamp, source = struct.unpack("!BBHII", data[:12])
            assert first == 0x80 and kind & 0x7F == 33, f"RTP header {data[:12].hex()}"
            assert expected is None or sequence == expected, f"RTP sequence {sequence}, expected {expected}"
            assert ssrc is None or ssrc == source, "RTP SSRC changed"
            expected, ssrc = (sequence + 1) & 0xFFFF, source
            out.append(data[12:])
        return b"".join(out)

    def longest_gap(self, start=0):
        """The longest time between two datagrams from index start on, in seconds."""
        times = [when for when, _ in self.datagrams[start:]]
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)


def wait_all_quiet(captures, quiet=1.5, limit=60.0):
    """Waits until nothing has come to any of them for a while."""
    captures, deadline = list(captures), time.monotonic() + limit

    def count():
        return sum(len(capture.datagrams) for capture in captures)

    seen, since = count(), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(0.02)
        if count() != seen:
            seen, since = count(), time.monotonic()
        elif time.monotonic() - since > quiet:
            return
    raise AssertionError("the group never falls silent")


class Tap:
    """All IPv4 frames at the switch's end of a port, both ways. Made inside the switch's namespace; the socket stays there.

    A frame is (time, to_port, frame): to_port tells those that the switch handed to the port from those that came out of it.
    """

    def __init__(self, port):
        self.frames = []
        self._stop = threading.Event()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((port, ETH_P_ALL))
        self._socket.settimeout(0.05)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            try:
                data, ancillary, _flags, address = self._socket.recvmsg(2048, 128)
            except TimeoutError:
                continue
            if data[12:14] != b"\x08\x00":
                continue
            when = next((struct.unpack("qq", value[:16]) for level, kind, value in ancillary
                         if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS), None)
            self.frames.append((when[0] + when[1] / 1e9 if when else time.time(), address[2] == PACKET_OUTGOING, data))

    def stop(self):
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            # PACKET_STATISTICS: what the kernel had to drop for want of room.
            self.kernel_drops = struct.unpack("II", self._socket.getsockopt(263, 6, 8))[1]
            self._socket.close()
        return self

    def times(self, group, to_port):
        """When each UDP datagram to the group passed."""
        wanted = socket.inet_aton(group)
        return [when for when, direction, data in self.frames
                if direction == to_port and data[30:34] == wanted and data[23] == socket.IPPROTO_UDP]

    def igmp_types(self):
        """Types of the IGMP messages that came out of the port."""
        return [data[14 + (data[14] & 15) * 4] for _, to_port, data in self.frames
                if not to_port and data[23] == socket.IPPROTO_IGMP]
