"""Runs the program under test, with and without a terminal."""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

SLUICE = os.environ["SLUICE"]
SOURCE = pathlib.Path(__file__).resolve().parents[2]
TINY = SOURCE / "models/tiny-v4"
REFERENCE = SOURCE / "tests/data/reference"
PATIENCE_S = 60  # on a busy machine

# Colours and other renditions; cursor movements and clearing lines are others.
RENDITION = re.compile(rb"\x1b\[[0-9;]*m")


def environment(**changes):
    """This process's, without what would change the program's ways. A change to None removes a variable."""
    result = {key: value for key, value in os.environ.items() if key not in ("SLUICE_MODEL", "NO_COLOR")}
    result["TERM"] = "xterm"
    result["XDG_CACHE_HOME"] = "/dev/null/no-cache"  # what one test learns must not change another's figures
    for key, value in changes.items():
        result.pop(key, None)
        if value is not None:
            result[key] = str(value)
    return result


def hear_ctrl_c():
    """Whoever runs the tests in the background may have Ctrl-C ignored, and programs inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def load_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Terminal:
    """A program whose input, output and errors are one pseudo terminal."""

    def __init__(self, arguments, **changes):
        self.seen = b""
        try:
            self.pid, self.descriptor = pty.fork()
        except OSError as error:
            raise unittest.SkipTest(f"no pseudo terminal is to be had here: {error}") from error
        if self.pid == 0:
            try:
                hear_ctrl_c()
                os.execve(SLUICE, [SLUICE, *arguments], environment(**changes))
            finally:
                os._exit(99)

    def resize(self, rows, columns):
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.descriptor, text.encode())

    def read(self):
        """What came since; nothing at the end."""
        ready, _, _ = select.select([self.descriptor], [], [], PATIENCE_S)
        if not ready:
            raise AssertionError(f"nothing more came after {self.seen!r}")
        try:
            return os.read(self.descriptor, 65536)
        except OSError:  # how Linux says that the other side is closed
            return b""

    def expect(self, pattern):
        """Reads until the pattern was seen, and returns everything up to its end."""
        deadline = time.monotonic() + PATIENCE_S
        pattern = re.compile(pattern.encode())
        while True:
            found = pattern.search(self.seen)
            if found:
                before, self.seen = self.seen[: found.end()], self.seen[found.end() :]
                return before
            more = self.read() if time.monotonic() < deadline else b""
            if not more:
                raise AssertionError(f"{pattern.pattern!r} never came: {self.seen!r}")
            self.seen += more

    def finish(self):
        """The rest of the output, and the exit code (as subprocess has it)."""
        while more := self.read():
            self.seen += more
        _, status = os.waitpid(self.pid, 0)
        os.close(self.descriptor)
        return self.seen, os.waitstatus_to_exitcode(status)


class ProgramTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-cli-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_program(self, *arguments, input="", code=0, **changes):
        """Runs it without a terminal, in an empty folder; checks its exit code."""
        done = subprocess.run(
            [SLUICE, *map(str, arguments)],
            input=input.encode() if isinstance(input, str) else input,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=environment(**changes),
            timeout=PATIENCE_S,
            check=False,
        )
        self.assertEqual(done.returncode, code, done.stderr.decode(errors="replace"))
        return done

    def text_of(self, *arguments, **options):
        return self.run_program(*arguments, **options).stdout.decode()

    def json_of(self, *arguments, **options):
        return json.loads(self.text_of(*arguments, **options))

    def error_of(self, *arguments, **options):
        """What it says when it fails; it must then print no result."""
        done = self.run_program(*arguments, **options)
        self.assertEqual(done.stdout, b"")
        message = done.stderr.decode()
        self.assertTrue(message.startswith("sluice: error: "), message)
        return message

    def start(self, *arguments, **options):
        """Starts it with pipes; whoever does waits for it."""
        process = subprocess.Popen(
            [SLUICE, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=environment(),
            preexec_fn=hear_ctrl_c,
            **options,
        )

        def end():
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()

        self.addCleanup(end)
        return process
