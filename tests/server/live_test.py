"""/v1/sluice/live: that what it shows is what happened."""

import base64
import json
import os

from served import ENDLESS, ServerTest, user

PLACE, USED = 3, 4
READING, MEMORY = 1, 2


class Live:
    """A viewer: its events, and the map as they leave it."""

    def __init__(self, server, **headers):
        self.connection = server.connect()
        self.connection.request("GET", "/v1/sluice/live", headers=headers)
        self.stream = self.connection.getresponse()
        self.experts = b""
        self.start = self.next("start")

    def next(self, name="sample"):
        lines = [self.stream.readline().decode().rstrip("\n") for _ in range(3)]
        assert lines[0] == "event: " + name and lines[2] == "", lines
        event = json.loads(lines[1].removeprefix("data: "))
        if "experts" in event:
            self.experts = bytearray(base64.b64decode(event["experts"], validate=True))
        else:
            self.change(iter(base64.b64decode(event["changes"], validate=True)))
        return event

    def change(self, changes):
        at = 0
        for byte in changes:
            gap, shift = byte & 127, 7
            while byte & 128:
                byte = next(changes)
                gap |= (byte & 127) << shift
                shift += 7
            at += gap + 1
            self.experts[at - 1] = next(changes)

    def close(self):
        self.stream.close()
        self.connection.close()


class LiveTest(ServerTest):
    arguments = ("--cache", "25%", "--parallel", "1")

    def test_shows_what_happened(self):
        live = Live(self.server)
        self.assertEqual(live.stream.headers["Content-Type"], "text/event-stream")
        self.assertEqual([live.start[name] for name in ("model", "stream", "layers", "experts_per_layer", "slots")],
                         ["tiny-v4", "direct", 9, 64, 9 * 64 // 4])
        self.assertEqual(len(live.experts), 9 * 64)
        names = {"tokens": "sluice_generated_tokens_total", "hits": "sluice_expert_hits_total",
                 "misses": "sluice_expert_misses_total", "read_bytes": "sluice_disk_read_bytes_total"}
        live.next()
        before = {name: self.server.metric(metric) for name, metric in names.items()}
        self.server.post("/v1/chat/completions", {"messages": [user("Tell me a story.")], "max_tokens": 20, "seed": 3})
        grown = {name: self.server.metric(metric) - before[name] for name, metric in names.items()}
        seen, used = dict.fromkeys(names, 0), set()
        while any(seen[name] < grown[name] for name in names):
            sample = live.next()
            used.update(index for index, byte in enumerate(live.experts) if byte & USED)
            for name in names:
                seen[name] += sample[name]
        self.assertGreater(grown["tokens"], 1)
        self.assertGreater(len(used), 8 * 6)
        self.assertFalse(any(index >= 8 * 64 for index in used), "the block that predicts ahead is not used yet")
        places = [byte & PLACE for byte in live.experts]
        self.assertTrue(0 < places.count(MEMORY) <= live.start["slots"])
        hot = max(range(9 * 64), key=lambda index: live.experts[index] >> 3)
        self.assertIn(hot, used)
        live.close()

    def test_moves_while_text_is_generated_and_says_who_waits(self):
        live = Live(self.server)
        requests = [self.server.connect() for _ in range(2)]
        for request in requests:
            request.request("POST", "/v1/chat/completions", json.dumps({"messages": [user("Hi")], "stream": True, **ENDLESS}))
        moving = 0
        while moving < 2:
            sample = live.next()
            moving += sample["tokens"] > 0 and sample["running"] == 1 and sample["waiting"] == 1
        for request in requests:
            request.close()
        while sample["running"] + sample["waiting"] > 0:
            sample = live.next()
        live.close()


class Viewers(ServerTest):
    changes = {"SLUICE_API_KEY": "a-secret"}

    def test_leave_nothing_behind(self):
        def threads():
            return len(os.listdir(f"/proc/{self.server.process.pid}/task"))

        viewers = [Live(self.server, Authorization="Bearer a-secret") for _ in range(5)]
        for live in viewers:
            live.next()
        most = threads()  # each connection has one
        for live in viewers:
            live.close()
        while threads() > most - 5:
            pass

    def test_need_the_key(self):
        self.assertEqual(self.server.get("/v1/sluice/live").status, 401)

    def test_can_ask_what_it_would_be(self):
        answer = self.server.request("HEAD", "/v1/sluice/live", headers={"x-api-key": "a-secret"})
        self.assertEqual((answer.status, answer.body), (200, b""))
