"""A program in a terminal: in a real one, by tmux, and in one that counts what is written to it."""
import fcntl
import itertools
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time


class Terminal:
    """A program in a terminal of so many columns and rows, by tmux."""

    COUNT = itertools.count()

    def __init__(self, program, columns=80, rows=24, environment=None):
        # No name a second time: a server that was told to end may still answer.
        self.server = f"headgate-{os.getpid()}-{next(self.COUNT)}"
        words = ["env", "TZ=UTC", *(f"{name}={value}" for name, value in (environment or {}).items()), *map(str, program)]
        made = self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), *words)
        assert made.returncode == 0, made.stderr

    def tmux(self, *arguments):
        return subprocess.run(["timeout", "-s", "KILL", "10", "tmux", "-L", self.server, "-f", "/dev/null", *arguments], capture_output=True,
                        text=True, check=False)

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def text(self, history=False):
        """What it shows; `history`: with what has left it at the top."""
        return self.tmux("capture-pane", "-p", *(["-S", "-"] if history else [])).stdout

    def is_over(self):
        return self.tmux("list-sessions").returncode != 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server")


class CountingTerminal:
    """A program in a pseudo-terminal: the bytes that it writes, and how often it clears the screen, which flickers."""

    def __init__(self, program, columns, rows):
        self.bytes = self.cleared = 0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            os.execv(program[0], list(map(str, program)))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, until):
        """Until this is true."""
        end = time.monotonic() + 120
        while not until():
            assert time.monotonic() < end
            if select.select([self.fd], [], [], 0.05)[0]:
                data = os.read(self.fd, 1 << 16)
                self.bytes += len(data)
                self.cleared += data.count(b"\x1b[2J")

    def press(self, keys):
        """Seconds until something is written."""
        begin = time.monotonic()
        os.write(self.fd, keys)
        select.select([self.fd], [], [], 60)
        return time.monotonic() - begin

    def cpu(self):
        """Seconds that it has run, by the scheduler."""
        return int(open(f"/proc/{self.pid}/schedstat").read().split()[0]) / 1e9

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
