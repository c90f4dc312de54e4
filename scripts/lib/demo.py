"""The demo behind scripts/demo, which see.

Processes: this one; a janitor, which holds the read end of a pipe and cleans up when this one is gone, however it went;
the gateway in the host's namespace; senders in a namespace of their own. What a run makes has its pid in its name, so
that the next run can remove what is left of one whose janitor was killed too.
"""
import contextlib
import http.client
import http.server
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADGATE = ROOT / "build" / "release" / "bin" / "headgate"
MEDIA = ROOT / "build" / "demo"
BASE = Path("/run")
NAME = re.compile(r"^hgdemo-(\d+)(?:-[a-z]+)?$")
LINK = re.compile(r"^hgd(\d+)$")
GATEWAY, SOURCE, SINK, SWITCH = "10.213.77.5", "10.213.77.1", "10.213.77.9", "10.213.77.254"
LOOP_SECONDS = 60

CHANNELS = [
    {"id": "clock", "name": "Test picture and counter", "file": "clock", "group": "239.213.1.1", "program": None,
     "push": "udp://239.213.2.1:5000"},
    {"id": "colours", "name": "Moving colours", "file": "colours", "group": "239.213.1.2", "program": None,
     "push": "rtp://239.213.2.2:5000"},
    {"id": "bars", "name": "Bars, service 102 of two", "file": "two-services", "group": "239.213.1.3", "program": 102,
     "push": "udp://239.213.2.3:5000"},
]
# The way back: an encoder publishes to it by RTMP or SRT, a slate stands in while none does.
STUDIO = {"id": "studio", "name": "Studio: a slate until you publish", "file": "slate", "push": "udp://239.213.2.4:5000"}

SIZE = "size=640x360:rate=25"
PICTURES = {"slate": f"rgbtestsrc={SIZE}", "clock": f"testsrc2={SIZE}", "colours": f"gradients={SIZE}:speed=0.05:nb_colors=5",
            "bars": f"smptehdbars={SIZE},hue=H=2*PI*t/10", "other": f"testsrc={SIZE}"}
SOUNDS = {"slate": "sine=frequency=660:sample_rate=48000", "clock": "sine=frequency=330:beep_factor=4:sample_rate=48000", "colours": "sine=frequency=523:sample_rate=48000",
          "bars": "sine=frequency=1000:sample_rate=48000", "other": "sine=frequency=220:sample_rate=48000"}
VIDEO = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0",
         "-b:v", "1200k", "-maxrate", "1200k", "-bufsize", "1200k", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k"]


def say(text):
    print(text, flush=True)


def run(*command, check=True, text_input=None):
    result = subprocess.run(command, input=text_input, capture_output=True, text=True)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr.strip() or result.returncode}")
    return result.stdout


# --- cleaning up ------------------------------------------------------------------------------------------------

def processes_of(folder):
    """Pids whose environment names the run's folder: the senders, the gateway and all that it started."""
    marker, found = str(folder).encode(), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            environ = (entry / "environ").read_bytes().split(b"\0")
            if b"HEADGATE_DEMO=" + marker in environ:
                found.append(int(entry.name))
    return found


def end_processes(folder, launcher=None):
    """The launcher stops all in good order; what is left after 8 s, or is not its own, is killed."""
    if launcher is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(launcher, signal.SIGTERM)
        end = time.monotonic() + 8
        while time.monotonic() < end and launcher in processes_of(folder):
            time.sleep(0.05)
    for _ in range(100):
        left = processes_of(folder)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.03)


def remove(pid, launcher=None):
    """Everything that the demo of that pid made."""
    folder = BASE / f"hgdemo-{pid}"
    end_processes(folder, launcher)
    remove_network(pid)
    shutil.rmtree(folder, ignore_errors=True)


def remove_network(pid):
    for role in ("src", "snk", "sw"):
        name = f"hgdemo-{pid}-{role}"
        if Path(f"/run/netns/{name}").exists():
            for inside in run("ip", "netns", "pids", name, check=False).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(inside), signal.SIGKILL)
            run("ip", "netns", "del", name, check=False)
    run("ip", "link", "del", f"hgd{pid}", check=False)


def sweep():
    """What an earlier demo left whose janitor was killed as well."""
    names = [path.name for path in BASE.glob("hgdemo-*")]
    names += [line.split()[0] for line in run("ip", "netns", "list", check=False).splitlines() if line]
    pids = {match.group(1) for match in map(NAME.match, names) if match}
    for link in json.loads(run("ip", "-j", "link", "show", check=False) or "[]"):
        match = LINK.match(link["ifname"])
        if match:
            pids.add(match.group(1))
    for pid in pids:
        command = Path(f"/proc/{pid}/cmdline")
        if not command.exists() or b"demo.py" not in command.read_bytes():
            say(f"demo: removing what is left of an earlier run ({pid})")
            remove(pid)


def start_janitor():
    """A child in a session of its own that cleans up when this process is gone. Returns (pid, pipe to it)."""
    parent = os.getpid()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child:
        os.close(read_end)
        os.set_inheritable(write_end, False)
        return child, write_end
    os.close(write_end)
    os.setsid()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(signum, signal.SIG_IGN)
    said = b""
    while True:
        data = os.read(read_end, 256)
        if not data:
            break
        said += data
    launcher = int(said.split()[-1]) if said.split() else None
    with contextlib.suppress(Exception):
        remove(parent, launcher)
    os._exit(0)


# --- media and network ------------------------------------------------------------------------------------------

def sound_of(path):
    return run("ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path), check=False).strip()


def encode():
    """The loop files, once."""
    MEDIA.mkdir(parents=True, exist_ok=True)
    inputs = lambda name: ["-f", "lavfi", "-i", PICTURES[name], "-f", "lavfi", "-i", SOUNDS[name]]
    mux = ["-f", "mpegts", "-pcr_period", "20", "-pat_period", "0.1", "-sdt_period", "0.5"]
    title = lambda name: ["-metadata", f"service_name={name}", "-metadata", "service_provider=Headgate demo"]
    recipes = {  # the sound of "colours" is as most of DVB has it, and no browser plays it: AAC is made beside it
        "clock": [*inputs("clock"), *VIDEO, *title("Clock"), *mux, "-muxrate", "1700k"],
        "slate": [*inputs("slate"), *VIDEO, *title("Slate"), *mux, "-muxrate", "1700k"],
        "colours": [*inputs("colours"), *VIDEO, "-c:a", "mp2", "-b:a", "192k", *title("Colours"), *mux, "-muxrate", "1700k"],
        "two-services": [*inputs("other"), *inputs("bars"), "-map", "0:v", "-map", "1:a", "-map", "2:v", "-map", "3:a", *VIDEO,
                         "-program", "program_num=101:title=Other:st=0:st=1", "-program",
                         "program_num=102:title=Bars:st=2:st=3", *mux, "-muxrate", "3400k"],
    }
    for name, arguments in recipes.items():
        path = MEDIA / f"{name}-{LOOP_SECONDS}.ts"
        if path.exists() and (name != "colours" or sound_of(path) == "mp2"):
            continue
        say(f"demo: encoding {LOOP_SECONDS} s of '{name}', once")
        partial = path.with_suffix(".partial")
        head, tail = arguments[:-2], arguments[-2:]
        run("ffmpeg", "-v", "error", "-nostdin", "-y", *head, *tail, "-t", str(LOOP_SECONDS), str(partial))
        partial.rename(path)


def build_network(pid):
    """A switch with IGMP snooping and querier; senders and a sink in namespaces; one port in the host's, without address."""
    link = f"hgd{pid}"
    if len(link) > 15:
        raise RuntimeError(f"interface name {link} is too long")
    names = {role: f"hgdemo-{pid}-{role}" for role in ("sw", "src", "snk")}
    for name in names.values():
        run("ip", "netns", "add", name)
        run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", check=False)
        run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "-n", names["sw"], "link", "add", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_igmp_version", "3",
        "mcast_query_interval", "1000", "mcast_startup_query_interval", "100", "mcast_query_response_interval", "100",
        "mcast_last_member_interval", "50", "mcast_query_use_ifaddr", "1", "forward_delay", "0")
    run("ip", "-n", names["sw"], "-batch", "-", text_input="\n".join([
        f"addr add {SWITCH}/24 dev br0",
        f"link add p-src type veth peer name eth0 netns {names['src']}",
        f"link add p-snk type veth peer name eth0 netns {names['snk']}",
        "link add p-gw type veth peer name peer0",
        "link set p-src master br0 up", "link set p-snk master br0 up", "link set p-gw master br0 up", "link set br0 up"]))
    # The gateway's end: into the namespace of this process, which is the host's.
    run("ip", "-n", names["sw"], "link", "set", "peer0", "netns", str(os.getpid()), "name", link)
    run("sysctl", "-qw", f"net.ipv6.conf.{link}.disable_ipv6=1", check=False)
    run("ip", "link", "set", link, "up")
    run("ip", "-n", names["sw"], "link", "set", "br0", "type", "bridge", "mcast_querier", "1")
    for role, address in (("src", SOURCE), ("snk", SINK)):
        run("ip", "-n", names[role], "-batch", "-",
            text_input=f"addr add {address}/24 dev eth0\nlink set eth0 up\nroute add 224.0.0.0/4 dev eth0")
    return link, names


def free_port(wanted, taken=(), kind=socket.SOCK_STREAM):
    """The port, or the next one that nothing listens on, on IPv4 and IPv6."""
    for port in range(wanted, wanted + 200):
        if port in taken:
            continue
        try:
            for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                with socket.socket(family, kind) as probe:
                    if kind == socket.SOCK_STREAM:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    probe.bind((address, port))
            return port
        except OSError as error:
            if error.errno == 97:  # no IPv6 here
                return port
    raise RuntimeError(f"no free port from {wanted} on")


def slate():
    return MEDIA / f"{STUDIO['file']}-{LOOP_SECONDS}.ts"


def publish_address(folder, host, ports):
    """Where an encoder publishes to the studio by RTMP: the server's URL and the stream key in one."""
    key = (folder / "publish.key").read_text().strip()
    return f"rtmp://{host}:{ports['rtmp']}/live/{STUDIO['id']}?key={key}"


def write_configuration(folder, link, ports):
    channels = {}
    everywhere = "[::]" if has_ipv6() else "0.0.0.0"
    for channel in CHANNELS:
        entry = {"name": channel["name"], "inputs": [f"udp://{channel['group']}:5000"], "push": [channel["push"]],
                 "serve": {"hls": {"segment": "2s"}, "rtmp": {}, "srt": {}, "http-ts": {}}}
        if channel["program"]:
            entry["program"] = channel["program"]
        channels[channel["id"]] = entry
    key = folder / "publish.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(8) + "\n")
    channels[STUDIO["id"]] = {
        "name": STUDIO["name"], "inputs": [{"publish": {"key_file": "publish.key"}}, f"file://{slate()}"],
        "failover": {"after": "1s", "hold": "2s"}, "remux": {"bitrate": "2Mbps"}, "push": [STUDIO["push"]],
        "serve": {"hls": {"segment": "2s"}, "rtmp": {}, "srt": {}, "http-ts": {}}}
    node = {"node": "demo", "run_dir": str(folder / "run"), "data_dir": str(folder / "data"),
            "interfaces": {"cap0": {"device": f"af_packet:{link}", "address": f"{GATEWAY}/24"}},
            "fastpath": {"hugepages": "never"},
            "servers": {**{name: {"listen": f"{everywhere}:{ports[name]}"} for name in ("http", "rtmp", "srt")},
                        "admin": {"listen": f"127.0.0.1:{ports['admin']}"}},
            "channels": "channels.yaml"}
    # JSON is YAML too.
    (folder / "headgate.yaml").write_text(json.dumps(node, indent=2) + "\n")
    (folder / "channels.yaml").write_text(json.dumps({"channels": channels}, indent=2) + "\n")
    return folder / "headgate.yaml"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
        return True
    except OSError:
        return False


def addresses(channel, host, ports):
    """What players may open of a channel, by protocol."""
    return {"hls": f"http://{host}:{ports['http']}/{channel}/index.m3u8",
            "http-ts": f"http://{host}:{ports['http']}/{channel}/stream.ts",
            "rtmp": f"rtmp://{host}:{ports['rtmp']}/live/{channel}",
            "srt": f"srt://{host}:{ports['srt']}?streamid={channel}"}


def size_of(jpeg):
    """Of the picture that ffmpeg decodes; (0, 0) where it decodes none."""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-xerror", "-f", "mjpeg", "-i", "-", "-f", "image2pipe", "-c:v", "ppm", "-"], input=jpeg,
                         capture_output=True).stdout
    head = raw[:20].split()
    return (int(head[1]), int(head[2])) if raw[:2] == b"P6" else (0, 0)


def check_pictures(ports):
    """One line a thumbnail, one for the mosaic; True when ffmpeg decodes them all."""
    good = True
    places = [(c["id"], ports["http"], f"/{c['id']}/thumbnail.jpg", 480) for c in [*CHANNELS, STUDIO]]
    for name, port, path, least in [*places, ("all", ports["admin"], "/api/v1/mosaic.jpg", 400)]:
        end = time.monotonic() + 30
        while (answer := get(port, path))[0] != 200 and time.monotonic() < end:
            time.sleep(0.2)
        width, height = size_of(answer[1]) if answer[0] == 200 else (0, 0)
        good &= width >= least
        say(f"{'ok    ' if width >= least else 'FAILED'} {name:8} {path.rsplit('/', 1)[1]:26} "
            f"{f'{width}x{height}, {len(answer[1])} bytes' if width else f'HTTP {answer[0]}: {answer[1][:80]!r}'}")
    return good


def host_addresses():
    found = []
    for link in json.loads(run("ip", "-j", "addr", "show", "scope", "global", check=False) or "[]"):
        for address in link.get("addr_info", []):
            local = address.get("local")
            if not local:
                continue
            found.append(f"[{local}]" if ":" in local else local)
    return found or ["127.0.0.1"]


# --- the page ---------------------------------------------------------------------------------------------------

PAGE = Path(__file__).with_name("demo.html")


def start_page(port, ports):
    content = {"http_port": ports["http"], "rtmp_port": ports["rtmp"], "srt_port": ports["srt"], "channels": [
        *({"id": c["id"], "name": c["name"], "input": f"udp://{c['group']}:5000", "push": c["push"]} for c in CHANNELS),
        {"id": STUDIO["id"], "name": STUDIO["name"], "input": "publish, or the slate", "push": STUDIO["push"]}]}
    body = PAGE.read_text().replace("{{demo}}", json.dumps(content)).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path.split("?")[0] == "/"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if has_ipv6() else socket.AF_INET

        def server_bind(self):
            if self.address_family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

    server = Server(("::" if has_ipv6() else "0.0.0.0", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


# --- running ----------------------------------------------------------------------------------------------------

def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_for(what, condition, limit, gateway, log):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if gateway.poll() is not None:
            raise RuntimeError(f"the gateway ended with {gateway.returncode}:\n{log_tail(log)}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        time.sleep(0.1)
    raise RuntimeError(f"{what}: not after {limit} s; the gateway's log ends with\n{log_tail(log)}")


def log_tail(log, lines=25):
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def decode(command_prefix, url, extra=(), least_pictures=80):
    """What ffprobe says of the address, and what decoding 7 s of it gives: (description, error or None)."""
    probe = subprocess.run([*command_prefix, "timeout", "-s", "KILL", "40", "ffprobe", "-v", "error", *extra, "-show_entries",
                            "stream=codec_type,codec_name,width,height,sample_rate", "-of", "json", url],
                           capture_output=True, text=True, stdin=subprocess.DEVNULL)
    streams = json.loads(probe.stdout or "{}").get("streams", [])
    video = next((s for s in streams if s["codec_type"] == "video"), None)
    audio = next((s for s in streams if s["codec_type"] == "audio"), None)
    if not video or not audio:
        return "", f"ffprobe finds {[s.get('codec_name') for s in streams]}: {probe.stderr.strip()[-300:]}"
    play = subprocess.run([*command_prefix, "timeout", "-s", "KILL", "60", "ffmpeg", "-v", "error", "-nostdin", *extra, "-i", url,
                           "-map", "0:v:0", "-map", "0:a:0", "-t", "7", "-f", "framehash", "-"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    rows = [line.split(",") for line in play.stdout.splitlines() if line and line[0].isdigit()]
    pictures = {row[-1].strip() for row in rows if row[0].strip() == "0"}
    frames = sum(row[0].strip() == "0" for row in rows)
    sounds = sum(row[0].strip() == "1" for row in rows)
    text = (f"{video['codec_name']} {video['width']}x{video['height']}, {frames} pictures decoded, {len(pictures)} of them different; "
            f"{audio['codec_name']} {audio['sample_rate']} Hz, {sounds} frames decoded")
    # A receiver that joins in the middle waits up to 2 s for its first picture.
    if frames < 100 or len(pictures) < least_pictures or sounds < 150:
        return text, f"too little: {play.stderr.strip()[-300:]}"
    return text, None


def check_publishing(folder, ports, names):
    """One line for what is published by RTMP and leaves as multicast; True when it does."""
    encoder = subprocess.Popen(["timeout", "-s", "KILL", "60", "ffmpeg", "-v", "error", "-nostdin", "-re", "-i",
                                str(MEDIA / f"clock-{LOOP_SECONDS}.ts"), "-c", "copy", "-f", "flv", publish_address(folder, "127.0.0.1", ports)],
                               stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wanted = f'headgate_input_active{{channel="{STUDIO["id"]}",input="1"}} 1'.encode()
        end = time.monotonic() + 20
        while wanted not in get(ports["admin"], "/metrics")[1]:
            if time.monotonic() > end or encoder.poll() is not None:
                say(f"FAILED {STUDIO['id']:8} published by RTMP          the encoder did not come on air")
                return False
            time.sleep(0.2)
        group, port = STUDIO["push"].split("//")[1].split(":")
        text, error = decode(["ip", "netns", "exec", names["snk"]], f"udp://{group}:{port}?localaddr={SINK}&timeout=8000000&fifo_size=100000&overrun_nonfatal=1")
        say(f"{'ok    ' if error is None else 'FAILED'} {STUDIO['id']:8} {'published by RTMP':26} {text}{'' if error is None else ' - ' + error}")
        return error is None
    finally:
        encoder.kill()
        encoder.wait()


def check(ports, names):
    """One line an output; True when all carry media."""
    good = True
    for channel in [*CHANNELS, STUDIO]:
        port = channel["push"].rsplit(":", 1)[1]
        group = channel["push"].split("//")[1].rsplit(":", 1)[0]
        if channel["push"].startswith("rtp"):
            multicast = (f"rtp://{group}:{port}?localaddr={SINK}", ("-protocol_whitelist", "rtp,udp"))
        else:
            multicast = (f"udp://{group}:{port}?localaddr={SINK}&timeout=8000000&fifo_size=100000&overrun_nonfatal=1", ())
        outputs = [(channel["push"], ["ip", "netns", "exec", names["snk"]], *multicast),
                   *((protocol, [], address, ()) for protocol, address in addresses(channel["id"], "127.0.0.1", ports).items())]
        for label, prefix, url, extra in outputs:
            text, error = decode(prefix, url, extra, least_pictures=1 if channel is STUDIO else 80)  # a slate stands still
            if error is None and label in ("hls", "rtmp") and "; aac 48000" not in text:
                error = "no AAC is made of its sound"
            good &= error is None
            say(f"{'ok    ' if error is None else 'FAILED'} {channel['id']:8} {label:26} {text}{'' if error is None else ' - ' + error}")
    return good


def serve(checking):
    pid = os.getpid()
    folder = BASE / f"hgdemo-{pid}"
    encode()
    janitor, pipe = start_janitor()
    try:
        folder.mkdir(mode=0o755)
        link, names = build_network(pid)
        ports = {}
        for name, wanted in (("http", 8080), ("admin", 9470), ("page", 8088), ("rtmp", 1935)):
            ports[name] = free_port(wanted, set(ports.values()))
        ports["srt"] = free_port(9000, kind=socket.SOCK_DGRAM)
        config = write_configuration(folder, link, ports)
        environment = dict(os.environ, HEADGATE_DEMO=str(folder))
        senders = []
        for name, group in dict((c["file"], c["group"]) for c in CHANNELS).items():
            senders.append(subprocess.Popen(
                ["ip", "netns", "exec", names["src"], str(HEADGATE), "send", str(MEDIA / f"{name}-{LOOP_SECONDS}.ts"),
                 f"udp://{group}:5000?interface=eth0"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                start_new_session=True))
        log = folder / "log"
        with open(log, "ab") as output:
            gateway = subprocess.Popen([str(HEADGATE), "run", "--config", str(config)], env=environment, stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=output, start_new_session=True)
        os.write(pipe, f"{gateway.pid} ".encode())
        wait_for("the gateway is ready", lambda: get(ports["admin"], "/readyz")[0] == 200, 20, gateway, log)
        start_page(ports["page"], ports)
        for channel in [*CHANNELS, STUDIO]:
            wait_for(f"{channel['id']} has a playlist", lambda: b"EXT-X-STREAM-INF" in get(ports["http"], f"/{channel['id']}/index.m3u8")[1],
                     30, gateway, log)
        if checking:
            status, body = get(ports["page"], "/")
            good = check(ports, names) and check_publishing(folder, ports, names) and check_pictures(ports) and status == 200 and all(f'"{c["id"]}"'.encode() in body for c in CHANNELS)
            if not good:
                say(f"the gateway's log ends with\n{log_tail(log)}")
            say(f"demo: {'every output of every channel carries media' if good else 'FAILED'}")
            return 0 if good else 1
        announce(folder, ports)
        while gateway.poll() is None:
            time.sleep(0.5)
            for sender in senders:
                if sender.poll() is not None:
                    raise RuntimeError(f"a sender ended with {sender.returncode}")
        raise RuntimeError(f"the gateway ended with {gateway.returncode}:\n{log_tail(log)}")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.close(pipe)
        os.waitpid(janitor, 0)


def announce(folder, ports):
    hosts = host_addresses()
    command = "build/release/bin/headgate"
    control = f"--socket {folder}/run/control.sock"
    say("\nOpen in a browser:")
    for host in hosts:
        say(f"  http://{host}:{ports['page']}/            all channels")
    for channel in [*CHANNELS, STUDIO]:
        say(f"  http://{hosts[0]}:{ports['http']}/{channel['id']}/    {channel['name']}")
    say(f"\nPictures: http://{hosts[0]}:{ports['http']}/clock/thumbnail.jpg, and all at once (this machine only): http://127.0.0.1:{ports['admin']}/api/v1/mosaic.jpg")
    say("The sound of Moving colours is MP2, as DVB has it; players of HLS and RTMP get AAC made of it.")
    say("\nPlay with another program:")
    for channel in [*CHANNELS, STUDIO]:
        for address in addresses(channel["id"], hosts[0], ports).values():
            say(f"  ffplay '{address}'")
    say("\nPublish to the studio (OBS: server up to /live, the rest is the stream key); it goes on air after 2 s, and out as multicast:")
    say(f"  ffmpeg -re -i build/demo/clock-{LOOP_SECONDS}.ts -c copy -f flv '{publish_address(folder, hosts[0], ports)}'")
    say(f"\nMetrics: http://127.0.0.1:{ports['admin']}/metrics (this machine only)\n\nTry, from this folder and as root:")
    say(f"  {command} status {control}")
    say(f"  {command} status clock {control}")
    say(f"  ip netns exec hgdemo-{os.getpid()}-snk {command} probe udp://239.213.2.3:5000 --interface eth0 --time 3s")
    say(f"  editor {folder}/channels.yaml; {command} plan {control}; {command} apply {control}; {command} apply --rollback {control}")
    say(f"  {command} events {control}")
    say(f"  kill -9 $(head -n1 {folder}/run/bridge.lock)    # players pause for a moment; multicast does not")
    say("\nCtrl-C ends the demo.\n")


def main():
    if not HEADGATE.exists():
        say(f"demo: error: {HEADGATE} is missing; run scripts/demo, which builds it")
        return 1
    # A shell without job control starts background commands with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    sweep()
    try:
        return serve("--check" in sys.argv[1:])
    except KeyboardInterrupt:
        say("\ndemo: ended; everything is removed")
        return 0
    except (RuntimeError, OSError) as error:
        say(f"demo: error: {error}")
        return 1


sys.exit(main())
