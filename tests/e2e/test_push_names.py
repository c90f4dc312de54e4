"""A push whose server's name nobody resolves keeps no other push waiting, and says so."""
import contextlib
import socket
import re
import subprocess
import time
from pathlib import Path

from support import media
from support.gateway import Gateway


@contextlib.contextmanager
def silent_name_server(rig):
    """The gateway asks 127.0.0.1, which takes questions and answers none. Names of /etc/hosts are found without it."""
    folder = Path("/etc/netns") / rig.names["gw"]
    folder.mkdir(parents=True)
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    with rig.inside("gw"):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    try:
        yield
    finally:
        server.close()
        (folder / "resolv.conf").unlink()
        folder.rmdir()


def test_a_name_without_an_answer_holds_up_no_other_push(rig, tmp_path):
    gateway = Gateway(rig, {})
    port = gateway._free_port()
    lost, good = "rtmp://lost.example/app/name", f"rtmp://localhost:{port}/app/name"
    gateway.write({"out": {"inputs": ["udp://239.7.8.1:5000"], "serve": [], "push": [lost, good]}})
    with silent_name_server(rig), gateway:
        with rig.inside("gw"):
            server = subprocess.Popen(["timeout", "-s", "KILL", "120", "ffmpeg", "-v", "quiet", "-y", "-listen", "1", "-i",
                                       f"rtmp://127.0.0.1:{port}/app/name", "-c", "copy", str(tmp_path / "got.flv")],
                                      stdin=subprocess.DEVNULL)
        rig.wait_mdb("239.7.8.1", True)
        rig.send(media.looped(media.stream("h264_aac", 18), 60), "239.7.8.1", 5000)
        began = time.monotonic()
        gateway.wait_metric("headgate_output_bytes_total", 100_000, channel="out", output=good)
        took = time.monotonic() - began
        deadline = began + 60
        while not re.search(r"! .*lost\.example", told := gateway.cli("status", "out").stdout):
            assert time.monotonic() < deadline, told
            time.sleep(0.2)
        print(f"the other push sends after {took:.1f} s")
        server.kill()
        server.wait()
