"""What runs learn about a checkpoint's experts is kept, and warms the next start."""

from program import ProgramTest

STORY = ("run", "--greedy", "--cache", "25%", "-n", "24", "--json", "Once upon a time")


class HeatPersists(ProgramTest):
    def run_story(self, *options):
        return self.json_of(*STORY, *options, XDG_CACHE_HOME=self.folder / "cache")

    def heat_files(self):
        return list((self.folder / "cache").glob("sluice/*.heat"))

    def test_from_one_run_to_the_next_and_changes_no_token(self):
        cold = self.run_story()
        self.assertEqual(len(self.heat_files()), 1)
        warm = self.run_story()
        self.assertEqual(warm["ids"], cold["ids"])
        self.assertEqual(len(self.heat_files()), 1)

    def test_not_when_switched_off(self):
        self.run_story("--no-heat")
        self.assertEqual(self.heat_files(), [])

    def test_a_damaged_file_is_ignored_and_replaced(self):
        first = self.run_story()
        file = self.heat_files()[0]
        whole = file.read_bytes()
        for damaged in (b"", b"nonsense", whole[:-1], whole[:40] + b"\xff" + whole[41:]):
            file.write_bytes(damaged)
            self.assertEqual(self.run_story()["ids"], first["ids"])
            self.assertNotEqual(file.read_bytes(), damaged)

    def test_a_folder_that_cannot_be_written_is_no_error(self):
        self.json_of(*STORY, XDG_CACHE_HOME="/dev/null/no-cache")
