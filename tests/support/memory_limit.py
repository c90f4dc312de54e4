"""A control group with a limit of memory, for processes of a test: version 2's memory.max, or version 1's memory.limit_in_bytes.
None where this machine's control groups can't be written."""
import contextlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# Takes as many MiB as each line says, until its input ends.
EATER = """
import sys
open("/proc/self/oom_score_adj", "w").write("-900")
eaten = []
for line in sys.stdin:
    eaten.append(b"x" * (int(line) << 20))
    print(len(eaten), flush=True)
"""


class MemoryLimit:
    def __init__(self, folder, version):
        self.folder, self.version = folder, version

    @classmethod
    def make(cls):
        for parent, version in ((ROOT / "memory", 1), (ROOT, 2)):
            folder = parent / f"headgate-test-{os.getpid()}"
            try:
                if version == 2:
                    if "memory" not in (parent / "cgroup.controllers").read_text().split():
                        continue
                    (parent / "cgroup.subtree_control").write_text("+memory")
                folder.mkdir()
                (folder / cls._name(version)).read_text()
                return cls(folder, version)
            except OSError:
                with contextlib.suppress(OSError):
                    folder.rmdir()
        return None

    @staticmethod
    def _name(version):
        return "memory.max" if version == 2 else "memory.limit_in_bytes"

    def usage(self):
        return int((self.folder / ("memory.current" if self.version == 2 else "memory.usage_in_bytes")).read_text())

    def limit(self, size):
        """Bytes; None: no limit."""
        none = "max" if self.version == 2 else "-1"
        (self.folder / self._name(self.version)).write_text(none if size is None else str(size))
        with contextlib.suppress(OSError):  # nothing goes to a swap instead
            (self.folder / ("memory.swap.max" if self.version == 2 else "memory.swappiness")).write_text("0")

    def kills(self):
        """By the kernel, for want of memory in this group."""
        text = (self.folder / ("memory.events" if self.version == 2 else "memory.oom_control")).read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.split()[0] == "oom_kill")

    @contextlib.contextmanager
    def inside(self):
        """What is started here belongs to it, with all its descendants."""
        wanted = "memory" if self.version == 1 else ""
        own = next(line.split(":")[2] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.split(":")[1] == wanted)
        before = (ROOT / "memory" if self.version == 1 else ROOT) / own.lstrip("/")
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield
        finally:
            (before / "cgroup.procs").write_text(str(os.getpid()))

    def eater(self):
        """A process in it that takes MiB as it is told, and that the kernel spares."""
        with self.inside():
            return subprocess.Popen([sys.executable, "-c", EATER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self):
        with contextlib.suppress(OSError):
            self.limit(None)
            self.folder.rmdir()
