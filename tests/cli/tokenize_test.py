"""sluice tokenize: text to ids and back."""

import json

from program import SOURCE, ProgramTest, load_json

CASES = load_json(SOURCE / "tests/data/text/tokenizer_cases.json")


class Tokenizes(ProgramTest):
    def test_all_cases_in_one_text_come_back(self):
        text = "\n".join(case["text"] for case in CASES)
        ids = self.text_of("tokenize", input=text)
        self.assertGreater(len(ids.split()), 100)
        self.assertEqual(self.text_of("tokenize", "--decode", input=ids), text)

    def test_bytes_that_are_no_text_come_back(self):
        data = bytes(range(256)) + b"\xff\xfe\n"
        ids = self.text_of("tokenize", input=data)
        self.assertEqual(self.run_program("tokenize", "-d", input=ids).stdout, data)

    def test_ids_are_the_references(self):
        for case in CASES[:8]:
            with self.subTest(case["text"]):
                found = self.json_of("tokenize", "--special", "--json", "--file", "-", input=case["text"])
                self.assertEqual(found["ids"], case["ids"])

    def test_special_tokens_only_when_asked_for(self):
        text = "<｜User｜>"
        self.assertEqual(self.text_of("tokenize", "--special", text), "3\n")
        self.assertNotIn("3", self.text_of("tokenize", text).split())

    def test_pieces(self):
        self.assertEqual(self.text_of("tokenize", "--pieces", "Once upon"), '713\t"Once"\n680\t" upon"\n')
        found = self.json_of("tokenize", "--pieces", "--json", "Once upon")
        self.assertEqual(found, {"ids": [713, 680], "pieces": ["Once", " upon"]})

    def test_decoding(self):
        self.assertEqual(self.text_of("tokenize", "--decode", "713", "680"), "Once upon")
        self.assertEqual(self.json_of("tokenize", "--decode", "--json", input=json.dumps([713, 680])), {"text": "Once upon"})
        for nonsense in ("2048", "-1", "seven"):
            self.assertIn(nonsense, self.error_of("tokenize", "--decode", "--", nonsense, code=2))
