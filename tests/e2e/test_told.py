"""What a gateway tells of itself while much goes wrong: no secret in any log, answer, metric or command line; the members of every
`--json` answer are those of golden/json_members.txt (HEADGATE_GOLDEN_UPDATE=1 adds the new ones), and stand in docs/formats.md."""
import base64
import json
import os
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from support import media, members
from support.gateway import Gateway, wait_for

GOLDEN = Path(__file__).parent / "golden" / "json_members.txt"
FORMATS = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
# Each as it is written, in files or in the map's URLs.
SECRETS = {name: f"s3cr3t-{name}-9d1f" for name in (
    "publish", "srt-server", "srt-serve", "srt-pull", "srt-push", "rtmp-push", "rtmp-live", "hook", "hook-path", "admin-token", "http-user",
    "http-query", "rtmp-query", "srt-stream", "wrong-rtmp", "wrong-srt", "token")}
GROUP, SECOND, SILENT = "239.26.1.1", "239.26.1.2", "239.26.1.3"


class Refusing:
    """Takes connections and ends them after the first bytes."""

    def __init__(self, rig):
        with rig.inside("gw"):
            self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.connections = self.socket.getsockname()[1], 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with client:
                client.settimeout(5)
                try:
                    client.recv(1024)
                except OSError:
                    pass


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2",
                    "-subj", "/CN=gw"], check=True, capture_output=True, cwd=folder)
    (folder / "key.pem").chmod(0o600)


def channels(gateway, server, far):
    """In each the secrets that its protocols take; nearly everything fails."""
    key = gateway.key
    here = f"127.0.0.1:{server.port}"
    return {
        "fine": {"name": "Fine", "number": 7, "tags": ["hd"], "inputs": [f"udp://{GROUP}:5000", f"udp://{SECOND}:5000"],
                 "remux": {"bitrate": "3Mbps"}, "serve": {"hls": {"segment": "2s"}, "rtmp": {}, "http-ts": {}, "srt": {"passphrase_file": key("srt-serve")}},
                 "alarms": {"cc_errors": "10/min"},
                 "push": ["udp://239.26.2.1:5000", {"url": f"rtmp://{here}/app", "key_file": key("rtmp-push")},
                          {"url": f"srt://{here}?streamid=publish:x?key={SECRETS['srt-stream']}", "passphrase_file": key("srt-push")},
                          {"url": f"rtmp://127.0.0.1:{far}/live", "key_file": key("rtmp-live")}]},
        "silent": {"inputs": [f"udp://{SILENT}:5000"], "serve": ["hls"]},
        "in": {"inputs": [{"publish": {"key_file": key("publish")}}], "serve": ["hls"]},
        "pulled": {"inputs": [f"http://viewer:{SECRETS['http-user']}@{here}/live/index.m3u8?token={SECRETS['http-query']}",
                              f"http://viewer:{SECRETS['http-user']}@{here}/live.ts?token={SECRETS['http-query']}",
                              f"rtmp://{here}/app/stream?key={SECRETS['rtmp-query']}",
                              {"url": f"srt://{here}?latency=120ms", "passphrase_file": key("srt-pull")}], "serve": ["hls"]},
        "off": {"enabled": False, "inputs": ["udp://239.26.1.9:5000"]},
    }


def publish_wrongly(gateway):
    """An encoder with a wrong RTMP key, one with a wrong SRT key, one with the right key that leaves, players with tokens."""
    file = str(media.stream("h264_aac", 20))
    rtmp = f"rtmp://127.0.0.1:{gateway.rtmp_port}/live"
    running = []

    def start(seconds, *command):
        running.append(gateway.rig.popen("gw", "timeout", "-s", "KILL", str(seconds), *map(str, command),
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    flv = ("ffmpeg", "-v", "error", "-re", "-t", "3", "-i", file, "-c", "copy", "-f", "flv")
    start(20, *flv, f"{rtmp}/in?key={SECRETS['wrong-rtmp']}")
    start(20, *flv, f"{rtmp}/in?key={SECRETS['publish']}")
    for stream_id in (f"#!::r=in?key={SECRETS['wrong-srt']},m=publish", f"publish:in?key={SECRETS['wrong-srt']}", f"fine?token={SECRETS['token']}"):
        start(5, "srt-live-transmit", "-q", "-to:3", f"srt://127.0.0.1:{gateway.srt_port}?streamid={stream_id}", "file://con")
    start(8, "rtmpdump", "-q", "-r", f"{rtmp}/fine?token={SECRETS['token']}", "-B", "1", "-o", "/dev/null")
    gateway.http(f"/fine/index.m3u8?token={SECRETS['token']}")
    gateway.http(f"/t/1.{SECRETS['token']}/fine/index.m3u8")
    for path in ("/metrics", "/api/v1/mosaic"):
        gateway.admin(path, headers={"Authorization": f"Bearer {SECRETS['admin-token']}"})
        gateway.admin(path, headers={"Authorization": f"Bearer wrong-{SECRETS['token']}"})
    for process in running:
        process.wait()


@pytest.fixture(scope="module")
def troubled(rig, tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    folder.chmod(0o755)
    gateway, server = Gateway(rig, {}), Refusing(rig)
    gateway.rtmp_port, gateway.srt_port, far = gateway._free_port(), gateway._free_port(), gateway._free_port()
    certificate(folder)
    for name, secret in SECRETS.items():
        (folder / name).write_text(f"admin {secret}\n" if name == "admin-token" else f"{secret}\n")
        (folder / name).chmod(0o600)
    gateway.key = lambda name: str(folder / name)
    gateway.node["servers"].update(
        rtmp={"listen": f"[::]:{gateway.rtmp_port}"}, srt={"listen": f"[::]:{gateway.srt_port}", "passphrase_file": gateway.key("srt-server")},
        rtmps={"listen": f"[::]:{gateway._free_port()}", "certificate": gateway.key("cert.pem"), "key": gateway.key("key.pem")})
    gateway.node["servers"]["admin"]["tokens_file"] = gateway.key("admin-token")
    gateway.node["alarms"] = {"webhook": {"url": f"http://127.0.0.1:{server.port}/hook/{SECRETS['hook-path']}", "secret_file": gateway.key("hook")}}
    gateway.node["log"] = {"level": "debug", "format": "text"}
    gateway.write_node()
    gateway.private = "".join((folder / "key.pem").read_text().splitlines()[3:5])[:60]
    gateway.write(channels(gateway, server, far))
    gateway.original = gateway.map.read_text()
    with gateway:
        with rig.inside("gw"):  # a server that takes what is pushed
            gateway.taker = subprocess.Popen(["timeout", "-s", "KILL", "300", "ffmpeg", "-v", "quiet", "-listen", "1", "-i",
                                              f"rtmp://127.0.0.1:{far}/live", "-f", "null", "-"], stdin=subprocess.DEVNULL)
        for group in (GROUP, SECOND):
            rig.wait_mdb(group, True)
            rig.send(media.looped(media.stream("h264_aac", 20), 120), group, 5000)
        publish_wrongly(gateway)

        def tried():
            inputs, pushes = gateway.json("status", "pulled")["inputs"], gateway.json("status", "fine")["push"]
            failed = [push["url"] for push in pushes if push.get("error")]
            return all(entry["source"]["error"] for entry in inputs) and server.connections >= 6 and len(failed) >= 2
        wait_for(tried, 90)
        wait_for(lambda: gateway.json("status")["webhook"]["error"])
        wait_for(lambda: {"silent": "down", "in": "waiting", "pulled": "down", "off": "disabled"}.items() <=
                 {line["id"]: line["state"] for line in gateway.json("status")["channels"]}.items())
        gateway.server, gateway.far = server, far
        yield gateway
        gateway.taker.kill()
        gateway.taker.wait()


def forms(secret):
    """As it is, in base64 (Basic, or ours), and with its marks escaped."""
    return [secret, base64.b64encode(secret.encode()).decode().rstrip("="), base64.b64encode(f"viewer:{secret}".encode()).decode().rstrip("=")]


def everything(gateway):
    told = gateway.everything_told("fine")
    for command in (["alarms"], ["health"], ["why", "fine"], ["why", "pulled"], ["why", "in"], ["status", "pulled"], ["status", "in"], ["maintenance"]):
        for extra in ([], ["--json"]):
            answer = gateway.cli(*command, *extra)
            told[" ".join(command + extra)] = (answer.stdout + answer.stderr).encode()
    check = gateway.cli("check", "--config", str(gateway.config), "--json", socket_option=False)
    told["check"] = (check.stdout + check.stderr).encode()
    for path in ("/metrics", "/readyz", "/api/v1/mosaic", "/healthz"):
        told[path] = gateway.admin(path).body
    for process in ("launcher", "control", "fastpath", "bridge", "transcode"):
        told[f"command line of {process}"] = Path(f"/proc/{gateway.pid(process)}/cmdline").read_bytes()
        told[f"environment of {process}"] = Path(f"/proc/{gateway.pid(process)}/environ").read_bytes()
    return told


def may_hold(gateway, place, secret):
    """What the map's URLs hold stands in the applied maps, which only the gateway reads; what the bridge needs, in its state."""
    return place == str(gateway.run_dir / "state" / "bridge.json") or (re.search(r"/data/history/\d+/", place) and secret in (
        SECRETS["http-user"], SECRETS["http-query"], SECRETS["rtmp-query"], SECRETS["srt-stream"], SECRETS["hook-path"], SECRETS["admin-token"]))


def test_no_secret_is_told_anywhere(troubled):
    gateway = troubled
    told = everything(gateway)
    assert b"channel=pulled reason=input_failed: " in told["the log"], gateway.tail()
    assert b"channel=silent reason=channel_down: " in told["the log"], gateway.tail()
    leaks = [(place, name) for place, text in told.items() for name, secret in {**SECRETS, "private": gateway.private}.items()
             for form in forms(secret) if form.encode() in text and not may_hold(gateway, place, secret)]
    assert not leaks, leaks
    assert any(SECRETS["srt-push"].encode() in text for place, text in told.items() if place.endswith("bridge.json")), "the search finds nothing"


def test_each_line_of_the_log_says_when_how_grave_and_who(troubled):
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (debug|info|warning|error) "
                      r"(launcher|control|fastpath|bridge|transcode)( channel=[a-z0-9_-]+)?( reason=[a-z0-9_]+)?: \S.*")
    lines = troubled.log.read_text().splitlines()
    strange = [line for line in lines if not form.fullmatch(line)]
    assert len(lines) > 20 and not strange, strange


# Command, or a line of arguments: one more is one line here.
def commands(gateway):
    file = str(media.stream("h264_aac", 20))
    return {
        "status": [["status"]],
        "status CHANNEL": [["status", channel] for channel in ("fine", "silent", "in", "pulled", "off")],
        "sessions": [["sessions"]],
        "why": [["why", channel] for channel in ("fine", "silent", "in", "pulled", "off")],
        "alarms": [["alarms"]],
        "alarms ack": [["alarms", "ack", "all"]],
        "maintenance": [["maintenance", "silent", "2h"]],
        "maintenance (list)": [["maintenance"]],
        "health": [["health"]],
        "events": [["events"]],
        "history": [["history"]],
        "plan": [["plan"]],
        "apply": [["apply"]],
        "switch": [["switch", "fine", "2"], ["switch", "fine", "auto"]],
        "probe": [["probe", file], ["probe", f"udp://{GROUP}:5000", "--time", "2s"]],
        "check": [["check", "--config", str(gateway.config)]],
    }


def answers(gateway):
    found = {}
    gateway.map.write_text(gateway.original)
    gateway.cli("apply")
    gateway.cli("alarms", "ack", "all")
    gateway.cli("maintenance", "silent", "1h")
    (gateway.folder / "broken.yaml").write_text("node: [\n")
    changed = json.loads(gateway.original)
    changed["channels"]["silent"].update(serve=["rtmp"], name="Still silent")
    changed["channels"]["new"] = {"inputs": ["udp://239.26.1.8:5000"], "serve": ["hls"]}
    del changed["channels"]["off"]
    gateway.map.write_text(json.dumps(changed))
    for name, calls in commands(gateway).items():
        for call in calls:
            result = gateway.cli(*call, "--json", socket_option=call[0] != "check")
            assert result.stdout.startswith("{"), (call, result.stdout, result.stderr)
            found.setdefault(name, []).append(json.loads(result.stdout))
    broken = gateway.cli("check", "--config", str(gateway.folder / "broken.yaml"), "--json", socket_option=False)
    found["check"].append(json.loads(broken.stdout))
    failed = gateway.cli("why", "nowhere", "--json")
    found["(any command that failed)"] = [json.loads(failed.stdout)]
    return found


def test_members_of_json_answers_are_those_of_the_golden_file(troubled):
    golden, found = members.read(GOLDEN.read_text()), {}
    required = {path for path, (_, optional) in golden.items() if not optional}

    def seen():
        for name, texts in answers(troubled).items():
            for text in texts:
                members.members(text, name, found)
        return required <= set(found)
    updating = os.environ.get("HEADGATE_GOLDEN_UPDATE")
    try:
        wait_for(seen, 20 if updating else 60)  # what takes its time to be there: findings, levels, the taker of a push
    except AssertionError:
        gone = sorted(required - set(found))
        assert updating, f"gone or renamed, which breaks what others have written: {gone}"
    if updating:
        GOLDEN.write_text(members.write(members.merged(golden, found)))
    golden = members.read(GOLDEN.read_text())
    unknown = (set(), False)
    new = {path: sorted(types - golden.get(path, unknown)[0]) for path, types in found.items() if types - golden.get(path, unknown)[0]}
    assert not new, f"new members or types; describe them in docs/formats.md, then HEADGATE_GOLDEN_UPDATE=1: {new}"


def test_each_member_is_in_the_page_on_formats():
    words = {word for line in FORMATS.read_text().splitlines() for code in re.findall(r"`([^`]+)`", line)
             for word in re.findall(r"[a-z][a-z0-9_]*", code)}
    names = {path: path.rsplit(".", 1)[1].replace("[]", "") for path in members.read(GOLDEN.read_text()) if "." in path}
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*|\*", name) for name in names.values()), names
    missing = sorted(path for path, name in names.items() if name != "*" and name not in words)
    assert not missing, missing
