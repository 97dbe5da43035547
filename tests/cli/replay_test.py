"""sluice run --trace and sluice replay: what was asked for, and how often policies would have had it."""

from program import ProgramTest

HEAD = "# sluice-trace v1\n# model=m layers=1 experts=4 experts_per_token=1 expert_bytes=1000\nphase,token,layer,experts,weights\n"


class Replays(ProgramTest):
    def trace(self, lines):
        path = self.folder / "trace.csv"
        path.write_text(HEAD + lines)
        return path

    def test_a_recorded_run_replays(self):
        path = self.folder / "story.csv"
        run = self.json_of("run", "--greedy", "--json", "-n", "30", "--trace", path, "Once upon a time")
        lines = path.read_text().splitlines()
        self.assertEqual(lines[0], "# sluice-trace v2")
        self.assertIn("model=tiny-v4 ", lines[1])
        found = self.json_of("replay", "--trace", path, "--json")
        self.assertEqual(found["prefill_tokens"], run["stats"]["prompt_tokens"])
        self.assertEqual(found["decode_tokens"], len(run["ids"]) - 1)  # the last one is never taken in
        self.assertEqual(len(lines) - 3, (found["prefill_tokens"] + found["decode_tokens"]) * found["layers"])
        rates = {(row["policy"], row["capacity"]): row["hit_rate"] for row in found["rows"]}
        for (policy, capacity), rate in rates.items():
            self.assertLessEqual(rate, rates["belady", capacity], policy)
        self.assertGreater(rates["belady", 0.4], rates["belady", 0.08])
        # Recording changes nothing, and neither does what recorded: the second run is the first one.
        again = self.json_of("run", "--greedy", "--json", "-n", "30", "--cache", "10%", "--chunk", "2", "--trace",
                             self.folder / "again.csv", "Once upon a time")
        self.assertEqual(again["ids"], run["ids"])
        self.assertEqual((self.folder / "again.csv").read_text(), path.read_text())

    def test_the_table_has_a_line_for_every_policy(self):
        path = self.trace("prefill,0,0,2,1\ndecode,1,0,2,1\ndecode,2,0,3,1\n")
        text = self.text_of("replay", "--trace", path, "--capacity", "25%,100%", "--policy", "lru,forecast")
        self.assertIn("1 tokens to warm up, 2 counted", text)
        self.assertRegex(text, r"(?m)^lru +50\.0 % +50\.0 %$")
        self.assertRegex(text, r"(?m)^forecast +50\.0 % +50\.0 %$")
        self.assertNotIn("belady", text)

    def test_mistakes_are_named(self):
        path = self.trace("prefill,0,0,2,1\ndecode,1,0,2,1\n")
        message = self.error_of("replay", "--trace", path, "--capacity", "50%", "--policy", "lru,fifo", code=2)
        self.assertIn('no policy "fifo"; there are lru-per-layer, lru,', message)
        self.assertIn('"lots"', self.error_of("replay", "--trace", path, "--capacity", "8%,lots", code=2))
        self.assertIn("give at least 25 %", self.error_of("replay", "--trace", path, "--capacity", "8%", code=2))
        self.assertIn("nowhere", self.error_of("replay", "--trace", self.folder / "nowhere", code=3))
        self.assertIn("--trace", self.error_of("replay", code=2))

    def test_damaged_and_empty_traces_are_a_problem_of_the_file(self):
        self.assertIn("trace.csv:5: ", self.error_of("replay", "--trace", self.trace("decode,0,0,2,1\ndecode,1\n"), code=3))
        self.assertIn("decode", self.error_of("replay", "--trace", self.trace("prefill,0,0,2,1\n"), code=3))

    def test_a_trace_that_cannot_be_written_is_said_before_the_run(self):
        path = self.folder / "no" / "such" / "folder"
        message = self.error_of("run", "--trace", path, "Once upon a time", code=4)
        self.assertIn(str(path), message)
