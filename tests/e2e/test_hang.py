"""Processes that hang are killed and started again."""
import signal
import time

from support.air import channels
from support.gateway import Gateway


def test_a_stopped_process_is_killed_and_comes_back(rig):
    with Gateway(rig, channels(7)) as gateway:
        for processes in (("bridge", "fastpath"), ("control",)):
            for process in processes:
                gateway.wait_answered(process)
            old = {process: gateway.kill(process, signal.SIGSTOP) for process in processes}
            for process, pid in old.items():
                print(f"{process} stopped: runs again after {gateway.wait_new(process, pid):.1f} s")
            gateway.wait_ready()
        end = time.monotonic() + 60
        while True:
            kinds = [(event["kind"], event["subject"]) for event in gateway.json("events")["events"]]
            if all(("process_hung", process) in kinds for process in ("bridge", "control", "fastpath")):
                break
            assert time.monotonic() < end, kinds
            time.sleep(0.2)
        assert ("adopted", "control") in kinds, kinds
        assert ("process_restarted", "control") in kinds, kinds


def test_what_hung_before_its_watcher_started_is_killed_too(rig):
    """The watcher never had an answer of it: control of the media processes, the launcher of control."""
    with Gateway(rig, channels(9)) as gateway:
        old = {process: gateway.kill(process, signal.SIGSTOP) for process in ("fastpath", "bridge")}
        gateway.wait_new("control", gateway.kill("control"))
        for process, pid in old.items():
            print(f"{process} stopped, control killed: {process} runs again after {gateway.wait_new(process, pid):.1f} s")
        gateway.wait_ready()
        old = gateway.kill("control", signal.SIGSTOP)
        gateway.kill("launcher")
        gateway.start(ready=False)
        print(f"control stopped, launcher killed: control runs again after {gateway.wait_new('control', old):.1f} s")
        gateway.wait_ready()
