"""sluice serve itself: starting, ending, and HTTP as it is on the wire."""

import json
import signal
import socket
import subprocess
import unittest

from served import ENDLESS, PATIENCE_S, SLUICE, Server, ServerTest, user


def refused(*arguments, code=2, **changes):
    environment = {"PATH": "/usr/bin", **changes}
    done = subprocess.run([SLUICE, "serve", *arguments], capture_output=True, env=environment, timeout=PATIENCE_S,
                          check=False)
    if done.returncode != code or done.stdout:
        raise AssertionError(f"{done.returncode}: {done.stdout} {done.stderr}")
    return done.stderr.decode()


class Starts(unittest.TestCase):
    def test_says_where_it_is(self):
        server = Server()
        self.assertEqual(server.line, f"tiny-v4 is served at http://127.0.0.1:{server.port} (Ctrl-C ends it)\n")
        self.assertEqual(server.get("/health").json(),
                         {"status": "ok", "model": "tiny-v4", "running": 0, "waiting": 0})
        self.assertEqual(server.end(), (0, ""))

    def test_other_machines_need_a_key(self):
        self.assertIn("SLUICE_API_KEY", refused("--host", "0.0.0.0"))
        for more in (["--insecure"], ["--api-key", "k"]):
            self.assertEqual(Server("--host", "0.0.0.0", *more).end(), (0, ""))
        self.assertEqual(Server("--host", "0.0.0.0", SLUICE_API_KEY="k").end(), (0, ""))

    def test_what_cannot_be_is_said(self):
        self.assertIn("no-such-folder", refused("-m", "no-such-folder", code=3))
        self.assertIn("--max-body", refused("--max-body", "much"))
        self.assertIn("--port", refused("--port", "65536"))
        server = Server()
        self.assertIn("cannot listen", refused("--port", str(server.port), code=4))
        server.end()
        self.assertIn("host", refused("--port", "0", "--host", "999.1.1.1", "--insecure"))

    def test_help_teaches(self):
        text = subprocess.run([SLUICE, "serve", "--help"], capture_output=True, check=True).stdout.decode()
        for part in ("--api-key", "--cors", "curl", "docs/server.md"):
            self.assertIn(part, text)


class Ends(unittest.TestCase):
    def test_in_the_middle_of_answers(self):
        for sign in (signal.SIGTERM, signal.SIGINT):
            server = Server("--parallel", "1", "--context", "1000000")
            connection = server.connect()
            connection.request("POST", "/v1/chat/completions",
                               json.dumps({"messages": [user("Hi")], "stream": True, **ENDLESS}))
            stream = connection.getresponse()
            stream.read(1)  # it has begun
            waiting = server.connect()
            waiting.request("POST", "/v1/chat/completions", '{"messages": [{"role": "user", "content": "Hi"}]}')
            while server.get("/health").json()["waiting"] == 0:
                pass
            self.assertEqual(server.end(sign), (0, ""))
            self.assertIn(b'"code":"cancelled"', stream.read())
            answer = waiting.getresponse()
            self.assertEqual(answer.status, 503)
            self.assertIn(b"the server stops", answer.read())
            connection.close()
            waiting.close()


class Wire(ServerTest):
    arguments = ("--max-body", "100KB", "--request-timeout", "1", "--connections", "8")

    def status_of(self, *pieces):
        seen = self.server.raw(*pieces)
        self.assertTrue(seen.startswith(b"HTTP/1.1 "), seen)
        return int(seen[9:12])

    def test_a_connection_takes_several_requests(self):
        connection = self.server.connect()
        for _ in range(3):
            connection.request("GET", "/health")
            self.assertEqual(connection.getresponse().read()[:2], b'{"')
        connection.close()
        seen = self.server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
                               b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual(seen.count(b"HTTP/1.1 200 OK"), 2)

    def test_old_clients_get_a_stream_that_ends_with_the_connection(self):
        body = b'{"messages": [{"role": "user", "content": "Hi"}], "stream": true, "max_tokens": 2}'
        seen = self.server.raw(b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body), body)
        self.assertNotIn(b"Transfer-Encoding", seen)
        self.assertTrue(seen.endswith(b"data: [DONE]\n\n"))

    def test_chunked_bodies_are_read(self):
        body = b'{"prompt": "Once", "max_tokens": 1}'
        pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:7], body[7:]))
        seen = self.server.raw(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n", pieces, b"0\r\n\r\n")
        self.assertIn(b"text_completion", seen)

    def test_a_client_may_wait_for_continue(self):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE_S) as connection:
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                               b"Expect: 100-continue\r\nContent-Length: 33\r\n\r\n")
            self.assertEqual(connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b'{"prompt":"Once","max_tokens": 1}')
            self.assertEqual(connection.recv(15), b"HTTP/1.1 200 OK")

    def test_large_requests_are_refused(self):
        head = b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"
        seen = self.server.raw(head + b"Content-Length: 100001\r\n\r\n")
        self.assertTrue(seen.startswith(b"HTTP/1.1 413 "), seen)
        self.assertIn(b'"request_too_large"', seen)
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        self.assertEqual(self.status_of(head + b"Transfer-Encoding: chunked\r\n\r\n", chunk * 20), 413)
        self.assertEqual(self.status_of(b"GET /health HTTP/1.1\r\nX: " + b"x" * 40000 + b"\r\n\r\n"), 431)
        self.assertEqual(self.status_of(b"GET /" + b"x" * 40000), 431)
        self.assertEqual(self.status_of(b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 10000), 431)
        self.assertEqual(self.server.get("/health").status, 200)

    def test_what_is_no_http_is_refused(self):
        for nonsense in (b"\x16\x03\x01\x02\x00", b"HELLO\r\n\r\n", b"GET /health HTTP/2.0\r\n\r\n",
                         b"GET /health HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                         b"POST /v1/completions HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                         b"POST /v1/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                         b"GET /health HTTP/1.1\r\nbad header\r\n\r\n"):
            with self.subTest(nonsense=nonsense):
                self.assertEqual(self.status_of(nonsense), 400)

    def test_slow_requests_are_cut_off(self):
        self.assertEqual(self.status_of(b"GET /health HTTP/1.1\r\nHost: local"), 408)
        self.assertEqual(self.status_of(b"POST /v1/completions HTTP/1.1\r\nContent-Length: 50\r\n\r\n{"), 408)

    def test_too_many_connections_are_turned_away(self):
        held = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(8)]
        try:
            seen = self.server.raw()
        finally:
            for connection in held:
                connection.close()
        self.assertTrue(seen.startswith(b"HTTP/1.1 503 "), seen)
        self.assertIn(b"Retry-After", seen)
        # Those that left make room.
        while self.server.raw(b"GET /health HTTP/1.0\r\n\r\n")[:12] != b"HTTP/1.1 200":
            pass

    def test_unknown_paths_and_methods(self):
        for path in ("/v1", "/index.html", "/dashboard", "/dashboard/", "/dashboard/../README.md"):
            self.assertEqual(self.server.get(path).status, 404, path)
        self.assertEqual(self.server.get("/../../etc/passwd").status, 404)
        answer = self.server.get("/v1/chat/completions")
        self.assertEqual((answer.status, answer.headers["Allow"]), (405, "POST, OPTIONS"))
        head = self.server.request("HEAD", "/health")
        self.assertEqual((head.status, head.body), (200, b""))
