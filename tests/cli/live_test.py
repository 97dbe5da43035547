"""sluice run --live and --telemetry: what the engine does, while it does it."""

import json

from program import ProgramTest, Terminal

STORY = ("run", "--greedy", "--cache", "10%", "-n", "24")


class WritesTelemetry(ProgramTest):
    def test_a_line_for_every_pass_and_together_they_are_the_whole_run(self):
        file = self.folder / "telemetry.jsonl"
        stats = self.json_of(*STORY, "--json", "--telemetry", file, "Once upon a time")["stats"]
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        decode = [line for line in lines if line["phase"] == "decode"]
        self.assertEqual(sum(line["tokens"] for line in lines), stats["prompt_tokens"] + stats["new_tokens"] - 1)
        for counter in ("hits", "misses"):
            counted = sum(line["counters"][counter] for line in lines)
            self.assertEqual(counted, stats["prefill"][counter] + stats["decode"][counter])
        self.assertEqual(len(decode), stats["new_tokens"])
        for line in decode[1:]:
            self.assertGreater(line["tokens_per_second"], 0)
            self.assertTrue(0 <= line["hit_rate"] <= 1)
        self.assertEqual([line["at_ns"] for line in lines], sorted(line["at_ns"] for line in lines))

    def test_a_file_that_cannot_be_written_is_an_error(self):
        message = self.error_of(*STORY, "--telemetry", self.folder / "no/such/file", "Once", code=4)
        self.assertIn("no/such/file", message)

    def test_a_full_disk_is_an_error(self):
        done = self.run_program(*STORY, "--telemetry", "/dev/full", "Once", code=4)
        self.assertIn(b"/dev/full", done.stderr)


class ShowsALine(ProgramTest):
    def test_in_the_last_row_and_gives_it_back(self):
        terminal = Terminal([*STORY, "--live", "Once upon a time"])
        terminal.resize(24, 100)
        output, code = terminal.finish()
        self.assertEqual(code, 0)
        self.assertRegex(output, rb"\x1b\[1;23r")
        self.assertRegex(output, rb"\x1b\[24;1H.*tokens/s")
        self.assertGreater(output.rfind(b"\x1b[r"), output.rfind(b"\x1b[1;23r"))

    def test_not_where_nobody_looks(self):
        done = self.run_program(*STORY, "--live", "Once upon a time")
        self.assertNotIn(b"\x1b", done.stdout + done.stderr)
