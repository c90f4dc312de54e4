"""A control that answers what it is told to: for what the command line makes of answers that a real gateway gives only by luck."""
import copy
import json
import shutil
import socketserver
import tempfile
import threading
import time
from pathlib import Path


def shifted(value, by):
    """With all times so many ns later."""
    if isinstance(value, dict):
        return {name: inner + by if name.endswith("unix_ns") and isinstance(inner, int) and inner > 0 else shifted(inner, by)
                for name, inner in value.items()}
    return [shifted(inner, by) for inner in value] if isinstance(value, list) else value


class FakeControl:
    """answers: {method: result, or a function of the params}. `now` (Unix ns): the results are of that time, and answers about `why`, whose
    ages are counted from the caller's clock, are brought to it."""

    def __init__(self, answers, now=0):
        self.answers, self.now, self.asked = answers, now, []
        self.folder = Path(tempfile.mkdtemp(prefix="hg-fake-"))
        self.socket = self.folder / "control.sock"
        fake = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                for line in self.rfile:
                    request = json.loads(line)
                    self.wfile.write(json.dumps(fake.answer(request)).encode() + b"\n")

        self.server = socketserver.ThreadingUnixStreamServer(str(self.socket), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request):
        method, params = request["method"], request.get("params", {})
        self.asked.append(method)
        result = self.answers.get(method)
        result = result(params) if callable(result) else copy.deepcopy(result)
        if result is None:
            return {"v": 1, "id": request["id"], "error": {"message": f"no {method} of {params}"}}
        if method == "why" and self.now:
            result = shifted(result, time.time_ns() - self.now)
        return {"v": 1, "id": request["id"], "result": result}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)
