"""Files and streams fetched from servers that are not ours: what arrives is the source's media, at its pace. The source runs
alone (pull_run), in the bridge's sandbox. HLS: test_pull_hls.py."""
import json
import shutil
import ssl
import subprocess

import pytest

from support import media, ts
from support.gateway import pressure
from support.ports import free_port
from support.pull import Pull, Web, answer, compare, nginx, paced, running

SECONDS = 30


@pytest.fixture(scope="module")
def source():
    return media.stream("h264_aac", SECONDS)


def test_a_stream_from_ffmpegs_own_server(source, tmp_path):
    port = free_port()
    with Pull("http-ts", f"http://localhost:{port}/live.ts") as pull, running(
            ["ffmpeg", "-v", "error", "-re", "-i", str(source), "-c", "copy", "-f", "mpegts", "-listen", "1",
             f"http://127.0.0.1:{port}/live.ts"]):
        busy = pressure()
        pull.wait_event("attach", 150)
        status = pull.wait_bytes(600_000)
        busy = pressure() - busy
        received = pull.media()
    assert status["longest_silence"] < 1.5 + busy
    place = compare(source, received, tmp_path, 100)
    compare(source, received, tmp_path, 100, "a:0")
    print(f"{len(received)} bytes, from unit {place}")


def test_a_file_on_nginx_is_played_in_real_time_with_a_password_and_over_redirects(source, tmp_path):
    web = tmp_path / "web"
    web.mkdir()
    shutil.copy(source, web / "s.ts")
    digest = subprocess.run(["openssl", "passwd", "-apr1", "p@ss:word"], capture_output=True, text=True, check=True).stdout
    (web / "users").write_text(f"ann:{digest}")
    with nginx(web, f"""location /moved {{ return 302 http://127.0.0.1:PORT/again; }} location /again {{ return 307 /s.ts; }}
               auth_basic x; auth_basic_user_file {web}/users;""") as port:
        with Pull("http-ts", f"http://ann:p%40ss%3Aword@127.0.0.1:{port}/moved") as pull:
            pull.wait_event("attach")
            paced(pull, 1_200_000, 6)
            received = pull.media()
        with Pull("http-ts", f"http://ann:wrong@127.0.0.1:{port}/s.ts") as wrong:
            assert wrong.wait_event("failed") == "401 Unauthorized: user or password are missing or wrong"
    assert source.read_bytes().startswith(received)


def certificate(folder, names):
    """A CA and a server's certificate by it."""
    run = lambda *command: subprocess.run(["openssl", *command], check=True, capture_output=True, cwd=folder)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "s.key", "-out", "s.csr", "-subj", "/CN=s")
    (folder / "ext").write_text(f"subjectAltName={names}")
    run("x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "s.pem", "-days", "2", "-extfile", "ext")


def test_https_believes_who_is_to_be_believed(source, tmp_path):
    certificate(tmp_path, "DNS:localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "s.pem", tmp_path / "s.key")
    data = source.read_bytes()

    def serve(connection, head):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(data), 50_000):
            piece = data[at:at + 50_000]
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        connection.sendall(b"0\r\n\r\n")

    with Web(serve, lambda plain: context.wrap_socket(plain, server_side=True)) as web:
        ours = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        with Pull("http-ts", web.url("/x", "https", "localhost"), ours) as pull:
            pull.wait_bytes(300_000)
            assert data.startswith(pull.media())
        with Pull("http-ts", web.url("/x", "https", "localhost")) as pull:
            error = pull.wait_event("failed")
            assert error.startswith("TLS with localhost: the certificate of localhost is not to be trusted: "), error
        with Pull("http-ts", web.url("/x", "https", "127.0.0.1"), ours) as pull:
            assert pull.wait_event("failed").startswith("TLS with 127.0.0.1: "), pull.events

    def speak_at_once(connection):
        connection.sendall(answer(b"x"))
        return connection

    with Web(lambda connection, head: None, speak_at_once) as plain:
        with Pull("http-ts", plain.url("/x", "https")) as pull:
            assert pull.wait_event("failed").startswith("TLS with 127.0.0.1: "), pull.events


def test_a_password_does_not_go_to_http(tmp_path):
    certificate(tmp_path, "DNS:localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "s.pem", tmp_path / "s.key")
    with Web(lambda connection, head: connection.sendall(answer(b"x"))) as plain:
        def serve(connection, head):
            return connection.sendall(answer(b"", "302 Found", f"Location: {plain.url('/stolen')}\r\n"))
        with Web(serve, lambda p: context.wrap_socket(p, server_side=True)) as web:
            with Pull("http-ts", web.url("/x", "https", "localhost", "u:secret@"), {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}) as pull:
                assert pull.wait_event("failed") == "the server redirects from https to http, and a password must not go there"
                assert "secret" not in json.dumps(pull.events)
        assert plain.heads == []


def test_a_server_that_comes_back_is_taken_up(source, tmp_path):
    web = tmp_path / "web"
    web.mkdir()
    data = source.read_bytes()
    (web / "s.ts").write_bytes(data[:len(data) // SECONDS * 6 // 188 * 188])
    port = free_port()
    with Pull("http-ts", f"http://127.0.0.1:{port}/s.ts") as pull:
        assert pull.wait_event("failed").startswith(f"can't connect to 127.0.0.1:{port}: Connection refused")
        command = ["python3", "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(web)]
        with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            pull.wait_event("attach")
        pull.wait_event("detach", 60)
        with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            pull.wait_event("attach", count=2)


def test_the_file_is_played_like_headgate_send(source, tmp_path):
    short = tmp_path / "short.ts"
    data = source.read_bytes()
    short.write_bytes(ts.whole_pes(data[:len(data) // SECONDS * 3 // 188 * 188]))
    with Pull("file", short) as pull:
        pull.wait_bytes(150_000)  # past what comes at once
        paced(pull, 1_200_000, 7)
        received = pull.media()
    scan = ts.Scan(received)
    assert scan.total_cc_errors == 0, scan.cc_errors
    # PCR goes on across the loops.
    last = None
    for at in range(0, len(received), 188):
        found = ts.pcr(received, at)
        if found and last is not None:
            step = (found[1] - last) % ts.PCR_MODULUS
            assert step < 27_000_000 * 0.05, f"PCR steps by {step / 27e6:.3f} s at {at}"
        last = found[1] if found else last
