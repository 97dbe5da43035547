"""OpenAI's shape: /v1/chat/completions, /v1/completions, /v1/models."""

import json

from served import ENDLESS, CITY, SOURCE, ServerTest, openai_tool, user

GREEDY = json.load(open(SOURCE / "tests/data/reference/tiny-v4/greedy.json", encoding="utf-8"))
CHAT = "/v1/chat/completions"


def ask(text, **more):
    return {"messages": [user(text)], "temperature": 0, **more}


def chunks(events):
    assert events[-1] == ("", "[DONE]"), events[-1]
    return [json.loads(data) for _, data in events[:-1]]


class Chat(ServerTest):
    def answer(self, body, status=200):
        answer = self.server.post(CHAT, body)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def message(self, body):
        return self.answer(body)["choices"][0]["message"]

    def refused(self, body, *, param, part=""):
        error = self.answer(body, 400)["error"]
        self.assertEqual(error["type"], "invalid_request_error")
        self.assertEqual(error["param"], param, error)
        self.assertIn(part, error["message"])

    def test_answers_as_the_reference_does(self):
        found = self.answer(ask("What is the capital of France?", model="whatever"))
        self.assertEqual(found["object"], "chat.completion")
        self.assertEqual(found["model"], "tiny-v4")
        choice = found["choices"][0]
        self.assertEqual(choice["message"]["content"], "The capital of France is Paris.")
        self.assertEqual(choice["message"]["role"], "assistant")
        self.assertEqual(choice["finish_reason"], "stop")
        usage = found["usage"]
        self.assertEqual(usage["completion_tokens"], len(GREEDY[2]["output_ids"]))
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])

    def test_reasoning_goes_to_its_own_field(self):
        body = ask("What is 7 + 8?", reasoning_effort="high")
        found = self.answer(body)
        message = found["choices"][0]["message"]
        self.assertEqual(message["reasoning_content"], "7 plus 8 is 15.")
        self.assertEqual(message["content"], "7 + 8 = 15")
        reasoning = found["usage"]["completion_tokens_details"]["reasoning_tokens"]
        self.assertLess(0, reasoning)
        self.assertLess(reasoning, found["usage"]["completion_tokens"])
        for effort in ("none", "minimal"):
            self.assertNotIn("reasoning_content", self.message(ask("What is 7 + 8?", reasoning_effort=effort)))

    def test_a_stream_is_the_same_answer_in_pieces(self):
        for body in (ask("What is 7 + 8?", reasoning_effort="medium"), ask("Tell me a story about a fox named Pip.")):
            whole = self.message(body)
            parts = chunks(self.server.events(CHAT, body))
            self.assertEqual({part["object"] for part in parts}, {"chat.completion.chunk"})
            self.assertEqual(len({part["id"] for part in parts}), 1)
            deltas = [part["choices"][0]["delta"] for part in parts]
            self.assertEqual(deltas[0], {"role": "assistant", "content": ""})
            for field in ("content", "reasoning_content"):
                self.assertEqual("".join(delta.get(field) or "" for delta in deltas), whole.get(field, ""))
            self.assertEqual([part["choices"][0]["finish_reason"] for part in parts],
                             [None] * (len(parts) - 1) + ["stop"])
            self.assertGreater(len(parts), 4)

    def test_usage_ends_a_stream_that_asks_for_it(self):
        body = ask("What is the capital of France?")
        usage = self.answer(body)["usage"]
        parts = chunks(self.server.events(CHAT, {**body, "stream_options": {"include_usage": True}}))
        self.assertEqual(parts[-1]["choices"], [])
        for field in ("prompt_tokens", "completion_tokens", "total_tokens"):
            self.assertEqual(parts[-1]["usage"][field], usage[field])
        self.assertTrue(all(part["usage"] is None for part in parts[:-1]))
        self.assertTrue(all("usage" not in part for part in chunks(self.server.events(CHAT, body))))

    def test_finish_reasons(self):
        cut = self.answer(ask("Tell me a story about a fox named Pip.", max_tokens=5))
        self.assertEqual(cut["choices"][0]["finish_reason"], "length")
        self.assertEqual(cut["usage"]["completion_tokens"], 5)
        newer = self.answer(ask("Tell me a story about a fox named Pip.", max_completion_tokens=3, max_tokens=5))
        self.assertEqual(newer["usage"]["completion_tokens"], 3)

    def test_stop_texts_end_the_answer_and_are_no_part_of_it(self):
        for stop in (" of Fra", [" of Fra", "never"]):
            choice = self.answer(ask("What is the capital of France?", stop=stop))["choices"][0]
            self.assertEqual(choice["message"]["content"], "The capital")
            self.assertEqual(choice["finish_reason"], "stop")
        deltas = chunks(self.server.events(CHAT, ask("What is the capital of France?", stop="tal of")))
        self.assertEqual("".join(each["choices"][0]["delta"].get("content", "") for each in deltas), "The capi")

    def test_a_tool_is_called_and_its_result_used(self):
        messages = [user("What is the weather in Paris?")]
        body = {"messages": messages, "tools": [openai_tool()], "temperature": 0}
        choice = self.answer(body)["choices"][0]
        self.assertEqual(choice["finish_reason"], "tool_calls")
        self.assertIsNone(choice["message"]["content"])
        (call,) = choice["message"]["tool_calls"]
        self.assertEqual(call["type"], "function")
        self.assertEqual(call["function"]["name"], "get_weather")
        self.assertEqual(json.loads(call["function"]["arguments"]), {"city": "Paris"})
        messages += [choice["message"], {"role": "tool", "tool_call_id": call["id"], "content": "sunny, 21 degrees"}]
        final = self.answer(body)["choices"][0]
        self.assertEqual(final["finish_reason"], "stop")
        self.assertIn("sunny", final["message"]["content"])

    def test_tool_calls_stream_while_they_are_written(self):
        body = {"messages": [user("What is the weather in Paris?")], "tools": [openai_tool()], "temperature": 0}
        parts = chunks(self.server.events(CHAT, body))
        calls = [call for part in parts for call in part["choices"][0]["delta"].get("tool_calls", [])]
        self.assertEqual(calls[0]["function"], {"name": "get_weather", "arguments": ""})
        self.assertTrue(calls[0]["id"])
        self.assertEqual({call["index"] for call in calls}, {0})
        self.assertGreater(len(calls), 2)
        self.assertTrue(all("id" not in call for call in calls[1:]))
        self.assertEqual(json.loads("".join(call["function"]["arguments"] for call in calls)), {"city": "Paris"})
        self.assertEqual(parts[-1]["choices"][0]["finish_reason"], "tool_calls")

    def test_tool_choice(self):
        hello = {"messages": [user("What is the capital of France?")], "tools": [openai_tool()], "temperature": 0, "max_tokens": 60}
        named = {"type": "function", "function": {"name": "get_weather"}}
        for choice in ("required", named):
            calls = self.message({**hello, "tool_choice": choice})["tool_calls"]
            self.assertEqual(calls[0]["function"]["name"], "get_weather")
        weather = {**hello, "messages": [user("What is the weather in Paris?")]}
        self.assertIn("tool_calls", self.message({**weather, "tool_choice": "auto"}))
        self.assertNotIn("tool_calls", self.message({**weather, "tool_choice": "none"}))
        other = {"type": "function", "function": {"name": "other"}}
        self.refused({**hello, "tool_choice": other}, param="tool_choice", part='"other"')
        self.refused({**hello, "tool_choice": "sometimes"}, param="tool_choice")
        self.refused(ask("Hello", tool_choice="required"), param="tools")
        self.refused({**hello, "tool_choice": "required", "reasoning_effort": "high"}, param="tool_choice")

    def test_the_same_seed_gives_the_same_answer(self):
        body = {"messages": [user("Tell me a story.")], "temperature": 1.0, "max_tokens": 24}
        first = self.message({**body, "seed": 5})
        self.assertEqual(self.message({**body, "seed": 5}), first)
        self.assertNotEqual(self.message({**body, "seed": 6}), first)
        likeliest = self.message({**body, "temperature": 0})
        for narrow in ({"top_k": 1}, {"top_p": 0.0}, {"top_p": 1e-9}, {"min_p": 1.0}):
            self.assertEqual(self.message({**body, **narrow}), likeliest)

    def test_logprobs(self):
        found = self.answer(ask("What is the capital of France?", logprobs=True, top_logprobs=3, max_tokens=6))
        content = found["choices"][0]["logprobs"]["content"]
        self.assertEqual(len(content), 6)
        self.assertEqual("".join(each["token"] for each in content), found["choices"][0]["message"]["content"])
        for each in content:
            self.assertEqual(len(each["top_logprobs"]), 3)
            self.assertEqual(each["top_logprobs"][0]["token"], each["token"])  # greedy
            self.assertEqual(each["top_logprobs"][0]["logprob"], each["logprob"])
            self.assertLessEqual(each["logprob"], 0)
            self.assertEqual(bytes(each["bytes"]).decode(), each["token"])
        streamed = chunks(self.server.events(
            CHAT, ask("What is the capital of France?", logprobs=True, top_logprobs=3, max_tokens=6)))
        pieces = [each for part in streamed for each in (part["choices"][0]["logprobs"] or {}).get("content", [])]
        self.assertEqual(pieces, content)
        self.refused(ask("Hello", top_logprobs=3), param="logprobs")
        self.refused(ask("Hello", logprobs=True, top_logprobs=21), param="top_logprobs")

    def test_a_response_format_is_put_to_the_model(self):
        plain = self.answer(ask("Hello", max_tokens=1))["usage"]["prompt_tokens"]
        schema = {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY}}
        for form, more in (({"type": "text"}, 0), ({"type": "json_object"}, 1), (schema, 20)):
            found = self.answer(ask("Hello", max_tokens=1, response_format=form))["usage"]["prompt_tokens"]
            self.assertGreaterEqual(found - plain, more)
            if not more:
                self.assertEqual(found, plain)
        self.refused(ask("Hello", response_format={"type": "xml"}), param="response_format.type", part="xml")
        self.refused(ask("Hello", response_format={"type": "json_schema"}), param="response_format.json_schema")

    def test_developer_messages_are_system_messages(self):
        def tokens(role):
            body = {"messages": [{"role": role, "content": "Be kind."}, user("Hello")], "max_tokens": 1}
            return self.answer(body)["usage"]["prompt_tokens"]
        self.assertEqual(tokens("developer"), tokens("system"))

    def test_wrong_types_are_refused_with_their_path(self):
        for change, param in (
            ({"messages": "Hello"}, "messages"),
            ({"messages": []}, "messages"),
            ({"messages": [user("a"), {"role": "assistant"}, user(7)]}, "messages[2].content"),
            ({"messages": [{"role": "king", "content": ""}]}, "messages[0].role"),
            ({"messages": [user([{"type": "text", "text": "a"}, {"type": "image_url"}])]}, "messages[0].content[1].type"),
            ({"messages": [user("a"), {"role": "assistant", "content": "b"}]}, "messages[1].role"),
            ({"messages": [{"role": "developer", "content": "b"}]}, "messages[0].role"),
            ({"temperature": "hot"}, "temperature"),
            ({"temperature": -1}, "temperature"),
            ({"top_p": 1.5}, "top_p"),
            ({"top_k": 1.5}, "top_k"),
            ({"seed": -1}, "seed"),
            ({"max_tokens": 0}, "max_tokens"),
            ({"stream": "yes"}, "stream"),
            ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
            ({"stop": ["a", 1]}, "stop[1]"),
            ({"stop": ""}, "stop"),
            ({"n": 2}, "n"),
            ({"presence_penalty": 1}, "presence_penalty"),
            ({"logit_bias": {"5": 100}}, "logit_bias"),
            ({"reasoning_effort": "enormous"}, "reasoning_effort"),
            ({"tools": [{"type": "function", "function": {"name": 5}}]}, "tools[0].function.name"),
            ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ):
            with self.subTest(change=change):
                self.refused({**ask("Hello"), **change}, param=param)

    def test_unknown_fields_and_nulls_are_ignored(self):
        body = ask("What is the capital of France?", user="me", metadata={"a": [1]}, stop=None, n=1, seed=None,
                   presence_penalty=0, logit_bias={}, parallel_tool_calls=True, tools=[])
        self.assertEqual(self.message(body)["content"], "The capital of France is Paris.")

    def test_what_is_not_json_is_refused(self):
        for body in ("", "{", "[]", "7", "{\"messages\": NaN}", b"\xff", "[" * 100000):
            answer = self.server.post(CHAT, body)
            self.assertEqual(answer.status, 400)
            self.assertEqual(answer.json()["error"]["type"], "invalid_request_error")

    def test_a_prompt_longer_than_the_context_is_refused(self):
        error = self.answer(ask("word " * 3000), 400)["error"]
        self.assertEqual(error["code"], "context_length_exceeded")
        self.assertIn("2048", error["message"])

    def test_an_answer_ends_where_the_context_does(self):
        found = self.answer({"messages": [user("Hello")], **ENDLESS})
        self.assertEqual(found["choices"][0]["finish_reason"], "length")
        self.assertEqual(found["usage"]["total_tokens"], 2049)  # the last one is chosen, and not taken in

    def test_special_tokens_in_messages_are_text(self):
        def tokens(text):
            return self.answer(ask(text, max_tokens=1))["usage"]["prompt_tokens"]
        # As a token of the format, it would be one.
        self.assertGreater(tokens("Hi" + 20 * "<｜User｜>"), tokens("Hi") + 40)

    def test_without_tools_a_call_is_text(self):
        self.assertNotIn("tool_calls", self.message(ask("What is the weather in Paris?")))

    def test_a_conversation_goes_on_from_its_state(self):
        messages = [user("What is the capital of France?")]
        first = self.answer({"messages": messages, "temperature": 0})
        messages += [first["choices"][0]["message"], user("What is 7 + 8?")]
        second = self.answer({"messages": messages, "temperature": 0})
        self.assertEqual(second["usage"]["prompt_tokens_details"]["cached_tokens"],
                         first["usage"]["total_tokens"] - 1)  # the token that ended the text is not taken in


class Completions(ServerTest):
    def test_goes_on_with_a_text_as_the_reference_does(self):
        story = GREEDY[0]
        prompt = story["prompt"].removeprefix("<｜begin▁of▁sentence｜>")
        body = {"prompt": prompt, "temperature": 0, "max_tokens": 20}
        found = self.server.post("/v1/completions", body).json()
        self.assertEqual(found["object"], "text_completion")
        text = found["choices"][0]["text"]
        self.assertTrue(story["text"].startswith(text))
        self.assertGreater(len(text), 30)
        self.assertEqual(found["choices"][0]["finish_reason"], "length")
        parts = chunks(self.server.events("/v1/completions", body))
        self.assertEqual("".join(part["choices"][0]["text"] for part in parts), text)
        of_tokens = self.server.post("/v1/completions", {**body, "prompt": story["prompt_ids"]}).json()
        self.assertEqual(of_tokens["choices"][0]["text"], text)
        self.assertEqual(self.server.post("/v1/completions", {**body, "prompt": [prompt]}).json()["choices"][0]["text"], text)

    def test_sixteen_tokens_when_nothing_is_said(self):
        usage = self.server.post("/v1/completions", {"prompt": "Once upon a time", "temperature": 0}).json()["usage"]
        self.assertEqual(usage["completion_tokens"], 16)

    def test_logprobs(self):
        found = self.server.post("/v1/completions", {"prompt": "Once upon a time", "temperature": 0, "logprobs": 2}).json()
        logprobs = found["choices"][0]["logprobs"]
        self.assertEqual("".join(logprobs["tokens"]), found["choices"][0]["text"])
        self.assertTrue(all(len(top) == 2 for top in logprobs["top_logprobs"]))
        self.assertEqual([max(top.values()) for top in logprobs["top_logprobs"]], logprobs["token_logprobs"])

    def test_what_it_cannot_do_is_refused(self):
        for change, param in (({}, "prompt"), ({"prompt": ["a", "b"]}, "prompt"), ({"prompt": 5}, "prompt"),
                              ({"prompt": [1, -1]}, "prompt[1]"), ({"prompt": "a", "echo": True}, "echo"),
                              ({"prompt": "a", "suffix": "b"}, "suffix"), ({"prompt": "a", "best_of": 2}, "best_of")):
            answer = self.server.post("/v1/completions", change)
            self.assertEqual(answer.status, 400)
            self.assertEqual(answer.json()["error"]["param"], param)
        outside = self.server.post("/v1/completions", {"prompt": [2048]})
        self.assertEqual(outside.status, 400)
        self.assertIn("vocabulary", outside.json()["error"]["message"])


class Models(ServerTest):
    arguments = ("--name", "my-model")

    def test_lists_the_one_model(self):
        (model,) = self.server.get("/v1/models").json()["data"]
        self.assertEqual((model["id"], model["object"], model["context_length"]), ("my-model", "model", 2048))
        self.assertEqual(self.server.get("/v1/models/my-model").json(), model)
        missing = self.server.get("/v1/models/other")
        self.assertEqual(missing.status, 404)
        self.assertEqual(missing.json()["error"]["code"], "model_not_found")
