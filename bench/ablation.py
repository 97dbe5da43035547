#!/usr/bin/env python3
"""What each part of the streaming engine is worth: decodes with one more of them at a time, variants in turn.

    bench/ablation.py -m DIR --cache 10% [--rounds 3] [-n 40] [--threads N] [--json FILE]

Prints a table of medians. DIR should hold more experts than the machine's memory; where it does not, the row of mmap
is measured in a memory control group (which takes root) with as much memory as the other rows' plan, so that the
page cache has what they have.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MMAP = "mmap"
PLAIN = ["--policy", "lru", "--prefetch", "off"]
VARIANTS = [
    (MMAP, ["--stream", "mmap", "--prefetch", "off"]),
    ("one read at a time, then computed", [*PLAIN, "--no-overlap", "--reader", "pread", "--read-threads", "1"]),
    ("all of a layer's at once, then computed", [*PLAIN, "--no-overlap"]),
    ("+ overlap: computed as they arrive", PLAIN),
    ("+ certain prefetch", ["--policy", "lru", "--prefetch", "certain"]),
    ("+ lookahead", ["--policy", "lru"]),
    ("+ forecast policy (the default)", []),
]


class ControlGroup:
    """A memory control group of its own (version 1 or 2), for as long as it is open; None where there can be none."""

    def __init__(self, folder, limit_file, limit_bytes):
        self.folder = folder
        folder.mkdir()
        (folder / limit_file).write_text(str(limit_bytes))

    @staticmethod
    @contextlib.contextmanager
    def of(limit_bytes):
        group = None
        for parent, limit_file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            with contextlib.suppress(OSError):
                group = ControlGroup(pathlib.Path(parent) / f"sluice-ablation-{os.getpid()}", limit_file, limit_bytes)
                break
        try:
            yield group
        finally:
            if group:
                group.folder.rmdir()

    def enter(self):
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))


def forget_pages(model):
    """Takes the shards out of the page cache: pages that another group paid for would be a gift."""
    for shard in pathlib.Path(model).glob("*.safetensors"):
        with open(shard, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(command, group=None):
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=group.enter if group else None)
    if done.returncode != 0:
        # -9 in a control group: measuring the rates of memory took more than a small model's plan.
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


def measure(options, arguments, group):
    command = [options.sluice, "bench", "decode", "-m", options.model, "-n", str(options.tokens), "--prompt", "4",
               "--context", "512", "--json", *arguments]
    if options.threads:
        command += ["--threads", str(options.threads)]
    if "mmap" not in arguments:
        return run([*command, "--cache", options.cache])
    forget_pages(options.model)
    return run(command, group)


def plan_bytes(options):
    plan = run([options.sluice, "plan", "-m", options.model, "--cache", options.cache, "--context", "512", "--json",
                "--no-measure"])["memory_plan"]
    return sum(plan[part] for part in ("dense_bytes", "kv_bytes", "workspace_bytes", "program_bytes", "experts_bytes"))


def row_of(name, found):
    def median(of):
        return statistics.median(of(run) for run in found)

    cells = [
        name,
        f"{median(lambda run: run['tokens_per_second']):.2f}",
        f"{100 * median(lambda run: run['hit_rate']):.0f} %",
        f"{median(lambda run: run['read_bytes_per_token']) / 1e9:.3f} GB",
        f"{100 * median(lambda run: run['waiting_ns'] / run['elapsed_ns']):.0f} %",
    ]
    if name == MMAP:  # when its device is busy, the kernel knows alone
        return cells + ["", ""]
    return cells + [
        f"{100 * median(lambda run: run['device_busy_share']):.0f} %",
        f"{100 * median(lambda run: run['read_bytes_per_second'] / run['disk_bytes_per_second']):.0f} %",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--cache", default="10%")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-n", "--tokens", type=int, default=40)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", help="keeps every figure in this file")
    parser.add_argument("--sluice", default=str(ROOT / "build" / "release" / "sluice"))
    options = parser.parse_args()
    found = {name: [] for name, _ in VARIANTS}
    with ControlGroup.of(plan_bytes(options)) as group:
        for turn in range(options.rounds):
            for name, arguments in VARIANTS:
                if name == MMAP and not group:
                    continue
                print(f"round {turn + 1} of {options.rounds}: {name}", file=sys.stderr)
                found[name].append(measure(options, arguments, group))
                if options.json:
                    pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    heads = ["variant", "tokens/s", "hits", "read per token", "waiting", "device busy", "of the disk's rate"]
    rows = [row_of(name, runs) for name, runs in found.items() if runs]
    for cells in (heads, ["---"] * len(heads), *rows):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
