"""Who is connected, and ending it: real players, encoders and pushes of every protocol are listed with what they are and take,
as the metrics count them; one that is kicked goes, all others play on."""
import os
import signal
import subprocess
import time

import pytest

from support import media
from support.gateway import Gateway, wait_for

SECONDS = 150
GROUP = "239.8.1.1"
KEY = "very-s3cret"
AGENT = "probe/7 (TV)"


@pytest.fixture(scope="module")
def live(rig, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sessions")
    folder.chmod(0o755)
    key = folder / "key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)
    gateway = Gateway(rig, {})
    gateway.rtmp_port, gateway.srt_port, gateway.push_port = (gateway._free_port() for _ in range(3))
    gateway.node["servers"].update(rtmp={"listen": f"[::]:{gateway.rtmp_port}"}, srt={"listen": f"[::]:{gateway.srt_port}"})
    gateway.write_node()
    gateway.write({
        "tv": {"inputs": [f"udp://{GROUP}:5000"], "serve": {"hls": {"segment": "2s"}, "rtmp": {}, "srt": {}, "http-ts": {}},
               "push": [f"srt://127.0.0.1:{gateway.push_port}",
                        {"url": f"rtmp://127.0.0.1:{gateway.rtmp_port}/live", "key_file": str(own_key(folder))}]},
        "back": {"inputs": [{"publish": {"key_file": str(key)}}], "serve": {"hls": {"segment": "2s"}}},
        "studio": {"inputs": [{"publish": {"key_file": str(key), "grace": "1s"}}, f"file://{media.stream('h264_aac_b', 10)}"],
                   "failover": {"after": "1500ms", "hold": "2s"}, "serve": {"hls": {"segment": "2s"}}},
        "field": {"inputs": [{"publish": {}}], "serve": {"hls": {"segment": "2s"}}},
        "fetched": {"inputs": [f"http://127.0.0.1:{gateway.http_port}/tv/stream.ts"], "serve": {"hls": {"segment": "2s"}}},
    })
    with gateway:
        rig.wait_mdb(GROUP, True)
        rig.send(media.looped(media.stream("h264_aac", 18), SECONDS), GROUP, 5000)
        with World(gateway) as world:
            yield gateway, world


def own_key(folder):
    """The stream name of the push to `back` of this same gateway."""
    path = folder / "own"
    path.write_text(f"back?key={KEY}\n")
    path.chmod(0o600)
    return path


class World:
    """The programs at the other ends, by name."""

    def __init__(self, gateway):
        self.gateway, self.running = gateway, {}
        self.agent = None

    def start(self, name, *command):
        with self.gateway.rig.inside("gw"):
            self.running[name] = subprocess.Popen(["timeout", "-s", "KILL", "200", *map(str, command)], stdin=subprocess.DEVNULL,
                                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        rtmp, srt = self.gateway.rtmp_port, self.gateway.srt_port
        source = media.looped(media.stream("h264_aac", 18), SECONDS)
        self.start("target", "srt-live-transmit", "-q", f"srt://127.0.0.1:{self.gateway.push_port}?mode=listener", "file://con")
        self.start("rtmpdump", "rtmpdump", "-q", "-r", f"rtmp://127.0.0.1:{rtmp}/live/tv?token={KEY}", "--live", "-o", "/dev/null")
        self.start("ffmpeg", "ffmpeg", "-v", "quiet", "-i", f"rtmp://127.0.0.1:{rtmp}/live/tv", "-c", "copy", "-f", "null", "-")
        self.start("srt", "srt-live-transmit", "-q", "-a:no", f"srt://127.0.0.1:{srt}?streamid=tv", "file://con")
        self.start("curl", "curl", "-s", "-A", AGENT, "-o", "/dev/null", self.gateway.url(f"/tv/stream.ts?token={KEY}"))
        self.start("encoder", "ffmpeg", "-v", "quiet", "-re", "-i", source, "-c", "copy", "-f", "flv",
                   f"rtmp://127.0.0.1:{rtmp}/live/studio?key={KEY}")
        self.start("camera", "ffmpeg", "-v", "quiet", "-re", "-i", source, "-c", "copy", "-f", "mpegts",
                   f"srt://127.0.0.1:{srt}?streamid=publish:field")
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.kill()
            process.wait()

    def watch_hls(self):
        """As a player does, with a name of its own."""
        answer = self.gateway.http("/tv/index.m3u8", headers={"User-Agent": AGENT})
        if answer.status != 200:
            return answer.status
        name = [line for line in answer.body.decode().splitlines() if line.startswith("index.")][0]
        answer = self.gateway.http(f"/tv/{name}", headers={"User-Agent": AGENT})
        if answer.status == 200:
            segment = [line for line in answer.body.decode().splitlines() if line.startswith("media/")][-1]
            return self.gateway.http(f"/tv/{segment}", headers={"User-Agent": AGENT}).status
        return answer.status


def sessions(gateway, channel=""):
    return gateway.json("sessions", *([channel] if channel else []))["sessions"]


def find(gateway, **wanted):
    """Those that have these members."""
    return [s for s in sessions(gateway) if all(s[name] == value for name, value in wanted.items())]


def one(gateway, **wanted):
    return wait_for(lambda: (found := find(gateway, **wanted)) and len(found) == 1 and found[0])


def rate_of(gateway, channel):
    return gateway.json("status", channel)["inputs"][0]["bitrate_bps"]


def test_everybody_is_listed_with_what_they_are_and_take(live):
    gateway, world = live
    wait_for(lambda: world.watch_hls() == 200)

    def all_there():
        world.watch_hls()
        there = sorted((s["channel"], s["protocol"], s["role"]) for s in sessions(gateway) if s["bitrate_bps"] > 0)
        return there == sorted([("tv", "rtmp", "player"), ("tv", "rtmp", "player"), ("tv", "srt", "player"),
                                ("tv", "http-ts", "player"), ("tv", "http-ts", "player"), ("tv", "hls", "player"),
                                ("tv", "srt", "push"), ("tv", "rtmp", "push"), ("back", "rtmp", "publisher"),
                                ("studio", "rtmp", "publisher"), ("field", "srt", "publisher"), ("fetched", "http-ts", "pull")])
    try:
        wait_for(all_there, 90)
    except AssertionError:
        print(gateway.cli("sessions").stdout)
        raise

    # Two windows of the meters after the burst at a start; 3.5 to 4 Mb/s or whatever the stream has.
    def right_rates():
        want = rate_of(gateway, "tv")
        return all(0.5 * want < s["bitrate_bps"] < 2 * want for s in sessions(gateway) if s["protocol"] != "hls")
    try:
        wait_for(right_rates)
    except AssertionError:
        print(rate_of(gateway, "tv"), gateway.cli("sessions").stdout)
        raise

    listed = sessions(gateway)
    assert len({s["id"] for s in listed}) == len(listed)
    now = time.time_ns()
    for s in listed:
        assert 0 < now - s["since_unix_ns"] < 200e9 and s["bytes"] > 0, s
        assert s["address"].startswith("127.0.0.1"), s
    assert find(gateway, protocol="http-ts", user_agent=AGENT, role="player")
    assert all(s["user_agent"].startswith("LNX") for s in find(gateway, protocol="rtmp", role="player"))
    assert find(gateway, role="push", url=f"rtmp://127.0.0.1:{gateway.rtmp_port}/live")
    assert all(s["rtt_ns"] is not None and s["rtt_ns"] < 1e9 for s in listed if s["role"] == "player" and s["protocol"] != "hls"), listed
    # The metrics count the same.
    for protocol in ("rtmp", "srt", "http-ts"):
        count = len(find(gateway, channel="tv", protocol=protocol, role="player"))
        wait_for(lambda: gateway.metric("headgate_sessions", channel="tv", protocol=protocol) == count)
    wait_for(lambda: gateway.metric("headgate_sessions", channel="studio", output="publish") == 1)


def test_the_screen_is_80_columns_wide_and_tells_no_secret(live):
    gateway, _ = live
    text = gateway.cli("sessions").stdout
    assert max(map(len, text.splitlines())) <= 80, text
    assert AGENT in text and "rtmp push" in text
    print(text)
    shown = text + gateway.cli("sessions", "--json").stdout
    assert KEY not in shown and "token" not in shown
    assert {s["channel"] for s in sessions(gateway, "t*")} == {"tv"}
    assert {s["channel"] for s in sessions(gateway, "field")} == {"field"}
    wrong = gateway.cli("sessions", "tw")
    assert wrong.returncode == 1 and "no channel tw" in wrong.stderr and "did you mean" in wrong.stderr, wrong.stderr
    cut = gateway.json("sessions", "--last", "3")
    assert len(cut["sessions"]) == 3 and cut["left_out"] == cut["total"] - 3


def kick(gateway, session):
    """Ends it; the others are the same before and after."""
    before = {s["id"]: s for s in sessions(gateway)}
    answer = gateway.json("kick", session["id"])["kicked"]
    assert answer["id"] == session["id"] and answer["channel"] == session["channel"]
    assert KEY not in str(answer)

    def told():
        events = gateway.json("events")["events"]
        return [e for e in events if e["kind"] == "kicked" and e["message"].startswith(session["id"] + " (")]
    assert wait_for(told)[0]["subject"] == session["channel"]
    return before


def undisturbed(gateway, before, *gone):
    after = {s["id"]: s for s in sessions(gateway)}
    for name, session in before.items():
        if name in gone or session["protocol"] == "hls":
            continue
        assert name in after and after[name]["since_unix_ns"] == session["since_unix_ns"], (session, list(after))
        assert after[name]["bytes"] >= session["bytes"]


@pytest.mark.parametrize("name, wanted, metric", [
    ("rtmpdump", {"protocol": "rtmp", "role": "player"}, "headgate_rtmp_refused_total"),
    ("curl", {"protocol": "http-ts", "role": "player", "user_agent": AGENT}, "headgate_http_refused_total"),
    ("srt", {"protocol": "srt", "role": "player"}, "headgate_srt_refused_total")])
def test_a_player_that_is_kicked_goes_and_the_others_play_on(live, name, wanted, metric):
    gateway, world = live
    found = find(gateway, channel="tv", **wanted)
    if name == "rtmpdump":  # its Flash is another version than FFmpeg's
        found = [s for s in found if "9,0,124,2" not in s["user_agent"]]
    assert len(found) == 1, found
    before = kick(gateway, found[0])
    world.running[name].wait(30)
    assert found[0]["id"] not in {s["id"] for s in sessions(gateway)}
    gateway.wait_metric(metric, 1, reason="kicked")
    undisturbed(gateway, before, found[0]["id"])
    assert world.running["ffmpeg"].poll() is None and world.running["encoder"].poll() is None
    again = gateway.cli("kick", found[0]["id"])
    assert again.returncode == 1
    assert f"no session {found[0]['id']} now; headgate sessions lists those that are" in again.stderr


def test_a_viewer_of_hls_that_is_kicked_is_refused(live):
    gateway, world = live
    assert world.watch_hls() == 200
    viewer = one(gateway, protocol="hls", user_agent=AGENT)
    before = kick(gateway, viewer)
    assert world.watch_hls() == 403
    assert not find(gateway, protocol="hls", user_agent=AGENT)
    assert gateway.http("/tv/index.m3u8", headers={"User-Agent": "another"}).status == 200
    undisturbed(gateway, before)


def on_air(gateway, channel):
    return [int(labels["input"]) for name, labels, value in gateway.samples()
            if name == "headgate_input_active" and labels["channel"] == channel and value == 1]


def test_a_publisher_that_is_kicked_makes_the_channel_fail_over(live):
    gateway, world = live
    wait_for(lambda: on_air(gateway, "studio") == [1])
    before = kick(gateway, one(gateway, channel="studio", role="publisher"))
    assert world.running["encoder"].wait(30) != 0
    wait_for(lambda: on_air(gateway, "studio") == [2])
    undisturbed(gateway, before, *(s["id"] for s in before.values() if s["channel"] == "studio"))
    camera = one(gateway, channel="field", role="publisher")
    kick(gateway, camera)
    world.running["camera"].wait(30)
    wait_for(lambda: not find(gateway, channel="field"))


def test_pushes_and_pulls_that_are_kicked_connect_anew(live):
    gateway, _ = live
    for protocol in ("srt", "rtmp"):
        push = one(gateway, role="push", protocol=protocol, state="sending")
        kick(gateway, push)
        wait_for(lambda: [s for s in find(gateway, id=push["id"], state="sending") if s["since_unix_ns"] > push["since_unix_ns"] and s["bytes"] > 0])
    assert one(gateway, channel="back", role="publisher")
    pull = one(gateway, role="pull", state="receiving")
    player = one(gateway, protocol="http-ts", role="player", channel="tv")
    kick(gateway, pull)
    wait_for(lambda: [s for s in find(gateway, id=pull["id"], state="receiving") if s["since_unix_ns"] > pull["since_unix_ns"]])
    # It was a player of this same gateway.
    assert one(gateway, protocol="http-ts", role="player", channel="tv")["id"] != player["id"]


def test_a_bridge_that_does_not_answer_is_named(live):
    gateway, _ = live
    pid = gateway.kill("bridge", signal.SIGSTOP)
    try:
        answer = gateway.cli("sessions")
        assert answer.returncode == 1 and "the bridge, which serves players and publishers, does not answer" in answer.stderr, answer.stderr
        assert "try again" in answer.stderr
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: gateway.cli("sessions").returncode == 0)
