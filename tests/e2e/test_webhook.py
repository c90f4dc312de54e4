"""Alarms by webhook: to a receiver that refuses, hangs, answers 500 and then takes them, over the death of control; in order, signed, verified."""
import hashlib
import hmac
import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from support.gateway import Gateway, wait_for
from support.ports import free_port

SECRET = "0123456789abcdef-of-the-hook"
PATH = "/hook/part-of-the-secret"


def certificate(folder):
    """Of 127.0.0.1 alone."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2",
                    "-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True, cwd=folder)


def ask(gateway, method, **params):
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(30)
        control.connect(str(gateway.socket))
        control.sendall(json.dumps({"v": 1, "id": 1, "method": method, "params": params}).encode() + b"\n")
        answer = json.loads(control.makefile().readline())
    assert "result" in answer, answer
    return answer["result"]


class Receiver:
    """Hangs first, answers 500 next, then takes everything."""

    def __init__(self, rig, port, folder):
        self.tries, self.taken, self.hang = [], [], threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.tries.append((self.path, self.headers.get("X-Headgate-Signature", ""), body))
                if len(receiver.tries) == 1:
                    receiver.hang.wait(60)
                    return
                if len(receiver.tries) > 2:
                    receiver.taken.append(json.loads(body))
                self.send_response(500 if len(receiver.tries) == 2 else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        with rig.inside("gw"):
            self.server = HTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def said(self):
        return [(message["change"], message["alarm"]["kind"], message["alarm"]["subject"]) for message in self.taken]


def is_ours(header, body):
    parts = dict(part.split("=", 1) for part in header.split(","))
    wanted = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return abs(time.time() - int(parts["t"])) < 300 and hmac.compare_digest(wanted, parts["v1"])


def news(**more):
    return {"news": {"inputs": ["udp://239.31.1.1:5000"], "serve": []}, **more}


def sport(enabled):
    return {"inputs": ["udp://239.31.1.2:5000"], "serve": [], "tags": ["work"], "enabled": enabled}


def test_alarms_reach_a_receiver_that_fails_first(rig, tmp_path, monkeypatch):
    certificate(tmp_path)
    secret = tmp_path / "hook"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    monkeypatch.setenv("no_proxy", "*")
    with rig.inside("gw"):
        port = free_port()
    hook = lambda host: {"webhook": {"url": f"https://{host}:{port}{PATH}", "secret_file": str(secret)}}
    with Gateway(rig, news(sport=sport(False)), node={"alarms": hook("127.0.0.1")}) as gateway:
        assert ask(gateway, "maintenance", target="work", seconds=600)["window"]["target"] == "work"
        error = wait_for(lambda: gateway.json("status")["webhook"]["error"])
        print(f"nobody listens: {error}")
        assert "onnect" in error and "secret" not in error, error
        alarm, = [a for a in ask(gateway, "alarms")["alarms"] if a["kind"] == "channel_down"]
        assert (alarm["subject"], alarm["channel"], alarm["severity"], alarm["acknowledged"]) == ("news", "news", "critical", None)

        receiver = Receiver(rig, port, tmp_path)
        wait_for(lambda: receiver.tries)
        began = time.monotonic()
        gateway.json("status")
        assert time.monotonic() - began < 5, "a receiver that hangs holds up nobody else"
        # What waits outlives control, and so does the number of the alarm.
        old = gateway.kill("control", signal.SIGKILL)
        receiver.hang.set()
        gateway.wait_new("control", old)
        gateway.wait_ready()
        wait_for(lambda: ("raised", "channel_down", "news") in receiver.said())
        again, = [a for a in ask(gateway, "alarms")["alarms"] if a["kind"] == "channel_down"]
        assert (again["id"], again["since_unix_ns"]) == (alarm["id"], alarm["since_unix_ns"])

        assert ask(gateway, "acknowledge", id=alarm["id"]) == {"acknowledged": 1}
        wait_for(lambda: ("acknowledged", "channel_down", "news") in receiver.said())
        gateway.apply(news(sport=sport(True)))
        shown = wait_for(lambda: [a for a in ask(gateway, "alarms")["alarms"] if a["subject"] == "sport"])
        assert shown[0]["maintenance"], shown
        gateway.apply({"spare": {"inputs": ["udp://239.31.1.3:5000"], "enabled": False}})
        wait_for(lambda: ("over", "channel_down", "news") in receiver.said())
        about_news = [change for change, _, subject in receiver.said() if subject == "news"]
        assert about_news == ["raised", "acknowledged", "over"], receiver.said()
        assert not [line for line in receiver.said() if line[2] == "sport"], receiver.said()
        assert all(path == PATH and is_ours(header, body) for path, header, body in receiver.tries)
        numbers = [message["delivery"] for message in receiver.taken]
        assert numbers == sorted(set(numbers)), numbers
        assert gateway.metric("headgate_webhook_messages_total", result="delivered") >= 2
        assert gateway.metric("headgate_webhook_messages_total", result="dropped") == 0

        # The name is not in the certificate.
        gateway.node["alarms"] = hook("localhost")
        gateway.write_node()
        gateway.apply(news())
        error = wait_for(lambda: gateway.json("status")["webhook"]["error"])
        print(f"another name: {error}")
        assert "SSL" in error or "certificate" in error, error
        told = gateway.everything_told("news")
        assert not [place for place, text in told.items() if SECRET.encode() in text], "the secret is told"
        assert PATH.encode() not in told["the log"]
        receiver.server.shutdown()
