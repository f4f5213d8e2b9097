#!/usr/bin/env python3
"""Draw what `gossipw2v plan` says: time against the number of machines, up to a thousand, for texts of several sizes.

    tools/plot_plan.py [--words 1e8 1e9 1e10 1e11] [--bandwidth 1000 100] [--save plan.svg]

A line for each text, a panel for each bandwidth (Mbit/s); a dot where fewer machines would be as fast within a tenth.
Nothing is measured: the picture is as good as the plan. Needs matplotlib.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gossipw2v.system.launch import prepare_machine

prepare_machine()  # before numba is loaded

from gossipw2v.cli.planning.estimate import estimate  # noqa: E402
from gossipw2v.cli.planning.rates import Rates  # noqa: E402
from gossipw2v.cli.planning.task import Fleet, Task  # noqa: E402
from gossipw2v.status.humanize import count  # noqa: E402

NODES = (1, 2, 3, 5, 8, 12, 20, 32, 50, 80, 125, 200, 320, 500, 700, 1000)
ENOUGH = 1.1  # times the least time, from which on more machines are not worth it
TICKS = ((1, "1 s"), (60, "1 min"), (3600, "1 h"), (86_400, "1 d"), (864_000, "10 d"))


@dataclass(frozen=True)
class Curve:
    """Seconds for each of NODES."""

    words: float
    seconds: tuple[float, ...]

    @property
    def best(self) -> int:
        """The place in NODES of the fewest machines that are about as fast as any number of them."""
        least = min(self.seconds)
        return next(place for place, seconds in enumerate(self.seconds) if seconds <= ENOUGH * least)


def curve(words: float, megabits: float, args: argparse.Namespace) -> Curve:
    """What the plan says of a text at some bandwidth."""
    task = Task(words=words, vocab=args.vocab, vector_size=args.vector_size)
    fleets = (Fleet(nodes=nodes, cores=args.cores, megabits=megabits) for nodes in NODES)
    return Curve(words, tuple(estimate(task, fleet, Rates()).seconds for fleet in fleets))


def draw(panels: dict[float, list[Curve]], title: str, save: Path) -> None:
    """A panel for each bandwidth."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only the picture needs it

    figure = Figure(figsize=(6 * len(panels), 5), layout="constrained")
    figure.suptitle(title)
    for panel, (megabits, curves) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        fill(panel, megabits, curves)
    figure.savefig(save, metadata={"Date": None} if save.suffix == ".svg" else None)


def fill(panel: Any, megabits: float, curves: list[Curve]) -> None:
    """A line for each text."""
    for each in curves:
        (line,) = panel.plot(NODES, each.seconds, label=f"{count(each.words)} words")
        panel.plot(NODES[each.best], each.seconds[each.best], "o", color=line.get_color())
    panel.set(title=f"{megabits:g} Mbit/s", xlabel="machines", xscale="log", yscale="log", ylabel="time in all")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_yticks([seconds for seconds, _ in TICKS], [name for _, name in TICKS])
    panel.minorticks_off()
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)


def main() -> int:
    """Exit code 2 with one line on standard error if the picture cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=float, nargs="+", default=[1e8, 1e9, 1e10, 1e11])
    parser.add_argument("--bandwidth", type=float, nargs="+", default=[1000.0, 100.0], metavar="MBIT")
    parser.add_argument("--vocab", type=int, default=400_000)
    parser.add_argument("--vector-size", type=int, default=300)
    parser.add_argument("--cores", type=int, default=4)
    parser.add_argument("--save", type=Path, default=Path("plan.svg"))
    args = parser.parse_args()
    panels = {megabits: [curve(words, megabits, args) for words in args.words] for megabits in args.bandwidth}
    title = (
        f"{args.vocab:,} words of {args.vector_size} dimensions, three epochs, {args.cores} cores a machine (computed)"
    )
    try:
        draw(panels, title, args.save)
    except (OSError, ValueError, ImportError) as error:
        print(f"plot_plan: {error}", file=sys.stderr)
        return 2
    print(args.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
