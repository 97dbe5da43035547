"""The official clients of OpenAI and Anthropic, as clients/package-lock.json has them."""

import os
import pathlib
import subprocess

from served import PATIENCE_S, SOURCE, ServerTest


class Clients(ServerTest):
    changes = {"SLUICE_API_KEY": "a-secret"}

    def test_all(self):
        packages = SOURCE / "build/clients"
        self.assertTrue((packages / "node_modules").is_dir(), "./dev test installs them")
        tests = pathlib.Path(__file__).parent / "clients/clients.test.mjs"
        environment = {**os.environ, "SLUICE_URL": f"http://127.0.0.1:{self.server.port}", "SLUICE_CLIENTS": str(packages)}
        done = subprocess.run(["node", "--test", tests], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=5 * PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace"))
