"""Anthropic's shape: /v1/messages and /v1/messages/count_tokens."""

import json

from served import CITY, WEATHER, ServerTest, user

MESSAGES = "/v1/messages"
TOOL = {**WEATHER, "input_schema": CITY}


def ask(text, **more):
    return {"model": "any", "max_tokens": 100, "messages": [user(text)], "temperature": 0, **more}


class Messages(ServerTest):
    def answer(self, body, status=200):
        answer = self.server.post(MESSAGES, body)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def stream(self, body):
        """The events of a stream; each is named by its type."""
        events = []
        for name, data in self.server.events(MESSAGES, body):
            event = json.loads(data)
            self.assertEqual(event["type"], name)
            events.append(event)
        return events

    def test_answers_as_the_reference_does(self):
        found = self.answer(ask("What is the capital of France?"))
        self.assertEqual((found["type"], found["role"], found["model"]), ("message", "assistant", "tiny-v4"))
        self.assertEqual(found["content"], [{"type": "text", "text": "The capital of France is Paris."}])
        self.assertEqual((found["stop_reason"], found["stop_sequence"]), ("end_turn", None))
        self.assertEqual(set(found["usage"]), {"input_tokens", "output_tokens"})

    def test_thinking_is_a_block_of_its_own(self):
        found = self.answer(ask("What is 7 + 8?", thinking={"type": "enabled", "budget_tokens": 1024}))
        thinking, text = found["content"]
        self.assertEqual((thinking["type"], thinking["thinking"]), ("thinking", "7 plus 8 is 15."))
        self.assertEqual(text, {"type": "text", "text": "7 + 8 = 15"})
        off = self.answer(ask("What is 7 + 8?", thinking={"type": "disabled"}))
        self.assertEqual([block["type"] for block in off["content"]], ["text"])

    def test_the_order_of_a_streams_events(self):
        events = self.stream(ask("What is 7 + 8?", thinking={"type": "enabled", "budget_tokens": 1024}))
        kinds = [event["type"] for event in events]
        self.assertEqual(kinds[0], "message_start")
        self.assertEqual(kinds[-2:], ["message_delta", "message_stop"])
        self.assertEqual(events[0]["message"]["content"], [])
        self.assertGreater(events[0]["message"]["usage"]["input_tokens"], 0)
        # Every block: start, deltas of its own, stop; one after the other.
        blocks, opened = [], None
        for event in events[1:-2]:
            if event["type"] == "content_block_start":
                self.assertIsNone(opened)
                self.assertEqual(event["index"], len(blocks))
                opened = {"type": event["content_block"]["type"], "deltas": []}
                blocks.append(opened)
            elif event["type"] == "content_block_delta":
                self.assertEqual(event["index"], len(blocks) - 1)
                opened["deltas"].append(event["delta"])
            else:
                self.assertEqual(event["type"], "content_block_stop")
                opened = None
        self.assertIsNone(opened)
        self.assertEqual([block["type"] for block in blocks], ["thinking", "text"])
        self.assertEqual(blocks[0]["deltas"][-1]["type"], "signature_delta")
        self.assertEqual("".join(delta.get("thinking", "") for delta in blocks[0]["deltas"]), "7 plus 8 is 15.")
        self.assertEqual("".join(delta["text"] for delta in blocks[1]["deltas"]), "7 + 8 = 15")
        self.assertEqual(events[-2]["delta"], {"stop_reason": "end_turn", "stop_sequence": None})
        self.assertGreater(events[-2]["usage"]["output_tokens"], 0)

    def test_a_tool_is_used_and_its_result_taken(self):
        body = ask("What is the weather in Paris?", tools=[TOOL])
        found = self.answer(body)
        self.assertEqual(found["stop_reason"], "tool_use")
        use = found["content"][-1]
        self.assertEqual((use["type"], use["name"], use["input"]), ("tool_use", "get_weather", {"city": "Paris"}))
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": [{"type": "text", "text": "sunny, 21 degrees"}]}
        body["messages"] += [{"role": "assistant", "content": found["content"]}, {"role": "user", "content": [result]}]
        self.assertIn("sunny", self.answer(body)["content"][0]["text"])

    def test_tool_input_streams(self):
        events = self.stream(ask("What is the weather in Paris?", tools=[TOOL]))
        start = next(event for event in events if event["type"] == "content_block_start")
        self.assertEqual((start["content_block"]["name"], start["content_block"]["input"]), ("get_weather", {}))
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        self.assertEqual({delta["type"] for delta in deltas}, {"input_json_delta"})
        self.assertGreater(len(deltas), 1)
        self.assertEqual(json.loads("".join(delta["partial_json"] for delta in deltas)), {"city": "Paris"})
        self.assertEqual(events[-2]["delta"]["stop_reason"], "tool_use")

    def test_tool_choice(self):
        body = ask("What is the capital of France?", tools=[TOOL])
        for choice in ({"type": "any"}, {"type": "tool", "name": "get_weather"}):
            self.assertEqual(self.answer({**body, "tool_choice": choice})["content"][0]["name"], "get_weather")
        none = self.answer({**ask("What is the weather in Paris?", tools=[TOOL]), "tool_choice": {"type": "none"}})
        self.assertEqual(none["content"][0]["type"], "text")

    def test_stop_reasons(self):
        stopped = self.answer(ask("What is the capital of France?", stop_sequences=["never", " of Fra"]))
        self.assertEqual((stopped["stop_reason"], stopped["stop_sequence"]), ("stop_sequence", " of Fra"))
        self.assertEqual(stopped["content"][0]["text"], "The capital")
        cut = self.answer(ask("Tell me a story.", max_tokens=3))
        self.assertEqual((cut["stop_reason"], cut["usage"]["output_tokens"]), ("max_tokens", 3))

    def test_a_last_message_of_the_assistant_is_gone_on_with(self):
        begun = {"role": "assistant", "content": "The capital of France"}
        found = self.answer({**ask(""), "messages": [user("What is the capital of France?"), begun]})
        self.assertEqual(found["content"][0]["text"], " is Paris.")

    def test_system_is_text_or_blocks(self):
        texts = [{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}]
        plain = self.answer(ask("Hello", max_tokens=1))["usage"]["input_tokens"]
        one = self.answer(ask("Hello", max_tokens=1, system="Be kind.\n\nBe brief."))["usage"]["input_tokens"]
        blocks = self.answer(ask("Hello", max_tokens=1, system=texts))["usage"]["input_tokens"]
        self.assertEqual(one, blocks)
        self.assertGreater(one, plain)

    def test_tokens_are_counted_as_they_are_used(self):
        body = ask("What is the weather in Paris?", tools=[TOOL], system="Be kind.")
        used = self.answer({**body, "max_tokens": 1})["usage"]["input_tokens"]
        del body["max_tokens"]
        counted = self.server.post(MESSAGES + "/count_tokens", body)
        self.assertEqual((counted.status, counted.json()), (200, {"input_tokens": used}))

    def test_wrong_types_are_refused_with_their_path(self):
        for change, path in (
            ({"max_tokens": None}, "max_tokens"),
            ({"messages": [{"role": "system", "content": "a"}]}, "messages[0].role"),
            ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].type"),
            ({"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]}, "messages[0].content[0].text"),
            ({"messages": [{"role": "user"}]}, "messages[0].content"),
            ({"system": 7}, "system"),
            ({"temperature": 1.5}, "temperature"),
            ({"stop_sequences": "a"}, "stop_sequences"),
            ({"thinking": {"type": "maybe"}}, "thinking.type"),
            ({"tools": [{"name": "a"}]}, "tools[0].input_schema"),
            ({"tool_choice": {"type": "any"}}, "tools"),
            ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ):
            with self.subTest(change=change):
                found = self.answer({**ask("Hello"), **change}, 400)
                self.assertEqual(found["type"], "error")
                self.assertEqual(found["error"]["type"], "invalid_request_error")
                self.assertTrue(found["error"]["message"].startswith(path + ": "), found)

    def test_other_errors_have_its_shape_too(self):
        answer = self.server.get(MESSAGES)
        self.assertEqual((answer.status, answer.json()["error"]["type"]), (405, "invalid_request_error"))
        answer = self.server.get(MESSAGES + "/nothing")
        self.assertEqual((answer.status, answer.json()["error"]["type"]), (404, "not_found_error"))
