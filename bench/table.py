"""One table of what the benchmark programs measured, beside what was measured before.

    table.py [--save FILE] [--compare FILE] RUN.json...

RUN.json, and the files that are saved and compared with, are in Google Benchmark's format."""

import argparse
import json
import pathlib
import statistics
import sys

# What a benchmark may count a second of, by the name of the counter: unit, and how many make one of it.
RATES = {"bytes_per_second": ("GB/s", 1e9), "flops": ("GFLOP/s", 1e9), "FLOP/s": ("GFLOP/s", 1e9), "items_per_second": ("M/s", 1e6)}
NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def load(path):
    """A run as its context and its benchmarks; a filter that no benchmark of a program matched leaves an empty file."""
    text = pathlib.Path(path).read_text()
    run = json.loads(text) if text.strip() else {}
    if not isinstance(run, dict) or not isinstance(run.get("benchmarks", []), list):
        raise ValueError("not a run of benchmarks")
    return {"context": run.get("context", {}), "benchmarks": run.get("benchmarks", [])}


def joined(runs):
    contexts = [run["context"] for run in runs if run["benchmarks"]]
    return {"context": contexts[0] if contexts else {}, "benchmarks": [one for run in runs for one in run["benchmarks"]]}


def figures(run):
    """{name: (nanoseconds, rate in words)}, in the order of the run; of repetitions the median."""
    rounds = {}
    for one in run["benchmarks"]:
        if one.get("run_type", "iteration") == "iteration" and "real_time" in one:
            rounds.setdefault(one["name"], []).append(one)
    return {name: (median_ns(of_name), rate(of_name)) for name, of_name in rounds.items()}


def median_ns(rounds):
    return statistics.median(one["real_time"] * NANOSECONDS[one.get("time_unit", "ns")] for one in rounds)


def rate(rounds):
    for counter, (unit, size) in RATES.items():
        values = [one[counter] for one in rounds if counter in one]
        if values:
            return f"{statistics.median(values) / size:.4g} {unit}"
    return ""


def in_words(ns):
    for unit in ("ns", "us", "ms"):
        if ns < 1000 * NANOSECONDS[unit]:
            return f"{ns / NANOSECONDS[unit]:.4g} {unit}"
    return f"{ns / 1e9:.4g} s"


def rows(new, old):
    """The table's lines as lists of cells, heading first. `old` is None when there is nothing to compare with."""
    if old is None:
        return [["name", "time", "rate"]] + [[name, in_words(ns), words] for name, (ns, words) in new.items()]
    table = [["name", "old", "new", "ratio", "rate"]]
    for name, (ns, words) in new.items():
        before, ratio = (in_words(old[name][0]), f"{ns / old[name][0]:.3f}") if name in old else ("-", "-")
        table.append([name, before, in_words(ns), ratio, words])
    return table


def aligned(table):
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for name, *cells in table:
        yield "  ".join([name.ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(cells, widths[1:])]).rstrip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", metavar="FILE")
    parser.add_argument("--compare", metavar="FILE")
    parser.add_argument("runs", nargs="+", metavar="RUN.json")
    options = parser.parse_args()
    path = None
    try:
        paths = [options.compare] if options.compare else []
        loaded = []
        for path in paths + options.runs:
            loaded.append(load(path))
        old = figures(loaded.pop(0)) if options.compare else None
        run = joined(loaded)
        new = figures(run)
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path}: {error}")
    if not new:
        sys.exit("no benchmark has that in its name")
    for line in aligned(rows(new, old)):
        print(line)
    if options.save:
        pathlib.Path(options.save).write_text(json.dumps(run, indent=1) + "\n")


if __name__ == "__main__":
    main()
