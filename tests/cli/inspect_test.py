"""sluice inspect: what a checkpoint is."""

import os

from program import REFERENCE, TINY, ProgramTest


class Inspects(ProgramTest):
    def test_every_byte_is_accounted_for(self):
        found = self.json_of("inspect", "--json")
        self.assertEqual(found["folder"], str(TINY))
        self.assertEqual(sum(kind["bytes"] for kind in found["weights"]), found["tensor_bytes"])
        self.assertEqual(sum(kind["tensors"] for kind in found["weights"]), found["tensors"])
        headers = sum(8 + int.from_bytes(path.read_bytes()[:8], "little") for path in TINY.glob("*.safetensors"))
        files = sum(os.path.getsize(path) for path in TINY.glob("*.safetensors"))
        self.assertEqual(found["tensor_bytes"] + headers, files)
        self.assertEqual(found["routed_bytes_per_token"], 8 * 6 * found["expert_bytes"])

    def test_the_plan_is_the_one_that_a_run_makes(self):
        plan = self.json_of("inspect", "--json", "--context", 1000)["memory_plan"]
        run = self.json_of("run", "--json", "-n", 1, "--context", 1000, "Once")["memory_plan"]
        for name in ("dense_bytes", "kv_bytes", "workspace_bytes", "slot_bytes", "slots"):
            self.assertEqual(plan[name], run[name], name)

    def test_people_see_the_same(self):
        text = self.text_of("inspect", "-m", TINY)
        for expected in ("routed experts", "MXFP4", "--cache 25%", "144 slots", "A token uses", "without --cache"):
            self.assertIn(expected, text)

    def test_no_tokenizer_is_needed(self):
        folder = REFERENCE / "variants/variant-pro"
        self.assertFalse((folder / "tokenizer.json").exists())
        self.assertIn("24 a layer, 4 for a token", self.text_of("inspect", "-m", folder))
