"""sluice verify: yes or no."""

import json
import struct

from program import REFERENCE, ProgramTest

VARIANT = REFERENCE / "variants/variant-bf16"


class Verifies(ProgramTest):
    def verify(self, reference, *options, code=0):
        return self.run_program("verify", "-m", VARIANT, "--reference", reference, *options, code=code).stdout.decode()

    def tampered(self, tensor, bytes_of_first_value):
        """A copy of the reference in which the first value of a tensor is another one."""
        data = bytearray((VARIANT / "reference.safetensors").read_bytes())
        (header_bytes,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + header_bytes])
        begin = 8 + header_bytes + header[tensor]["data_offsets"][0]
        data[begin : begin + len(bytes_of_first_value)] = bytes_of_first_value
        path = self.folder / "tampered.safetensors"
        path.write_bytes(data)
        return path

    def test_a_good_reference_passes(self):
        table = self.verify(VARIANT / "reference.safetensors").splitlines()
        self.assertRegex(table[0], r"^case +schedule +quantity")
        self.assertRegex(table[-1], r"^PASS")
        self.assertNotIn("BEYOND", "".join(table))
        found = json.loads(self.verify(VARIANT / "reference.safetensors", "--json", "--stream", "mmap"))
        self.assertTrue(found["within"])
        self.assertEqual(len(found["rows"]), len(table) - 2)

    def test_fast_numerics_have_bounds_of_their_own(self):
        table = self.verify(VARIANT / "reference.safetensors", "--numerics", "fast").splitlines()
        self.assertIn("fast numerics (mean error 1e-03", table[-1])
        found = json.loads(self.verify(VARIANT / "reference.safetensors", "--numerics", "fast", "--json"))
        self.assertEqual((found["numerics"], found["mean_error_bound"]), ("fast", 1e-3))
        self.error_of("verify", "-m", VARIANT, "--reference", VARIANT, "--numerics", "quick", code=2)

    def test_ties_are_counted(self):
        verify = ("verify", "-m", VARIANT, "--reference", VARIANT / "reference.safetensors", "--numerics", "fast")
        found = json.loads(self.run_program(*verify, "--json").stdout)
        self.assertTrue(found["within"])
        self.assertEqual(found["ties"], sum(row["ties"] for row in found["rows"]))
        self.assertEqual(found["near"], sum(row["near"] for row in found["rows"]))
        near = {row["quantity"] for row in found["rows"] if row["near"] > 0}
        self.assertEqual(near, {"experts", "index blocks"})
        table = self.run_program(*verify).stdout.decode().splitlines()
        self.assertIn(f"ties: {found['ties']} of {found['near']} choices too near", table[-1])

    def test_a_tampered_reference_fails(self):
        path = self.tampered("logits", struct.pack("<f", 100.0))
        table = self.verify(path, code=1).splitlines()
        self.assertRegex(table[-1], r"^FAIL")
        self.assertRegex("\n".join(table), r"logits .*BEYOND")
        self.assertFalse(json.loads(self.verify(path, "--json", code=1))["within"])
        quiet = self.verify(path, "--quiet", code=1).splitlines()
        self.assertTrue(all("BEYOND" in line for line in quiet[:-1]), quiet)

    def test_not_a_number_does_not_pass_for_small(self):
        self.verify(self.tampered("logits", struct.pack("<f", float("nan"))), code=1)

    def test_a_damaged_reference_is_a_problem_of_the_file(self):
        path = self.tampered("input_ids", struct.pack("<i", 1 << 30))
        message = self.error_of("verify", "-m", VARIANT, "--reference", path, code=3)
        self.assertIn("input_ids", message)
        self.error_of("verify", "-m", VARIANT, "--reference", self.folder / "nowhere", code=3)
