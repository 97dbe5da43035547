"""sluice bench decode and bench prefill: how fast a checkpoint runs."""

import pathlib
import unittest

from program import TINY, ProgramTest

TRACES = pathlib.Path(__file__).resolve().parent.parent / "data" / "traces"
PARTS = ("attention_ns", "routing_ns", "shared_expert_ns", "waiting_ns", "experts_ns", "mixing_ns", "rest_ns")


class BenchSpeed(ProgramTest):
    def test_decode_counts_the_second_half_and_divides_its_time(self):
        found = self.json_of("bench", "decode", "-m", TINY, "--cache", "25%", "-n", "8", "--prompt", "3", "--json")
        self.assertEqual(found["tokens"], 4)
        self.assertEqual(sum(found[part] for part in PARTS), found["elapsed_ns"])
        self.assertGreater(found["memory_bytes_per_second"], 0)
        self.assertIn(found["bound"]["binding"], ("disk", "memory"))

    def test_a_long_context_can_be_pretended(self):
        options = ["-m", TINY, "--cache", "25%", "-n", "4", "--prompt", "1", "--held", "3000"]
        self.assertEqual(self.json_of("bench", "decode", *options, "--json")["tokens"], 2)
        self.error_of("bench", "decode", *options, "--context", "3004", code=5)

    def test_sequences_are_decoded_together(self):
        options = ("-m", TINY, "--cache", "25%", "-n", "8", "--prompt", "3", "--sequences", 3)
        found = self.json_of("bench", "decode", *options, "--json")
        self.assertEqual((found["tokens"], found["sequences"]), (12, 3))
        self.assertIn("Decoding 12 tokens of 3 sequences", self.text_of("bench", "decode", *options))

    def test_prefill_counts_the_prompt(self):
        found = self.json_of("bench", "prefill", "-m", TINY, "--cache", "25%", "--prompt", "20", "--json")
        self.assertEqual(found["tokens"], 20)
        self.assertNotIn("bound", found)

    def test_people_get_lines(self):
        text = self.text_of("bench", "decode", "-m", TINY, "--cache", "25%", "-n", "6")
        self.assertRegex(text, r"\ADecoding 3 tokens, 144 of 576 experts in slots \(direct\)")
        for line in ("tokens/s", "waiting", "routed experts", "touched per token", "reached"):
            self.assertIn(line, text)

    def test_what_the_overlap_is_worth_can_be_measured(self):
        options = ("-m", TINY, "--cache", "25%", "-n", "8", "--policy", "lru", "--prefetch", "off", "--json")
        found = [self.json_of("bench", "decode", *options, *more) for more in ((), ("--no-overlap",))]
        self.assertEqual(*((run["hit_rate"], run["read_bytes_per_token"]) for run in found))

    def test_a_trace_leads_the_routing(self):
        trace = self.folder / "trace.csv"
        self.run_program("run", "-m", TINY, "-q", "--no-heat", "-n", "8", "--trace", trace, "Once upon a time")
        found = self.json_of("bench", "decode", "-m", TINY, "--cache", "25%", "--route-trace", trace, "--json")
        self.assertGreater(found["tokens"], 0)

    def test_what_makes_no_sense_is_2(self):
        trace = TRACES / "qwen3-30b-a3b.csv"
        said = self.error_of("bench", "decode", "-m", TINY, "--route-trace", trace, code=2)
        self.assertIn("has 48 layers and 6 of 128 experts a token", said)
        self.error_of("bench", "decode", "-m", TINY, "-n", "1", code=2)
        self.error_of("bench", "prefill", "-m", TINY, "--prompt", "0", code=2)
        self.error_of("bench", "decode", "-m", TINY, "--route-trace", self.folder / "nowhere", code=3)


if __name__ == "__main__":
    unittest.main()
