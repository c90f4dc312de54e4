"""The way back, through the whole gateway: what encoders publish by RTMP and SRT leaves as multicast that an independent
checker, ffprobe and ffmpeg find right; a slate stands in for a publisher that is gone; the operator forces inputs; a
channel is pushed to RTMP and SRT servers of others."""
import contextlib
import json
import re
import subprocess
import time

import pytest

from support import hls, media, ts
from support.content import frames, same_media
from support.gateway import Gateway, waited
from support.ts_check import check_datagrams

CAM, CALLER, STUDIO, BACKED = "239.9.1.1", "239.9.1.2", "239.9.1.3", "239.9.1.4"
PRIMARY, BACKUP = "239.9.2.1", "239.9.2.2"
RATE = 2_000_000


@pytest.fixture(scope="module")
def live(rig, tmp_path_factory):
    folder = tmp_path_factory.mktemp("way-back")
    folder.chmod(0o755)
    key = folder / "key"
    key.write_text("very-s3cret\n")
    key.chmod(0o600)
    slate = media.stream("h264_aac_b", 10)
    gateway = Gateway(rig, {})
    gateway.rtmp_port, gateway.srt_port = gateway._free_port(), gateway._free_port()
    gateway.node["servers"].update(rtmp={"listen": f"[::]:{gateway.rtmp_port}"}, srt={"listen": f"[::]:{gateway.srt_port}"})
    gateway.write_node()
    gateway.channels = {
        "cam": {"name": "Camera One", "inputs": [{"publish": {"key_file": str(key), "grace": "3s"}}],
                "remux": {"bitrate": "2Mbps"}, "push": [f"udp://{CAM}:5000"], "serve": ["hls", "rtmp", "srt"]},
        "caller": {"inputs": [{"publish": {}}], "remux": {"buffer": "200ms"}, "push": [f"udp://{CALLER}:5000"],
                   "serve": ["srt"]},
        "studio": {"inputs": [{"publish": {"grace": "1s"}}, f"file://{slate}"],
                   "failover": {"after": "1500ms", "hold": "2s"}, "push": [f"udp://{STUDIO}:5000"],
                   "serve": {"hls": {"segment": "2s"}, "rtmp": {}, "srt": {}}},
        "backed": {"inputs": [f"udp://{PRIMARY}:5000", f"udp://{BACKUP}:5000"],
                   "failover": {"after": "1500ms", "hold": "3s"}, "push": [f"udp://{BACKED}:5000"],
                   "serve": {"hls": {"segment": "2s"}, "rtmp": {}, "srt": {}}},
    }
    gateway.write(gateway.channels)
    with gateway:
        yield gateway


@pytest.fixture(autouse=True)
def begun(live):
    live.waited = media_waited(live)


def media_waited(gateway):
    return sum(waited(gateway.pid(process)) for process in ("fastpath", "bridge"))


def starved(gateway):
    """Seconds that what carries media had no CPU, since the test began: with more than one of them it may begin a new clock, or lose what
    its buffers don't hold."""
    return media_waited(gateway) - gateway.waited


def start(gateway, *command, out=None):
    with gateway.rig.inside("gw"):
        return subprocess.Popen(["timeout", "-s", "KILL", "200", *map(str, command)], stdin=subprocess.DEVNULL, stdout=out)


def publish(gateway, path, name, key="", *options):
    query = f"?key={key}" if key else ""
    return start(gateway, "ffmpeg", "-v", "error", "-re", *options, "-i", path, "-c", "copy", "-f", "flv",
                 f"rtmp://127.0.0.1:{gateway.rtmp_port}/live/{name}{query}")


def end(process):
    process.terminate()
    process.wait()


def record(gateway, group, seconds):
    capture = gateway.rig.capture(group, 5000)
    capture.wait(10)
    time.sleep(seconds)
    return capture.stop()


def state(gateway, channel):
    found = gateway.json("status")["channels"]
    found = found if isinstance(found, list) else [{"id": k, **v} for k, v in found.items()]
    return next(c for c in found if channel in (c.get("id"), c.get("channel")))


def wait_state(gateway, channel, wanted, limit=60):
    deadline = time.monotonic() + limit
    while (now := state(gateway, channel)["state"]) != wanted:
        assert time.monotonic() < deadline, f"{channel} is {now}, not {wanted}: {json.dumps(state(gateway, channel))}"
        time.sleep(0.1)


def on_air(gateway, channel):
    with contextlib.suppress(OSError):  # control is just being killed
        return _on_air(gateway, channel)
    return []


def _on_air(gateway, channel):
    return [int(labels["input"]) for name, labels, value in gateway.samples()
            if name == "headgate_input_active" and labels["channel"] == channel and value == 1]


def wait_on_air(gateway, channel, number, limit=60):
    start_time = time.monotonic()
    while on_air(gateway, channel) != [number]:
        assert time.monotonic() - start_time < limit, f"input {number} is not on air: {on_air(gateway, channel)}"
        time.sleep(0.05)
    return time.monotonic() - start_time


def judge(gateway, capture, *allowed, **limits):
    """What the independent checker says of what was received, which must be nothing. "pause": nothing may come for a
    while, as between two inputs."""
    report = check_datagrams(capture.datagrams)
    wrong = report.errors(**{"dvb": True, "accuracy_ns": None, **limits})
    if "pause" in allowed:
        wrong = [line for line in wrong if not re.search(r"(PAT|PMT \d+|SDT|PCR|PTS) after", line)]
    assert not wrong or starved(gateway) > 1.0, (wrong, starved(gateway))
    assert sum(pcr.announced for pcr in report.pcr.values()) == 0 or starved(gateway) > 1.0, report.pcr
    return report


def test_a_published_stream_leaves_as_broadcast_multicast(live, tmp_path):
    gateway = live
    source = media.stream("h264_aac", 30)
    assert state(gateway, "cam")["state"] == "waiting"
    encoder = publish(gateway, source, "cam", "very-s3cret")
    try:
        capture = record(gateway, CAM, 12)
        wait_state(gateway, "cam", "ok")
        out = tmp_path / "out.ts"
        out.write_bytes(capture.payload())
        report = judge(gateway, capture, accuracy_ns=500)
        print(report.pcr, report.rate, report.arrival)
        assert abs(report.rate.mean_bps - RATE) < RATE * 1e-4
        assert report.rate.deviation_max_packets <= 7
        told = subprocess.run(["ffprobe", "-v", "error", "-show_programs", "-of", "json", str(out)], capture_output=True, text=True,
                              check=True).stdout
        assert json.loads(told)["programs"][0]["tags"]["service_name"] == "Camera One"
        same_media(source, out)
    finally:
        end(encoder)


def test_a_wrong_key_and_a_second_publisher_are_refused(live):
    gateway = live
    source = media.stream("h264_aac", 30)
    wrong = publish(gateway, source, "cam", "guess")
    assert wrong.wait(60) != 0
    # Whichever comes first has the place; the other is sent away, and the first goes on.
    encoders = [publish(gateway, source, "cam", "very-s3cret") for _ in range(2)]
    try:
        deadline = time.monotonic() + 60
        while all(encoder.poll() is None for encoder in encoders):
            assert time.monotonic() < deadline, "both publish"
            time.sleep(0.05)
        time.sleep(1)  # and for that long at least
        assert sorted(encoder.poll() is None for encoder in encoders) == [False, True]
        assert all(encoder.poll() != 0 for encoder in encoders)
    finally:
        for encoder in encoders:
            end(encoder)


def test_a_publisher_that_returns_within_its_grace_goes_on(live):
    gateway = live
    source = media.stream("h264_aac", 30)
    capture = gateway.rig.capture(CAM, 5000)
    encoder = publish(gateway, source, "cam", "very-s3cret")
    capture.wait(1000)
    end(encoder)
    time.sleep(1)  # away, for a third of its grace
    encoder = publish(gateway, source, "cam", "very-s3cret")
    try:
        before = len(capture.datagrams)
        capture.wait(before + 1500, limit=20)
        # Silent while nobody publishes, and then as much later: no more than that is to be seen.
        report = check_datagrams(capture.stop().datagrams)
        assert not report.continuity_errors or starved(gateway) > 1.0, report.continuity_errors
        assert report.sync_errors == 0 and report.pat.crc_errors == 0
        # A new clock is for a fast path that had no CPU for long.
        assert sum(pcr.announced for pcr in report.pcr.values()) == 0 or starved(gateway) > 1.0, report.pcr
        assert list(report.programs) == [1]
        assert report.arrival.pcr_max_ms < 300 or starved(gateway) > 1.0, (report, starved(gateway))
    finally:
        end(encoder)


def test_srt_publisher_arrives_bit_exact(live):
    gateway = live
    source = media.stream("mpeg2_mp2", 18)
    sender = start(gateway, "ffmpeg", "-v", "error", "-re", "-i", source, "-map", "0", "-c", "copy", "-f", "mpegts", "-muxrate",
                   "2400k", f"srt://127.0.0.1:{gateway.srt_port}?streamid=publish:caller&latency=120000&pkt_size=1316")
    try:
        capture = record(gateway, CALLER, 8)
        assert judge(gateway, capture, dvb=False).packets > 8 * 2_000_000 / 1504
    finally:
        end(sender)


class Viewers:
    """Of a channel, by RTMP, SRT and HLS, each in one session that must see more than one input."""

    def __init__(self, gateway, channel, folder):
        self.gateway, self.channel = gateway, channel
        self.files = {"rtmp": folder / "viewer.flv", "srt": folder / "viewer.ts"}
        self.out = open(self.files["srt"], "wb")
        self.players = {
            "rtmp": start(gateway, "ffmpeg", "-v", "quiet", "-y", "-i", f"rtmp://127.0.0.1:{gateway.rtmp_port}/live/{channel}", "-c", "copy",
                          "-flush_packets", "1", self.files["rtmp"]),
            # It does not call again where its session ends.
            "srt": start(gateway, "srt-live-transmit", "-q", "-a:no", f"srt://127.0.0.1:{gateway.srt_port}?streamid={channel}", "file://con",
                         out=self.out)}
        for name in self.players:
            gateway.wait_metric("headgate_sessions", 1, channel=channel, output=name)
        self.hls = hls.Client(gateway, channel).follow(1, 60)

    def size(self, name):
        path = self.files[name]
        return path.stat().st_size if path.exists() else 0

    def expect_more(self, limit=60):
        """Each goes on, in its session, as whatever is on air now does."""
        wanted = {name: self.size(name) + 100_000 for name in self.players}
        deadline = time.monotonic() + limit
        while any(self.size(name) < size for name, size in wanted.items()):
            assert time.monotonic() < deadline, self.told(wanted)
            for name, player in self.players.items():
                assert player.poll() is None, f"the {name} session must stay open"
            self.hls.poll()
            time.sleep(0.1)

    def told(self, wanted):
        sent = {name: self.gateway.metric("headgate_output_bytes_total", channel=self.channel, output=name) for name in wanted}
        have = {name: (self.size(name), size) for name, size in wanted.items()}
        return f"bytes that viewers have and should have {have}, sent {sent}\n{self.gateway.tail(15)}"

    def finish(self, switches):
        """Two segments more, so that the last of at least so many switches is in one, and then the end. What they have is one
        stream: SRT's goes on packet by packet, HLS marks at most one discontinuity a switch."""
        newest, deadline = max(self.hls.segments), time.monotonic() + 60
        while max(self.hls.segments) < newest + 2:
            assert time.monotonic() < deadline, sorted(self.hls.segments)
            self.hls.poll()
            time.sleep(0.1)
        for name, player in self.players.items():
            assert player.poll() is None, f"the {name} session must stay open"
        self.close()
        numbers = sorted(self.hls.segments)
        marks = [n for n in numbers if self.hls.segments[n][3]]
        gaps = [n for n in numbers if self.hls.segments[n][2]]
        scan = ts.Scan(self.files["srt"].read_bytes())
        # Since the beginning: a starved machine may have switched before the viewers came.
        done = self.gateway.metric("headgate_failovers_total", channel=self.channel)
        print(f"{done:.0f} switches; HLS: segments {numbers[0]} to {numbers[-1]}, discontinuities at {marks}, gaps {gaps}; SRT: "
              f"{scan.total_cc_errors} continuity errors")
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), numbers
        # Without a CPU for long, the clock begins anew and is marked, too.
        assert done >= switches and 1 <= len(marks) and (len(marks) <= done or starved(self.gateway) > 1.0)
        assert not gaps or starved(self.gateway) > 1.0
        assert (scan.total_cc_errors == 0 or starved(self.gateway) > 1.0) and scan.sync_errors == 0

    def close(self):
        for player in self.players.values():
            if player.poll() is None:
                end(player)
        self.out.close()


def test_a_slate_stands_in_and_the_publisher_comes_back(live, tmp_path):
    gateway = live
    capture = gateway.rig.capture(STUDIO, 5000)
    wait_on_air(gateway, "studio", 2)
    wait_state(gateway, "studio", "backup")
    viewers = Viewers(gateway, "studio", tmp_path)
    try:
        encoder = publish(gateway, media.stream("h264_aac", 30), "studio")
        took = wait_on_air(gateway, "studio", 1)
        assert took > 2, "the preferred input must be good for `hold`"
        viewers.expect_more()
        wait_state(gateway, "studio", "ok")
        end(encoder)
        wait_on_air(gateway, "studio", 2)
        viewers.expect_more()
        viewers.finish(switches=2)
    finally:
        viewers.close()
    out = tmp_path / "out.ts"
    out.write_bytes(capture.stop().payload())
    judge(gateway, capture, "pause", dvb=False)
    # Both were seen: as many pictures as the time had, but for those before the first random access point and between the inputs.
    seconds = capture.datagrams[-1][0] - capture.datagrams[0][0]
    assert len(frames(out, "v")) > (seconds - 5 - starved(gateway)) * 25


def test_a_dead_primary_a_forced_input_and_control_killed(live, tmp_path):
    gateway = live
    rig = gateway.rig
    primary = rig.send(media.looped(media.stream("h264_aac", 18), 200), PRIMARY, 5000)
    backup = rig.send(media.looped(media.stream("h264_aac_b", 18), 200), BACKUP, 5000)
    capture = rig.capture(BACKED, 5000)
    capture.wait(100)
    wait_on_air(gateway, "backed", 1)
    viewers = Viewers(gateway, "backed", tmp_path)
    try:
        said = gateway.cli("switch", "backed", "2")
        assert said.returncode == 0, said.stdout + said.stderr
        wait_on_air(gateway, "backed", 2)
        assert gateway.cli("switch", "backed", "3").returncode == 1
        viewers.expect_more()
        assert gateway.cli("switch", "backed", "auto").returncode == 0
        wait_on_air(gateway, "backed", 1)
        viewers.expect_more()
        before = len(capture.datagrams)
        dead = gateway.pid("control")
        gateway.kill("control")
        primary.kill()
        gateway.wait_new("control", dead)
        wait_on_air(gateway, "backed", 2)
        viewers.expect_more()
        capture.wait(before + 300)
        judge(gateway, capture.stop(), "pause", dvb=False)
        viewers.finish(switches=3)
    finally:
        viewers.close()
        backup.kill()


def test_pushes_reach_servers_of_others(live, tmp_path):
    gateway = live
    rtmp_port, srt_port = gateway._free_port(), gateway._free_port()
    flv, received = tmp_path / "pushed.flv", tmp_path / "pushed.ts"
    rtmp = start(gateway, "ffmpeg", "-v", "error", "-y", "-listen", "1", "-i", f"rtmp://127.0.0.1:{rtmp_port}/app/name", "-c", "copy", flv)
    srt = start(gateway, "srt-live-transmit", "-q", f"srt://127.0.0.1:{srt_port}?mode=listener", "file://con", out=subprocess.DEVNULL)
    channels = dict(gateway.channels)
    source = media.looped(media.stream("h264_aac", 18), 120)
    channels["out"] = {"inputs": ["udp://239.9.2.9:5000"], "serve": [],
                       "push": [f"rtmp://127.0.0.1:{rtmp_port}/app/name", f"srt://127.0.0.1:{srt_port}",
                                "rtmp://127.0.0.1:9/app/dead"]}
    gateway.apply(channels)
    sender = gateway.rig.send(source, "239.9.2.9", 5000)
    try:
        gateway.wait_metric("headgate_output_bytes_total", 500_000, channel="out", output=f"rtmp://127.0.0.1:{rtmp_port}/app/name")
        gateway.wait_metric("headgate_output_bytes_total", 500_000, channel="out", output=f"srt://127.0.0.1:{srt_port}")
        told = json.dumps(gateway.json("status", "out"))
        assert "refused" in told, told
        gateway.wait_metric("headgate_output_bytes_total", 1_000_000, channel="out", output=f"rtmp://127.0.0.1:{rtmp_port}/app/name")
    finally:
        sender.kill()
        rtmp.terminate()
        rtmp.wait()
        end(srt)
        gateway.apply(gateway.channels)
    same_media(media.stream("h264_aac", 18), flv, least=150)
