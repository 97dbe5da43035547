"""Many clients at once, some of which leave: every answer is whole or a clean error, and memory comes back."""

import json
import os
import random
import re
import threading
import unittest

from served import Server, parse_events, user

REQUESTS = int(os.environ.get("SLUICE_LOAD_REQUESTS", 200))
CLIENTS = 8

# What may stay of a load after a warm-up: pages of the allocator, which the next load uses again. Runs differ by 0.2 MB;
# 10 KB left over by each request, less than any answer takes, would be this much.
GROWTH_BYTES = 10_000 * REQUESTS

SHAPES = {
    "/v1/chat/completions": {"messages": [user("Tell me a story about a fox named Pip.")]},
    "/v1/messages": {"messages": [user("What is the capital of France?")]},
    "/v1/completions": {"prompt": "Once upon a time"},
}


class Load:
    """Requests drawn from a seed, sent by a few clients until all have been."""

    def __init__(self, server, requests, seed):
        self.server = server
        self.draws = iter([self.draw(random.Random(seed * 1000003 + i)) for i in range(requests)])
        self.lock = threading.Lock()
        self.seen = {"whole": 0, "refused": 0, "left": 0}
        self.wrong = []

    @staticmethod
    def draw(random_):
        path = random_.choice(list(SHAPES))
        body = {**SHAPES[path], "max_tokens": random_.randint(1, 24), "seed": random_.randint(0, 99),
                "stream": random_.random() < 0.5}
        kind = random_.choices(["whole", "refused", "left"], [6, 1, 2])[0]
        if kind == "refused":
            body["max_tokens"] = "many"
        elif kind == "left":  # an answer that would go on to the end of the context
            body.update(max_tokens=100000, ignore_eos=True)
        return path, body, kind

    def run(self):
        clients = [threading.Thread(target=self.be_a_client) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        return self

    def be_a_client(self):
        while True:
            with self.lock:
                drawn = next(self.draws, None)
            if drawn is None:
                return
            try:
                ending = self.send(*drawn)
            except Exception as error:  # pylint: disable=broad-except
                ending = None
                self.wrong.append((drawn, repr(error)))
            with self.lock:
                if ending:
                    self.seen[ending] += 1

    def send(self, path, body, kind):
        """What became of it; an AssertionError for anything but what should."""
        connection = self.server.connect()
        try:
            connection.request("POST", path, json.dumps(body))
            if kind == "left" and not body["stream"]:
                return "left"
            response = connection.getresponse()
            if kind == "left" and response.status == 200:
                response.read(1)
                return "left"
            text = response.read().decode()
            if response.status == 429:  # those who left may still have been in the queue
                assert int(response.headers["Retry-After"]) >= 1
                assert json.loads(text)["error"]["message"], text
                return "refused"
            assert response.status == (400 if kind == "refused" else 200), (response.status, text)
            if kind == "refused":
                assert "max_tokens" in json.loads(text)["error"]["message"], text
            else:
                check_whole(path, body, text)
            return kind
        finally:
            connection.close()


def check_whole(path, body, text):
    """It ends as its API's answers do."""
    if not body["stream"]:
        answer = json.loads(text)
        assert answer["stop_reason" if path == "/v1/messages" else "choices"], text
        return
    events = parse_events(text)
    if path == "/v1/messages":
        assert events[0][0] == "message_start" and events[-1][0] == "message_stop", text
        return
    assert events[-1] == ("", "[DONE]"), text
    assert any(json.loads(data)["choices"][0]["finish_reason"] for _, data in events[:-1]), text


def resident_bytes(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * 1024


class UnderLoad(unittest.TestCase):
    def until_idle(self, server):
        while True:
            health = server.get("/health").json()
            if (health["running"], health["waiting"]) == (0, 0):
                return

    def load(self, server, requests, seed):
        load = Load(server, requests, seed).run()
        self.assertEqual(load.wrong, [])
        self.assertEqual(sum(load.seen.values()), requests)
        self.until_idle(server)
        return load.seen

    def test_answers_are_whole_and_memory_comes_back(self):
        server = Server("--queue", 2 * CLIENTS, "--sessions", 2)
        try:
            warm = self.load(server, REQUESTS // 4, seed=1)
            before = resident_bytes(server)
            seen = self.load(server, REQUESTS, seed=2)
            after = resident_bytes(server)
        finally:
            code, errors = server.end()
        print(f"{warm} then {seen}; {before / 1e6:.1f} then {after / 1e6:.1f} MB", flush=True)
        self.assertEqual((code, errors), (0, ""))
        self.assertGreater(seen["whole"], REQUESTS // 3)
        self.assertGreater(seen["left"], 0)
        self.assertLess(after - before, GROWTH_BYTES)
