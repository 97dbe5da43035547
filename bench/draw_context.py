#!/usr/bin/env python3
"""Draws docs/context-cost.svg from bench/context_cost.csv: what a token's attention costs after N others.

    context_curve DIR f32 1 1024 8192 ... >> bench/context_cost.csv
    bench/draw_context.py

Of several measurements of one point the smallest counts: what others do on the machine only ever adds.
"""

import csv
import math
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 790, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 600, 30, 390
# format, ratio, colour, dashes, label
LINES = [
    ("old", 4, "#c0392b", "6 4", "ratio 4, before"),
    ("f32", 4, "#c0392b", "", "ratio 4"),
    ("f16", 4, "#e59866", "", "ratio 4, f16 rows"),
    ("old", 128, "#1f618d", "6 4", "ratio 128, before"),
    ("f32", 128, "#1f618d", "", "ratio 128"),
    ("f16", 128, "#7fb3d5", "", "ratio 128, f16 rows"),
    ("f32", 0, "#616a6b", "", "window only"),
]
TICKS_MS = [5, 10, 20, 50, 100, 200]


def best_times():
    """{(format, ratio): {context: ms}}"""
    found = {}
    with open(ROOT / "bench/context_cost.csv", newline="") as file:
        for row in csv.DictReader(file):
            line = found.setdefault((row["rows"], int(row["ratio"])), {})
            context, ms = int(row["context"]), float(row["ms"])
            line[context] = min(ms, line.get(context, ms))
    return found


def label_of(tokens):
    return f"{round(tokens / 1024)} K" if tokens < 1_000_000 else "1 M"


def draw(times):
    contexts = sorted({context for line in times.values() for context in line})
    low, high = math.log(contexts[0]), math.log(contexts[-1])
    bottom_ms = min(ms for line in times.values() for ms in line.values()) * 0.9
    top_ms = max(ms for line in times.values() for ms in line.values()) * 1.1

    def x(context):
        return LEFT + (math.log(context) - low) / (high - low) * (RIGHT - LEFT)

    def y(ms):
        share = (math.log(ms) - math.log(bottom_ms)) / (math.log(top_ms) - math.log(bottom_ms))
        return BOTTOM - share * (BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18">Attention of one layer and one token, ms of one thread</text>',
        f'<text x="{RIGHT}" y="{HEIGHT - 10}" text-anchor="end">tokens before it</text>',
    ]
    for context in contexts:
        parts.append(f'<line x1="{x(context):.1f}" y1="{TOP}" x2="{x(context):.1f}" y2="{BOTTOM}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(context):.1f}" y="{BOTTOM + 16}" text-anchor="middle">{label_of(context)}</text>')
    for ms in (tick for tick in TICKS_MS if bottom_ms <= tick <= top_ms):
        parts.append(f'<line x1="{LEFT}" y1="{y(ms):.1f}" x2="{RIGHT}" y2="{y(ms):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(ms) + 4:.1f}" text-anchor="end">{ms}</text>')
    label_y = TOP + 10
    for rows, ratio, colour, dashes, label in LINES:
        line = sorted(times.get((rows, ratio), {}).items())
        if not line:
            continue
        points = " ".join(f"{x(context):.1f},{y(ms):.1f}" for context, ms in line)
        style = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        parts.append(f'<polyline points="{points}" fill="none" {style}/>')
        parts.append(f'<line x1="{RIGHT + 15}" y1="{label_y}" x2="{RIGHT + 40}" y2="{label_y}" {style}/>')
        parts.append(f'<text x="{RIGHT + 46}" y="{label_y + 4}">{label}</text>')
        label_y += 20
    return "\n".join(parts + ["</svg>", ""])


if __name__ == "__main__":
    (ROOT / "docs/context-cost.svg").write_text(draw(best_times()))
