"""pull_run (one fetched input alone, in its sandbox), web servers that answer as a test wants, and those of others."""
import contextlib
import json
import os
import queue
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from . import ts
from .gateway import BIN, pressure
from .ports import free_port

SIZE = 188


class Pull:
    """One source; `rig` and `role`: in that namespace."""

    def __init__(self, kind, address, environment=None, prefix=()):
        self.folder = tempfile.TemporaryDirectory(prefix="hg-pull-")
        self.path = Path(self.folder.name) / "out.ts"
        self.events = []
        self.process = subprocess.Popen([*prefix, str(BIN / "pull_run"), kind, str(address), str(self.path), "--sandbox"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})})
        self._answers = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _listen(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "status":
                self._answers.put(event)
            else:
                self.events.append(event)

    def status(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._answers.get(timeout=60)

    def named(self, name):
        return [event["about"] for event in self.events if event["event"] == name]

    def wait(self, what, seconds=60):
        """Until what(self) holds; the status then."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if what(self):
                return self.status()
            assert self.process.poll() is None, f"pull_run ended with {self.process.returncode}; {self.events}"
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s; events {self.events}, status {self.status()}")

    def wait_event(self, name, seconds=60, count=1):
        self.wait(lambda p: len(p.named(name)) >= count, seconds)
        return self.named(name)[count - 1]

    def wait_bytes(self, size, seconds=60):
        return self.wait(lambda p: p.status()["bytes"] >= size, seconds)

    def media(self):
        self.status()  # written to the file by then
        return self.path.read_bytes()

    def memory(self):
        """Bytes resident at most, so far."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.folder.cleanup()


class Web:
    """A server on 127.0.0.1 that gives each connection to `serve(connection, request head)`, in a thread of its own."""

    def __init__(self, serve, wrap=None):
        self.serve = serve
        self.wrap = wrap
        self.heads = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.stopping = False
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, target="/", scheme="http", host="127.0.0.1", credentials=""):
        return f"{scheme}://{credentials}{host}:{self.port}{target}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        try:
            with connection:
                if self.wrap:
                    connection = self.wrap(connection)
                while True:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        more = connection.recv(4096)
                        if not more:
                            return
                        head += more
                    self.heads.append(head.decode())
                    if not self.serve(connection, head.decode()):
                        return
        except OSError:
            pass


def answer(body, status="200 OK", headers=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def target_of(head):
    return head.split(" ", 2)[1]


def paced(pull, rate, seconds, tolerance=0.06):
    """Bytes a second, measured by the program's own clock."""
    busy = pressure()
    first = pull.status()
    time.sleep(seconds)
    last = pull.status()
    tolerance += min(0.3, (pressure() - busy) / seconds / 4)  # it may be late at either end
    got = (last["bytes"] - first["bytes"]) * 8 / (last["at"] - first["at"])
    assert abs(got / rate - 1) < tolerance, f"{got:.0f} b/s, the stream has {rate}"
    return last


def compare(source, received, tmp_path, least, selector="v:0"):
    """Every access unit received is one of the source's, in its order; the place of the first one."""
    path = tmp_path / "received.ts"
    path.write_bytes(received)
    # The ends are cut through.
    return ts.assert_same_media(ts.access_units(source, selector), ts.access_units(path, selector)[1:-1], least)


@contextlib.contextmanager
def running(command, **more):
    """A program, as long as it is needed."""
    process = subprocess.Popen(["timeout", "-s", "KILL", "150", *command], stdin=subprocess.DEVNULL, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def nginx(folder, extra=""):
    """nginx that serves a folder; its port. PORT in extra directives is that port."""
    port = free_port()
    (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; user root;
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  types {{ video/mp2t ts; application/vnd.apple.mpegurl m3u8; }}
  server {{ listen 127.0.0.1:{port}; root {folder}; {extra.replace("PORT", str(port))} }} }}
""")
    with running(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]):
        deadline = time.monotonic() + 60
        while not (folder / "pid").exists():
            assert time.monotonic() < deadline, (folder / "error.log").read_text()
            time.sleep(0.02)
        yield port
