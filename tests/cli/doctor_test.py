"""sluice doctor: does a model run here, and what would make it faster."""

import os
import resource
import shutil
import subprocess

from program import RENDITION, SLUICE, TINY, ProgramTest, Terminal, environment

SUBJECTS = ["checkpoint", "tokenizer", "processor", "cores", "memory", "disk", "direct reads", "io_uring",
            "locked memory", "open files", "huge pages"]


def health(found):
    return {check["subject"]: check["health"] for check in found["checks"]}


class Examines(ProgramTest):
    def test_a_model_that_runs(self):
        found = self.json_of("doctor", "--json")
        self.assertEqual(found["folder"], str(TINY))
        self.assertTrue(found["runs"])
        self.assertEqual(list(health(found)), SUBJECTS)
        self.assertEqual(health(found)["checkpoint"], "ok")
        self.assertGreater(found["disk_bytes_per_second"], 0)
        self.assertEqual(found["machine"]["cores"], len(os.sched_getaffinity(0)))
        self.assertEqual(found["memory_plan"]["experts"], 576)

    def test_people_see_the_same(self):
        text = self.text_of("doctor", "--no-measure")
        for subject in SUBJECTS:
            self.assertIn(f" {subject} ", text)
        self.assertIn("It runs", text)
        self.assertNotIn("random reads", text)

    def test_colours_are_for_terminals(self):
        self.assertNotIn("\x1b", self.text_of("doctor", "--no-measure"))
        for no_color, expected in ((None, True), ("1", False)):
            shown, code = Terminal(["doctor", "--no-measure"], NO_COLOR=no_color).finish()
            self.assertEqual(code, 0, shown)
            self.assertEqual(bool(RENDITION.search(shown)), expected, shown)

    def test_every_damaged_shard_is_named(self):
        model = self.folder / "model"
        shutil.copytree(TINY, model)
        shards = sorted(model.glob("*.safetensors"))
        shards[0].unlink()
        with open(shards[1], "r+b") as file:
            file.truncate(os.path.getsize(shards[1]) - 1)
        found = self.json_of("doctor", "--json", "-m", model, code=1)
        self.assertFalse(found["runs"])
        self.assertEqual(health(found)["checkpoint"], "broken")
        for shard in shards[:2]:
            self.assertIn(shard.name, found["advice"][0]["text"])
        self.assertNotIn(shards[2].name, found["advice"][0]["text"])

    def test_a_model_that_is_not_there(self):
        self.assertIn("no such folder", self.text_of("doctor", "-m", "/nowhere", code=1))

    def test_a_tokenizer_is_needed(self):
        model = self.folder / "model"
        shutil.copytree(TINY, model)
        (model / "tokenizer.json").write_text("{")
        found = self.json_of("doctor", "--json", "--no-measure", "-m", model, code=1)
        self.assertEqual([name for name, state in health(found).items() if state == "broken"], ["tokenizer"])

    def test_limits_are_this_process_s(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

        done = subprocess.run([SLUICE, "doctor", "--no-measure"], cwd=self.folder, env=environment(), preexec_fn=limit,
                              stdout=subprocess.PIPE, check=True)
        self.assertRegex(done.stdout.decode(), r"better +open files +at most 100")
