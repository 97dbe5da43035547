"""Prompts kept in memory and, with --kv-dir, on disk: over restarts, and whatever is wrong with the files."""

import pathlib
import re
import shutil
import tempfile
import unittest

from served import Server, ServerTest, user
from serve_test import refused

CHAT = "/v1/chat/completions"
LONG = ("--context", "8192")


def long_text(words):
    return " ".join(f"{name} saw {number} birds and a fox." for number in range(words)
                    for name in (("Ned", "Mia", "Pip")[number % 3],))


class OnDisk(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.kept = self.folder / "kept"

    def served(self, *arguments):
        server = Server(*LONG, "--kv-dir", self.kept, *arguments)
        self.addCleanup(server.end)
        return server

    def ask(self, server, text, **more):
        """Tokens of the prompt, those of them that were kept, and all that does not depend on that."""
        found = server.post(CHAT, {"messages": [user(text)], "temperature": 0, "max_tokens": 12, "logprobs": True,
                                   "top_logprobs": 5, **more}).json()
        usage = found["usage"]
        return usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"], found["choices"]

    def files(self):
        return sorted(self.kept.glob("*.kv"))

    def test_a_restart_resumes_a_prompt_of_4000_tokens(self):
        text = long_text(420)
        server = self.served()
        tokens, cached, answer = self.ask(server, text)
        self.assertGreaterEqual(tokens, 4096)
        self.assertEqual(cached, 0)
        self.assertEqual(server.end(), (0, ""))
        (file,) = self.files()
        again = self.served()
        self.assertEqual(self.ask(again, text), (tokens, tokens - 1, answer))
        for name, value in (("snapshots_read_total", 1), ("snapshot_read_tokens_total", tokens - 1),
                            ("snapshot_read_bytes_total", file.stat().st_size), ("snapshots_written_total", 0),
                            ("snapshot_disk_bytes", file.stat().st_size), ("prompt_reused_tokens_total", tokens - 1)):
            self.assertEqual(again.metric("sluice_" + name), value, name)
        self.assertEqual(again.end(), (0, ""))

    def test_it_is_written_while_the_answer_is_made(self):
        server = self.served()
        stream = server.connect()
        stream.request("POST", CHAT, '{"messages": [{"role": "user", "content": "' + long_text(60) +
                       '"}], "temperature": 0, "ignore_eos": true, "stream": true}')
        response = stream.getresponse()
        response.read(1)
        while server.metric("sluice_snapshots_written_total") == 0:
            pass
        self.assertEqual(server.get("/health").json()["running"], 1)
        self.assertEqual(server.metric("sluice_snapshot_written_bytes_total"), self.files()[0].stat().st_size)
        stream.close()
        self.assertEqual(server.end()[0], 0)

    def test_what_is_wrong_with_a_file_is_said_and_costs_time_only(self):
        text = long_text(60)
        server = self.served()
        expected = self.ask(server, text)
        self.assertEqual(server.end(), (0, ""))
        (file,) = self.files()
        good = file.read_bytes()
        flipped = bytearray(good)
        flipped[-1000] ^= 1
        for bad, reason in ((bytes(flipped), "its state has another checksum"), (good[:-1000], "cut short"),
                            (b"", "no snapshot"), (good[:10] + b"\7" + good[11:], "found version 7, expected 1"),
                            (good[:60] + b"\0" + good[61:], "its head has another checksum")):
            with self.subTest(reason=reason):
                for other in self.files():
                    other.unlink()
                file.write_bytes(bad)
                server = self.served()
                self.assertEqual(self.ask(server, text), expected)
                self.assertEqual(server.metric("sluice_snapshots_ignored_total"), 1)
                code, errors = server.end()
                self.assertEqual(code, 0)
                self.assertEqual(len(errors.splitlines()), 1, errors)
                self.assertIn(reason, errors)
                self.assertIn(file.name, errors)
                self.assertEqual(self.files(), [file])  # written anew
                self.assertEqual(file.read_bytes(), good)

    def test_other_numerics_do_not_go_on_from_it(self):
        text = long_text(60)
        server = self.served("--numerics", "exact")
        self.ask(server, text)
        self.assertEqual(server.end(), (0, ""))
        exact = ("--numerics", "exact")
        others = (("--numerics", "fast"), (*exact, "--kv", "f16"), (*exact, "--kv", "bf16"))
        for kept, options in enumerate(others, 1):
            server = self.served(*options)
            self.assertEqual(self.ask(server, text)[1], 0, options)
            code, errors = server.end()
            self.assertEqual(code, 0)
            self.assertIn(f"{kept} of {kept} snapshots are of other checkpoints", errors)
            self.assertEqual(len(self.files()), kept + 1)

    def test_a_folder_that_vanishes_stops_nobody(self):
        server = self.served()
        shutil.rmtree(self.kept)
        _, _, answer = self.ask(server, long_text(60))
        self.assertEqual(len(answer), 1)
        while server.metric("sluice_snapshot_failed_writes_total") == 0:
            pass
        self.assertEqual(self.ask(server, "Hello")[1], 0)
        code, errors = server.end()
        self.assertEqual(code, 0)
        self.assertIn("a prompt's snapshot is not kept", errors)

    def test_old_ones_go_when_there_is_no_more_room(self):
        texts = [name + long_text(60) for name in ("One. ", "Two. ", "Three. ")]
        server = self.served()
        self.ask(server, texts[0])
        self.assertEqual(server.end(), (0, ""))
        limit = self.files()[0].stat().st_size * 5 // 2
        server = self.served("--kv-disk", limit)
        for text in texts:
            self.ask(server, text)
        self.assertEqual(server.end(), (0, ""))
        self.assertLessEqual(sum(file.stat().st_size for file in self.files()), limit)
        server = self.served("--kv-disk", limit)
        self.assertEqual([self.ask(server, text)[1] > 0 for text in (texts[2], texts[1], texts[0])],
                         [True, True, False])
        server.end()

    def test_what_cannot_be_is_said_at_the_start(self):
        self.assertIn("--kv-dir: /dev/null/x: prompts cannot be kept here: ",
                      refused("--port", "0", "--kv-dir", "/dev/null/x", code=4))
        self.assertIn("--kv-disk", refused("--kv-disk", "1GB"))
        self.assertIn("--kv-disk", refused("--kv-dir", self.kept, "--kv-disk", "much"))
        self.served()
        self.assertIn("another process", refused("--port", "0", "--kv-dir", str(self.kept)))


class InMemory(ServerTest):
    arguments = LONG

    def turn(self, messages, **more):
        found = self.server.post(CHAT, {"messages": messages, "temperature": 0, **more}).json()
        return found["usage"], found["choices"][0]["message"]

    def test_an_answer_is_tried_again(self):
        messages = [user(long_text(60))]
        usage, first = self.turn(messages, max_tokens=30)
        again, second = self.turn(messages, max_tokens=30)
        self.assertEqual(again["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"] - 1)
        self.assertEqual(second, first)
        other, _ = self.turn(messages, temperature=1, seed=5, max_tokens=30)
        self.assertEqual(other["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"] - 1)

    def test_what_prompts_begin_with_alike(self):
        def ask(question):
            usage, message = self.turn([{"role": "system", "content": long_text(50)}, user(question)], max_tokens=20)
            return usage["prompt_tokens_details"]["cached_tokens"], message

        self.assertEqual(ask("What is 7 + 8?")[0], 0)
        self.assertEqual(ask("Who is Ned?")[0], 0)  # it shows what the two have in common
        cached, message = ask("Tell me a story.")
        self.assertGreater(cached, 400)
        self.assertEqual(ask("Tell me a story.")[1], message)
        fresh = Server(*LONG)
        try:
            found = fresh.post(CHAT, {"messages": [{"role": "system", "content": long_text(50)}, user("Tell me a story.")],
                                      "temperature": 0, "max_tokens": 20}).json()
        finally:
            fresh.end()
        self.assertEqual(found["choices"][0]["message"], message)

    def test_thoughts_that_are_not_sent_again(self):
        messages = [user("Another day. " + long_text(60) + " What is 7 + 8?")]
        usage, message = self.turn(messages, reasoning_effort="high", max_tokens=60)
        messages += [{"role": "assistant", "content": message["content"] or "15"}, user("And 8 + 9?")]
        second, _ = self.turn(messages, reasoning_effort="high", max_tokens=60)
        self.assertEqual(second["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"] - 1)
