"""Black, frozen, silent and lost: told within five seconds of the packets that brought it, over when it is over, and left for another
input. One gateway, one run: each channel has a trouble of its own, one has none."""
import signal
import time

from support import media, ts
from support.gateway import Gateway, pressure, wait_for

SECONDS = 48
DATAGRAM = 7 * ts.SIZE
GROUPS = {name: f"239.9.7.{number + 1}" for number, name in enumerate(("black", "frozen", "silent", "lost", "fine", "late"))}
WANTED = {"black": "picture_black", "frozen": "picture_frozen", "silent": "sound_silent", "two": "input_down",
          "relay-black": "picture_black", "relay-silent": "sound_silent"}
NEVER = ("black", "frozen", "silent")  # sources of channels whose alarms are switched off
BLACK, AFTER, HOLD, GOP = 3.0, 1.0, 3.0, 1.0
FAILOVER = {"after": "1s", "hold": "3s", "when": ["no_data", "black"]}


def url(name):
    return f"udp://{GROUPS[name]}:5000"


def channels():
    served = {name: {"inputs": [url(name)], "serve": {"hls": {}}} for name in ("black", "frozen", "silent", "lost", "fine")}
    # Relays that nobody plays, watched for their alarms.
    watched = {"pictures": "always", "sound": "always"}
    relay = lambda name, push, **more: {"inputs": [url(name)], "push": [f"udp://239.9.8.{push}:5000"], "serve": [], **more}
    relays = {f"relay-{name}": relay(name, 3 + i, watch=watched) for i, name in enumerate(("black", "silent"))}
    off = {name: "never" for name in ("black", "frozen", "still", "silence", "clipping", "phase", "loudness")}
    relays.update({f"never-{name}": relay(name, 5 + i, watch=watched, alarms=off) for i, name in enumerate(NEVER)})
    return {**served, **relays, "plain": relay("black", 8), "two": {"inputs": [url("lost"), url("fine")], "serve": {"hls": {}}},
            # Relays: nobody plays them, and they are watched for their failover alone.
            "spare": {"inputs": [url("black"), url("fine")], "push": ["udp://239.9.8.1:5000"], "failover": FAILOVER},
            "alone": {"inputs": [url("late"), url("fine")], "push": ["udp://239.9.8.2:5000"], "failover": FAILOVER}}


def datagram_at(path, second, video=True):
    """Which datagram brings the first picture, or frame of sound, of that second."""
    starts = []
    for index, packet in enumerate(ts.packets(path.read_bytes())):
        start = ts.pes_start(packet)
        if start is not None and (packet[start + 3] & 0xF0 == 0xE0) == video and packet[start + 7] & 0x80:
            starts.append((index, ts._stamp(packet, start + 9)))
    first = min(stamp for _, stamp in starts)
    return next(index for index, stamp in starts if stamp >= first + second * 90000 - 900) // 7


class OnAir:
    """All sent at once, and seen at the sink: when a datagram was on its way is what the kernel says."""

    def __init__(self, rig):
        self.rig = rig
        self.paths = {name: media.stream(f"fault_{name}", SECONDS) for name in ("black", "frozen", "silent")}
        self.paths.update(fine=media.stream("h264_aac_b", 60), late=media.stream("fault_black_late", SECONDS))
        self.captures = {name: rig.capture(group, 5000) for name, group in GROUPS.items()}
        for group in GROUPS.values():
            rig.wait_mdb(group, True)
            rig.wait_mdb(group, True, port="p-snk")

    def start(self, tmp_path):
        whole = media.stream("h264_aac", 60).read_bytes()
        cut = [len(whole) * at // 60 // DATAGRAM * DATAGRAM for at in (media.FAULT[0], media.FAULT[1], SECONDS)]
        self.before, self.rest = tmp_path / "before.ts", tmp_path / "rest.ts"
        self.before.write_bytes(whole[:cut[0]])
        self.rest.write_bytes(whole[cut[1]:cut[2]])
        self.lost_after = cut[0] // DATAGRAM
        for name, path in {**self.paths, "lost": self.before}.items():
            self.rig.send(path, GROUPS[name], 5000)

    def when(self, name, second):
        """When the first packet of what is wrong, or of what is well again, was sent; None: it was not yet."""
        name = name.removeprefix("relay-")
        if name in ("lost", "two"):
            index = self.lost_after - (second == media.FAULT[0])
            name = "lost"
        else:
            index = datagram_at(self.paths[name], second, name != "silent")
        seen = self.captures[name].datagrams
        return seen[index][0] if len(seen) > index else None

    def age(self):
        """Of the stream that has no trouble, s."""
        seen = self.captures["fine"].datagrams
        return seen[-1][0] - seen[0][0] if seen else 0.0


def wrong(gateway):
    """What status tells: {(channel, kind of alarm)}, of one alone without anything that comes `down`."""
    status = gateway.json("status")
    return {(alarm["subject"].split()[0], alarm["kind"]) for alarm in status["alarms"] if alarm["channel"]} | {
        (channel["id"], "down") for channel in status["channels"] if channel["state"] == "down"}


class Log:
    """Who was told to be in trouble, and when, by polling."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.raised, self.cleared, self.kinds, self.busy = {}, {}, {}, []

    def look(self):
        alarms = wrong(self.gateway)
        now = time.time()
        self.busy.append((now, pressure()))
        for channel, kind in alarms:
            self.raised.setdefault((channel, kind), now)
            self.cleared.pop((channel, kind), None)
            self.kinds.setdefault(channel, set()).add(kind)
        for known in self.raised:
            if known not in alarms:
                self.cleared.setdefault(known, now)

    def starved(self, begin, end):
        inside = [busy for when, busy in self.busy if begin - 0.5 < when < end + 0.5]
        return inside[-1] - inside[0] if inside else 0.0


def switch(gateway, channel):
    return gateway.json("status", channel)["switch"]


def test_what_is_wrong_is_told_is_over_and_is_left_for_another_input(rig, tmp_path):
    with Gateway(rig, channels()) as gateway:
        air, log = OnAir(rig), Log(gateway)
        gateway.wait_answered("transcode")
        air.start(tmp_path)
        wait_for(lambda: not wrong(gateway), 20)
        left = back = again = None
        seen = set()  # with enough to judge by
        while air.age() < media.LATE_BLACK - 1.0:
            log.look()
            if again is None and air.age() > media.FAULT[1]:
                again = rig.send(air.rest, GROUPS["lost"], 5000)
            if air.age() > media.FAULT[1] - 1 and not seen:
                seen = {labels["channel"] for name, labels, value in gateway.samples() if name == "headgate_watch_verdict" and value == 1}
            spare = switch(gateway, "spare")
            # At the beginning the one that came first is on air.
            if spare["on_air"] == 2 and left is None and air.age() > media.FAULT[0]:
                left = spare["switched_unix_ns"] / 1e9
            elif spare["on_air"] == 1 and left is not None and back is None:
                back = spare["switched_unix_ns"] / 1e9
            time.sleep(0.1)

        begin, end = media.FAULT
        late = []
        for channel, kind in [*WANTED.items(), ("lost", "down")]:
            sent, well = air.when(channel, begin), air.when(channel, end)
            raised, cleared = log.raised.get((channel, kind)), log.cleared.get((channel, kind))
            told = raised and raised - sent
            over = cleared and cleared - well
            print(f"{channel}: {kind} {told and round(told, 2)} s after the first packet of it, over {over and round(over, 2)} s after its end; "
                  f"starved {log.starved(sent, raised or well):.2f} s, {log.starved(well, cleared or time.time()):.2f} s")
            if told is None or not 0 < told < 5 + log.starved(sent, raised):
                late.append(f"{channel}: {kind} told after {told} s")
            if over is None or not -0.5 < over < 6 + log.starved(well, cleared):
                late.append(f"{channel}: {kind} over after {over} s")
        sent, well = air.when("black", begin), air.when("black", end)
        print(f"spare: on the backup {left and round(left - sent, 2)} s after black began, back {back and round(back - well, 2)} s after it ended")
        print(f"kinds {log.kinds}")
        assert not late, late
        assert "fine" not in log.kinds, log.kinds
        assert log.kinds["lost"] == {"down", "channel_down"}, log.kinds
        # What is never told is seen all the same; what nobody wants watched is not.
        assert not any(name.startswith("never-") or name == "plain" for name in log.kinds), log.kinds
        assert seen >= {f"never-{name}" for name in NEVER} and "plain" not in seen, seen
        for channel, kind in WANTED.items():  # the second input may come on air a moment after the first counts as lost
            beside = {"failover_active", "down", "channel_down"} if channel == "two" else {"channel_down"} if kind == "down" else set()
            assert log.kinds[channel] <= {kind} | beside, log.kinds
        assert left is not None and BLACK < left - sent < BLACK + AFTER + GOP + 1.5 + log.starved(sent, left)
        assert back is not None and HOLD < back - well < HOLD + 5 + GOP + log.starved(well, back)

        # Without control; the launcher would end one that is stopped for 10 s.
        assert switch(gateway, "alone")["on_air"] == 1
        control, busy, stopped = gateway.kill("control", signal.SIGSTOP), pressure(), time.time()
        patience = BLACK + AFTER + GOP + 1
        wait_for(lambda: (sent := air.when("late", media.LATE_BLACK)) and time.time() > sent + patience + min(2.5, pressure() - busy))
        killed = time.time()
        gateway.kill("control")
        gateway.wait_new("control", control)
        gateway.wait_ready()
        sent = air.when("late", media.LATE_BLACK)
        alone = wait_for(lambda: (found := switch(gateway, "alone")) and found["on_air"] == 2 and found, 10)
        moved = alone["switched_unix_ns"] / 1e9
        print(f"alone: on the backup {moved - sent:.2f} s after black began, control stopped {stopped - sent:.2f} s and killed {killed - sent:.2f} s "
              "after")
        assert sent + BLACK < moved < killed
