"""What the tests here share: a gateway with servers for RTMP and SRT, and programs of others beside it in its namespace."""
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from support import netns
from support.gateway import Gateway

HERE = Path(__file__).resolve().parent
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)} (scripts/setup test)")


def needs_module(*names):
    missing = [name for name in names if not (HERE / "node_modules" / name).exists()]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)} (scripts/setup test)")


class Stage(Gateway):
    """A gateway that listens for RTMP and SRT, and what runs beside it: all of it ends with the gateway."""

    def __init__(self, rig):
        super().__init__(rig, {})
        self.rtmp_port, self.srt_port = self._free_port(), self._free_port()
        self.node["servers"].update(rtmp={"listen": f"[::]:{self.rtmp_port}"}, srt={"listen": f"[::]:{self.srt_port}"})
        self.write_node()
        self.beside = []
        # For programs that run as nobody.
        self.open_folder = self.folder / "open"
        self.open_folder.mkdir()
        self.open_folder.chmod(0o777)

    def free_port(self):
        return self._free_port()

    def rtmp(self, stream):
        return f"rtmp://127.0.0.1:{self.rtmp_port}/live/{stream}"

    def key_file(self, secret):
        path = self.folder / f"key-{secret}"
        path.write_text(secret + "\n")
        path.chmod(0o600)
        return str(path)

    def beside_it(self, *command, role="gw", nobody=False, limit=240, **more):
        """Starts a program; its standard error is kept in `.log`."""
        log = self.open_folder / f"{Path(str(command[0])).name}-{len(self.beside)}.log"
        # On a busy machine some of them leave out what is late: that is not to be judged.
        first = ["nice", "-n", "-10"]
        front = [*AS_NOBODY, "env", f"HOME={self.open_folder}"] if nobody else []
        with open(log, "wb") as err:
            more.setdefault("stdout", subprocess.DEVNULL)
            process = subprocess.Popen(
                netns.command_in(self.rig.names[role], *first, "timeout", "-s", "KILL", str(limit), *front, *map(str, command)),
                stdin=subprocess.DEVNULL, stderr=err, cwd=self.open_folder, **more)
        process.log = log
        self.beside.append(process)
        return process

    def publish(self, source, stream):
        """ffmpeg as encoder, in real time."""
        return self.beside_it("ffmpeg", "-v", "error", "-re", "-i", source, "-c", "copy", "-f", "flv", self.rtmp(stream))

    def vlc(self, *arguments):
        """VLC refuses to run as root."""
        return self.beside_it("cvlc", "-I", "dummy", "--no-audio", "--no-video", "--no-lua", *arguments, "vlc://quit", nobody=True)

    def script(self, name, *arguments, **more):
        return self.beside_it("node", HERE / name, *arguments, **more)

    def wait_port(self, port, process, limit=60):
        deadline = time.monotonic() + limit
        while True:
            with self.rig.inside("gw"):
                probe = socket.socket()
            with probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert process.poll() is None and time.monotonic() < deadline, said(process)
            time.sleep(0.05)

    def close(self):
        for process in self.beside:
            end(process)
        super().close()


def end(process, limit=60):
    """Asks it to end, so that it finishes its file."""
    process.terminate()
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def said(process):
    return process.log.read_text(errors="replace")[-2000:]


def wait_for(done, limit, what):
    deadline = time.monotonic() + limit
    while not done():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.05)
