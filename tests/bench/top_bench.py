#!/usr/bin/python3
"""What `headgate top` costs with 1,000 channels: CPU of the command, bytes to the terminal and requests per refresh, over a terminal of
80x24 and one of 160x50.

    top_bench.py --bin DIR [--channels 1000] [--seconds 20]

A control that answers from memory stands in for the gateway, so the figures are those of `top` alone; a tenth of the channels change
with each answer, as counters do. The terminal is a pty that this program reads.
"""
import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.fake_control import FakeControl  # noqa: E402
from support.lineup import answers  # noqa: E402
from support.terminal import CountingTerminal  # noqa: E402


def measure(program, fake, columns, rows, seconds):
    with CountingTerminal([program, "top", "--socket", fake.socket], columns, rows) as terminal:
        asked = lambda: fake.asked.count("status")
        first = asked()
        terminal.read(lambda: asked() >= first + 3)  # the first screen is drawn whole
        terminal.bytes = terminal.cleared = 0
        before, first, end = terminal.cpu(), asked(), time.monotonic() + seconds
        terminal.read(lambda: time.monotonic() > end)
        refreshes, used = max(1, asked() - first), terminal.cpu() - before
        print(f"{columns}x{rows}: {refreshes} refreshes in {seconds} s, each {1000 * used / refreshes:.1f} ms of CPU and {terminal.bytes // refreshes} "
              f"bytes to the terminal; cleared {terminal.cleared} times; a key answered after {1000 * terminal.press(b'j'):.1f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--channels", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    with FakeControl(answers(options.channels)) as fake:
        print(f"{options.channels} channels, an answer of {len(str(fake.answers['status']({}))) // 1024} KiB")
        for columns, rows in ((80, 24), (160, 50)):
            measure(f"{options.bin}/headgate", fake, columns, rows, options.seconds)


main()
