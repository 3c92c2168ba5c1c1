"""The figures of benchmarks/tensorrt_engines.py as tables in Markdown."""

from __future__ import annotations

import json
from typing import Any

PER_FRAME = ("search", "match", "refine", "project")
"""Roles that run in every frame of a target that is followed."""


def table(figures: list[dict[str, Any]], work: dict[str, dict[str, float]]) -> str:
    """All figures as tables in Markdown."""
    lines = [*{json.dumps(one["machine"], sort_keys=True) for one in figures}, ""]
    for what, value in (("pass", "median"), ("frame", "median"), ("build", "cold"),
                        ("build", "with timing cache"), ("build", "load")):  # fmt: skip
        some = [one for one in figures if one["what"] == what and value in one["milliseconds"]]
        engines = list(dict.fromkeys(one["engine"] for one in some))
        if not some:
            continue
        lines += [f"## {what}: {value}, ms", "", f"| | rows | {' | '.join(engines)} | GFLOP |"]
        lines.append("|---|---|" + "---|" * (len(engines) + 1))
        found = {(o["name"], o["rows"], o["engine"]): o["milliseconds"][value] for o in some}
        for name, rows in dict.fromkeys((name, rows) for name, rows, _ in found):
            cells = [_cell(found, name, rows, engine) for engine in engines]
            gflop = work.get(name, {}).get("gflop")
            cells.append("" if gflop is None else f"{gflop * max(rows, 1):.2f}")
            lines.append(f"| {name} | {rows} | {' | '.join(cells)} |")
        if what == "pass":
            lines += _sums(found, engines)
        lines.append("")
    errors = dict.fromkeys(f"{o['engine']}: {o['error']}" for o in figures if o["error"])
    return "\n".join([*lines, *errors])


def _cell(found: dict[tuple[str, int, str], float], name: str, rows: int, engine: str) -> str:
    took = found.get((name, rows, engine))
    eager = found.get((name, rows, "torch-eager"))
    if took is None:
        return ""
    return f"{took:.3f}" + (f" ({eager / took:.1f}x)" if eager and engine != "torch-eager" else "")


def _sums(found: dict[tuple[str, int, str], float], engines: list[str]) -> list[str]:
    """The networks of a frame of one target, together."""
    totals: dict[tuple[str, int, str], float] = {}
    models = dict.fromkeys(name.rpartition(".")[0] for name, _, _ in found)
    for model in models:
        roles = [f"{model}.{role}" for role in PER_FRAME]
        roles = [name for name in roles if any(name == other for other, _, _ in found)]
        for engine in engines:
            times = [found.get((name, 1, engine)) for name in roles]
            if times and None not in times:
                totals[f"**{model}, a frame**", 1, engine] = float(sum(t for t in times if t))
    return [
        f"| {name} | 1 | {' | '.join(_cell(totals, name, 1, engine) for engine in engines)} | |"
        for name in dict.fromkeys(name for name, _, _ in totals)
    ]
