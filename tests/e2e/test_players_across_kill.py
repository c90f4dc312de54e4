"""ffmpeg plays on while the fast path is killed."""
import re
import signal
import subprocess
import threading
import time

from support import hls, media
from support.gateway import Gateway, waited

SECONDS = 90


class Player:
    """ffmpeg on a channel's address, decoding; how far it is, in seconds of media and of this clock."""

    def __init__(self, rig, gateway, channel):
        self.process = rig.popen("gw", "ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-progress", "pipe:1", "-i", gateway.url(f"/{channel}/index.m3u8"),
                                 "-f", "null", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.points, self.errors = [], []
        self.threads = [threading.Thread(target=self._follow, daemon=True), threading.Thread(target=self._listen, daemon=True)]
        for thread in self.threads:
            thread.start()

    def _follow(self):
        frames = 0
        for line in self.process.stdout:
            key, _, value = line.strip().partition("=")
            if key == "frame":
                frames = int(value)
            elif key == "progress":
                self.points.append((time.monotonic(), frames))

    def _listen(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip())

    @property
    def frames(self):
        return self.points[-1][1] if self.points else 0

    def wait_frames(self, least, limit):
        end = time.monotonic() + limit
        while self.frames < least:
            assert self.process.poll() is None, f"ffmpeg ended with {self.process.returncode}: {self.errors[-8:]}"
            assert time.monotonic() < end, f"{self.frames} of {least} frames after {limit} s: {self.errors[-8:]}"
            time.sleep(0.1)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        for thread in self.threads:
            thread.join(60)
        return code


def test_ffmpeg_plays_on_over_the_death_of_the_fast_path(rig):
    channels = {"tv": {"inputs": ["udp://239.17.1.1:5000"], "serve": {"hls": {"segment": "2s", "window": 8}}}}
    with Gateway(rig, channels) as gateway:
        rig.wait_mdb("239.17.1.1", True)
        rig.send(media.stream("h264_aac", SECONDS), "239.17.1.1", 5000)
        hls.Client(gateway, "tv").follow(3)
        player = Player(rig, gateway, "tv")
        player.wait_frames(100, 60)
        starved = waited(gateway.pid("fastpath"))
        old = gateway.kill("fastpath")
        died = player.frames
        gateway.wait_new("fastpath", old)
        # What was listed before the death is played; then media from after it, for as long again.
        player.wait_frames(died + 400, 60)
        playlist = hls.Playlist(gateway.http(f"/tv/{media_playlist(gateway)}").body.decode(), "/tv/")
        starved += waited(gateway.pid("fastpath"))
        player.stop()
        marks = [number for number, *_, discontinuity in playlist.segments if discontinuity]
        # One without a CPU for long begins a new clock.
        assert len(marks) <= 1 or starved > 1.0, playlist.text
        print(f"ffmpeg: {died} frames before, {player.frames - died} after the death of the fast path; marks {marks}; {player.errors[-3:]}")


def media_playlist(gateway):
    text = gateway.http("/tv/index.m3u8").body.decode()
    return re.search(r"^index\..*$", text, re.M).group(0)
