"""A gateway in a rig's gateway namespace: its files, its processes, its command line, its servers."""
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from . import netns
from .ports import free_port
from .rig import GATEWAY

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("HEADGATE_BIN", ROOT / "build" / "release" / "bin"))
HEADGATE = BIN / "headgate"
SAMPLE = re.compile(r'^([a-z0-9_]+)(?:\{(.*)\})? ([-+0-9.eEinfNa]+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
DAEMONS = ("fastpath", "bridge", "control")


def steal_time():
    """Seconds for which the hypervisor says that it let CPUs of this machine stand."""
    return int(Path("/proc/stat").read_text().split(None, 9)[8]) / os.sysconf("SC_CLK_TCK")


class StallMeter(threading.Thread):
    """How long this machine, or the group of processes that the tests belong to, stood still: by steal time, or by a clock that is looked at
    each 10 ms and went on by much more meanwhile, whichever is more of each tenth of a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seconds = 0.0
        self.start()

    def run(self):
        before, steal = time.monotonic(), steal_time()
        while True:
            stood = 0.0
            for _ in range(10):
                time.sleep(0.01)
                now = time.monotonic()
                stood += now - before - 0.01 if now - before > 0.06 else 0.0
                before = now
            now = steal_time()
            self.seconds += max(stood, now - steal)
            steal = now


METER = StallMeter()


def stolen():
    """Seconds for which the machine stood since the tests began, which no program's own figures tell."""
    return METER.seconds


def waited(pid, main_thread=False):
    """Seconds that the process's threads, or its first one, were ready to run and had no CPU (the kernel's sched-stats), and that the whole
    machine stood."""
    tasks = [pid] if main_thread else [task.name for task in Path(f"/proc/{pid}/task").iterdir()]
    return stolen() + sum(int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[1]) for task in tasks) / 1e9


def pressure():
    """Seconds in which some program of this machine was ready to run and had no CPU, or the machine stood, since it was started; 0 where the
    kernel does not tell. What a test allows a time to be longer by, where other programs than the gateway take part in it."""
    try:
        return stolen() + int(Path("/proc/pressure/cpu").read_text().split("total=")[1].split()[0]) / 1e6
    except (OSError, IndexError):
        return stolen()


def wait_for(condition, limit=60.0):
    """What the condition gives, once that is true."""
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {limit} s"
        time.sleep(0.1)
    return value


def parse_samples(page):
    """The metrics: [(name, {label: value}, number)]."""
    found = []
    for line in page.decode().splitlines():
        match = SAMPLE.match(line)
        if match:
            labels = {k: v.replace('\\"', '"').replace("\\\\", "\\") for k, v in LABEL.findall(match.group(2) or "")}
            found.append((match.group(1), labels, float(match.group(3))))
    return found


class Gateway:
    """channels: the map under `channels:`; node: keys that replace those of the node file made here."""

    def __init__(self, rig, channels, node=None, defaults=None, device="af_packet:cap0", address=GATEWAY, name="gw", program=HEADGATE):
        if not HEADGATE.exists():
            raise RuntimeError(f"{HEADGATE} is not built; run scripts/build")
        self.rig, self.program = rig, program
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="hg-e2e-", dir=shm))
        self.folder.chmod(0o755)
        self.run_dir = self.folder / "run"
        self.socket = self.run_dir / "control.sock"
        self.http_port, self.admin_port = self._free_port(), self._free_port()
        self.node = {
            "node": name, "run_dir": str(self.run_dir), "data_dir": str(self.folder / "data"),
            "interfaces": {"cap0": {"device": device, "address": f"{address}/24"}},
            "fastpath": {"hugepages": "never"},
            "servers": {"http": {"listen": f"[::]:{self.http_port}"},
                        "admin": {"listen": f"127.0.0.1:{self.admin_port}"}},
            "channels": "channels.yaml",
        }
        self.node.update(node or {})
        self.config = self.folder / "headgate.yaml"
        self.map = self.folder / "channels.yaml"
        self.defaults = defaults
        self.launcher = None
        self.log = self.folder / "log"
        self.write(channels)
        self.write_node()

    def _free_port(self):
        with self.rig.inside("gw"):
            return free_port()

    # JSON is YAML: the places of errors are the business of the loader's own tests.
    def write_node(self):
        self.config.write_text(json.dumps(self.node, indent=2) + "\n")

    def write(self, channels):
        content = {"channels": channels}
        if self.defaults is not None:
            content["defaults"] = self.defaults
        self.map.write_text(json.dumps(content, indent=2) + "\n")

    def start(self, ready=True, limit=60.0):
        with open(self.log, "ab") as log:
            self.launcher = self.rig.popen("gw", str(self.program), "run", "--config", str(self.config), stdout=log, stderr=log)
        if ready:
            self.wait_ready(limit)
        return self

    def wait_ready(self, limit=60.0):
        """Seconds until /readyz says 200."""
        start = time.monotonic()
        last = None
        while time.monotonic() - start < limit:
            if self.launcher.poll() is not None:
                raise RuntimeError(f"headgate run ended with {self.launcher.returncode}:\n{self.tail()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                last = self.admin("/readyz")
                if last.status == 200:
                    return time.monotonic() - start
            time.sleep(0.02)
        raise RuntimeError(f"not ready after {limit} s, last answer {last and (last.status, last.body[:300])}:\n{self.tail()}")

    def tail(self, lines=40):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def request(self, port, path, method="GET", headers=None, host="127.0.0.1", timeout=30.0, body=None):
        with self.rig.inside("gw"):
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
            connection.connect()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            connection.close()

    def http(self, path, **kwargs):
        return self.request(self.http_port, path, **kwargs)

    def admin(self, path, **kwargs):
        return self.request(self.admin_port, path, **kwargs)

    def url(self, path):
        return f"http://127.0.0.1:{self.http_port}{path}"

    def cli(self, *arguments, timeout=60, socket_option=True):
        """Runs the command line in the gateway's namespace; CompletedProcess."""
        command = [str(HEADGATE), *arguments]
        if socket_option:
            command += ["--socket", str(self.socket)]
        return self.rig.call("gw", *command, timeout=timeout)

    def json(self, *arguments, timeout=60):
        """The answer of an online command in JSON; raises when it fails."""
        result = self.cli(*arguments, "--json", timeout=timeout)
        if result.returncode != 0:
            raise RuntimeError(f"headgate {' '.join(arguments)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
        return json.loads(result.stdout)

    def process_status(self, process):
        """What a media process says of itself on its own socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(self.run_dir / process / "control.sock"))
            client.sendall(b'{"v":1,"id":1,"method":"status"}\n')
            with client.makefile() as answer:
                return json.loads(answer.readline())["result"]

    def apply(self, channels, ok=True):
        self.write(channels)
        result = self.cli("apply")
        if ok and result.returncode != 0:
            raise AssertionError(f"apply: exit {result.returncode}\n{result.stdout}{result.stderr}\n{self.tail()}")
        return result

    def everything_told(self, channel):
        """Each file that the gateway wrote, by path, and what its commands print."""
        found = {}
        for folder in (self.run_dir, self.folder / "data"):
            for path in folder.rglob("*"):
                if path.is_file() and "ring" not in path.name:
                    found[str(path)] = path.read_bytes()
        found["the log"] = self.log.read_bytes()
        for command in (["status"], ["status", channel], ["plan"], ["history"], ["events"]):
            for extra in ([], ["--json"]):
                found[" ".join(command + extra)] = self.cli(*command, *extra).stdout.encode()
        return found

    def samples(self):
        return parse_samples(self.admin("/metrics").body)

    def metric(self, name, **labels):
        """The sum of the samples whose labels include these."""
        return sum(value for found, have, value in self.samples()
                   if found == name and all(have.get(k) == str(v) for k, v in labels.items()))

    def wait_metric(self, name, least, limit=60.0, **labels):
        start = time.monotonic()
        while True:
            value = self.metric(name, **labels)
            if value >= least:
                return value
            if time.monotonic() - start > limit:
                drops = [s for s in self.samples() if s[0] == "headgate_drops_total" and s[2] > 0]
                raise AssertionError(f"{name}{labels} is {value} after {limit} s, wanted {least}; drops {drops}")
            time.sleep(0.1)

    def pid(self, process):
        """Pid of launcher, fastpath, bridge or control: what stands in its lock file, and still runs."""
        if process == "launcher":
            return self.launcher.pid
        return int((self.run_dir / f"{process}.lock").read_text().split()[0])

    def alive(self, process):
        try:
            pid = self.pid(process)
            return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
        except (OSError, ValueError, IndexError):
            return False

    def kill(self, process, signum=signal.SIGKILL):
        pid = self.pid(process)
        os.kill(pid, signum)
        if process == "launcher":
            self.launcher.wait()
        return pid

    def wait_new(self, process, old_pid, limit=60.0):
        """Seconds until the process runs again under another pid."""
        start = time.monotonic()
        while time.monotonic() - start < limit:
            if self.alive(process) and self.pid(process) != old_pid and (process != "control" or self.listens()):
                return time.monotonic() - start
            time.sleep(0.005)
        raise AssertionError(f"{process} is not back after {limit} s:\n{self.tail()}")

    def listens(self):
        """Whether control takes connections."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.run_dir / "control.sock")) == 0

    def wait_answered(self, process, limit=60.0):
        """Until control has had an answer of the process under the pid that it has now; the launcher, a word of control."""
        end = time.monotonic() + limit
        while True:
            shown = [entry for entry in self.json("status")["processes"] if entry["name"] == process]
            if shown and self.alive(process) and shown[0]["pid"] == self.pid(process) and (process == "control" or shown[0]["answers"]):
                return
            assert time.monotonic() < end, f"{process}: {shown}"
            time.sleep(0.1)

    def stop(self):
        """Orderly; what does not obey within 30 s is killed. Returns the launcher's exit status."""
        status = None
        if self.launcher is not None and self.launcher.poll() is None:
            self.launcher.terminate()
            try:
                status = self.launcher.wait(30)
            except subprocess.TimeoutExpired:
                self.launcher.kill()
                self.launcher.wait()
        elif self.launcher is not None:
            status = self.launcher.returncode
        return status

    def close(self):
        self.stop()
        netns.kill_all(self.rig.names["gw"])
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(f"--- the gateway's log ends with\n{self.tail(60)}")
        self.close()


class WholeMap(Gateway):
    """Its map is written as it is given."""

    def write(self, channels):
        self.map.write_text(json.dumps(channels, indent=2) + "\n")
