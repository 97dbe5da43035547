"""Who may use the server: keys, other origins, other names for this machine."""

from served import ServerTest


class WithAKey(ServerTest):
    changes = {"SLUICE_API_KEY": "a-secret"}

    def test_only_health_is_open(self):
        self.assertEqual(self.server.get("/health").status, 200)
        for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
            self.assertEqual(self.server.get(path).status, 401)
        found = self.server.post("/v1/chat/completions", {"messages": []})
        self.assertEqual((found.status, found.json()["error"]["code"]), (401, "invalid_api_key"))
        found = self.server.post("/v1/messages", {})
        self.assertEqual((found.status, found.json()["error"]["type"]), (401, "authentication_error"))

    def test_the_key_opens(self):
        self.assertEqual(self.server.get("/v1/models", Authorization="Bearer a-secret").status, 200)
        self.assertEqual(self.server.get("/v1/models", **{"x-api-key": "a-secret"}).status, 200)

    def test_nothing_else_does(self):
        for key in ("", "a-secre", "a-secret2", "A-SECRET", "b-secret"):
            self.assertEqual(self.server.get("/v1/models", Authorization="Bearer " + key).status, 401)
        self.assertEqual(self.server.get("/v1/models", Authorization="a-secret").status, 401)


class Origins(ServerTest):
    def test_pages_of_other_origins_are_refused(self):
        for origin in ("http://evil.example", "null", f"https://127.0.0.1:{self.server.port}", "http://127.0.0.1:1"):
            for answer in (self.server.post("/v1/completions", {"prompt": "a"}, Origin=origin),
                           self.server.get("/health", Origin=origin)):
                self.assertEqual(answer.status, 403)
                self.assertNotIn("Access-Control-Allow-Origin", answer.headers)

    def test_pages_of_its_own_are_not(self):
        own = f"http://127.0.0.1:{self.server.port}"
        self.assertEqual(self.server.get("/health", Origin=own).status, 200)

    def test_another_name_for_this_machine_is_refused(self):
        # A page of evil.example whose name was made to point to 127.0.0.1 calls itself the same origin.
        self.assertEqual(self.server.get("/health", Host="evil.example", Origin="http://evil.example").status, 403)
        for name in ("localhost", "localhost:80", "127.0.0.1", "[::1]:8080"):
            self.assertEqual(self.server.get("/health", Host=name).status, 200)

    def test_no_header_can_be_injected(self):
        for line in (b"Origin: http://a\r\n\tX-Injected: yes", b"Origin: http://a\rX-Injected: yes", b"Origin: http://a\nX-Injected: yes",
                     b"Origin: http://a%0d%0aX-Injected: yes", b"Host: a\r\n\tX-Injected: yes"):
            seen = self.server.raw(b"GET /a%0d%0aX-Injected:%20yes HTTP/1.1\r\nConnection: close\r\n" + line + b"\r\n\r\n")
            head = seen.partition(b"\r\n\r\n")[0]
            with self.subTest(line=line):
                self.assertTrue(head.startswith(b"HTTP/1.1 4"), seen)
                names = [each.partition(b":")[0].lower() for each in head.replace(b"\r", b"\n").split(b"\n")]
                self.assertNotIn(b"x-injected", names)
                self.assertEqual(seen.count(b"HTTP/1.1 "), 1)


class Cors(ServerTest):
    arguments = ("--cors", "http://app.example")

    def test_the_one_origin_may(self):
        answer = self.server.get("/v1/models", Origin="http://app.example")
        self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (200, "http://app.example"))
        self.assertEqual(self.server.get("/v1/models", Origin="http://other.example").status, 403)
        self.assertNotIn("Access-Control-Allow-Origin", self.server.get("/v1/models").headers)

    def test_browsers_may_ask_first(self):
        answer = self.server.request("OPTIONS", "/v1/messages", headers={
            "Origin": "http://app.example", "Access-Control-Request-Method": "POST"})
        self.assertEqual(answer.status, 204)
        self.assertIn("POST", answer.headers["Access-Control-Allow-Methods"])
        self.assertIn("x-api-key", answer.headers["Access-Control-Allow-Headers"])
        self.assertEqual(self.server.request("OPTIONS", "/v1/messages", headers={"Origin": "http://b.example"}).status, 403)


class AnyOrigin(ServerTest):
    arguments = ("--cors", "*")

    def test_all_may(self):
        answer = self.server.get("/v1/models", Origin="http://other.example")
        self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (200, "*"))
