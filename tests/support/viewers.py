"""Viewers of a channel that tell whether something was taken from them: by HLS, TS over HTTP, RTMP, and as multicast.

Each plays from its making on. mark() begins the time that is judged; interrupted() waits for what comes next and gives the reason, or "".
"""
import contextlib
import http.client
import re
import socket
import subprocess
import threading
import time
from urllib.parse import urljoin

from . import ts
from .hls import Playlist

JUMP = 0.5  # s between two PCRs at most
FRAMES = 0.1  # s between two frames at most
AFTER = 1.5  # s of media that must follow, or so many bytes of a stream of 1.2 Mb/s or more
BYTES = 300_000
LATER = 0.12  # s
PATIENCE = 20.0  # s for it to come


def break_of(data):
    """What is wrong with a stretch of a transport stream, or ""."""
    scan = ts.Scan(data)
    if scan.total_cc_errors or scan.discontinuities:
        return f"{scan.total_cc_errors} continuity errors, {scan.discontinuities} marked discontinuities"
    last = {}
    for at in range(0, len(data) - ts.SIZE + 1, ts.SIZE):
        found = ts.pcr(data, at)
        if not found:
            continue
        pid, clock = found
        step = (clock - last.get(pid, clock)) % ts.PCR_MODULUS
        if step > JUMP * 27e6:
            return f"the PCR jumps by {step / 27e6:.1f} s"
        last[pid] = clock
    return ""


def wait(condition, limit=PATIENCE):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.3)
    return True


def lateness(datagrams):
    """How much later than its PCR the middle one of these came, by an arbitrary start: the median, s."""
    found = sorted(when - clock[1] / 27e6 for when, data in datagrams for at in range(0, len(data) - ts.SIZE + 1, ts.SIZE) if (clock := ts.pcr(data, at)))
    return found[len(found) // 2]


class Multicast:
    """A decoder's clock follows the PCR: what comes later from one moment on is a break to it, too."""

    def __init__(self, rig, group):
        self.capture = rig.capture(group, 5000)

    def ready(self):
        self.capture.wait(100)

    def mark(self):
        self.begin = len(self.capture.datagrams)

    def interrupted(self):
        if not wait(lambda: (len(self.capture.datagrams) - self.begin) * 7 * ts.SIZE > BYTES, PATIENCE / 2):
            return "nothing comes"
        later = lateness(self.capture.datagrams[self.begin:]) - lateness(self.capture.datagrams[:self.begin])
        reason = break_of(b"".join(data for _, data in self.capture.datagrams[max(0, self.begin - 50):]))
        return reason or (f"it comes {later:.2f} s later" if later > LATER else "")

    def close(self):
        self.capture.stop()


class HttpTs:
    def __init__(self, rig, gateway, channel):
        with rig.inside("gw"):
            self.connection = http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=PATIENCE)
            self.connection.connect()
        self.socket = self.connection.sock  # the connection forgets it at the answer
        self.connection.request("GET", f"/{channel}/stream.ts")
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.status
        self.data, self.ended = bytearray(), False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            while piece := self.answer.read1(65536):
                self.data += piece
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        self.ended = True

    def ready(self):
        assert wait(lambda: len(self.data) > 100 * ts.SIZE, 60)

    def mark(self):
        self.begin = len(self.data) // ts.SIZE * ts.SIZE

    def interrupted(self):
        wait(lambda: self.ended or len(self.data) - self.begin > BYTES, PATIENCE / 2)
        if self.ended:
            return "the connection ended"
        if len(self.data) - self.begin <= BYTES:
            return "nothing comes"
        return break_of(bytes(self.data[max(0, self.begin - 100 * ts.SIZE):]))

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)


class Rtmp:
    """ffmpeg, packet by packet."""

    def __init__(self, rig, port, channel):
        self.process = rig.popen("gw", "ffmpeg", "-v", "error", "-nostdin", "-fflags", "nobuffer", "-analyzeduration", "3M", "-i",
                                 f"rtmp://127.0.0.1:{port}/live/{channel}", "-c", "copy", "-flush_packets", "1", "-max_interleave_delta", "100000", "-f", "framecrc", "-",
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.base, self.packets = {}, []  # seconds of a tick; (stream, dts in s)
        self.groups, self.pictures = [], 0  # pictures of each group that ended, and of the one under way
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if found := re.match(r"#tb (\d+): (\d+)/(\d+)", line):
                self.base[int(found[1])] = int(found[2]) / int(found[3])
            elif not line.startswith("#"):
                fields = line.split(",")
                self.packets.append((int(fields[0]), int(fields[1]) * self.base[int(fields[0])]))
                if int(fields[0]) == 0:
                    if "F=" not in line:  # a key frame has no other flags
                        self.groups.append(self.pictures)
                        self.pictures = 0
                    self.pictures += 1

    def ready(self):
        assert wait(lambda: len(self.packets) > 50 or self.process.poll() is not None, 60) and self.process.poll() is None, "ffmpeg plays no RTMP"

    def mark(self):
        self.begin = len(self.packets)
        self.last = dict(self.packets)

    def interrupted(self):
        def now():
            return dict(self.packets)

        wait(lambda: self.process.poll() is not None or all(now()[s] - at > AFTER for s, at in self.last.items()), PATIENCE / 2)
        if self.process.poll() is not None:
            return "ffmpeg's connection ended"
        last = dict(self.last)
        for stream, dts in self.packets[self.begin:]:
            if stream in last and not 0 <= dts - last[stream] < FRAMES:
                return f"stream {stream} jumps by {dts - last[stream]:.1f} s"
            last[stream] = dts
        if len(set(self.groups[2:])) > 1:
            return f"groups of {self.groups[2:]} pictures"
        gone = [stream for stream, at in self.last.items() if last[stream] - at <= AFTER]
        return f"nothing comes of stream {gone}" if gone else ""

    def close(self):
        self.process.kill()
        self.process.wait()


class Hls:
    """Follows the first variant, and the sound beside it, as a player does: by the addresses that it read once."""

    def __init__(self, gateway, channel):
        self.gateway, url = gateway, f"/{channel}/index.m3u8"
        end = time.monotonic() + 60
        while (answer := gateway.http(url)).status != 200 or not (variants := Playlist(answer.body.decode(), url).variants):
            assert time.monotonic() < end, f"{url}: {answer.status}"
            time.sleep(0.2)
        sound = [urljoin(url, uri) for uri in re.findall(r'#EXT-X-MEDIA:.*?URI="([^"]+)"', answer.body.decode())]
        self.playlists = [variants[0][1], *sound]

    def _listed(self, url):
        answer = self.gateway.http(url)
        return {segment[0]: segment for segment in Playlist(answer.body.decode(), url).segments} if answer.status == 200 else None

    def ready(self):
        for url in self.playlists:
            assert wait(lambda url=url: len(self._listed(url) or {}) >= 2, 60), url

    def mark(self):
        self.last = {url: max(self._listed(url)) for url in self.playlists}

    def interrupted(self):
        for url, last in self.last.items():
            end = time.monotonic() + PATIENCE
            while True:
                listed = self._listed(url)
                if listed is None:
                    return f"{url} is gone"
                new = [listed[number] for number in sorted(listed) if number > last]
                if any(gap or discontinuity for _, _, _, gap, discontinuity in new):
                    return f"{url}: gap or discontinuity"
                if len(new) >= 3:
                    break
                if time.monotonic() > end or (listed and max(listed) < last):
                    return f"{url}: nothing after {last}: {sorted(listed)}"
                time.sleep(0.2)
            if [number for number, *_ in new] != list(range(last + 1, last + 1 + len(new))):
                return f"{url}: {[number for number, *_ in new]} after {last}"
            for number, _, segment, *_ in new:
                if self.gateway.http(segment).status != 200:
                    return f"{segment} is not there"
        return ""

    def close(self):
        pass
