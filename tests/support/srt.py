"""srt_serve and the programs that talk to it: srt-live-transmit both ways, libsrt itself."""
import atexit
import ctypes
import ctypes.util
import json
import os
import socket
import subprocess
import threading
import time

from support import counted_ts

SERVE = os.path.join(os.environ.get("HEADGATE_BIN", "build/release/bin"), "srt_serve")
SECRET = "a-right-passphrase"
MESSAGE = 7 * 188
# srt-live-transmit keeps a little of its standard input to itself until more comes.
KEPT = 65_536
NO_ANSWER = 16  # SRT_REJ_TIMEOUT
LATENCY = "1500"


class Listener:
    """The gateway's SRT alone, fed with a made stream, in the bridge's sandbox."""

    def __init__(self, stream, *options):
        # Programs that are not scheduled for a while lose nothing within that latency.
        latency = () if "--latency" in options else ("--latency", LATENCY)
        self.process = subprocess.Popen([SERVE, "--sandbox", "--file", str(stream), *latency, *options], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.port = int(self.process.stdout.readline().split()[1])
        self.sent = stream.read_bytes()
        self.go = True

    def quiet(self):
        """Without playing the stream."""
        self.go = False
        return self

    def __enter__(self):
        if self.go:
            self.tell("go")
            # Past its second random access point, the first that has tables before it.
            self.wait(lambda stats: stats["played"] > 1.1 * counted_ts.BITRATE / 8)
        return self

    def __exit__(self, *_):
        try:
            _, self.log = self.process.communicate("quit\n", timeout=60)
            assert self.process.returncode == 0
        finally:
            self.process.kill()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.tell(line)
        return self.process.stdout.readline()

    def stats(self):
        return json.loads(self.ask("stats"))

    def wait(self, true, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stats = self.stats()
            if true(stats):
                return stats
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {stats}")

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


class Player:
    """srt-live-transmit that writes what it gets to a file."""

    def __init__(self, port, path, stream_id="c0", **options):
        query = "&".join([f"streamid={stream_id}"] + [f"{k}={v}" for k, v in options.items()])
        self.path = path
        self.out = open(path, "wb")
        self.process = subprocess.Popen(["srt-live-transmit", "-q", "-a:no", f"srt://127.0.0.1:{port}?{query}",
                                         "file://con"], stdout=self.out, stderr=subprocess.DEVNULL)

    def size(self):
        return os.path.getsize(self.path)

    def wait(self, size, seconds=60):
        end = time.monotonic() + seconds
        while self.size() < size and time.monotonic() < end:
            time.sleep(0.05)
        assert self.size() >= size

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.out.close()
        return self.path.read_bytes()


class Sender:
    """srt-live-transmit that sends a piece of the stream from its standard input, at the stream's pace."""

    def __init__(self, address, data, bitrate=4_000_000):
        self.data, self.rate = data[:len(data) // MESSAGE * MESSAGE], bitrate / 8
        self.process = subprocess.Popen(["srt-live-transmit", "-q", "-a:no", f"-chunk:{MESSAGE}", "file://con", address],
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.written = 0
        self.stopping = False
        self.thread = threading.Thread(target=self._write, daemon=True)
        self.thread.start()

    def _write(self):
        began = time.monotonic()
        try:
            while self.written < len(self.data) and not self.stopping:
                due = int((time.monotonic() - began) * self.rate) // MESSAGE * MESSAGE
                if due > self.written:
                    self.process.stdin.write(self.data[self.written:due])
                    self.process.stdin.flush()
                    self.written = min(due, len(self.data))
                time.sleep(0.003)
        except (BrokenPipeError, ValueError):
            pass

    def finish(self, seconds=120):
        """Everything written, and still connected."""
        self.thread.join(seconds)
        assert self.written == len(self.data) and self.process.poll() is None
        return self.data

    def leave(self):
        """As one that says goodbye."""
        self.stopping = True
        self.thread.join(60)
        self.process.terminate()
        self.process.stdin.close()
        self.process.wait(60)

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        self.stopping = True
        self.thread.join(60)
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Caller:
    """libsrt itself, for the code of a refusal, which no tool prints."""
    FC, RECEIVE_BUFFER, STREAM_ID, PASSPHRASE = 4, 6, 46, 26

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("srt") or "libsrt.so.1.5")
        # Its threads must have ended when the interpreter takes the library's memory down. Counted: one end for each beginning.
        self.lib.srt_startup()
        atexit.register(self.lib.srt_cleanup)
        self.lib.srt_setloglevel(0)

    def refusal(self, port, stream_id, passphrase=b"", window=0):
        socket_ = self.lib.srt_create_socket()
        self.lib.srt_setsockflag(socket_, self.STREAM_ID, stream_id, len(stream_id))
        if passphrase:
            self.lib.srt_setsockflag(socket_, self.PASSPHRASE, passphrase, len(passphrase))
        if window:
            self.lib.srt_setsockflag(socket_, self.FC, ctypes.byref(ctypes.c_int(window)), 4)
        address = (b"\x02\x00" + port.to_bytes(2, "big") + socket.inet_aton("127.0.0.1")).ljust(16, b"\0")
        connected = self.lib.srt_connect(socket_, address, len(address))
        reason = 0 if connected == 0 else self.lib.srt_getrejectreason(socket_)
        self.lib.srt_close(socket_)
        return reason


    def wait_refusal(self, wanted, port, stream_id, passphrase=b"", seconds=60):
        """Until the answer is that."""
        end = time.monotonic() + seconds
        while (code := self.refusal(port, stream_id, passphrase)) != wanted:
            assert time.monotonic() < end, code
            time.sleep(0.05)

    def deaf(self, port, stream_id, packets=64):
        """A receiver that is connected and takes nothing out of its small buffer; give it to close()."""
        socket_ = self.lib.srt_create_socket()
        self.lib.srt_setsockflag(socket_, self.STREAM_ID, stream_id, len(stream_id))
        self.lib.srt_setsockflag(socket_, self.FC, ctypes.byref(ctypes.c_int(packets)), 4)
        self.lib.srt_setsockflag(socket_, self.RECEIVE_BUFFER, ctypes.byref(ctypes.c_int(packets * 1456)), 4)
        address = (b"\x02\x00" + port.to_bytes(2, "big") + socket.inet_aton("127.0.0.1")).ljust(16, b"\0")
        assert self.lib.srt_connect(socket_, address, len(address)) == 0
        return socket_

    def close(self, socket_):
        self.lib.srt_close(socket_)


def wait_for_size(path, size, seconds=60):
    end = time.monotonic() + seconds
    while (not os.path.exists(path) or os.path.getsize(path) < size) and time.monotonic() < end:
        time.sleep(0.05)
    assert os.path.getsize(path) >= size


def assert_arrived(path, sent, late=300_000):
    """All but the last few packets, and `late` bytes of what srt-live-transmit read before it had a connection."""
    wait_for_size(path, len(sent) - KEPT - late)
    got = path.read_bytes()
    assert got in sent, f"{len(got)} bytes are no piece of what was sent"


def whole(data):
    return data[:len(data) // counted_ts.SIZE * counted_ts.SIZE]
