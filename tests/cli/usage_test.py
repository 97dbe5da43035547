"""What every subcommand has in common: finding models, refusing nonsense, exit codes."""

import shutil

from program import REFERENCE, TINY, ProgramTest


class EndsWithACodeForScripts(ProgramTest):
    def test_usage_is_2(self):
        for arguments in (["--bogus"], ["bogus"], ["run", "--bogus", "text"], ["verify"], ["run", "-n", "many", "text"],
                          ["run", "--cache", "1XB", "text"], ["run", "--temperature", "-1", "text"],
                          ["run", "--stream", "mmap", "--cache", "25%", "text"], ["run", "--threads", "5000", "text"],
                          ["run", "--read-threads", "0", "text"], ["help", "bogus"]):
            with self.subTest(arguments):
                self.error_of(*arguments, code=2)

    def test_a_model_that_is_not_there_or_damaged_is_3(self):
        self.assertIn("/nowhere", self.error_of("run", "-m", "/nowhere", "text", code=3))
        self.assertIn("tokenizer.json", self.error_of("run", "-m", REFERENCE / "variants/variant-pro", "text", code=3))
        model = self.folder / "model"
        shutil.copytree(TINY, model)
        (model / "model-00002-of-00003.safetensors").unlink()
        self.assertIn("model-00002-of-00003.safetensors", self.error_of("inspect", "-m", model, code=3))
        (model / "config.json").write_text("{")
        self.assertIn("config.json", self.error_of("run", "-m", model, "text", code=3))

    def test_what_does_not_fit_is_5(self):
        self.assertIn("6 are the least", self.error_of("run", "--cache", "1KB", "text", code=5))
        self.assertIn("--context", self.error_of("run", "--context", "2", "Once upon a time", code=5))

    def test_perplexity_of_nonsense_is_3(self):
        path = self.folder / "text.json"
        path.write_text('{"token_ids": [1, 99999]}')
        self.assertIn("token_ids[1]", self.error_of("perplexity", path, code=3))


class FindsAModel(ProgramTest):
    def test_from_any_folder(self):
        self.assertEqual(self.json_of("inspect", "--json")["folder"], str(TINY))

    def test_by_the_environment_and_rather_by_the_option(self):
        variant = REFERENCE / "variants/variant-bf16"
        self.assertEqual(self.json_of("inspect", "--json", SLUICE_MODEL=variant)["folder"], str(variant))
        self.assertEqual(self.json_of("inspect", "--json", "-m", TINY, SLUICE_MODEL=variant)["folder"], str(TINY))


class MeasuresPerplexity(ProgramTest):
    def test_of_a_text_that_it_has_seen(self):
        path = self.folder / "text.json"
        ids = [0, *map(int, self.text_of("tokenize", "The capital of France is Paris.").split())]
        path.write_text(f'{{"token_ids": {ids}, "window": 4}}')
        found = self.json_of("perplexity", "--json", path)
        self.assertEqual(found["tokens"], len(ids) - 1)
        self.assertEqual(found["windows"], -(-found["tokens"] // 4))
        self.assertGreater(found["perplexity"], 1)
        self.assertIn(f"perplexity {found['perplexity']:.4f}", self.text_of("perplexity", path))
