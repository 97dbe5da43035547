"""sluice chat: a conversation that goes on."""

import json
import os
import re
import shutil

from program import PATIENCE_S, RENDITION, TINY, ProgramTest, Terminal

# A temperature and a seed that make the model babble for thousands of tokens.
BABBLE = ("--temperature", "100", "--seed", "4")
PROMPT = "> "


class TalksThroughAPipe(ProgramTest):
    def test_a_line_is_a_turn(self):
        done = self.run_program("chat", "--greedy", input="What is the capital of France?\n\nWhat is 7 + 8?")
        self.assertRegex(done.stdout.decode(), r"^The capital of France is Paris\.\n7 \+ 8 = [0-9]+\n$")
        self.assertEqual(done.stderr, b"")

    def test_it_remembers_and_can_forget(self):
        question = "What is the capital of France?\n"
        talked = self.run_program("chat", "--greedy", "-v", input=question * 2 + "/clear\n" + question)
        told = re.findall(r"prompt ([0-9]+) tokens(?: \(([0-9]+) known\))?", talked.stderr.decode())
        self.assertEqual(len(told), 3)
        self.assertGreater(int(told[1][0]), int(told[0][0]))
        self.assertEqual(told[0], told[2])
        self.assertEqual(told[2][1], "")

    def test_what_was_said_is_not_computed_again(self):
        talked = self.run_program("chat", "--greedy", "-v", input="What is the capital of France?\nHello.\n")
        first, second = re.findall(r"prompt ([0-9]+) tokens(?: \(([0-9]+) known\))?", talked.stderr.decode())
        self.assertGreater(int(second[1]), int(first[0]))

    def test_commands_do_not_reach_the_model(self):
        done = self.run_program("chat", input="/help\n/bogus\n/stats\n/think on\n/quit\nWhat is 7 + 8?\n")
        self.assertEqual(done.stdout, b"")
        for expected in ("/system TEXT", "there is no /bogus", "in all: 0 answers", "thinks first"):
            self.assertIn(expected, done.stderr.decode())

    def test_a_line_that_ends_in_a_backslash_goes_on(self):
        done = self.run_program("chat", "-v", "--greedy", input="What is the\\\ncapital of France?\n")
        self.assertEqual(done.stderr.decode().count("; prompt "), 1)

    def test_tool_calls_are_shown_as_calls(self):
        tools = self.folder / "tools.json"
        city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        weather = {"name": "get_weather", "description": "Get the weather of a city.", "parameters": city}
        tools.write_text(json.dumps([{"type": "function", "function": weather}]))
        question = "What is the weather in Paris?"
        text = self.text_of("chat", "--greedy", "--tools", tools, input=question + "\n")
        self.assertEqual(text, '-> get_weather({"city": "Paris"})\n')
        found = self.json_of("run", "--chat", "--greedy", "--json", "--tools", tools, question)
        self.assertEqual(found["tool_calls"], [{"name": "get_weather", "arguments": '{"city": "Paris"}'}])


class KeepsConversations(ProgramTest):
    QUESTION = "What is the capital of France?\n"

    def chat(self, *lines, **options):
        done = self.run_program("chat", "--greedy", "-v", input="".join(line + "\n" for line in lines), **options)
        return done.stdout.decode(), done.stderr.decode()

    def test_a_loaded_one_goes_on_as_the_saved_one_would(self):
        begin = ("/system You are a kind storyteller.", "/think on", "Write a short story about Luna the owl.")
        more = "What is 7 + 8?"
        whole, _ = self.chat(*begin, more)
        first, _ = self.chat(*begin, "/save my chat.json")
        second, told = self.chat("/load my chat.json", more)
        self.assertEqual(first + second, whole)
        self.assertIn("3 messages from my chat.json; the model thinks first", told)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["my chat.json"])
        # What the program saved, other commands read.
        self.assertIn("Luna", self.text_of("prompt", "--messages", "my chat.json"))

    def test_files_that_are_none_end_nothing(self):
        (self.folder / "notes.txt").write_text("notes")
        (self.folder / "later.json").write_text('{"format": "sluice-chat", "version": 2}')
        text, told = self.chat("/load nothing.json", "/load notes.txt", "/load later.json", "/load /", "/load", "/save notes.txt",
                               "/save no/such/folder/chat.json", "/save", self.QUESTION)
        self.assertEqual(text, "The capital of France is Paris.\n")
        for expected in ("nothing.json: ", "notes.txt is no saved chat", "version: 2 was found", "/ is no file", "/load wants a file",
                         "notes.txt is there already", "no/such/folder/chat.json: cannot be written", "/save wants a file"):
            self.assertIn(expected, told)
        self.assertEqual((self.folder / "notes.txt").read_text(), "notes")

    def test_a_file_that_is_none_leaves_the_conversation_as_it_was(self):
        (self.folder / "half.json").write_text(
            '{"format": "sluice-chat", "version": 1, "thinking": true, "effort": "max", "messages": [{"role": "user", "content": "a"}]}')
        _, told = self.chat(self.QUESTION, "/load half.json", "/save kept.json")
        self.assertIn("messages[0].role", told)
        kept = json.loads((self.folder / "kept.json").read_text())
        self.assertFalse(kept["thinking"])
        self.assertEqual([message["content"] for message in kept["messages"]],
                         ["What is the capital of France?", "The capital of France is Paris."])

    def test_thoughts_and_tools_are_kept(self):
        tools = self.folder / "tools.json"
        weather = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
        tools.write_text(json.dumps([{"type": "function", "function": weather}]))
        self.run_program("chat", "--greedy", "--tools", tools, "--think", input="What is 7 + 8?\n/save a.json\n")
        system, _, answer = json.loads((self.folder / "a.json").read_text())["messages"]
        self.assertEqual(system["tools"], [{"type": "function", "function": weather}])
        self.assertTrue(answer["reasoning_content"])


class SurvivesErrors(ProgramTest):
    def test_a_failed_read_ends_the_answer_and_not_the_chat(self):
        model = self.folder / "model"
        shutil.copytree(TINY, model)
        shards = sorted(model.glob("*.safetensors"))
        whole = {shard: shard.read_bytes() for shard in shards}
        process = self.start("chat", "--greedy", "--cache", "2%", "-m", model)

        def ask(question, stream):
            process.stdin.write(question.encode() + b"\n")
            process.stdin.flush()
            return stream.readline().decode()

        question = "What is the capital of France?"
        self.assertEqual(ask(question, process.stdout), "The capital of France is Paris.\n")
        for shard in shards:
            os.truncate(shard, 4096)
        message = ask("Once more?", process.stderr)
        self.assertIn("sluice: error: ", message)
        self.assertRegex(message, r"model-0000[123]-of-00003\.safetensors")
        self.assertIn("not kept", process.stderr.readline().decode())
        for shard, content in whole.items():
            shard.write_bytes(content)  # the same file, as the program has it open
        self.assertEqual(ask(question, process.stdout), "The capital of France is Paris.\n")
        process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0)

    def test_a_full_context_is_said_and_can_be_cleared(self):
        question = "What is the capital of France?\n"
        done = self.run_program("chat", "--greedy", "--context", 24, input=question * 2 + "/clear\n" + question)
        self.assertEqual(done.stdout.decode().count("The capital of France is Paris."), 2)
        self.assertIn("context", done.stderr.decode())


class TalksAtATerminal(ProgramTest):
    def chat(self, *arguments, **changes):
        return Terminal(["chat", *arguments], XDG_STATE_HOME=self.folder / "state", LC_ALL="C", **changes)

    def begin(self, *arguments, **changes):
        """A chat in a window of 24 rows, with an answer that takes its time."""
        chat = self.chat(*BABBLE, *arguments, **changes)
        chat.resize(24, 60)
        chat.expect(PROMPT)
        chat.type("Hello.\r")
        chat.expect(r"Hello\.\r\n")
        return chat

    def stop(self, chat):
        """What came until the next prompt."""
        chat.type("\x03")
        seen = chat.expect(r"\(interrupted\)") + chat.expect(PROMPT)
        chat.type("\x04")
        self.assertEqual(chat.finish()[1], 0)
        return seen

    def test_figures_stand_in_the_last_row_while_an_answer_is_written(self):
        chat = self.begin()
        seen = chat.expect(r"\x1b\[24;1H\x1b\[K[^\x1b]*(\x1b\[2m)?decode  [0-9.]+ tokens/s[^\x1b]*")
        self.assertIn(b"\x1b[1;23r", seen)
        row = RENDITION.sub(b"", seen[seen.rindex(b"\x1b[K") + 3 :])
        self.assertLess(len(row), 60)
        after = self.stop(chat)
        self.assertGreater(after.rfind(b"\x1b[r"), after.rfind(b"\x1b[1;23r"))

    def test_figures_have_no_colour_where_none_is_wanted(self):
        chat = self.begin(NO_COLOR="1")
        seen = chat.expect(r"decode  [0-9.]+ tokens/s[^\x1b]*")
        self.assertNotIn(b"\x1b[2m", seen + self.stop(chat))

    def test_figures_can_be_left_out(self):
        for flag in ("--no-live", "-q"):
            chat = self.begin(flag)
            chat.type("\x04")  # is read after the answer
            output, code = chat.finish()
            self.assertEqual(code, 0)
            self.assertGreater(len(output), 5000)
            self.assertNotIn(b"\x1b[1;23r", output)

    def test_ctrl_c_stops_the_answer_and_keeps_the_session(self):
        chat = self.chat("-v", *BABBLE)
        chat.expect(PROMPT)
        chat.type("Hello.\r")
        chat.expect(r"Hello\.\r\n")
        chat.expect(r"\S\S\S")  # the answer has begun
        chat.type("\x03")
        chat.expect(r"\(interrupted\)")
        chat.expect(PROMPT)
        chat.type("/stats\r")
        chat.expect("in all: 1 answer, ")
        chat.expect(PROMPT)
        chat.type("\x04")
        self.assertEqual(chat.finish()[1], 0)

    def test_ctrl_c_leaves_only_at_the_second_empty_line(self):
        chat = self.chat()
        chat.expect(PROMPT)
        chat.type("\x03")
        chat.expect("Ctrl-C again")
        chat.expect(PROMPT)
        chat.type("words")
        chat.expect("words")
        chat.type("\x03")  # gives up the line
        chat.expect(PROMPT)
        chat.type("\x03")
        chat.expect("Ctrl-C again")
        chat.expect(PROMPT)
        chat.type("\x03")
        self.assertEqual(chat.finish()[1], 0)

    def test_ctrl_d_during_an_answer_leaves_after_it(self):
        chat = self.chat("--greedy", "--think")
        chat.expect(PROMPT)
        chat.type("What is 7 + 8?\r")
        chat.expect(r"plus")  # the answer has begun
        chat.type("\x04")
        output, code = chat.finish()
        self.assertIn(b"7 + 8 = 15", output)
        self.assertEqual(code, 0)

    def test_thinking_is_shown_or_hidden(self):
        for arguments, shown in ((["--think"], True), (["--think", "--hide-thinking"], False)):
            chat = self.chat("--greedy", *arguments)
            chat.expect(PROMPT)
            chat.type("What is 7 + 8?\r")
            answered = chat.expect(r"7 \+ 8 = 15\r\n")
            self.assertEqual(b"7 plus 8 is 15." in RENDITION.sub(b"", answered), shown)
            chat.type("\x04")
            self.assertEqual(chat.finish()[1], 0)

    def test_lines_are_edited_in_utf8_and_remembered(self):
        chat = self.chat()
        chat.expect(PROMPT)
        chat.type("/bogus日本é\x7f\r")  # the last character is taken back
        chat.expect("there is no /bogus日本;")
        chat.type("\x04")
        self.assertEqual(chat.finish()[1], 0)
        self.assertIn("bogus日本", (self.folder / "state/sluice/chat_history").read_text(encoding="utf-8"))
        again = self.chat()
        again.expect(PROMPT)
        again.type("\x10\r")  # Ctrl-P: the line before
        again.expect("there is no /bogus日本;")
        again.type("\x04")
        again.finish()

    def test_a_history_that_cannot_be_kept_is_no_error(self):
        (self.folder / "state").write_text("a file in the way")
        chat = self.chat()
        chat.expect(PROMPT)
        chat.type("/bogus\r")
        chat.expect("there is no /bogus")
        chat.type("\x04")
        output, code = chat.finish()
        self.assertEqual(code, 0)
        self.assertNotIn(b"error", output)

    def test_a_dumb_terminal_is_enough(self):
        chat = Terminal(["chat", "--greedy"], TERM="dumb")
        chat.expect(PROMPT)
        chat.type("What is the capital of France?\n")
        chat.expect(r"Paris\.\r\n")
        chat.type("\x04")
        output, code = chat.finish()
        self.assertEqual(code, 0)
        self.assertNotIn(b"\x1b", output)
