"""A program in a real terminal."""
import os
import subprocess


class Terminal:
    """A program in a terminal of so many columns and rows, by tmux."""

    def __init__(self, program, columns=80, rows=24, environment=None):
        self.server = f"headgate-{os.getpid()}-{id(self)}"
        words = ["env", "TZ=UTC", *(f"{name}={value}" for name, value in (environment or {}).items()), *map(str, program)]
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), *words)

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
