"""bench/table.py: one table of what several benchmark programs measured."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TABLE = pathlib.Path(__file__).resolve().parents[2] / "bench/table.py"


def one(name, time, unit="ns", **counters):
    return {"name": name, "run_type": "iteration", "real_time": time, "cpu_time": time / 2, "time_unit": unit, **counters}


class Table(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, name, *benchmarks, **context):
        path = self.folder / name
        path.write_text(json.dumps({"context": context, "benchmarks": benchmarks}))
        return path

    def run_table(self, *arguments):
        done = subprocess.run([sys.executable, TABLE, *map(str, arguments)], capture_output=True, text=True)
        return done.returncode, [line.split("  ") for line in done.stdout.splitlines()], done.stderr

    def cells(self, *arguments):
        code, lines, said = self.run_table(*arguments)
        self.assertEqual((code, said), (0, ""))
        return [[cell.strip() for cell in line if cell] for line in lines]

    def test_all_programs_are_in_one_table_with_the_rate_that_each_counts(self):
        first = self.file("first.json", one("read/1", 1500, bytes_per_second=17.25e9), one("plain", 12.5))
        second = self.file("second.json", one("product", 2, "ms", flops=91e9))
        self.assertEqual(self.cells(first, second), [["name", "time", "rate"], ["read/1", "1.5 us", "17.25 GB/s"],
                                                     ["plain", "12.5 ns"], ["product", "2 ms", "91 GFLOP/s"]])

    def test_of_repetitions_the_median_counts_and_summaries_do_not(self):
        run = self.file("run.json", one("a", 3), one("a", 100), one("a", 2), one("a", 50) | {"run_type": "aggregate"})
        self.assertEqual(self.cells(run)[1:], [["a", "3 ns"]])

    def test_what_is_saved_can_be_compared_with(self):
        saved = self.folder / "saved.json"
        self.cells("--save", saved, self.file("old.json", one("a", 200), one("gone", 1), host_name="here"), self.file("more.json", one("b", 1, "us")))
        self.assertEqual(json.loads(saved.read_text())["context"], {"host_name": "here"})
        new = self.file("new.json", one("a", 100), one("b", 1500), one("added", 1))
        self.assertEqual(self.cells("--compare", saved, "--save", saved, new),
                         [["name", "old", "new", "ratio", "rate"], ["a", "200 ns", "100 ns", "0.500"],
                          ["b", "1 us", "1.5 us", "1.500"], ["added", "-", "1 ns", "-"]])
        self.assertEqual(len(json.loads(saved.read_text())["benchmarks"]), 3)

    def test_a_program_without_such_benchmarks_leaves_nothing(self):
        empty = self.folder / "empty.json"
        empty.write_text("")
        self.assertEqual(len(self.cells(empty, self.file("run.json", one("a", 1)))), 2)
        code, lines, said = self.run_table(empty)
        self.assertEqual((code, lines, said), (1, [], "no benchmark has that in its name\n"))

    def test_a_file_that_is_none_is_named(self):
        run = self.file("run.json", one("a", 1))
        for text in ("{", "[]", '{"benchmarks": 3}'):
            damaged = self.folder / "damaged.json"
            damaged.write_text(text)
            code, lines, said = self.run_table("--compare", damaged, run)
            self.assertEqual((code, lines), (1, []))
            self.assertIn("damaged.json: ", said)
        self.assertIn("nowhere.json", self.run_table("--compare", self.folder / "nowhere.json", run)[2])


if __name__ == "__main__":
    unittest.main()
