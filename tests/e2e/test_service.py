"""The launcher under a service manager: ready when it says so, reloads, and after a kill adopts what runs.

A container has no systemd to ask; here the manager's side is played by the unit's settings: Type=notify, KillMode=process,
Restart=always, RuntimeDirectoryPreserve=yes (after a kill only the main process is gone, and run_dir stays).
"""
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from support import media
from support.gateway import HEADGATE, ROOT, Gateway

UNITS = sorted((ROOT / "scripts" / "package").rglob("*.service"))
CHANNELS = {"a": {"inputs": ["udp://239.12.1.1:5000"], "push": ["udp://239.12.2.1:5000"], "serve": ["hls"]}}


class Manager:
    """Starts the launcher as systemd would a unit of Type=notify."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.path = gateway.folder / "notify.sock"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.path.chmod(0o777)
        self.said = ""

    def start(self, limit=60):
        self.said = ""
        log = open(self.gateway.log, "ab")
        environment = dict(os.environ, NOTIFY_SOCKET=str(self.path))
        self.gateway.launcher = self.gateway.rig.popen("gw", str(HEADGATE), "run", "--config", str(self.gateway.config),
                                                       stdout=log, stderr=log, env=environment)
        log.close()
        return self.wait_for("READY=1", limit)

    def wait_for(self, line, limit=60):
        """Seconds until the launcher says the line."""
        start = time.monotonic()
        self.socket.settimeout(0.2)
        while line not in self.said.splitlines():
            assert time.monotonic() - start < limit, f"no {line}; said {self.said!r}\n{self.gateway.tail()}"
            try:
                self.said += self.socket.recv(4096).decode() + "\n"
            except TimeoutError:
                pass
        return time.monotonic() - start


@pytest.fixture(scope="module")
def managed(rig):
    gateway = Gateway(rig, CHANNELS)
    manager = Manager(gateway)
    try:
        print(f"READY=1 {manager.start():.2f} s after the start")
        yield manager
    finally:
        gateway.close()


def test_real_systemd_is_looked_for():
    if not Path("/run/systemd/system").exists():
        pytest.skip("no systemd runs here (/run/systemd/system is absent): its side is played by the tests below")
    if not UNITS:
        pytest.skip("the unit is not part of this tree")
    import subprocess
    for unit in UNITS:
        assert subprocess.run(["systemd-analyze", "verify", str(unit)]).returncode == 0


@pytest.mark.parametrize("setting", ["Type=notify", "KillMode=process", "Restart=always", "RuntimeDirectoryPreserve=yes"])
def test_unit_keeps_media_alive(setting):
    if not UNITS:
        pytest.skip("the unit is not part of this tree")
    for unit in UNITS:
        assert setting in [line.strip() for line in unit.read_text().splitlines()], f"{unit} lacks {setting}"


def test_ready_means_that_the_gateway_answers(managed):
    assert managed.gateway.admin("/readyz").status == 200


def test_killed_launcher_is_started_again_and_adopts(rig, managed):
    gateway = managed.gateway
    capture = rig.capture("239.12.2.1", 5000)
    rig.wait_mdb("239.12.1.1", True)
    rig.wait_mdb("239.12.2.1", True, port="p-snk")
    path = media.stream("h264_aac", 20)
    sender = rig.send(path, "239.12.1.1", 5000)
    capture.wait(20)
    pids = {process: gateway.pid(process) for process in ("fastpath", "bridge", "control")}
    gateway.kill("launcher")
    time.sleep(0.1)  # RestartSec
    ready = managed.start()
    assert {process: gateway.pid(process) for process in pids} == pids
    assert sender.wait(120) == 0
    capture.wait_quiet()
    assert capture.stop().payload() == path.read_bytes()
    print(f"restarted and ready in {ready:.2f} s; the relay lost nothing")


def test_reload_applies(rig, managed):
    gateway = managed.gateway
    changed = {"a": {**CHANNELS["a"], "inputs": ["udp://239.12.1.2:5000"]}}
    gateway.write(changed)
    gateway.launcher.send_signal(signal.SIGHUP)
    rig.wait_mdb("239.12.1.2", True)


def test_stop_ends_everything(managed):
    gateway = managed.gateway
    pids = [gateway.pid(process) for process in ("fastpath", "bridge", "control")]
    start = time.monotonic()
    gateway.launcher.send_signal(signal.SIGTERM)
    assert gateway.launcher.wait(60) == 0
    print(f"stopped in {time.monotonic() - start:.2f} s")
    left = [pid for pid in pids if Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]]
    assert not left
