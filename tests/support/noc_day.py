"""A day of a NOC: one gateway with witnesses that are well, and what goes wrong beside them, each really done. After each step the
alarms, `why` and the metrics name the true cause, and nothing else is blamed; after its repair all is clear."""
import contextlib
import json
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

from . import media
from .faulty_source import BIN, FaultySource
from .full_disk import FullDisk
from .gateway import Gateway, wait_for

# Who needs little is not hurt by equals, so it is more. Its session counts, too, where the kernel groups by that. It ends by itself.
HOG = """
import contextlib, os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.nice(-4)
with contextlib.suppress(OSError):
    open("/proc/self/autogroup", "w").write("-4")
end = time.monotonic() + 90
while time.monotonic() < end:
    pass
"""
WITNESSES = ("calm", "quiet", "still")
LIMIT = 60


class Pressure:
    """Whether this machine has, or had a moment ago, too little CPU for all that wants it: a gateway that says so is right."""

    def __init__(self):
        self.last = None

    def __call__(self):
        with contextlib.suppress(OSError, ValueError):
            if float(Path("/proc/pressure/cpu").read_text().split("avg10=")[1].split()[0]) >= 30:
                self.last = time.monotonic()
        return self.last is not None and time.monotonic() - self.last < 20


pressed = Pressure()


def told(alarms):
    return {(alarm["kind"], alarm["subject"]) for alarm in alarms}


class Day:
    FORGETS = 16.0  # s, the switch a group that nobody reports: longer than the gateway takes to miss the querier

    def __init__(self, rig):
        self.rig = rig
        self.closing = contextlib.ExitStack()
        self.target = None

    def __enter__(self):
        try:
            self._begin()
        except BaseException:
            self.closing.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and hasattr(self, "gateway"):
            print(f"--- the gateway's log ends with\n{self.gateway.tail(40)}")
        self.closing.close()

    def _begin(self):
        rig = self.rig
        gateway = self.gateway = Gateway(rig, {})
        self.closing.callback(gateway.close)
        # A system clock, a run_dir and a data_dir of the gateway's own, to be set and filled up.
        self.clock = gateway.folder / "clock"
        self.clock.write_bytes(struct.pack("=q", 0))
        self.disks = {name: FullDisk("100m", gateway.folder / place) for name, place in (("run_dir", "run"), ("data_dir", "data"))}
        for disk in self.disks.values():
            self.closing.callback(disk.close)
        self.closing.callback(gateway.stop)
        with rig.inside("gw"):
            self.push = f"rtmp://127.0.0.1:{gateway._free_port()}/app/name"
        self.channels = {name: {"inputs": [f"udp://239.26.1.{number}:5000"], "serve": []} for number, name in enumerate(WITNESSES, 1)}
        self.channels["calm"] |= {"serve": {"hls": {"segment": "2s"}}, "push": ["udp://239.26.2.1:5000"]}
        self.channels["news"] = {"inputs": ["udp://239.26.1.11:5000"], "serve": {"hls": {"segment": "2s"}}}
        self.channels["sport"] = {"inputs": ["udp://239.26.1.12:5000"], "serve": [], "push": [self.push],
                                  "alarms": {"bitrate": "1500kbps..4Mbps"}}
        gateway.write(self.channels)
        library = BIN / "libstepped_clock.so"
        before = {name: os.environ.get(name) for name in ("LD_PRELOAD", "HEADGATE_TEST_CLOCK")}
        if library.exists():
            os.environ |= {"LD_PRELOAD": str(library), "HEADGATE_TEST_CLOCK": str(self.clock)}
        try:
            gateway.start()
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
        path = media.stream("h264_aac", 20)
        self.take_pushes()
        for number in (1, 2, 3):
            rig.popen("src", BIN / "headgate", "send", path, f"udp://239.26.1.{number}:5000?interface=eth0&ttl=4")
        self.news = FaultySource(rig, path, "239.26.1.11")
        self.closing.callback(self.news.close)
        self.sport = FaultySource(rig, path, "239.26.1.12", stuffed=True)
        self.closing.callback(self.sport.close)
        self.well()

    # What is seen.

    def alarms(self):
        return self.gateway.json("alarms")["alarms"]

    def why(self, channel):
        return self.gateway.json("why", channel)

    def metrics_tell(self, alarms):
        samples = self.gateway.samples()
        kinds = {(labels["kind"], labels.get("channel", "")) for name, labels, value in samples if name == "headgate_alarm" and value == 1}
        opened = sum(value for name, labels, value in samples if name == "headgate_alarms" and labels["state"] == "open")
        return kinds == {(alarm["kind"], alarm["channel"]) for alarm in alarms} and opened == sum(a["cause"] is None for a in alarms)

    def well(self, limit=LIMIT):
        """No alarm, every channel in order, nobody to blame; host: a machine short of CPU is told of, and no channel's fault."""
        began = time.monotonic()
        while True:
            alarms = [a for a in self.alarms() if a["kind"] != "host_overload" or not pressed()]
            found = [self.why(name) for name in self.channels]
            if not alarms and all(w["state"] == "ok" and w["culprit"] in (("none", "host") if pressed() else ("none",)) for w in found):
                break
            assert time.monotonic() - began < limit, json.dumps([alarms, [w for w in found if w["culprit"] != "none"]], indent=1)
            time.sleep(0.3)
        wait_for(lambda: self.metrics_tell(self.alarms()), 10)
        print(f"  all clear after {time.monotonic() - began:.1f} s")

    def blamed(self, what, roots, culprits, limit=LIMIT, explained=frozenset(), stands=3.0, all_hurt=False, meanwhile=None):
        """`roots` are the alarms that stand for themselves, (kind, subject); `explained` what at least is a consequence of one of them;
        `culprits` {channel: (culprit, pattern in the verdict)}. Nothing else is ever an alarm or blamed, from now until it stood for so
        long. Other channels are well but where `all_hurt`. `meanwhile` is done before each look."""
        began, since, last = time.monotonic(), None, {}
        while since is None or time.monotonic() - since < stands:
            if meanwhile is not None:
                meanwhile()
            alarms = self.alarms()
            allowed = set(roots) | ({("host_overload", "")} if pressed() else set())
            open_ = told(a for a in alarms if a["cause"] is None)
            assert open_ <= allowed, f"{what}: blamed {open_ - allowed}: {json.dumps(alarms, indent=1)}"
            ids = {a["id"] for a in alarms if a["cause"] is None}
            assert all(a["cause"] in ids for a in alarms if a["cause"] is not None), alarms
            found = {name: self.why(name) for name in self.channels}
            last = {name: (found[name]["culprit"], found[name]["verdict"]) for name in culprits}
            right = all(found[name]["culprit"] == culprit and re.search(says, found[name]["verdict"]) for name, (culprit, says) in culprits.items())
            others = {n: w for n, w in found.items() if n not in culprits and not all_hurt}
            wrong = {n: (w["state"], w["culprit"], w["verdict"]) for n, w in others.items()
                     if (w["state"], w["culprit"]) != ("ok", "none") and (w["culprit"] != "host" or not pressed())}
            assert not wrong, f"{what}: {wrong}"
            if since is None and set(roots) <= open_ and explained <= told(alarms) and right and self.metrics_tell(alarms):
                since = time.monotonic()
                print(f"{what}: told after {since - began:.1f} s: {sorted(open_)}, of which {len(alarms) - len(open_)} more come")
                for name in culprits:
                    print(f"  {name}: {found[name]['culprit']}: {found[name]['verdict']} -> {found[name]['remedy']}")
            elif since is not None and not right:
                assert pressed(), f"{what}: no longer: {last}"
                since = None
            assert since or time.monotonic() - began < limit, f"{what}: {json.dumps(alarms, indent=1)} {json.dumps(last, indent=1)}"
            time.sleep(0.3)
        text = self.gateway.cli("alarms").stdout
        assert all(kind in text for kind, _ in roots), text

    def take_pushes(self):
        """A server that takes what is pushed to it."""
        self.target = self.rig.popen("gw", "ffmpeg", "-v", "quiet", "-listen", "1", "-i", self.push, "-c", "copy", "-f", "null", "-")

    def groups_are_joined(self):
        for channel in self.channels.values():
            self.rig.wait_mdb(channel["inputs"][0].split("/")[2].split(":")[0], True)

    # What happens.

    def cable_pulled(self):
        self.rig.call("br", "ip", "link", "set", "p-gw", "down")
        self.blamed("cable pulled", {("link_down", "cap0")}, {name: ("network", "The port cap0 has no link") for name in self.channels},
                    explained={("channel_down", name) for name in self.channels})
        self.rig.call("br", "ip", "link", "set", "p-gw", "up")
        self.groups_are_joined()
        self.well()

    def _source(self, source, fault, kind, subject, culprits, looks=None):
        source.become(fault)
        self.blamed(fault, {(kind, subject)}, culprits)
        if looks is not None:
            looks()
        source.become("")
        self.well()

    def source_silent(self):
        self._source(self.news, "silent", "channel_down", "news", {"news": ("source", "4 other inputs on cap0 still come")})

    def pid_lost(self):
        pid = f"0x{self.news.pids[-1]:04x}"

        def is_degraded():
            status = self.gateway.json("status", "news")
            assert (status["state"], pid in status["reason"]) == ("degraded", True), status

        self._source(self.news, "pid_lost", "pid_lost", f"news pid {pid}", {"news": ("source", f"PID {pid}")}, is_degraded)

    def scrambled(self):
        self._source(self.news, "scrambled", "scrambled", "news", {"news": ("source", "comes scrambled")})

    def cc_errors(self):
        self._source(self.news, "losing", "cc_errors", "news", {"news": ("source", "none on most of the 4 others")})

    def bitrate_halved(self):
        self._source(self.sport, "halved", "bitrate", "sport", {"sport": ("source", "the source sends less")})

    def target_refuses(self):
        self.target.kill()
        self.target.wait()
        self.blamed("target refuses", {("push_failing", f"sport {self.push}")}, {"sport": ("target", "has nobody who listens there")})
        self.take_pushes()
        self.well()

    def querier_gone(self):
        # It never asks again, and the switch goes on snooping: it forgets our groups until we report them again by ourselves.
        self.rig.set_bridge("mcast_query_interval", "6000000")
        culprits = {name: ("network", "The IGMP querier of cap0 fell silent") for name in self.channels}
        self.blamed("querier gone", {("no_querier", "cap0")}, culprits, stands=1, all_hurt=True)
        self.blamed("groups forgotten", {("no_querier", "cap0")}, culprits, stands=self.FORGETS, all_hurt=True,
                    explained={("channel_down", name) for name in self.channels})
        self.rig.set_bridge("mcast_query_interval", "100", "mcast_querier", "0")
        self.rig.set_bridge("mcast_querier", "1")
        self.well()

    def disk_full(self):
        refusing = self.disks["data_dir"]
        refusing.fill()
        culprits = {name: ("host", "A disk is nearly full: data_dir") for name in self.channels}
        self.blamed("data_dir full", {("disk_full", "data_dir")}, culprits, all_hurt=True)
        refused = self.gateway.apply({**self.channels, "news": {**self.channels["news"], "name": "News"}}, ok=False)
        assert refused.returncode == 1 and "No space left" in refused.stderr, refused.stderr
        self.gateway.write(self.channels)
        refusing.empty()
        self.well()

        segments = self.disks["run_dir"]
        culprits = {name: ("host", "run_dir|No space left") for name in self.channels}
        # What an old segment leaves is taken, too: players_get_nothing comes and goes, and is never an alarm of its own.
        self.blamed("run_dir full", {("disk_full", "run_dir")}, culprits, all_hurt=True, meanwhile=segments.fill, stands=10)
        segments.empty()
        self.well()

    def cpu_hogged(self):
        """One CPU for what carries media, and others that take most of it."""
        cpu = {max(os.sched_getaffinity(0))}
        threads = [int(task.name) for name in ("fastpath", "bridge") for task in Path(f"/proc/{self.gateway.pid(name)}/task").iterdir()]
        before = {thread: os.sched_getaffinity(thread) for thread in threads}
        hogs = [subprocess.Popen([sys.executable, "-c", HOG, str(*cpu)], start_new_session=True) for _ in range(4)]
        try:
            for thread in threads:
                os.sched_setaffinity(thread, cpu)
            self.blamed("CPU hogged", {("host_overload", "")}, {name: ("host", "waited for a CPU") for name in self.channels}, stands=1,
                        all_hurt=True)
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
            for thread, cpus in before.items():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(thread, cpus)
        self.well()

    def clock_stepped(self):
        for hours, words in ((1, "set ahead by 3600.0 s"), (-1, "set back by 7200.0 s")):
            self.clock.write_bytes(struct.pack("=q", hours * 3600 * 10**9))
            self.blamed("clock stepped", {("clock_stepped", "")}, {})
            alarm, = (a for a in self.alarms() if a["kind"] == "clock_stepped")
            assert words in alarm["message"], alarm
        event = [e for e in self.gateway.json("events")["events"] if e["kind"] == "clock_stepped"][-1]
        assert abs(event["unix_ns"] / 1e9 - time.time() - 3600) < 600, "of the clock of that moment"
        self.well(limit=120)

    def broken_file(self):
        self.gateway.write({**self.channels, "news": {**self.channels["news"], "inputs": ["udp://239.26.1.11"], "tag": "hd"}})
        for command in (["check", "--config", str(self.gateway.config)], ["apply"]):
            said = self.gateway.cli(*command, socket_option=command == ["apply"])
            text = said.stdout + said.stderr
            assert said.returncode == 1 and "channels.yaml:" in text and "did you mean 'tags'?" in text, text
        self.blamed("a file with errors", {("files_invalid", "")}, {})
        self.gateway.write(self.channels)
        self.well()

    def wrong_edit(self):
        self.gateway.apply({**self.channels, "news": {**self.channels["news"], "inputs": ["udp://239.26.1.11:5001"]}})
        self.blamed("wrong edit", {("channel_down", "news")}, {"news": ("map", "239.26.1.11 is sent to port 5000")})
        assert "Changed by apply" in self.why("news")["verdict"]

    def rollback(self):
        assert self.gateway.cli("apply", "--rollback").returncode == 0
        self.gateway.write(self.channels)
        self.well()

    def right_edit(self):
        """What was wrong is put right; then one that harms nothing."""
        self.gateway.apply(self.channels)
        self.well()
        self.gateway.apply({**self.channels, "news": {**self.channels["news"], "name": "News HD"}})
        self.blamed("right edit", set(), {})
        self.gateway.apply(self.channels)
