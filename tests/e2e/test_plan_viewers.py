"""One apply of many kinds of edits while each channel is played by HLS, RTMP, TS over HTTP and as multicast: those lose something whom
`plan` named, and nobody else."""
import concurrent.futures
import contextlib
import time

from support import media
from support.gateway import Gateway, wait_for
from support.viewers import Hls, HttpTs, Multicast, Rtmp

SECONDS = 240
AAC, AC3, OTHER = "udp://239.60.1.1:5000", "udp://239.60.1.2:5000", "udp://239.60.1.3:5000"
HLS = {"segment": "1s", "window": 8}
ALL = {"hls": HLS, "rtmp": {}, "http-ts": {}}


def channel(number, source=AAC, **more):
    return {"inputs": [source], "push": [f"udp://239.60.2.{number}:5000"], "serve": ALL, **more}


# What is done to each: (before, after; None: removed).
def edits():
    made = {}

    def edit(name, change, **more):
        number = len(made) + 1
        before = channel(number, **more)
        made[name] = (before, None if change is None else {**before, **(change(before) if callable(change) else change)})

    edit("untouched", {})
    edit("named", {"name": "Another name", "number": 7, "tags": ["hd"]})
    edit("push-added", lambda c: {"push": [*c["push"], "udp://239.60.3.1:5000"]})
    edit("backup-added", {"inputs": [AAC, OTHER]})
    edit("watched", {"failover": {"after": "3s"}, "alarms": {"black": "7s"}, "watch": {"every": "7s"}})
    edit("window", {"serve": {**ALL, "hls": {"segment": "1s", "window": 12}}})
    edit("serve-added", {"serve": {**ALL, "srt": {}}})
    edit("serve-removed", {"serve": {"hls": HLS, "http-ts": {}}})
    edit("segment", {"serve": {**ALL, "hls": {"segment": "2s"}}})
    edit("push-removed", {"push": []})
    edit("input-changed", {"inputs": [OTHER]})
    edit("rate", {"remux": {"bitrate": "3Mbps"}})
    edit("buffer", {"remux": {"buffer": "400ms"}})
    edit("aac-not-made", {"audio": {"transcode": "never"}})
    edit("sound-not-made", {"audio": {"transcode": "never"}}, source=AC3)
    edit("sound-made", {"audio": {"transcode": "auto"}}, source=AC3, audio={"transcode": "never"})
    edit("disabled", {"enabled": False})
    edit("removed", None)
    return made


def named(plan, made):
    """{channel: whom plan says the edit interrupts}."""
    every = {"hls", "rtmp", "http-ts", "multicast"}
    found = {name: set() for name in made}
    for change in plan["changed"]:
        found[change["id"]] = set(change["interrupts_viewers"]) | ({"multicast"} if change["interrupts_media"] or change["interrupts_pushes"] else set())
    found.update({name: every for name in plan["removed"]})
    return found


def test_those_lose_something_whom_plan_named_and_nobody_else(rig):
    made = edits()
    gateway = Gateway(rig, {name: before for name, (before, _) in made.items()})
    gateway.node["servers"]["rtmp"] = {"listen": f"127.0.0.1:{(port := gateway._free_port())}"}
    gateway.node["servers"]["srt"] = {"listen": f"127.0.0.1:{gateway._free_port()}"}
    gateway.write_node()
    paths = [media.looped(media.stream(name, 18), SECONDS) for name in ("h264_aac", "h264_ac3", "h264_aac_b")]
    with gateway, contextlib.ExitStack() as stack:
        rig.wait_mdb("239.60.1.1", True)
        rig.wait_mdb("239.60.1.2", True)
        for number, path in enumerate(paths[:2], 1):
            rig.send(path, f"239.60.1.{number}", 5000)
        viewers = {}
        for name, (before, _) in made.items():
            gateway.wait_metric("headgate_input_ts_packets_total", 1000, channel=name)
            group = before["push"][0].split("/")[2].split(":")[0]
            viewers[name] = {"multicast": Multicast(rig, group), "http-ts": HttpTs(rig, gateway, name), "rtmp": Rtmp(rig, port, name)}
            for viewer in viewers[name].values():
                stack.callback(viewer.close)
        rig.send(paths[2], "239.60.1.3", 5000)  # another programme, elsewhere in its time
        # Of sound, AAC is there a moment later.
        wait_for(lambda: all(track["twin"] and track["state"] == "running" for track in gateway.json("status", "sound-not-made")["bridge"]["sound"]["tracks"]))
        for name in made:
            viewers[name]["hls"] = Hls(gateway, name)
        for name, of_channel in viewers.items():
            for protocol, viewer in of_channel.items():
                viewer.ready()
        gateway.write({name: after for name, (_, after) in made.items() if after is not None})
        promised = named(gateway.json("plan")["plan"], made)
        for of_channel in viewers.values():
            for viewer in of_channel.values():
                viewer.mark()
        began = time.monotonic()
        result = gateway.cli("apply")
        assert result.returncode == 0, result.stdout + result.stderr
        print(f"applied in {time.monotonic() - began:.2f} s")
        wrong = []
        with concurrent.futures.ThreadPoolExecutor(4 * len(viewers)) as pool:
            asked = {name: {protocol: pool.submit(viewer.interrupted) for protocol, viewer in of_channel.items()}
                     for name, of_channel in viewers.items()}
        for name, of_channel in asked.items():
            seen = {protocol: answer.result() for protocol, answer in of_channel.items()}
            lost = {protocol for protocol, why in seen.items() if why}
            print(f"{name}: plan named {sorted(promised[name]) or 'nobody'}; " + (", ".join(f"{p}: {why}" for p, why in seen.items() if why) or "nobody lost anything"))
            if lost != promised[name]:
                wrong.append((name, sorted(promised[name]), seen))
        assert not wrong, wrong
