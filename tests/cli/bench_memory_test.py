"""sluice bench memory: what plain reading of memory brings."""

import unittest

from program import ProgramTest

QUICK = ["--size", "4MiB", "--rounds", "1"]


class BenchMemory(ProgramTest):
    def test_a_row_for_each_count_of_threads(self):
        found = self.json_of("bench", "memory", "--threads", "1,3", *QUICK, "--json")
        self.assertEqual((found["size_bytes"], found["rounds"]), (4 << 20, 1))
        self.assertEqual([row["threads"] for row in found["rows"]], [1, 3])
        for row in found["rows"]:
            self.assertGreater(row["bytes_per_second"], 0)

    def test_without_counts_the_first_is_one_and_none_comes_twice(self):
        rows = self.json_of("bench", "memory", *QUICK, "--json")["rows"]
        counts = [row["threads"] for row in rows]
        self.assertEqual(counts[0], 1)
        self.assertEqual(counts, sorted(set(counts)))

    def test_people_get_a_table(self):
        lines = self.text_of("bench", "memory", "--threads", "2", *QUICK).splitlines()
        self.assertEqual(lines[0], "plain reading of 4.19 MB")
        self.assertRegex(lines[1], "threads +GB/s +per thread")
        self.assertRegex(lines[2], r"^ +2 +\d+\.\d\d +\d+\.\d\d$")
        self.assertEqual(len(lines), 3)

    def test_what_makes_no_sense_is_2(self):
        for arguments in (["--threads", "0"], ["--threads", "2,x"], ["--size", "7"], ["--size", "much"], ["--rounds", "0"]):
            with self.subTest(arguments):
                self.error_of("bench", "memory", *arguments, code=2)
        self.error_of("bench", "memory", "--size", "1000TB", code=5)


if __name__ == "__main__":
    unittest.main()
