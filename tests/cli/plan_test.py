"""sluice plan: where memory goes; and that a run keeps to it."""

import contextlib
import json
import os
import pathlib
import resource
import subprocess

from program import SLUICE, TINY, ProgramTest, environment, hear_ctrl_c, load_json

# What a run may exceed its plan by.
TOLERANCE = 1.05
# Room under RLIMIT_DATA for what is reserved and never touched.
RESERVED_BYTES = 64 << 20
# What a control group has in use when a program begins in it: the process itself, and the kernel's pages for it.
GROUP_BYTES = 8 << 20


class Plans(ProgramTest):
    def test_it_is_the_plan_of_a_run(self):
        for numerics in ("exact", "fast"):
            options = ("--cache", "25%", "--context", 1000, "--numerics", numerics)
            plan = self.json_of("plan", "--json", "--no-measure", *options)["memory_plan"]
            run = self.json_of("run", "--json", "-n", 1, *options, "Once")["memory_plan"]
            for plan_of in (plan, run):
                plan_of.pop("available_bytes")
            self.assertEqual(plan, run)

    def test_rows_of_sixteen_bits_halve_the_context(self):
        def context_bytes(*options):
            options = ("--no-measure", "--cache", "25%", "--context", 100_000, *options)
            return self.json_of("plan", "--json", *options)["memory_plan"]["kv_bytes"]

        whole = context_bytes()
        self.assertEqual(whole, context_bytes("--kv", "f32"))
        # But for what blocks are closed from.
        self.assertLess(context_bytes("--kv", "f16"), 0.51 * whole)
        self.assertEqual(context_bytes("--kv", "f16"), context_bytes("--kv", "bf16"))
        self.assertIn("--kv", self.error_of("plan", "--kv", "f8", code=2))

    def test_figures_follow_from_each_other(self):
        found = self.json_of("plan", "--json", "--cache", "25%")
        self.assertLess(0.5, found["expected_hit_rate"])
        self.assertLess(found["expected_hit_rate"], 1)
        self.assertAlmostEqual(found["expected_read_bytes_per_token"] / found["routed_bytes_per_token"],
                               1 - found["expected_hit_rate"], places=4)
        self.assertGreater(found["disk_bytes_per_second"], 0)
        self.assertGreaterEqual(found["most_tokens_per_second"], found["least_tokens_per_second"])

    def test_people_see_the_same(self):
        text = self.text_of("plan", "--cache", "25%")
        for expected in ("Machine", "available", "dense weights", "144 of 576 experts", "hits", "tokens/s"):
            self.assertIn(expected, text)
        self.assertNotIn("tokens/s", self.text_of("plan", "--no-measure"))

    def test_what_does_not_fit_is_refused_with_the_least_that_works(self):
        message = self.error_of("plan", "--memory", "20MB", code=5)
        self.assertRegex(message, r"works from [0-9.]+ MB on")
        self.assertIn("--memory", self.error_of("plan", "--memory", "much", code=2))


class KeepsThePlan(ProgramTest):
    """The peak of a run's resident memory, as the kernel counts it; contexts and chunks that are used to the full."""

    def check(self, *options):
        # The limit is on what is reserved, which thread stacks (1 MB each, here) and the allocator round up.
        plan = self.json_of("plan", "--json", "--no-measure", *options)["memory_plan"]
        limit_bytes = int(plan["total_bytes"] * TOLERANCE) + RESERVED_BYTES

        def prepare():
            hear_ctrl_c()
            resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))
            resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))

        arguments = ("run", "--seed", 1, "-n", 150, "--json", *options, "Once upon a time " * 40)
        with open(self.folder / "out.json", "w+b") as out, open(self.folder / "error.txt", "w+b") as error:
            process = subprocess.Popen([SLUICE, *map(str, arguments)], stdout=out, stderr=error, cwd=self.folder,
                                       env=environment(), preexec_fn=prepare)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            error.seek(0)
            self.assertEqual(process.returncode, 0, error.read().decode())
        self.assertEqual(load_json(self.folder / "out.json")["memory_plan"]["total_bytes"], plan["total_bytes"])
        self.assertLessEqual(usage.ru_maxrss * 1024, plan["total_bytes"] * TOLERANCE, plan)

    def test_of_tiny_v4(self):
        for options in (("--cache", "5%"), ("--cache", "50%"), ("--stream", "resident"), ("--cache", "5%", "--chunk", 16),
                        ("--cache", "5%", "--reader", "pread")):
            with self.subTest(options):
                self.check("-m", TINY, "--context", 900, *options)

    def test_of_a_checkpoint_of_a_few_hundred_megabytes(self):
        model = self.folder / "model"
        self.text_of("synth", model, "--width", "small", "--layers", 4)
        for options in (("--cache", "5%"), ("--cache", "30%"), ("--cache", "5%", "--threads", 16)):
            with self.subTest(options):
                self.check("-m", model, "--context", 900, *options)

    def test_of_many_tensors_and_a_released_vocabulary(self):
        model = self.folder / "model"
        self.text_of("synth", model, "--width", "tiny", "--layers", 20, "--vocab", 129280)
        self.check("-m", model, "--context", 900, "--cache", "5%", "--chunk", 16)


@contextlib.contextmanager
def control_group(limit_bytes):
    """A memory control group, version 1 or 2, with nothing in it yet; None where the system grants none."""
    group = None
    for parent, limit_file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = pathlib.Path(parent, f"sluice-test-{os.getpid()}")
        with contextlib.suppress(OSError):
            folder.mkdir()
            group = folder
            (folder / limit_file).write_text(str(limit_bytes))
            break
        if group:  # made, but it cannot hold memory
            group.rmdir()
            group = None
    try:
        yield group
    finally:
        if group:
            group.rmdir()


class KeepsThePlanInAControlGroup(ProgramTest):
    """The kernel kills what exceeds its group's limit."""

    def run_in(self, group, *arguments):
        def enter():
            (group / "cgroup.procs").write_text(str(os.getpid()))
        return subprocess.run([SLUICE, *map(str, arguments)], capture_output=True, cwd=self.folder, env=environment(),
                              preexec_fn=enter)

    def test_a_run_fits_the_group_that_its_plan_fits(self):
        options = ("-m", TINY, "--context", 900, "--cache", "30%")
        total_bytes = self.json_of("plan", "--json", "--no-measure", *options)["memory_plan"]["total_bytes"]
        limit_bytes = int(total_bytes * TOLERANCE) + GROUP_BYTES
        with control_group(limit_bytes) as group:
            if not group:
                self.skipTest("the system grants no memory control group; KeepsThePlan holds the same by other limits")
            plan = self.run_in(group, "plan", "--json", "--no-measure", *options)
            self.assertEqual(plan.returncode, 0, plan.stderr)
            self.assertLessEqual(json.loads(plan.stdout)["memory_plan"]["available_bytes"], limit_bytes)
            done = self.run_in(group, "run", "--seed", 1, "-n", 150, "--json", *options, "Once upon a time " * 40)
            self.assertEqual(done.returncode, 0, done.stderr)
            refused = self.run_in(group, "run", "-n", 1, *options[:-1], "100%", "Once")
            self.assertEqual(refused.returncode, 5, refused.stderr)
            self.assertRegex(refused.stderr.decode(), "--cache")
