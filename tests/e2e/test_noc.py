"""What somebody on shift sees and types: the live screen in a real terminal, alarms and their acknowledgement, maintenance, health."""
import os

from support import media
from support.gateway import Gateway, wait_for
from support.terminal import Terminal

CHANNELS = {"news": {"inputs": ["udp://239.25.2.1:5000"], "tags": ["hd"]}, "sport": {"inputs": ["udp://239.25.2.2:5000"]}}


class Screen(Terminal):
    """`headgate top` in a terminal of 80 x 24."""

    def __init__(self, gateway):
        super().__init__([f"{os.environ['HEADGATE_BIN']}/headgate", "top", "--socket", f"{gateway.run_dir}/control.sock"])

    def shows(self, *words):
        """The screen, once all of these are on it and nothing is broader than the terminal."""
        def look():
            text = self.text()
            return text if all(word in text for word in words) else None
        text = wait_for(look, 30)
        assert all(len(line) <= 80 for line in text.splitlines()), text
        return text


def test_the_shift_sees_what_is_bad_and_says_who_works_on_it(rig):
    with Gateway(rig, CHANNELS) as gateway:
        rig.wait_mdb("239.25.2.2", True)
        rig.send(media.stream("h264_aac", 60), "239.25.2.2", 5000)
        wait_for(lambda: {c["id"]: c["state"] for c in gateway.json("status")["channels"]} == {"news": "down", "sport": "ok"})
        wait_for(lambda: any(a["kind"] == "channel_down" for a in gateway.json("alarms")["alarms"]))
        with Screen(gateway) as screen:
            text = screen.shows("1 down", "1 ok", "channel_down")
            assert text.index("\nnews ") < text.index("\nsport ")
            screen.press("Enter")
            screen.shows("arrival", "culprit", "\ndo ", "any key")
            screen.press("x")
            screen.press("/")
            screen.shows("find (shell pattern")
            screen.press("spo", "Enter")
            assert "\nnews " not in screen.shows("1-1 of 1", "\nsport ")
            screen.press("q")
            wait_for(screen.is_over, 30)

        health = gateway.cli("health")
        assert health.returncode == 2 and "HEADGATE CRITICAL" in health.stdout and "news" in health.stdout, health.stdout
        alarm = next(a for a in gateway.json("alarms")["alarms"] if a["kind"] == "channel_down")
        assert gateway.cli("alarms", "ack", str(alarm["id"] + 1000)).returncode == 1
        assert gateway.cli("alarms", "ack", str(alarm["id"])).returncode == 0
        assert "acknowledged by" in gateway.cli("alarms").stdout
        assert "1 acknowledged" in gateway.cli("status").stdout
        assert gateway.cli("maintenance", "nothing-of-that-name", "2h").returncode == 1
        assert gateway.cli("maintenance", "hd", "2h").returncode == 0
        assert "hd by" in gateway.cli("maintenance").stdout
        wait_for(lambda: gateway.json("alarms")["alarms"][0]["maintenance"])
        assert not [a for a in gateway.json("alarms")["alarms"] if not a["maintenance"] and a["channel"]]
        assert "news" not in gateway.cli("health").stdout
        assert gateway.cli("maintenance", "hd", "off").returncode == 0
        assert gateway.cli("maintenance").stdout == "nothing is under maintenance\n"
        assert [c["id"] for c in gateway.json("status", "--state", "down")["channels"]] == ["news"]
        events = gateway.json("events", "--channel", "news", "--severity", "critical")["events"]
        assert events and all(e["severity"] == "critical" for e in events)
