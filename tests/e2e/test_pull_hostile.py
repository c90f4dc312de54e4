"""Fetched inputs against servers that hang, drip, send rubbish or more than anybody can take: each costs an error that says
so, and little memory. The source runs alone (pull_run), in the bridge's sandbox."""
import contextlib
import time

import pytest

from support import media
from support.pull import Pull, Web, answer, paced, target_of


def rubbish(connection, size, chunk=b"\x00" * 65536):
    with contextlib.suppress(OSError):
        sent = 0
        while sent < size:
            connection.sendall(chunk)
            sent += len(chunk)


def drip(connection, head, every):
    with contextlib.suppress(OSError):
        connection.sendall(head)
        while True:
            connection.sendall(b"a")
            time.sleep(every)


HOSTILE = {
    "endless head": ("http-ts", lambda c: rubbish(c, 1 << 28, b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 8000), "longer than 32 KiB"),
    "head byte by byte": ("http-ts", lambda c: drip(c, b"HTTP/1.1 200 OK\r\nX: ", 0.2), "the answer's head took more than 10 s"),
    "silence": ("http-ts", lambda c: time.sleep(20), "no answer within 5 s"),
    "zeros": ("http-ts", lambda c: rubbish(c, 1 << 28), "the answer is no HTTP"),
    "zeros as media": ("http-ts", lambda c: (c.sendall(b"HTTP/1.0 200 OK\r\n\r\n"), rubbish(c, 1 << 28)), "no sync bytes in the first 65536 bytes"),
    "endless chunk header": ("http-ts", lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"), rubbish(c, 1 << 28, b"a" * 65536)), "no HTTP"),
    "giant playlist": ("hls", lambda c: (c.sendall(b"HTTP/1.0 200 OK\r\n\r\n#EXTM3U\n"), rubbish(c, 1 << 28, b"#EXTINF:1,\na\n" * 5000)), "larger than 8 MiB"),
    "many segments": ("hls", lambda c: (c.sendall(b"HTTP/1.0 200 OK\r\n\r\n#EXTM3U\n"), rubbish(c, 1_500_000, b"#EXTINF:1,\na\n" * 5000)), "too many segments"),
    "dripping playlist": ("hls", lambda c: drip(c, b"HTTP/1.0 200 OK\r\n\r\n#EXTM3U\n#", 0.2), "the answer took more than 10 s"),
    "endless segment": ("hls", lambda c: rubbish(c, 1 << 28), "no transport stream"),
}


def server_of(name):
    kind, act, _ = HOSTILE[name]

    def serve(connection, head):
        if name == "endless segment" and target_of(head) == "/x":
            playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n" + b"#EXTINF:2,\ns\n" * 3
            connection.sendall(answer(playlist))
            return True
        if name == "endless segment":
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        act(connection)

    return kind, Web(serve)


@pytest.fixture(scope="module")
def outcomes():
    """{name: (error, most memory)}, of all at the same time; where it went otherwise the failure in place of the error."""
    found = {}
    with contextlib.ExitStack() as stack:
        pulls = {}
        for name in HOSTILE:
            kind, server = server_of(name)
            pulls[name] = stack.enter_context(Pull(kind, stack.enter_context(server).url("/x")))
        for name, pull in pulls.items():
            try:
                found[name] = (pull.wait_event("failed", 20), pull.memory())
            except AssertionError as error:
                found[name] = (f"failure: {error}", 0)
    return found


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_servers_cost_an_error_and_little_memory(outcomes, name):
    found, memory = outcomes[name]
    assert HOSTILE[name][2] in found, found
    assert memory < 120 << 20, f"{memory >> 20} MiB"
    print(f"{name}: {found} ({memory >> 20} MiB)")


def test_a_stream_that_is_too_fast_makes_the_server_wait():
    """A file without end as fast as the line goes: held are 20 s or 64 MiB at most."""
    data = media.stream("h264_aac", 30).read_bytes()

    def serve(connection, head):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(data)

    with Web(serve) as web, Pull("http-ts", web.url("/x")) as pull:
        pull.wait_event("attach")
        paced(pull, 1_200_000, 8)
        assert pull.memory() < 120 << 20, pull.memory()
