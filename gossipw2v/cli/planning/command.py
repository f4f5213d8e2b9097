"""`gossipw2v plan`: what a training will cost, before it begins."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gossipw2v.config.options import OPTIONS
from gossipw2v.system.launch import prepare_machine

if TYPE_CHECKING:
    from gossipw2v.cli.planning.advice import Planned
    from gossipw2v.cli.planning.estimate import Estimate
    from gossipw2v.cli.planning.rates import Rates
    from gossipw2v.cli.planning.task import Task

SCHEMA = "gossipw2v-plan-1"
MOST = 1e15  # words; what is more is a mistake
MEASURED_SECONDS = 0.5  # for each thing that is timed
OF_THE_JOB = ("vector_size", "window", "negative", "sg", "epochs")
DESCRIPTION = (
    "Say what a training will take before it begins: memory, disk, traffic and time, on one machine and on several, "
    "and whether one is the better choice. Nothing is trained; figures follow from measured constants, or with "
    "--measure from what this machine takes for a second or two of the same work. --bandwidth: Mbit/s each way of a "
    "machine's one cable, 0 without limit; --latency: ms from one machine to another."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be typed."""
    parser.description = DESCRIPTION
    told = "words of the whole text, as 2e9: those of the vocabulary, as often as they occur"
    parser.add_argument("--words", type=_count(MOST), required=True, metavar="N", help=told)
    whole = {
        "vocab": (100_000, 2**29, "different words"),
        "nodes": (8, 4096, "machines"),
        "cores": (4, 1024, "cores of each"),
    }
    for name, (usual, most, does) in whole.items():
        told = f"{does} (default {usual:,})"
        parser.add_argument(f"--{name}", type=_count(most), default=usual, metavar="N", help=told)
    for name, default, unit in (("bandwidth", 1000.0, "Mbit/s"), ("latency", 0.2, "ms")):
        parser.add_argument(
            f"--{name}", type=_amount, default=default, metavar="X", help=f"{unit} (default {default:g})"
        )
    for name in OF_THE_JOB:
        option = OPTIONS[name]
        told = f"{option.does} (default {option.default})"
        parser.add_argument(option.flag, type=_setting(name), default=option.default, metavar="N", help=told)
    parser.add_argument("--measure", action="store_true", help="time this machine, instead of what was measured once")
    parser.add_argument("--json", action="store_true", help="all there is, for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    prepare_machine()
    from gossipw2v.cli.planning.advice import plan, report  # noqa: PLC0415
    from gossipw2v.cli.planning.rates import Rates  # noqa: PLC0415
    from gossipw2v.cli.planning.task import Fleet, Task  # noqa: PLC0415

    task = Task(words=args.words, vocab=args.vocab, **{name: getattr(args, name) for name in OF_THE_JOB})
    fleet = Fleet(nodes=args.nodes, cores=args.cores, megabits=args.bandwidth, latency=args.latency / 1000)
    planned = plan(task, fleet, _measured(task) if args.measure else Rates())
    print(json.dumps(_plain(planned)) if args.json else report(planned))
    sys.stdout.flush()
    return 0


def _measured(task: Task) -> Rates:
    from gossipw2v.cli.planning import measuring  # noqa: PLC0415

    return measuring.measure(task, MEASURED_SECONDS)


def _plain(planned: Planned) -> dict[str, Any]:
    """For programs: what was asked in the units that were typed, and all figures in bytes and seconds."""
    from gossipw2v.cli.planning.advice import sentences  # noqa: PLC0415

    def figures(found: Estimate) -> dict[str, Any]:
        return {**asdict(found), "seconds": found.seconds, "epoch": found.epoch(planned.task)}

    asked = {"task": asdict(planned.task), "fleet": asdict(planned.fleet), "rates": asdict(planned.rates)}
    told = {"alone": figures(planned.alone), "together": figures(planned.together)}
    return {"schema": SCHEMA, **asked, **told, "one_is_better": planned.one_is_better, "sentences": sentences(planned)}


# -- what is typed --------------------------------------------------------------------------------------------------


def _amount(text: str) -> float:
    """A finite number that is not below 0; 2e9 too."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a number from 0 to {MOST:g}")
    return value


def _count(most: float) -> Callable[[str], int]:
    """What reads a whole number from 1 on; 2e9 too."""

    def read(text: str) -> int:
        value = _amount(text)
        if not (1 <= value <= most and value.is_integer()):
            raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a whole number from 1 to {most:g}")
        return int(value)

    return read


def _setting(name: str) -> Callable[[str], Any]:
    """What reads a value as the job's setting of that name is read."""

    def read(text: str) -> Any:
        try:
            return OPTIONS[name].read(text)
        except ValueError as error:  # whose text argparse would not show
            raise argparse.ArgumentTypeError(str(error)) from error

    return read
