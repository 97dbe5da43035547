"""sluice checksum: digests of every expert."""

import json
import re
import shutil

from program import TINY, ProgramTest


class RecordsAndChecks(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        shutil.copytree(TINY, self.model)
        for path in (self.model, *self.model.iterdir()):
            path.chmod(0o755)

    def test_an_untouched_checkpoint_is_as_recorded(self):
        self.assertIn("576 experts", self.text_of("checksum", self.model))
        self.assertTrue((self.model / "sluice-digests.bin").exists())
        self.assertEqual(self.text_of("checksum", "--check", self.model), "all 576 experts are as recorded\n")

    def test_one_flipped_bit_is_found_and_named(self):
        digests = self.folder / "digests"
        self.text_of("checksum", self.model, "--output", digests)
        self.assertFalse((self.model / "sluice-digests.bin").exists())
        shard = self.model / "model-00001-of-00003.safetensors"
        with open(shard, "r+b") as file:
            header = 8 + int.from_bytes(file.read(8), "little")
            file.seek(header + 3910559)  # layers.0.ffn.experts.0.w1.weight
            byte = file.read(1)[0]
            file.seek(header + 3910559)
            file.write(bytes([byte ^ 4]))
        found = self.json_of("checksum", "--check", "--json", self.model, "-o", digests, code=1)
        self.assertEqual(found, {"experts": 576, "damaged": [{"layer": 0, "expert": 0}]})
        self.assertIn("layer 0, expert 0", self.text_of("checksum", "--check", self.model, "-o", digests, code=1))

    def test_what_is_missing_or_damaged_is_said(self):
        self.assertIn("sluice-digests.bin", self.error_of("checksum", "--check", self.model, code=3))
        (self.model / "sluice-digests.bin").write_bytes(b"SLUICEDG" + bytes(40))
        self.assertIn("run sluice checksum again", self.error_of("checksum", "--check", self.model, code=3))
        self.assertIn("--output", self.error_of("checksum", self.model, "-o", "/proc/nowhere", code=4))

    def test_a_run_can_compare_what_it_reads(self):
        run = ("run", "-m", self.model, "--verify-reads", "--greedy", "-n", "8", "--cache", "10%", "Once")
        self.assertIn("sluice-digests.bin", self.error_of(*run, code=3))
        self.text_of("checksum", self.model)
        unchecked = [option for option in run if option != "--verify-reads"]
        self.assertEqual(self.text_of(*run), self.text_of(*unchecked))
        for shard in self.model.glob("*.safetensors"):
            with open(shard, "r+b") as file:
                header = int.from_bytes(file.read(8), "little")
                for name, tensor in json.loads(file.read(header)).items():
                    if re.search(r"experts\.[0-9]+\.w1\.weight", name):
                        file.seek(8 + header + tensor["data_offsets"][0])
                        byte = file.read(1)[0]
                        file.seek(-1, 1)
                        file.write(bytes([byte ^ 1]))
        done = self.run_program(*run, code=3)
        self.assertRegex(done.stderr, rb"layer [0-9]+, expert [0-9]+")
