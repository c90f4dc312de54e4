"""yaml-language-server, which editors (VS Code, Neovim, Emacs, Helix) use, spoken to over its standard input and output as they do."""
import json
import queue
import subprocess
import threading
from pathlib import Path

PROGRAM = Path(__file__).parent / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"


class LanguageServer:
    """schemas: {JSON Schema: [pattern of file names…]}, as an editor's settings have them. Nothing is fetched from a network."""

    def __init__(self, schemas=None, timeout=60):
        self.settings = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False},
                                  "schemas": {schema.as_uri(): patterns for schema, patterns in (schemas or {}).items()}}, "http": {}}
        self.timeout, self.number, self.waiting = timeout, 0, {}
        self.told = queue.Queue()
        self.process = subprocess.Popen(["node", PROGRAM, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.lock = threading.Lock()
        threading.Thread(target=self.listen, daemon=True).start()
        self.request("initialize", {"processId": None, "rootUri": None, "capabilities": {
            "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
            "textDocument": {"publishDiagnostics": {}, "hover": {"contentFormat": ["plaintext"]}, "completion": {"completionItem": {
                "documentationFormat": ["plaintext"]}}}}})
        self.notify("initialized", {})
        self.notify("workspace/didChangeConfiguration", {"settings": self.settings})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        with self.lock:
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self.process.stdin.flush()

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def request(self, method, params):
        self.number += 1
        answer = self.waiting[self.number] = queue.Queue()
        self.send({"id": self.number, "method": method, "params": params})
        return answer.get(timeout=self.timeout)

    def listen(self):
        while header := self.process.stdout.readline():
            length = None
            while header.strip():
                name, value = header.decode().split(":", 1)
                length = int(value) if name.lower() == "content-length" else length
                header = self.process.stdout.readline()
            self.take(json.loads(self.process.stdout.read(length)))

    def take(self, message):
        if "method" not in message:
            self.waiting.pop(message["id"]).put(message.get("result"))
        elif "id" in message:  # it asks for the settings, and registers what it does
            items = message["params"].get("items") if message["method"] == "workspace/configuration" else None
            self.send({"id": message["id"], "result": None if items is None else [self.settings.get(item.get("section")) for item in items]})
        elif message["method"] == "textDocument/publishDiagnostics":
            self.told.put((message["params"]["uri"], message["params"]["diagnostics"]))

    def open(self, *paths):
        """The faults of files that an editor opens: {path: [{"line", "column", "message"}…]}."""
        for path in paths:
            self.notify("textDocument/didOpen", {"textDocument": {"uri": path.as_uri(), "languageId": "yaml", "version": 1,
                                                                  "text": path.read_text("utf-8", "replace")}})
        found, asked = {}, {path.as_uri(): path for path in paths}
        while len(found) < len(asked):
            uri, faults = self.told.get(timeout=self.timeout)
            found[asked[uri]] = [{"line": fault["range"]["start"]["line"] + 1, "column": fault["range"]["start"]["character"] + 1,
                                  "message": fault["message"]} for fault in faults]
        return found

    def at(self, path, line, column):
        return {"textDocument": {"uri": path.as_uri()}, "position": {"line": line - 1, "character": column - 1}}

    def hover(self, path, line, column):
        """What is shown of the word there."""
        answer = self.request("textDocument/hover", self.at(path, line, column))
        contents = (answer or {}).get("contents", "")
        return contents if isinstance(contents, str) else contents["value"]

    def offers(self, path, line, column):
        """{word: its documentation} of what is offered there."""
        answer = self.request("textDocument/completion", self.at(path, line, column))
        told = {item["label"]: item.get("documentation") or "" for item in (answer or {}).get("items", [])}
        return {word: text if isinstance(text, str) else text["value"] for word, text in told.items()}
