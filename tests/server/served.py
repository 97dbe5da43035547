"""A served models/tiny-v4, and a client that sees what is on the wire."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import unittest

SLUICE = os.environ["SLUICE"]
SOURCE = pathlib.Path(__file__).resolve().parents[2]
TINY = SOURCE / "models/tiny-v4"
PATIENCE_S = 60  # on a busy machine

# An answer that ends with the context.
ENDLESS = {"temperature": 0, "ignore_eos": True}

WEATHER = {"name": "get_weather", "description": "Get the weather of a city."}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def openai_tool():
    return {"type": "function", "function": {**WEATHER, "parameters": CITY}}


def user(text):
    return {"role": "user", "content": text}


class Answer:
    """A whole response."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Server:
    """A process that serves, until it is ended."""

    def __init__(self, *arguments, **changes):
        environment = {key: value for key, value in os.environ.items() if key not in ("SLUICE_MODEL", "SLUICE_API_KEY")}
        environment["XDG_CACHE_HOME"] = "/dev/null/no-cache"
        environment.update(changes)
        defaults = [] if "-m" in arguments else ["-m", str(TINY)]
        defaults += [] if "--context" in arguments else ["--context", "2048"]
        self.process = subprocess.Popen(
            [SLUICE, "serve", "--port", "0", *defaults, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.line = self.process.stdout.readline().decode()
        found = re.search(r"http://(\[[^]]*\]|[^:]*):(\d+)", self.line)
        if not found:
            raise AssertionError(f"it says {self.line!r} and {self.process.stderr.read()!r}")
        self.port = int(found[2])

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def request(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, **headers):
        return self.request("POST", path, body, headers)

    def raw(self, *pieces):
        """Sends bytes as they are; everything that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has heard enough
            seen = b""
            try:
                while more := connection.recv(65536):
                    seen += more
            except ConnectionResetError:
                pass  # turned away before it had read what was sent
            return seen

    def events(self, path, body, **headers):
        """The events of a streamed answer, as (name, data), name "" when there is none."""
        answer = self.post(path, {**body, "stream": True}, **headers)
        if answer.status != 200:
            raise AssertionError(answer.body)
        return parse_events(answer.body.decode())

    def metric(self, name):
        """The value of a line of /metrics without labels."""
        text = self.get("/metrics").body.decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])

    def end(self, with_signal=signal.SIGTERM):
        """Its exit code and what it said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            _, errors = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, errors.decode()


def parse_events(text):
    events = []
    for block in text.split("\n\n"):
        if not block:
            continue
        name, data = "", []
        for line in block.split("\n"):
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
        events.append((name, "\n".join(data)))
    return events


class ServerTest(unittest.TestCase):
    """One server for all tests of a class."""

    maxDiff = None
    arguments = ()
    changes = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.arguments, **cls.changes)

    @classmethod
    def tearDownClass(cls):
        code, errors = cls.server.end()
        if code != 0 or errors:
            raise AssertionError(f"the server ended with {code}: {errors}")
