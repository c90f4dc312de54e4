"""An HLS client of the tests' own: follows a media playlist and keeps every segment."""
import re
import time
from urllib.parse import urljoin


class Playlist:
    def __init__(self, text, url):
        self.text = text
        self.sequence = 0
        self.discontinuity_sequence = 0
        self.target = None
        self.version = None
        self.segments = []  # (number, duration, url, gap, discontinuity)
        self.variants = []  # (attributes, url)
        duration, gap, discontinuity, attributes = None, False, False, None
        lines = text.splitlines()
        assert lines and lines[0] == "#EXTM3U", f"not a playlist: {text[:100]!r}"
        for line in lines[1:]:
            if line.startswith("#EXT-X-MEDIA-SEQUENCE:"):
                self.sequence = int(line.split(":")[1])
            elif line.startswith("#EXT-X-DISCONTINUITY-SEQUENCE:"):
                self.discontinuity_sequence = int(line.split(":")[1])
            elif line.startswith("#EXT-X-TARGETDURATION:"):
                self.target = int(line.split(":")[1])
            elif line.startswith("#EXT-X-VERSION:"):
                self.version = int(line.split(":")[1])
            elif line.startswith("#EXTINF:"):
                duration = float(line[8:].split(",")[0])
            elif line == "#EXT-X-GAP":
                gap = True
            elif line == "#EXT-X-DISCONTINUITY":
                discontinuity = True
            elif line.startswith("#EXT-X-STREAM-INF:"):
                attributes = dict((k, v.strip('"')) for k, v in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', line[18:]))
            elif line and not line.startswith("#"):
                target = urljoin(url, line)
                if attributes is not None:
                    self.variants.append((attributes, target))
                    attributes = None
                else:
                    number = self.sequence + len(self.segments)
                    self.segments.append((number, duration, target, gap, discontinuity))
                    duration, gap, discontinuity = None, False, False


class Client:
    def __init__(self, gateway, channel):
        self.gateway = gateway
        self.channel = channel
        self.segments = {}  # number: (duration, bytes, gap, discontinuity)

    def _get(self, url):
        return self.gateway.http(url)

    def multivariant(self, limit=60.0):
        """Waits for the multivariant playlist and its first variant with segments; returns the former."""
        deadline = time.monotonic() + limit
        url = f"/{self.channel}/index.m3u8"
        answer = None
        while time.monotonic() < deadline:
            answer = self._get(url)
            if answer.status == 200:
                playlist = Playlist(answer.body.decode(), url)
                if playlist.variants:
                    self.variant = playlist.variants[0][1]
                    return playlist
            time.sleep(0.1)
        raise AssertionError(f"{url}: {answer.status} {answer.body[:200]!r} after {limit} s")

    def media(self):
        answer = self._get(self.variant)
        assert answer.status == 200, f"{self.variant}: {answer.status}"
        return Playlist(answer.body.decode(), self.variant)

    def follow(self, count, limit=60.0):
        """Collects until that many consecutive segments are there; asserts that numbers never skip."""
        self.multivariant(limit)
        deadline = time.monotonic() + limit
        while len(self.segments) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(self.segments)} of {count} segments after {limit} s")
            self.poll()
            time.sleep(0.1)
        numbers = sorted(self.segments)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"segment numbers {numbers}"
        return self

    def poll(self):
        playlist = self.media()
        for number, duration, url, gap, discontinuity in playlist.segments:
            if number in self.segments:
                continue
            if gap:
                self.segments[number] = (duration, b"", True, discontinuity)
                continue
            answer = self._get(url)
            assert answer.status == 200, f"{url}: {answer.status}"
            assert answer.body and answer.body[0] == 0x47 and len(answer.body) % 188 == 0, f"{url} is not TS"
            self.segments[number] = (duration, answer.body, gap, discontinuity)
        return playlist

    def joined(self):
        """All segments in a row."""
        return b"".join(self.segments[number][1] for number in sorted(self.segments))
