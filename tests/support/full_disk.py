"""A file system of its own that can be filled up."""
import contextlib
import subprocess
import tempfile
from pathlib import Path


class FullDisk:
    def __init__(self, size="512k", folder=None):
        self.made = folder is None
        self.path = Path(tempfile.mkdtemp(prefix="hg-disk-") if folder is None else folder)
        self.path.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(self.path)], check=True)

    def fill(self):
        with contextlib.suppress(OSError), open(self.path / "ballast", "ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(65536))

    def empty(self):
        (self.path / "ballast").unlink()

    def close(self):
        subprocess.run(["umount", "-l", str(self.path)], check=True)
        if self.made:
            self.path.rmdir()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
