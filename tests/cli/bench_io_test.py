"""sluice bench io: what the disk gives."""

import os
import shutil
import unittest

from program import TINY, ProgramTest

QUICK = ["--depth", "1,3", "--seconds", "0.01", "--rounds", "2"]


class BenchIo(ProgramTest):
    def file_of(self, size_bytes):
        path = self.folder / "blocks.bin"
        path.write_bytes(os.urandom(size_bytes))
        return path

    def test_the_experts_of_a_checkpoint(self):
        found = self.json_of("bench", "io", "-m", TINY, *QUICK, "--no-fio", "--json")
        (subject,) = found["subjects"]
        self.assertIn(str(TINY), subject["subject"])
        self.assertEqual([row["depth"] for row in subject["rows"]], [1, 3])
        for row in subject["rows"]:
            self.assertGreater(row["bytes_per_second"], 0)
            self.assertGreaterEqual(row["p99_latency_ns"], row["median_latency_ns"])
            self.assertNotIn("of_fio", row)

    def test_blocks_of_a_file_by_either_reader(self):
        path = self.file_of(1 << 20)
        for reader in ("auto", "pread"):
            table = self.text_of("bench", "io", "--file", path, "--block", "64KiB", "--reader", reader, *QUICK, "--no-fio")
            lines = table.splitlines()
            self.assertIn("blocks of 65.5 KB", lines[0])
            self.assertRegex(lines[1], "^by pread on 3 threads" if reader == "pread" else "^by (io_uring|pread)")
            self.assertRegex(lines[2], "depth +GB/s")
            self.assertEqual([line.split()[0] for line in lines[3:]], ["1", "3"])

    def test_what_makes_no_sense_is_2(self):
        path = self.file_of(8192)
        for arguments in (["--file", path], ["--file", path, "--block", "0"], ["--file", path, "--block", "much"],
                          ["--depth", "0"], ["--depth", "5000"], ["--seconds", "0"], ["--reader", "psychic"]):
            with self.subTest(arguments):
                self.error_of("bench", "io", *arguments, "--no-fio", code=2)
        self.error_of("bench", code=2)
        self.error_of("bench", "io", "--file", self.folder / "nowhere", "--no-fio", code=3)

    def test_without_fio_it_says_so_and_goes_on(self):
        done = self.run_program("bench", "io", *QUICK, PATH=str(self.folder))
        self.assertEqual(done.stderr.decode(), "no comparison with fio: fio is not installed\n")
        self.assertNotIn("%", done.stdout.decode())
        self.assertEqual(self.run_program("bench", "io", *QUICK, "-q", PATH=str(self.folder)).stderr, b"")

    @unittest.skipUnless(shutil.which("fio"), "fio is not installed")
    def test_beside_fio(self):
        path = self.file_of(1 << 22)
        found = self.json_of("bench", "io", "--file", path, "--block", "64KiB", "--depth", "4", "--seconds", "0.1",
                             "--rounds", "1", "--json")
        (row,) = found["subjects"][0]["rows"]
        self.assertAlmostEqual(row["of_fio"], row["bytes_per_second"] / row["fio_bytes_per_second"])
