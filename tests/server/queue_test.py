"""Several requests: the queue, clients that leave, kept conversations, failing reads."""

import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from served import ENDLESS, SLUICE, TINY, Server, ServerTest, user

CHAT = "/v1/chat/completions"


class Queue(ServerTest):
    arguments = ("--queue", "2", "--parallel", "1", "--context", "1000000")

    def endless(self):
        """A stream that will not end by itself; it has begun."""
        connection = self.server.connect()
        connection.request("POST", CHAT, json.dumps({"messages": [user("Hi")], "stream": True, **ENDLESS}))
        response = connection.getresponse()
        response.read(1)
        return connection

    def send(self, text, **more):
        """Sends a request and does not wait for its answer."""
        connection = self.server.connect()
        connection.request("POST", CHAT, json.dumps({"messages": [user(text)], "temperature": 0, **more}))
        return connection

    def load(self, running, waiting):
        """Until it is so."""
        while True:
            health = self.server.get("/health").json()
            if (health["running"], health["waiting"]) == (running, waiting):
                return

    def test_a_full_queue_says_when_to_come_again(self):
        running = self.endless()
        waiting = [self.send("Hi", max_tokens=1) for _ in range(2)]
        self.load(1, 2)
        for path, body, kind in ((CHAT, {"messages": [user("Hi")]}, "rate_limit_error"),
                                 ("/v1/messages", {"max_tokens": 1, "messages": [user("Hi")]}, "rate_limit_error")):
            answer = self.server.post(path, body)
            self.assertEqual(answer.status, 429)
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
            self.assertEqual(answer.json()["error"]["type"], kind)
        running.close()  # and those that waited get their answers
        for connection in waiting:
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()

    def test_a_client_that_leaves_frees_its_work(self):
        for _ in range(3):
            self.load(0, 0)
            streaming = self.endless()
            unread = self.send("Hi", **ENDLESS)  # would not end either
            self.load(1, 1)
            unread.close()  # leaves the queue at once, while the other one runs
            self.load(1, 0)
            streaming.close()
            self.load(0, 0)
        whole = self.send("Hi", **ENDLESS)  # an answer that is not streamed
        self.load(1, 0)
        whole.close()
        self.load(0, 0)


class Together(ServerTest):
    arguments = ("--parallel", "3", "--cache", "25%", "--queue", "20")

    STORIES = [("Tell me a story about a fox named Pip.", 60), ("What is 7 + 8?", 8), ("Hi", 25),
               ("Write a short story about Luna the owl and her friend Ned.", 50), ("What is the capital of France?", 12)]

    def ask(self, index):
        text, tokens = self.STORIES[index]
        found = self.server.post(CHAT, {"messages": [user(text)], "seed": index, "max_tokens": tokens}).json()
        return found["choices"][0]["message"]["content"]

    def test_a_seed_gives_the_same_answer_whatever_runs_beside_it(self):
        alone = [self.ask(i) for i in range(len(self.STORIES))]
        passes, tokens = (self.server.metric(f"sluice_{name}_total") for name in ("passes", "pass_tokens"))
        with concurrent.futures.ThreadPoolExecutor(len(self.STORIES)) as clients:
            self.assertEqual(list(clients.map(self.ask, range(len(self.STORIES)))), alone)
        self.assertGreater(self.server.metric("sluice_pass_tokens_total") - tokens,
                           self.server.metric("sluice_passes_total") - passes)
        self.assertEqual(self.server.metric("sluice_batch_sequences"), 0)


class KeepsThePlan(unittest.TestCase):
    def test_with_all_contexts_full_at_once(self):
        options = ("--parallel", "4", "--cache", "5%", "--context", "800")
        planned = subprocess.run([SLUICE, "plan", "--json", "--no-measure", "-m", str(TINY), *options],
                                 stdout=subprocess.PIPE, check=True).stdout
        folder = tempfile.mkdtemp()  # snapshots are no part of it: they are written from where they stand
        self.addCleanup(shutil.rmtree, folder)
        server = Server(*options, "--kv-dir", folder)
        body = {"messages": [user("Once upon a time " * 100)], **ENDLESS}
        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            for answer in clients.map(lambda _: server.post(CHAT, body), range(4)):
                self.assertEqual(answer.json()["usage"]["total_tokens"], 801)
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        peak_bytes = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
        self.assertEqual(server.end()[0], 0)
        self.assertLessEqual(peak_bytes, json.loads(planned)["memory_plan"]["total_bytes"] * 1.05, planned)


class Conversations(ServerTest):
    arguments = ("--sessions", "2", "--parallel", "2")

    def turn(self, messages):
        found = self.server.post(CHAT, {"messages": messages, "temperature": 0, "max_tokens": 40}).json()
        messages.append({"role": "assistant", "content": found["choices"][0]["message"]["content"]})
        return found["usage"]["prompt_tokens_details"]["cached_tokens"], found["choices"][0]["message"]["content"]

    def test_each_goes_on_from_its_state_and_the_oldest_makes_room(self):
        talks = {name: [user(f"My name is {name}.")] for name in ("Ned", "Pip", "Luna")}
        for name in ("Ned", "Pip"):
            self.assertEqual(self.turn(talks[name])[0], 0)
        for name in ("Ned", "Pip"):  # in turns, and both are still there
            talks[name].append(user("What is the capital of France?"))
            self.assertGreater(self.turn(talks[name])[0], 10)
        self.assertEqual(self.turn(talks["Luna"])[0], 0)  # takes Ned's place
        talks["Pip"].append(user("What is 7 + 8?"))
        self.assertGreater(self.turn(talks["Pip"])[0], 10)
        talks["Ned"].append(user("What is 7 + 8?"))
        self.assertEqual(self.turn(talks["Ned"])[0], 0)

    def test_an_answer_from_a_kept_state_is_the_answer_from_nothing(self):
        messages = [user("Tell me a story about a fox named Pip."), ]
        self.turn(messages)
        messages.append(user("Tell me a story about a cat named Mia."))
        before = list(messages)
        reused, text = self.turn(messages)
        self.assertGreater(reused, 10)
        fresh = Server()
        try:
            found = fresh.post(CHAT, {"messages": before, "temperature": 0, "max_tokens": 40}).json()
        finally:
            fresh.end()
        self.assertEqual(found["choices"][0]["message"]["content"], text)


class FailingReads(unittest.TestCase):
    def test_a_failed_read_ends_its_request_alone(self):
        with tempfile.TemporaryDirectory(prefix="sluice-server-") as folder:
            model = pathlib.Path(folder) / "model"
            shutil.copytree(TINY, model)
            server = Server("-m", str(model), "--cache", "25%", "--prefetch", "off")
            body = {"messages": [user("Tell me a story about a fox named Pip.")], "temperature": 0, "max_tokens": 30}
            right = server.post(CHAT, body).json()["choices"][0]["message"]
            shards = sorted(model.glob("*.safetensors"))
            whole = [shard.read_bytes() for shard in shards]
            for shard, data in zip(shards, whole):  # all but the headers is gone, in the files that are open
                with open(shard, "r+b") as file:
                    file.truncate(int.from_bytes(data[:8], "little") + 8)
            for path, more, kind in ((CHAT, {}, "server_error"), (CHAT, {"stream": True}, "server_error"),
                                     ("/v1/messages", {}, "api_error")):
                failed = server.post(path, {**body, **more})
                self.assertEqual(failed.status, 500, failed.body)
                self.assertEqual(failed.json()["error"]["type"], kind)
                self.assertRegex(failed.json()["error"]["message"], r"layer \d+, expert \d+: .*\.safetensors")
            self.assertEqual(server.get("/health").status, 200)
            for shard, data in zip(shards, whole):
                with open(shard, "r+b") as file:
                    file.write(data)
            self.assertEqual(server.post(CHAT, body).json()["choices"][0]["message"], right)
            self.assertEqual(server.end()[0], 0)
