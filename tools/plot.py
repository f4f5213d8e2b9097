#!/usr/bin/env python3
"""Draw what `tools/simulate.py --out FILE` has found: quality against exchanges, or against model-equivalents.

    tools/plot.py FILE [FILE ...] --over exchanges|most [--save picture.svg]

A line for each rule and number of nodes, the mean of its seeds; the dashed line is one node. Needs matplotlib.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

SCORES = ("wordsim", "simlex", "analogy")
OVER = {"exchanges": "exchanges of a link in a run", "most": "model-equivalents of the dearest link, one direction"}

Series = dict[tuple[Any, ...], list[dict[str, Any]]]


def read(paths: list[Path]) -> list[dict[str, Any]]:
    """All results, each with its scenario's fields beside its own."""
    lines = [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]
    lines = [line for line in lines if "diverged" not in line["result"]]
    return [{**line["result"], **{f"of_{name}": value for name, value in line["scenario"].items()}} for line in lines]


def mean(results: list[dict[str, Any]], name: str) -> float:
    """Of one number over seeds."""
    return sum(float(result[name]) for result in results) / len(results)


def points(results: list[dict[str, Any]], over: str, score: str) -> tuple[list[float], list[float]]:
    """A line's points: scenarios that differ only in their seed are one."""
    groups: Series = defaultdict(list)
    for result in results:
        groups[result["of_exchanges"], result["of_rows"]].append(result)
    found = sorted((mean(group, over), mean(group, score)) for group in groups.values())
    return [x for x, _ in found], [y for _, y in found]


def draw(results: list[dict[str, Any]], over: str, save: Path) -> None:
    """A panel for each score."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only the picture needs it

    lines: Series = defaultdict(list)
    for result in results:
        lines[result["of_nodes"], result["of_rule"]].append(result)
    figure = Figure(figsize=(12, 4), layout="constrained")
    for panel, score in zip(figure.subplots(1, len(SCORES)), SCORES, strict=True):
        for (nodes, rule), members in sorted(lines.items()):
            if nodes == 1:
                panel.axhline(mean(members, score), color="grey", linestyle="--", label="one node")
            else:
                panel.plot(*points(members, over, score), marker="o", label=f"{rule}, {nodes} nodes")
        panel.set(title=score, xlabel=OVER[over], xscale="log")
        panel.grid(alpha=0.3)
    panel.legend()
    figure.savefig(save)


def main() -> int:
    """Exit code 2 with one line on standard error for what cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--over", choices=list(OVER), default="exchanges")
    parser.add_argument("--save", type=Path, default=Path("simulation.svg"))
    args = parser.parse_args()
    try:
        draw(read(args.files), args.over, args.save)
    except (OSError, ValueError, KeyError, ImportError) as error:
        print(f"plot: {error}", file=sys.stderr)
        return 2
    print(args.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
