"""sluice run: one prompt, one text."""

import signal
import subprocess

from program import PATIENCE_S, REFERENCE, RENDITION, SLUICE, ProgramTest, Terminal, environment, load_json

GREEDY = load_json(REFERENCE / "tiny-v4/greedy.json")
BOS = "<｜begin▁of▁sentence｜>"
EOS = "<｜end▁of▁sentence｜>"
# A seed and a temperature that make the model babble without end.
BABBLE = ("run", "-n", "0", "--temperature", "100", "--seed", "1", "Once")


class TellsTheReferencesStories(ProgramTest):
    def test_raw_text_is_the_references(self):
        story = GREEDY[0]
        prompt = story["prompt"].removeprefix(BOS)
        text = self.text_of("run", "--greedy", "-n", len(story["output_ids"]), prompt)
        # A step that is nearly a tie may rightly go another way; this story has none in its first half.
        decisive = next((i for i, margin in enumerate(story["margin"]) if margin < 0.01), len(story["margin"]))
        self.assertGreater(decisive, 10)
        ids = self.json_of("run", "--greedy", "-n", decisive, "--json", prompt)["ids"]
        self.assertEqual(ids, story["output_ids"][:decisive])
        self.assertEqual(text[:60], story["text"][:60])

    def test_a_chat_answer_ends_where_the_model_ends_it(self):
        self.assertEqual(GREEDY[2]["text"], "The capital of France is Paris." + EOS)
        done = self.run_program("run", "--chat", "--greedy", "What is the capital of France?")
        self.assertEqual(done.stdout.decode(), "The capital of France is Paris.\n")
        self.assertEqual(done.stderr, b"")

    def test_thinking_is_kept_apart_from_the_answer(self):
        self.assertEqual(GREEDY[3]["text"], "7 plus 8 is 15.</think>7 + 8 = 15" + EOS)
        arguments = ("run", "--chat", "--think", "--greedy", "What is 7 + 8?")
        self.assertEqual(self.text_of(*arguments), "7 + 8 = 15\n")
        found = self.json_of(*arguments, "--json")
        self.assertEqual(found["reasoning"], "7 plus 8 is 15.")
        self.assertEqual(found["text"], "7 + 8 = 15")
        self.assertEqual(found["finish"], "end_of_text")
        self.assertEqual(found["ids"], GREEDY[3]["output_ids"][:-1])

    def test_a_system_message_reaches_the_model(self):
        story = GREEDY[4]
        self.assertIn("You are a kind storyteller.", story["prompt"])
        found = self.json_of("run", "--chat", "--think", "--greedy", "-n", 40, "--json", "--system",
                             "You are a kind storyteller.", "Write a short story about Luna the owl.")
        self.assertEqual(found["ids"], story["output_ids"][:40])


class TakesItsPromptFromAnywhere(ProgramTest):
    def setUp(self):
        super().setUp()
        self.expected = self.text_of("run", "--greedy", "-n", 8, "Once upon a time")

    def test_words(self):
        self.assertEqual(self.text_of("run", "--greedy", "-n", 8, "Once", "upon", "a", "time"), self.expected)

    def test_a_file_without_its_last_line_break(self):
        path = self.folder / "prompt.txt"
        path.write_text("Once upon a time\n")
        self.assertEqual(self.text_of("run", "--greedy", "-n", 8, "--file", path), self.expected)

    def test_a_pipe(self):
        self.assertEqual(self.text_of("run", "--greedy", "-n", 8, input="Once upon a time\n"), self.expected)
        self.assertEqual(self.text_of("run", "--greedy", "-n", 8, "-", input="Once upon a time"), self.expected)

    def test_nothing_is_an_error(self):
        self.assertIn("empty", self.error_of("run", input="", code=2))
        self.assertIn("both", self.error_of("run", "-f", "file", "text", code=2))


class Measures(ProgramTest):
    def test_json_is_all_there_is_and_adds_up(self):
        done = self.run_program("run", "--greedy", "--json", "-n", 12, "--cache", "25%", "Once upon a time")
        self.assertEqual(done.stderr, b"")
        self.assertEqual(done.stdout.count(b"\n"), 1)
        found = self.json_of("run", "--greedy", "--json", "-n", 12, "--cache", "25%", "Once upon a time")
        stats, plan = found["stats"], found["memory_plan"]
        self.assertEqual(len(found["ids"]), 12)
        self.assertEqual(found["finish"], "max_tokens")
        self.assertEqual(found["stream"], "direct")
        self.assertEqual(stats["new_tokens"], 12)
        self.assertEqual(stats["prompt_tokens"], 5)
        decode, prefill = stats["decode"], stats["prefill"]
        # Every token but the first, which comes from the prompt's pass, asks for 6 experts on each of 8 layers.
        self.assertEqual(decode["hits"] + decode["misses"], 11 * 8 * 6)
        # An expert is read in one piece or a few, and is not smaller than its bytes.
        self.assertGreaterEqual(decode["reads"], decode["misses"])
        self.assertGreaterEqual(decode["read_bytes"], decode["misses"] * 26112)
        self.assertEqual(decode["failed_reads"] + prefill["failed_reads"], 0)
        self.assertLessEqual(decode["wait_ns"], stats["decode_ns"])
        # What came in and did not fit any more went out again.
        came, went = (sum(phase[name] for phase in (prefill, decode)) for name in ("misses", "evictions"))
        self.assertLessEqual(came - went, plan["slots"])
        self.assertEqual(plan["slots"], 576 // 4)
        self.assertEqual(plan["experts_bytes"], plan["slots"] * plan["slot_bytes"])
        self.assertEqual(plan["total_bytes"],
                         sum(plan[f"{part}_bytes"] for part in ("dense", "kv", "workspace", "program", "experts")))

    def test_the_text_does_not_depend_on_how_experts_are_held(self):
        prompt = ("run", "--json", "--seed", 7, "-n", 24, "Once upon a time")
        expected = self.json_of(*prompt)["ids"]
        for options in (("--stream", "resident"), ("--stream", "mmap"), ("--cache", "2%"), ("--reader", "pread"), ("--threads", 1),
                        ("--chunk", 2)):
            self.assertEqual(self.json_of(*prompt, *options)["ids"], expected, options)

    def test_a_seed_that_was_drawn_repeats_the_text(self):
        drawn = self.json_of("run", "--json", "-n", 24, "Once upon a time")
        again = self.json_of("run", "--json", "-n", 24, "--seed", drawn["sampling"]["seed"], "Once upon a time")
        self.assertEqual(again["ids"], drawn["ids"])

    def test_a_summary_is_given_to_those_who_ask(self):
        done = self.run_program("run", "--greedy", "-n", 4, "--summary", "Once upon a time")
        self.assertRegex(done.stderr.decode(), r"^sluice: 4 tokens .*tokens/s.*% hits.*\n$")
        verbose = self.run_program("run", "--greedy", "-n", 4, "-v", "Once upon a time").stderr.decode()
        self.assertRegex(verbose, r"dense weights")
        self.assertRegex(verbose, r"seed [0-9]+")


class BehavesInAPipe(ProgramTest):
    def test_a_reader_that_leaves_ends_it_quietly(self):
        process = self.start(*BABBLE)
        self.assertNotEqual(process.stdout.read(10), b"")
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGPIPE)
        self.assertEqual(process.stderr.read(), b"")

    def test_a_reader_that_leaves_ends_it_also_where_the_signal_is_ignored(self):
        process = self.start(*BABBLE, restore_signals=False)  # Python ignores SIGPIPE
        self.assertNotEqual(process.stdout.read(10), b"")
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE_S), 141)
        self.assertEqual(process.stderr.read(), b"")

    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([SLUICE, "run", "--greedy", "-n", "8", "Once"], stdout=full, stderr=subprocess.PIPE,
                                  env=environment(), timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 4)
        self.assertIn(b"No space left", done.stderr)

    def test_ctrl_c_stops_it_with_its_summary(self):
        process = self.start(*BABBLE, "--summary")
        self.assertNotEqual(process.stdout.read(10), b"")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"(interrupted)", errors)


class BehavesAtATerminal(ProgramTest):
    arguments = ("run", "--greedy", "-n", "4", "Once upon a time")

    def test_it_shows_prompt_story_and_summary(self):
        output, code = Terminal(self.arguments).finish()
        self.assertEqual(code, 0)
        plain = RENDITION.sub(b"", output)
        self.assertIn(b"Once upon a time, there was a\r\n", plain)
        self.assertIn(b"sluice: 4 tokens", plain)
        self.assertNotEqual(plain, output)

    def test_it_uses_no_colours_where_they_are_not_wanted(self):
        for changes in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}):
            output, code = Terminal(self.arguments, **changes).finish()
            self.assertEqual(code, 0)
            self.assertIsNone(RENDITION.search(output), changes)

    def test_quiet_is_quiet(self):
        output, _ = Terminal([*self.arguments, "--quiet"]).finish()
        self.assertNotIn(b"sluice:", output)
