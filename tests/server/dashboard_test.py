"""The dashboard in a browser: clients/dashboard.test.mjs. What it looked like stays in build/pictures."""

import os
import pathlib
import subprocess

from served import PATIENCE_S, SOURCE, ServerTest


class Dashboard(ServerTest):
    arguments = ("--cache", "25%")
    changes = {"SLUICE_API_KEY": "a-secret"}

    def test_all(self):
        pictures = SOURCE / "build/pictures"
        pictures.mkdir(parents=True, exist_ok=True)
        tests = pathlib.Path(__file__).parent / "clients/dashboard.test.mjs"
        environment = {**os.environ, "SLUICE_URL": f"http://127.0.0.1:{self.server.port}",
                       "SLUICE_CLIENTS": str(SOURCE / "build/clients"), "SLUICE_PICTURES": str(pictures)}
        done = subprocess.run(["node", "--test", tests], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=5 * PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace"))
