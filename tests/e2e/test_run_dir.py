"""A run_dir that somebody damaged, or that has no room left: media goes on, or comes back, and it is told."""
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from support import hls, media
from support.gateway import HEADGATE, Gateway, wait_for

CHANNELS = {"one": {"inputs": ["udp://239.12.1.1:5000"], "push": ["udp://239.12.2.1:5000"],
                    "serve": {"hls": {"segment": "1s", "window": 7}}}}


def wait_output(gateway, capture, limit=60.0):
    """Seconds until packets leave again."""
    start, before = time.monotonic(), len(capture.datagrams)
    while len(capture.datagrams) <= before:
        assert time.monotonic() - start < limit, f"nothing leaves after {limit} s:\n{gateway.tail(40)}"
        time.sleep(0.1)
    return time.monotonic() - start


def start(rig, gateway):
    capture = rig.capture("239.12.2.1", 5000)
    rig.wait_mdb("239.12.1.1", True)
    rig.wait_mdb("239.12.2.1", True, port="p-snk")
    sender = rig.send(media.stream("h264_aac", 60), "239.12.1.1", 5000)
    wait_output(gateway, capture)
    return capture, sender


def test_a_process_whose_state_file_is_damaged_comes_back(rig):
    with Gateway(rig, CHANNELS) as gateway:
        capture, sender = start(rig, gateway)
        for process in ("fastpath", "bridge"):
            os.truncate(gateway.run_dir / "state" / f"{process}.json", 0)
            gateway.kill(process)
            gateway.wait_ready()
            print(f"{process}: first packet out after {wait_output(gateway, capture):.2f} s")
        events = str(gateway.json("events"))
        assert "state_repaired" in events
        sender.kill()


def test_state_lost_ends_when_the_folder_is_back(rig):
    with Gateway(rig, CHANNELS) as gateway:
        def lost():
            return [alarm for alarm in gateway.json("status")["alarms"] if alarm["kind"] == "state_lost"]

        def wait_lost(there):
            end = time.monotonic() + 60
            while bool(lost()) != there:
                assert time.monotonic() < end, f"state_lost {lost()}"
                time.sleep(0.1)

        state, away = gateway.run_dir / "state", gateway.run_dir / "away"
        gateway.wait_answered("bridge")
        state.rename(away)
        gateway.kill("bridge", signal.SIGSTOP)  # a look at which it does not answer
        wait_lost(True)
        gateway.kill("bridge", signal.SIGCONT)
        end = time.monotonic() + 60
        while not all(process["answers"] for process in gateway.json("status")["processes"]):
            assert time.monotonic() < end
            time.sleep(0.1)
        end = time.monotonic() + 1.5  # as long as the folder is away
        while time.monotonic() < end:
            assert lost()
        away.rename(state)
        wait_lost(False)
        gateway.wait_ready()


def test_removed_locks_start_no_second_gateway(rig):
    with Gateway(rig, CHANNELS) as gateway:
        pids = {process: gateway.pid(process) for process in ("fastpath", "bridge", "control")}
        for lock in gateway.run_dir.glob("*.lock"):
            lock.unlink()
        second = rig.call("gw", str(HEADGATE), "run", "--config", str(gateway.config), timeout=60)
        assert second.returncode == 1 and f"already running, pid {gateway.launcher.pid}" in second.stderr, second
        # A launcher that died leaves processes without locks: the next one finds them by their sockets.
        gateway.kill("launcher")
        gateway.start()
        now = {process["name"]: process["pid"] for process in gateway.json("status")["processes"]}
        assert {process: now[process] for process in pids} == pids, gateway.tail(40)


def test_a_removed_socket_comes_back_without_a_restart(rig):
    with Gateway(rig, CHANNELS) as gateway:
        capture, sender = start(rig, gateway)
        pids = {process: gateway.pid(process) for process in ("fastpath", "bridge", "control")}
        sockets = [gateway.run_dir / name for name in ("control.sock", "launcher.sock", "fastpath/control.sock", "bridge/control.sock")]
        for path in sockets:
            path.unlink()
        end = time.monotonic() + 60
        while not all(path.exists() for path in sockets):
            assert time.monotonic() < end, [str(path) for path in sockets if not path.exists()]
            time.sleep(0.05)
        gateway.apply(dict(CHANNELS, two={"inputs": ["udp://239.12.1.3:5000"]}))
        assert all(process["answers"] for process in gateway.json("status")["processes"] if process["name"] != "control")
        wait_output(gateway, capture)
        assert {process: gateway.pid(process) for process in pids} == pids, gateway.tail(40)
        sender.kill()


def test_a_removed_ring_comes_back_and_hls_goes_on(rig):
    with Gateway(rig, CHANNELS) as gateway:
        _capture, sender = start(rig, gateway)
        client = hls.Client(gateway, "one")
        client.follow(2)
        fastpath = gateway.pid("fastpath")
        for kill in (False, True):
            ring = gateway.run_dir / "fastpath" / "to-bridge-0.ring"
            ring.unlink()
            if kill:
                gateway.wait_new("bridge", gateway.kill("bridge"))
            newest, start_time = max(client.segments), time.monotonic()
            while max((n for n, s in client.segments.items() if not s[2]), default=0) < newest + 2:
                assert time.monotonic() - start_time < 60, f"no segment\n{gateway.tail(40)}"
                with contextlib.suppress(OSError, AssertionError):
                    client.poll()
                time.sleep(0.1)
            assert ring.exists()
            print(f"ring removed{', bridge killed' if kill else ''}: two segments after {time.monotonic() - start_time:.1f} s")
        assert gateway.pid("fastpath") == fastpath
        sender.kill()


def test_a_full_run_dir_stops_no_multicast(rig):
    folder = Path("/dev/shm") / f"hg-e2e-full-{os.getpid()}"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=72m", "tmpfs", str(folder)], check=True)
    try:
        gateway = Gateway(rig, CHANNELS, node={"run_dir": str(folder / "run")})
        gateway.run_dir = folder / "run"
        gateway.socket = gateway.run_dir / "control.sock"
        with gateway:
            capture, sender = start(rig, gateway)
            pids = {process: gateway.pid(process) for process in ("fastpath", "bridge", "control")}
            fill = os.open(folder / "fill", os.O_WRONLY | os.O_CREAT)
            try:
                while True:
                    os.write(fill, bytes(4096))
            except OSError:
                os.close(fill)
            more = dict(CHANNELS, two={"inputs": ["udp://239.12.1.2:5000"]})
            refused = gateway.apply(more, ok=False)
            assert refused.returncode == 1 and "No space left" in refused.stdout + refused.stderr
            end = time.monotonic() + 3
            while time.monotonic() < end:
                wait_output(gateway, capture)
            assert {process: gateway.pid(process) for process in pids} == pids, gateway.tail(40)
            gateway.kill("fastpath")
            print(f"restarted in a full run_dir: first packet out after {wait_output(gateway, capture):.2f} s")
            wait_for(lambda: "no counters are shown" in gateway.log.read_text())
            wait_output(gateway, capture)
            sender.kill()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        folder.rmdir()
