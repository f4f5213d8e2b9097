#!/usr/bin/env python3
"""Draw what `tools/simulate.py --out FILE` has found: quality against exchanges, and against model-equivalents.

    tools/plot.py FILE [FILE ...] [--save picture.svg]

A line for each rule and number of nodes, the mean of its seeds; the dashed line is one node. Needs matplotlib.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

NAMES = {"wordsim": "WordSim-353", "simlex": "SimLex-999", "analogy": "analogies, %"}
OVER = {"exchanges": "exchanges of a link in a run", "most": "model-equivalents of the dearest link, one direction"}
FREE = {"exchanges": "exchanges", "most": "rows"}  # what was varied for it
TICKS = [one * ten for ten in (1, 10, 100, 1000) for one in (1, 2, 3, 5)]

Series = dict[tuple[Any, ...], list[dict[str, Any]]]


def read(paths: list[Path]) -> list[dict[str, Any]]:
    """All results, each with its scenario's fields beside its own."""
    lines = [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]
    lines = [line for line in lines if "diverged" not in line["result"]]
    return [{**line["result"], **{f"of_{name}": value for name, value in line["scenario"].items()}} for line in lines]


def mean(results: list[dict[str, Any]], name: str) -> float:
    """Of one number over seeds."""
    return sum(float(result[name]) for result in results) / len(results)


def part(results: list[dict[str, Any]], over: str) -> list[dict[str, Any]]:
    """The results that differ in what is drawn over, not in the other thing that costs bytes; and those of one node."""
    held = "of_rows" if over == "exchanges" else "of_exchanges"
    values = Counter(value for value, _ in {(r[held], r[f"of_{FREE[over]}"]) for r in results if r["of_nodes"] > 1})
    chosen = values.most_common(1)[0][0]
    return [result for result in results if result["of_nodes"] == 1 or result[held] == chosen]


def points(results: list[dict[str, Any]], over: str, score: str) -> tuple[list[float], list[float]]:
    """A line's points: scenarios that differ only in their seed are one."""
    groups: Series = defaultdict(list)
    for result in results:
        groups[result["of_exchanges"], result["of_rows"]].append(result)
    found = sorted((mean(group, over), mean(group, score)) for group in groups.values())
    return [x for x, _ in found], [y for _, y in found]


def fill(panel: Any, results: list[dict[str, Any]], over: str, score: str) -> None:
    """A line for each rule and number of nodes; one node's is dashed."""
    lines: Series = defaultdict(list)
    for result in results:
        lines[result["of_nodes"], result["of_rule"]].append(result)
    for (nodes, rule), members in sorted(lines.items()):
        if nodes == 1:
            panel.axhline(mean(members, score), color="grey", linestyle="--", label="one node")
        else:
            panel.plot(*points(members, over, score), marker="o", label=f"{rule}, {nodes} nodes")
    panel.set(title=NAMES[score], xlabel=OVER[over], xscale="log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xticks([x for x in TICKS if panel.get_xlim()[0] <= x <= panel.get_xlim()[1]])
    panel.minorticks_off()
    panel.grid(alpha=0.3)


def draw(results: list[dict[str, Any]], save: Path) -> None:
    """A row of panels for each thing to draw over, a panel for each score."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only the picture needs it

    figure = Figure(figsize=(12, 7), layout="constrained")
    for row, over in zip(figure.subplots(len(OVER), len(NAMES)), OVER, strict=True):
        for panel, score in zip(row, NAMES, strict=True):
            fill(panel, part(results, over), over, score)
        row[0].legend(fontsize=8)
    figure.savefig(save)


def main() -> int:
    """Exit code 2 with one line on standard error for what cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--save", type=Path, default=Path("simulation.svg"))
    args = parser.parse_args()
    try:
        draw(read(args.files), args.save)
    except (OSError, ValueError, LookupError, ImportError) as error:
        print(f"plot: {error}", file=sys.stderr)
        return 2
    print(args.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
