"""docs/server.md: every example is run as it stands, against a server on another port; and what it and /openapi.json
say there is, is there."""

import json
import re
import subprocess

from served import PATIENCE_S, SOURCE, ServerTest

DOCUMENT = (SOURCE / "docs/server.md").read_text()
COMMANDS = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": ["python3", "-c"],
            "js": ["node", "--input-type=module", "-e"]}


class Examples(ServerTest):
    def outputs(self, language):
        """What each example of a language prints."""
        outputs = []
        for code in re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL):
            self.assertIn("127.0.0.1:8080", code)
            code = code.replace("127.0.0.1:8080", f"127.0.0.1:{self.server.port}")
            done = subprocess.run([*COMMANDS[language], code], capture_output=True, timeout=PATIENCE_S, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""), code)
            outputs.append(done.stdout.decode())
        return outputs

    def test_curl(self):
        chat, text, messages, metrics = self.outputs("sh")
        self.assertEqual(json.loads(chat)["choices"][0]["message"]["content"], "The capital of France is Paris.")
        self.assertTrue(json.loads(text)["choices"][0]["text"])
        story, count = messages.replace("}{", "}\n{").splitlines()
        self.assertIn("Luna", json.loads(story)["content"][0]["text"])
        self.assertGreater(json.loads(count)["input_tokens"], 2)
        self.assertEqual(len(metrics.splitlines()), 3)

    def test_python(self):
        for output in self.outputs("python"):
            self.assertEqual(output, "7 + 8 = 15\n")

    def test_javascript(self):
        (output,) = self.outputs("js")
        call, answer = output.splitlines()
        self.assertEqual(call, 'get_weather {"city": "Paris"}')
        self.assertIn("sunny", answer)


class Descriptions(ServerTest):
    def test_every_path_that_is_described_is_there(self):
        found = self.server.get("/openapi.json").json()
        self.assertTrue(found["openapi"].startswith("3."))
        for path, methods in found["paths"].items():
            for method, description in methods.items():
                with self.subTest(path=path, method=method):
                    # What never ends, HEAD tells about.
                    endless = "text/event-stream" in description["responses"]["200"]["content"] and method == "get"
                    verb = "HEAD" if endless else method.upper()
                    answer = self.server.request(verb, path.replace("{model}", "tiny-v4").replace("{file}", "index.html"), {})
                    self.assertIn(str(answer.status), description["responses"])
                    self.assertEqual(answer.status, 400 if method == "post" else 200)
                    self.assertIn(f"`{method.upper()} {path}`", DOCUMENT)

    def test_required_fields_are_required(self):
        paths = self.server.get("/openapi.json").json()["paths"]
        bodies = {"messages": [{"role": "user", "content": "a"}], "prompt": "a", "max_tokens": 1}
        for path, methods in paths.items():
            if "post" not in methods:
                continue
            schema = methods["post"]["requestBody"]["content"]["application/json"]["schema"]
            body = {"max_tokens": 1, **{name: bodies[name] for name in schema["required"]}}
            self.assertEqual(self.server.post(path, body).status, 200, path)
            for name in schema["required"]:
                self.assertEqual(self.server.post(path, {**body, name: None}).status, 400, (path, name))
            for name, kind in schema["properties"].items():
                wrong = {"string": 7, "integer": "x", "number": "x", "boolean": "x", "array": "x", "object": 7}
                if kind.get("type") not in wrong:
                    continue
                answer = self.server.post(path, {**body, name: wrong[kind["type"]]})
                self.assertEqual(answer.status, 400, (path, name))
                self.assertTrue(answer.json()["error"]["message"].startswith(name + ": "), (path, name))
