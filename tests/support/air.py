"""Two channels on the air, for tests that stop or kill what carries them."""
from . import hls, media

SECONDS = 60


class Air:
    """Two channels on the air: one to multicast, one to multicast and HLS."""

    def __init__(self, rig, gateway, number):
        self.rig, self.gateway = rig, gateway
        self.path = media.stream("h264_aac", SECONDS)
        self.other = media.stream("h264_aac_b", SECONDS)
        self.capture = rig.capture(f"239.7.2.{number}", 5000)
        rig.wait_mdb(f"239.7.1.{number}", True)
        rig.wait_mdb(f"239.7.3.{number}", True)
        rig.wait_mdb(f"239.7.2.{number}", True, port="p-snk")
        self.senders = [rig.send(self.path, f"239.7.1.{number}", 5000), rig.send(self.other, f"239.7.3.{number}", 5000)]
        self.capture.wait(10)
        self.client = hls.Client(gateway, "tv")

    def whole(self):
        """Whether the multicast that has come is a whole piece of what was sent."""
        assert self.capture.kernel_drops == 0
        got = self.capture.payload()
        return self.path.read_bytes()[:len(got)] == got

    def finish(self):
        """Ends the senders; what `whole` says of all that came."""
        for sender in self.senders:
            sender.kill()
            sender.wait()
        self.capture.wait_quiet()
        self.capture.stop()
        return self.whole()


def channels(number):
    return {"relay": {"inputs": [f"udp://239.7.1.{number}:5000"], "push": [f"udp://239.7.2.{number}:5000"]},
            "tv": {"inputs": [f"udp://239.7.3.{number}:5000"], "serve": {"hls": {"segment": "2s", "window": 12}}}}
