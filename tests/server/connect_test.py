"""sluice chat --connect: a conversation with a served model, at a terminal and through a pipe."""

import http.server
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import unittest

from served import PATIENCE_S, SOURCE, Server, ServerTest, openai_tool

sys.path.insert(0, str(SOURCE / "tests/cli"))
from program import RENDITION, SLUICE, Terminal, environment  # noqa: E402  pylint: disable=wrong-import-position

PROMPT = "> "
CAPITAL, PARIS = "What is the capital of France?\n", "The capital of France is Paris.\n"
# A temperature and a seed that make the model babble for thousands of tokens.
BABBLE = ("--temperature", "100", "--seed", "4")


def chat(url, *arguments, said="", code=0, **changes):
    """What a chat through pipes prints, and what it says beside."""
    changes.setdefault("SLUICE_API_KEY", None)
    done = subprocess.run([SLUICE, "chat", "--connect", url, *map(str, arguments)], input=said.encode(), capture_output=True,
                          env=environment(**changes), timeout=PATIENCE_S, check=False)
    if done.returncode != code:
        raise AssertionError(f"{done.returncode}: {done.stdout} {done.stderr}")
    return done.stdout.decode(), done.stderr.decode()


class Talks(ServerTest):
    arguments = ("--cache", "25%")

    def setUp(self):
        self.url = f"http://127.0.0.1:{self.server.port}"

    def until_idle(self):
        while self.server.get("/health").json()["running"] > 0:
            pass

    def test_says_what_the_model_says_here(self):
        said = CAPITAL + "/think on\nWhat is 7 + 8?\n/think off\n/system You are a kind storyteller.\nWrite a short story about Luna the owl.\n"
        here = subprocess.run([SLUICE, "chat", "--greedy"], input=said.encode(), capture_output=True, env=environment(),
                              timeout=PATIENCE_S, check=True).stdout.decode()
        there, errors = chat(self.url, "--greedy", said=said)
        self.assertEqual(there, here)
        self.assertTrue(there.startswith(PARIS))
        self.assertNotIn("error", errors)

    def test_any_spelling_of_the_address_will_do(self):
        for url in (self.url + "/", self.url + "/v1", self.url + "/v1/", self.url.removeprefix("http://")):
            self.assertEqual(chat(url, "--greedy", said=CAPITAL)[0], PARIS)

    def test_what_was_said_is_known_to_the_server(self):
        _, errors = chat(self.url, "--greedy", "-v", said=CAPITAL + "Hello.\n")
        first, second = re.findall(r"prompt (\d+) tokens(?: \((\d+) known\))?", errors)
        self.assertGreater(int(second[1]), int(first[0]))

    def test_tool_calls_are_shown_as_calls(self):
        with tempfile.TemporaryDirectory(prefix="sluice-connect-") as folder:
            tools = pathlib.Path(folder) / "tools.json"
            tools.write_text(json.dumps([openai_tool()]))
            text, _ = chat(self.url, "--greedy", "--tools", tools, said="What is the weather in Paris?\n")
        self.assertEqual(text, '-> get_weather({"city": "Paris"})\n')

    def test_stats_are_the_servers(self):
        _, errors = chat(self.url, "--greedy", said=CAPITAL + "/stats\n")
        self.assertRegex(errors, r"last answer: \d+ tokens, .* tokens/s; prompt \d+ tokens")
        self.assertIn("in all: 1 answer, ", errors)
        self.assertIn(f"tiny-v4 at {self.url}: 0 running, 0 waiting", errors)
        self.assertRegex(errors, r"[1-9]\d* tokens generated, .* expert hits .* read in [1-9]\d* reads")

    def test_a_conversation_moves_from_there_to_here(self):
        with tempfile.TemporaryDirectory(prefix="sluice-connect-") as folder:
            kept = f"{folder}/chat.json"
            chat(self.url, "--greedy", said=f"{CAPITAL}/save {kept}\n")
            said = f"/load {kept}\nWhat is 7 + 8?\n"
            here = subprocess.run([SLUICE, "chat", "--greedy"], input=said.encode(), capture_output=True, env=environment(),
                                  timeout=PATIENCE_S, check=True).stdout.decode()
            self.assertEqual(chat(self.url, "--greedy", said=said)[0], here)

    def test_what_the_server_refuses_does_not_end_the_chat(self):
        said = "word " * 3000 + "\n" + CAPITAL
        text, errors = chat(self.url, "--greedy", said=said)
        self.assertEqual(text, PARIS)
        self.assertIn("refuses (400): the prompt has", errors)
        self.assertIn("not kept", errors)

    def test_ctrl_c_stops_the_answer_and_the_servers_work(self):
        terminal = Terminal(["chat", "--connect", self.url, *BABBLE], SLUICE_API_KEY=None)
        terminal.resize(24, 100)
        terminal.expect(f"This is tiny-v4 at {self.url}")
        terminal.expect(PROMPT)
        terminal.type("Hello.\r")
        terminal.expect(r"\x1b\[24;1H[^\r\n]*tokens/s")  # figures of the server, while it answers
        self.assertEqual(self.server.get("/health").json()["running"], 1)
        terminal.type("\x03")
        terminal.expect(r"\x1b\[r")  # the row is given back
        terminal.expect("interrupted")
        terminal.expect(PROMPT)
        self.until_idle()
        terminal.type("/stats\r")
        terminal.expect("0 running")
        terminal.type("\x04")
        self.assertEqual(terminal.finish()[1], 0)

    def test_thoughts_are_dimmed_or_hidden(self):
        for arguments, shown in ((["--think"], True), (["--think", "--hide-thinking"], False)):
            terminal = Terminal(["chat", "--connect", self.url, "--greedy", *arguments], SLUICE_API_KEY=None)
            terminal.expect(PROMPT)
            terminal.type("What is 7 + 8?\r")
            answered = terminal.expect(r"7 \+ 8 = 15\r\n")
            self.assertEqual(b"7 plus 8 is 15." in RENDITION.sub(b"", answered), shown)
            terminal.type("\x04")
            self.assertEqual(terminal.finish()[1], 0)


class WithAKey(ServerTest):
    changes = {"SLUICE_API_KEY": "a-secret"}

    def test_comes_from_the_environment_or_the_command_line(self):
        url = f"http://127.0.0.1:{self.server.port}"
        self.assertEqual(chat(url, "--greedy", said=CAPITAL, SLUICE_API_KEY="a-secret")[0], PARIS)
        self.assertEqual(chat(url, "--greedy", "--api-key", "a-secret", said=CAPITAL)[0], PARIS)
        self.assertIn("SLUICE_API_KEY", chat(url, code=2)[1])
        self.assertIn("refuses (401)", chat(url, "--api-key", "other", code=2)[1])
        self.assertIn("cannot be sent", chat(url, "--api-key", "a\nX-Other: b", code=2)[1])


class ServersThatGo(unittest.TestCase):
    def test_the_chat_goes_on(self):
        server = Server("--parallel", "1")
        url = f"http://127.0.0.1:{server.port}"
        terminal = Terminal(["chat", "--connect", url, "--no-live", *BABBLE], SLUICE_API_KEY=None)
        terminal.expect(PROMPT)
        terminal.type("Hello.\r")
        terminal.expect(r"Hello\.\r\n")
        terminal.expect(r"\S\S\S")  # the answer has begun
        self.assertEqual(server.end(), (0, ""))
        terminal.expect(r"error:.*(the server stops|broke off)")
        terminal.expect("not kept")
        terminal.expect(PROMPT)
        for line in ("Hello.", "/stats"):
            terminal.type(line + "\r")
            terminal.expect("does not answer: .*connect")
            terminal.expect(PROMPT)
        terminal.type("\x04")
        self.assertEqual(terminal.finish()[1], 0)

    def test_nobody_there_is_said_at_once(self):
        self.assertIn("http://127.0.0.1:1 does not answer", chat("127.0.0.1:1", code=4)[1])
        self.assertIn("is no server's address", chat("ftp://host", code=2)[1])

    def test_a_model_here_and_a_server_exclude_each_other(self):
        for more in (["-m", "x"], ["--cache", "5%"], ["--context", "100"]):
            self.assertIn("--connect", chat("127.0.0.1:1", *more, code=2)[1])


class Foreign(http.server.BaseHTTPRequestHandler):
    """Another server in OpenAI's shape, which answers as a test says."""

    answer = b""
    models = b'{"data": [{"id": "other"}]}'

    def reply(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        self.reply(200, self.models) if self.path == "/v1/models" else self.reply(404, b"<html>no</html>")

    def do_POST(self):  # pylint: disable=invalid-name
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(200, self.answer)

    def log_message(self, *_):
        pass


class OtherServers(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
        self.addCleanup(self.server.server_close)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def say(self, answer):
        Foreign.answer = answer
        return chat(self.url, said="Hi\n/stats\n")

    def test_are_talked_with_too(self):
        text, errors = self.say(b': hi\r\n\r\ndata: {"choices": [{"delta": {"content": "Hel\xc3\xa9"}}]}\r\n\r\n'
                                b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n')
        self.assertEqual(text, "Hel\u00e9\n")
        self.assertIn("tells no more about itself", errors)

    def test_nonsense_is_an_error_and_no_more(self):
        whole = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n'
        for answer, message in ((b"", "broke off"), (whole, "broke off"), (b"data: {\n\n", self.url),
                                (b'data: {"choices": 7}\n\n', "choices: a number was found"),
                                (b"data: " + b"x" * (2 << 20), "an event has more than"),
                                (b'data: {"error": {"message": "my disk is full"}}\n\n', "my disk is full")):
            with self.subTest(answer=answer[:40]):
                _, errors = self.say(answer)
                self.assertIn(message, errors)
                self.assertIn("not kept", errors)
                self.assertIn("in all: 0 answers", errors)

    def test_one_without_models_is_none(self):
        before, Foreign.models = Foreign.models, b"<html>"
        try:
            self.assertIn("lists no model", chat(self.url, code=3)[1])
        finally:
            Foreign.models = before
