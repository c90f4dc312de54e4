"""A source of a group that goes wrong while it sends, and right again: `headgate send` plays a file to a socket of the source's
namespace, and a process there sends on what comes, with the fault of the moment.

  faulty_source.py FILE GROUP PORT [--stuffed]: faults come as lines on its standard input, the empty one for none.
"""
import argparse
import os
import random
import select
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from support import damage, netns, ts  # noqa: E402
from support.ports import free_port  # noqa: E402
from support.rig import SOURCE  # noqa: E402

BIN = Path(os.environ.get("HEADGATE_BIN", Path(__file__).resolve().parents[2] / "build" / "release" / "bin"))
NULL = bytes([0x47, 0x1F, 0xFF, 0x10]) + bytes([0xFF] * (ts.SIZE - 4))
FAULTS = ("silent", "pid_lost", "scrambled", "halved", "losing", "")


def media_pids(path):
    """The pictures' first."""
    return damage.media_pids(Path(path).read_bytes()[:4 << 20])


class FaultySource:
    """`stuffed`: as many null packets again go with the others, which the fault `halved` leaves out. `pid_lost` is the last of `pids`."""

    def __init__(self, rig, path, group, port=5000, stuffed=False):
        self.pids = media_pids(path)
        command = [sys.executable, __file__, str(path), group, str(port), *(["--stuffed"] if stuffed else [])]
        self.process = subprocess.Popen(netns.command_in(rig.names["src"], *command), stdin=subprocess.PIPE, text=True)

    def become(self, fault):
        assert fault in FAULTS
        self.process.stdin.write(fault + "\n")
        self.process.stdin.flush()

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def changed(data, fault, pids, dice):
    """What is sent in place of a datagram; b"" for nothing."""
    if fault == "silent" or fault == "losing" and dice.random() < 1 / 20:
        return b""
    if fault == "pid_lost":
        return b"".join(NULL if ts.pid_of(packet) == pids[-1] else packet for packet in ts.packets(data))
    if fault == "scrambled":
        return b"".join(damage.scrambled([bytearray(packet) for packet in ts.packets(data)], pids, dice))
    return data


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("group")
    parser.add_argument("port", type=int)
    parser.add_argument("--stuffed", action="store_true")
    arguments = parser.parse_args()
    pids, dice, fault = media_pids(arguments.file), random.Random(arguments.group), ""
    inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inside.bind(("127.0.0.1", free_port()))
    inside.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outside.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(SOURCE))
    outside.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
    player = subprocess.Popen([BIN / "headgate", "send", arguments.file, f"udp://127.0.0.1:{inside.getsockname()[1]}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        while True:
            ready, _, _ = select.select([inside, sys.stdin], [], [])
            if sys.stdin in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                fault = line.strip()
            if inside in ready:
                data = changed(inside.recv(2048), fault, pids, dice)
                if data:
                    outside.sendto(data, (arguments.group, arguments.port))
                if data and arguments.stuffed and fault != "halved":
                    outside.sendto(NULL * (len(data) // ts.SIZE), (arguments.group, arguments.port))
    finally:
        player.kill()
        player.wait()


if __name__ == "__main__":
    main()
