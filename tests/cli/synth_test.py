"""sluice synth: checkpoints of random weights."""

import os
import shutil
import signal
import tempfile
import unittest

from program import PATIENCE_S, ProgramTest


class WritesCheckpoints(ProgramTest):
    def test_that_are_inspected_verified_and_run(self):
        model = self.folder / "model"
        written = self.json_of("synth", model, "--width", "tiny", "--layers", 5, "--shard", "4MB", "--vocab", 1000, "--json")
        self.assertEqual(written["bytes"], sum(path.stat().st_size for path in model.iterdir()))
        self.assertGreater(written["shards"], 1)
        found = self.json_of("inspect", "-m", model, "--json")
        self.assertEqual(found["config"]["compress_ratios"], [0, 0, 4, 128, 4])
        self.assertEqual(found["experts"], 5 * 64)
        run = ("run", "-m", model, "--seed", 1, "-n", 200, "--json", "Once upon a time")
        first = self.json_of(*run)
        self.assertGreater(len(set(first["ids"])), 20)
        self.assertEqual(self.json_of(*run, "--cache", "10%", "--threads", 1)["ids"], first["ids"])

    def test_skewed_routing_fills_a_cache_with_what_is_popular(self):
        rates = {}
        for skew in (0, 0.8):
            model = self.folder / f"skew{skew}"
            self.text_of("synth", model, "--width", "tiny", "--layers", 4, "--skew", skew)
            # Without guesses, which of them are hits does not depend on how fast the disk is.
            run = ("run", "-m", model, "--seed", 1, "-n", 200, "--cache", "25%", "--prefetch", "off", "--json", "Once")
            stats = self.json_of(*run)["stats"]["decode"]
            rates[skew] = stats["hits"] / (stats["hits"] + stats["misses"])
        self.assertGreater(rates[0.8], rates[0] + 0.1)

    def test_folders_with_anything_in_them_are_refused(self):
        (self.folder / "mine").write_text("precious")
        self.assertIn("not empty", self.error_of("synth", self.folder, code=2))
        self.assertIn("is a file", self.error_of("synth", self.folder / "mine", code=2))
        self.assertIn("--layers", self.error_of("synth", self.folder / "new", "--layers", 0, code=2))

    @unittest.skipIf(shutil.disk_usage(tempfile.gettempdir()).free > 700e9, "the disk has room for the largest")
    def test_a_disk_without_room_is_refused_before_anything_is_written(self):
        message = self.error_of("synth", self.folder / "new", "--width", "pro", "--layers", 61, code=5)
        self.assertIn("GB are needed", message)
        self.assertFalse((self.folder / "new").exists())

    def test_ctrl_c_leaves_nothing_behind(self):
        model = self.folder / "model"
        process = self.start("synth", model, "--width", "flash", "--layers", 1)
        while not any(path.stat().st_size for path in model.glob("*.safetensors")):
            self.assertIsNone(process.poll())
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE_S), 130)
        self.assertFalse(model.exists())
