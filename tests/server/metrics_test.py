"""/metrics: the text format, and that the figures are those of what happened."""

import re
import subprocess

from served import PATIENCE_S, ServerTest, user

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABELS = r'\{[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*\}'
SAMPLE = re.compile(rf"^({NAME})({LABELS})? (\S+)$")
UNITS = ("_seconds", "_bytes", "_total", "_requests", "_running", "_waiting", "_slots", "_sequences")


def parse(text):
    """{metric: (type, {(sample, labels): value})}; an AssertionError for what Prometheus would not take."""
    assert text.endswith("\n"), "the last line must end"
    metrics, name = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, explanation = line.split(" ", 3)
            assert name not in metrics and explanation, line
            continue
        if line.startswith("# TYPE "):
            _, _, typed, kind = line.split(" ")
            assert typed == name and kind in ("counter", "gauge", "histogram"), line
            metrics[name] = (kind, {})
            continue
        found = SAMPLE.match(line)
        assert found, line
        sample, labels, value = found.groups()
        kind, samples = metrics[name]
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        assert sample in [name + suffix for suffix in suffixes], line
        assert (sample, labels) not in samples, line
        samples[sample, labels] = float(value)
    return metrics


class Metrics(ServerTest):
    arguments = ("--cache", "25%")

    def read(self):
        answer = self.server.get("/metrics")
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        return parse(answer.body.decode())

    def test_names_and_units(self):
        for name, (kind, samples) in self.read().items():
            self.assertTrue(name.startswith("sluice_"))
            self.assertEqual(kind == "counter", name.endswith("_total"), name)
            self.assertTrue(name.endswith(UNITS), name)
            self.assertTrue(all(value >= 0 for value in samples.values()))

    def test_promtool_finds_nothing_to_say(self):
        self.server.post("/v1/completions", {"prompt": "a", "max_tokens": 3})
        self.server.post("/v1/completions", {"prompt": [1 << 30]})  # an error to count
        text = self.server.get("/metrics").body
        self.assertIn(b"sluice_generation_errors_total{", text)
        done = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=False)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, ""))

    def test_histograms_are_cumulative(self):
        self.server.post("/v1/completions", {"prompt": "a", "max_tokens": 3})
        histograms = [(name, samples) for name, (kind, samples) in self.read().items() if kind == "histogram"]
        self.assertEqual(len(histograms), 4)
        for name, samples in histograms:
            buckets = [(labels, value) for (sample, labels), value in samples.items() if sample.endswith("_bucket")]
            bounds = [float(labels[len('{le="'):-len('"}')]) for labels, _ in buckets]
            self.assertEqual(bounds, sorted(bounds))
            self.assertEqual(bounds[-1], float("inf"))
            counts = [value for _, value in buckets]
            self.assertEqual(counts, sorted(counts))
            self.assertEqual(counts[-1], samples[name + "_count", None])
            self.assertGreater(counts[-1], 0)

    def test_counts_what_happened(self):
        def value(metrics, name, labels=None):
            return metrics[name][1].get((name, labels), 0)

        before = self.read()
        done = self.server.post("/v1/chat/completions", {"messages": [user("Tell me a story.")], "max_tokens": 20, "seed": 3}).json()
        self.assertEqual(self.server.post("/v1/chat/completions", {}).status, 400)
        after = self.read()

        def grown(name, labels=None):
            return value(after, name, labels) - value(before, name, labels)

        self.assertEqual(grown("sluice_prompt_tokens_total"), done["usage"]["prompt_tokens"])
        self.assertEqual(grown("sluice_generated_tokens_total"), done["usage"]["completion_tokens"])
        for status in (200, 400):
            self.assertEqual(grown("sluice_http_requests_total", f'{{endpoint="/v1/chat/completions",status="{status}"}}'), 1)
        self.assertEqual(value(after, "sluice_batch_sequences"), 0)
        # All tokens but the last one go through the model; a few passes for the prompt, then one each.
        tokens = done["usage"]["prompt_tokens"] + done["usage"]["completion_tokens"] - 1
        self.assertEqual(grown("sluice_pass_tokens_total"), tokens)
        self.assertEqual(grown("sluice_passes_total"), done["usage"]["completion_tokens"])
        # Eight layers, six experts a token; a chunk asks for each of its experts once.
        requested = grown("sluice_expert_hits_total") + grown("sluice_expert_misses_total")
        self.assertGreaterEqual(requested, 19 * 8 * 6)
        self.assertGreater(grown("sluice_disk_read_bytes_total"), 0)
        self.assertEqual(value(after, "sluice_expert_slots"), 9 * 64 // 4)  # with those of the block that predicts ahead
