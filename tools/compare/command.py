"""Compare the swarm with the baselines of its field, in a simulator, on the product's kernels, shards and protocol.

    tools/compare --quick
    tools/compare --corpus FILE --wordsim F --simlex F --analogies F [--nodes 8 16 4] [--seeds 1 2 3] [--runs NAME ...]

Every baseline gets the best of three step sizes, or of more where the best is at the end of the three, and then the
best of three intervals between exchanges, by the mean of its scores; the page shows all that was tried. So it is at the
first of --nodes; at the others step sizes are tried anew, at the interval that was best. What was best is run again
under other conditions: a death, skewed text, a slow node, a paused one, nodes that join late, slow cables.
--quick trains a generated text, judged by what was planted in it, and starts nothing new after nine minutes: call it
again for the rest.

--real runs the swarm, a synchronous server, averaging and gossip averaging as processes, each on a network namespace of
its own (root makes them) with cables of 200 and 50 Mbit/s and without limit, and once with a death at half time: of the
server, which is started again at once, of the first rank, of the root of the swarm. Step sizes and intervals are those
that are best in the simulator on the same text, which with --quick is five times as long. Their rows stand apart on the
page, marked `real`, with the memory and CPU time of all processes.

Results are lines of JSON in --out; what is there is not run again. --page is one HTML file. Seconds are simulated: a
node trains --speed words a virtual second, and has one cable.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from test_sets import TestSets, add_test_sets

from compare.network import BANDWIDTHS
from compare.registry import BASELINES, REAL, Entry, perform
from compare.report import Findings, write_page, write_picture
from compare.runs import EVENTS, Line, Results, Run
from compare.texts import Material, make_graph, make_world, read_corpus
from gossipw2v.w2v.warmup import warm_up

QUICK = {"nodes": [4, 2], "alpha": 0.05, "epochs": 12, "vector_size": 48, "settings": [(5, 5)]}
QUICK_SENTENCES, REAL_SENTENCES = 25_000, 125_000  # of which real processes train some seconds
QUICK_MINUTES = 9.0
REAL_BANDWIDTHS = (0.0, 200.0, 50.0)  # Mbit/s
CONDITIONS = ("death", "skewed", "slow", "pause", "join", "cables")
SETTLED = (1.0, 0.5)  # of the step size that was best for another, shorter text
BEYOND = 3  # step sizes beyond the three, at most
FULL = {
    "nodes": [8, 16, 4, 2, 32],
    "alpha": 0.025,
    "epochs": 3,
    "vector_size": 128,
    "settings": [(5, 5)],
}


class Plan:
    """Which runs there are. A run that is known costs nothing; after `until` (monotonic s) no other is begun."""

    def __init__(
        self, material: Material, results: Results, base: Run, until: float, settled: Findings | None = None
    ) -> None:
        self.material, self.results, self.base, self.until = material, results, base, until
        self.settled = settled  # what is known of another text, and need not be searched for
        self.best: dict[tuple[str, int, int, int], Run] = {}  # by baseline, nodes, negative, window

    def run(self, run: Run) -> Line | None:
        """Its result; None if there is no time left."""
        if run not in self.results:
            if time.monotonic() > self.until:
                return None
            began = time.monotonic()
            line = self.results.add(run, perform(run, self.material))
            print(headline(line, time.monotonic() - began), flush=True)
        return self.results[run]

    def search(self, name: str, run: Run, rounds: tuple[int, ...] = ()) -> None:
        """The best step size, then the best interval, of all that are tried or of `rounds`."""
        entry = BASELINES[name]
        intervals = rounds or entry.rounds
        start = replace(run, baseline=name, rounds=intervals[0])
        like = self.best_of(entry.like, start) or self.best_of(entry.like, replace(start, nodes=1))
        if like is not None:
            found = self._try([replace(like, baseline=name, nodes=run.nodes)])
        elif (known := self._known(start)) is not None:
            found = self._try(replace(known, alpha=known.alpha * times) for times in SETTLED)
        else:
            found = self._try(replace(start, alpha=run.alpha * times) for times in entry.alphas)
            if found is not None and len(entry.alphas) > 1:
                found = self._beyond(found, [run.alpha * times for times in entry.alphas])
            if found is not None:
                found = self._try(replace(found, rounds=each) for each in intervals)
        if found is not None:
            self.best[name, run.nodes, run.negative, run.window] = found

    def _known(self, start: Run) -> Run | None:
        """What was best for another text."""
        setting = (start.negative, start.window)
        best = self.settled and self.settled.best(start.baseline, start.nodes, setting)
        return replace(start, alpha=best.run.alpha, rounds=best.run.rounds) if best and not best.failed else None

    def _try(self, runs: Iterable[Run]) -> Run | None:
        lines = [line for run in runs if (line := self.run(run)) is not None]
        good = [line for line in lines if not line.failed]
        return max(good, key=lambda line: line.points).run if good else None

    def _beyond(self, best: Run, tried: list[float]) -> Run:
        """Where the best step size is the largest or smallest that was tried: others beyond, while they are better."""
        for _ in range(BEYOND):
            times = 2.0 if best.alpha == max(tried) else 0.5 if best.alpha == min(tried) else None
            if times is None:
                break
            further = replace(best, alpha=best.alpha * times)
            tried.append(further.alpha)
            if self._try([best, further]) != further:
                break
            best = further
        return best

    def best_of(self, name: str, run: Run) -> Run | None:
        """What was best for a baseline with as many nodes and the same setting; None if nothing has been found yet."""
        return self.best.get((name, run.nodes, run.negative, run.window))

    def repeat(self, run: Run, **changes: object) -> None:
        """The best of each baseline of the same number of nodes, with some settings changed."""
        for name, entry in BASELINES.items():
            best = self.best_of(name, run)
            if best is not None and matters(entry, best, changes):
                self.run(replace(best, **changes))  # type: ignore[arg-type]


def matters(entry: Entry, best: Run, changes: dict[str, object]) -> bool:
    """Whether other conditions make another run: without exchanges there is nothing that could be late or die."""
    if entry.family == "ceiling":
        return set(changes) <= {"seed"}
    if best.nodes == 1 or entry.family == "moved":
        return "seed" in changes
    if "bandwidth" in changes:
        return entry.exchanges and entry.bandwidth_matters
    return entry.exchanges or not {"event", "bandwidth"} & set(changes)


# --- the plans -----------------------------------------------------------------------------------------------------


def search_all(plan: Plan, names: list[str], nodes: int) -> None:
    """What is best for each baseline at some number of nodes."""
    for name in names:
        alone = BASELINES[name].family == "ceiling"
        if alone or nodes > 1:
            plan.search(name, replace(plan.base, nodes=1 if alone else nodes))


def whole_plan(plan: Plan, args: argparse.Namespace) -> None:
    """Everything at the first number of nodes; at the others step sizes are tried, with the interval of the first."""
    first, *others = args.nodes
    for negative, window in reversed(args.settings):
        plan.base = replace(plan.base, negative=negative, window=window)
        search_all(plan, args.runs, first)
    at = replace(plan.base, nodes=first)
    other_seeds(plan, args.seeds, [1, first])
    if "death" in args.conditions:
        plan.repeat(at, event="death")
        other_seeds(plan, args.seeds, [first], event="death")
    for nodes in others:
        for name in args.runs:
            best = plan.best_of(name, at)
            if best is not None and BASELINES[name].family != "ceiling":
                plan.search(name, replace(plan.base, nodes=nodes), rounds=(best.rounds,))
        other_seeds(plan, args.seeds, [nodes])
    conditions(plan, at, args.conditions)


def other_seeds(plan: Plan, seeds: list[int], counts: list[int], **changes: object) -> None:
    """The best of each baseline, with all seeds but the first."""
    for seed, nodes in itertools.product(seeds[1:], counts):
        plan.repeat(replace(plan.base, nodes=nodes), seed=seed, **changes)


def conditions(plan: Plan, at: Run, wanted: list[str]) -> None:
    """The best of each baseline under other conditions than a death."""
    if "skewed" in wanted:
        plan.repeat(at, text="skewed")
    for event in EVENTS[1:-1]:
        if event in wanted:
            plan.repeat(at, event=event)
    for bandwidth in BANDWIDTHS[1:] if "cables" in wanted else ():
        plan.repeat(at, bandwidth=bandwidth)


def headline(line: Line, took: float) -> str:
    """A result in a line."""
    run, result = line.run, line.result
    told = f"{run.baseline} N {run.nodes} {run.negative}/{run.window} alpha {run.alpha:g} rounds {run.rounds}"
    told += "".join(f" {value}" for value in (run.text, run.event) if value not in ("equal", "none"))
    told += f" {run.bandwidth:g} Mbit/s" if run.bandwidth else ""
    if line.failed:
        return f"{told}: {line.failed}"
    megabytes, kind = result["bytes"] / 1e6, "real" if run.real else "virtual"
    return f"{told}: {line.points:.1f} points, {megabytes:.1f} MB, {result['seconds']:.1f} {kind} s ({took:.1f} s)"


def real_plan(plan: Plan, args: argparse.Namespace) -> None:
    """What can be run as processes, with what the simulator finds best on the same text, which is some times longer.

    Not more often the same text: 240 epochs of a small one overtrain it, and whoever takes smaller steps is then ahead.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that no namespace stays behind
    at = replace(plan.base, nodes=args.nodes[0])
    for name in [name for name in REAL if name in args.runs]:
        plan.search(name, at)
    for name in REAL:
        if (best := plan.best_of(name, at)) is None:
            continue
        for seed in args.seeds:
            real = replace(best, real=True, seed=seed)
            plan.run(real)
            plan.run(replace(real, event="death"))
        for bandwidth in REAL_BANDWIDTHS[1:]:
            plan.run(replace(best, real=True, bandwidth=bandwidth))


# --- the command ---------------------------------------------------------------------------------------------------


def setting(text: str) -> tuple[int, int]:
    """Noise words and window, as 5/5."""
    negative, _, window = text.partition("/")
    try:
        found = int(negative), int(window)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no setting; NEGATIVE/WINDOW, as 5/5") from None
    if not all(1 <= value <= 255 for value in found):
        raise argparse.ArgumentTypeError(f"{text!r}: both are 1 to 255")
    return found


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools/compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a generated text, two numbers of nodes, ten minutes")
    parser.add_argument("--graph", action="store_true", help="walks over a generated graph instead")
    parser.add_argument("--corpus", type=Path, metavar="FILE", help="train this text instead")
    add_test_sets(parser)
    parser.add_argument("--sentences", type=int, help="of the generated text")
    parser.add_argument("--nodes", type=int, nargs="+", metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--settings", type=setting, nargs="+", metavar="NEGATIVE/WINDOW")
    parser.add_argument("--runs", nargs="+", choices=list(BASELINES), default=list(BASELINES), metavar="NAME")
    parser.add_argument(
        "--conditions",
        nargs="*",
        choices=CONDITIONS,
        default=CONDITIONS,
        metavar="NAME",
        help="of " + ", ".join(CONDITIONS) + "; for the first of --nodes",
    )
    parser.add_argument(
        "--settled",
        type=Path,
        metavar="FILE",
        help="results of another text: its best intervals, and its best step sizes or half of them",
    )
    parser.add_argument("--alpha", type=float, help="the job's step size, of which multiples are tried")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--vector-size", type=int)
    parser.add_argument("--speed", type=float, default=Run.speed, help="words that a node trains in a virtual second")
    parser.add_argument("--real", action="store_true", help="instead, run what can be as processes, as said above")
    parser.add_argument("--minutes", type=float, help="after which nothing new is begun")
    parser.add_argument("--out", type=Path, default=Path("compare.jsonl"), metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="quality against bytes as SVG, besides the page")
    parser.add_argument("--page", type=Path, default=Path("compare.html"), metavar="FILE")
    args = parser.parse_args(argv)
    if args.quick + args.graph + (args.corpus is not None) != 1:
        parser.error("give --quick for a generated text, --graph for a generated graph, or --corpus FILE")
    return with_defaults(args, parser)


def with_defaults(args: argparse.Namespace, parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What was not given is another thing with --quick; numbers that make no sense are refused."""
    for name, value in (QUICK if args.quick else FULL).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.sentences is None:
        args.sentences = REAL_SENTENCES if args.real else QUICK_SENTENCES
    if args.minutes is None:
        args.minutes = QUICK_MINUTES if args.quick else float("inf")
    if min(args.nodes) < 1 or max(args.nodes) > 64:
        parser.error("--nodes are 1 to 64")
    for name in ("alpha", "epochs", "vector_size", "speed", "sentences"):
        if getattr(args, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    return args


def command_of(args: argparse.Namespace) -> str:
    """The line that makes the page, without paths."""
    if args.quick:
        return "python tools/compare --quick"
    if args.graph:
        return "python tools/compare --graph"
    given = [f"--{name} FILE" for name in ("wordsim", "simlex", "analogies") if getattr(args, name)]
    nodes = " ".join(map(str, args.nodes))
    return " ".join(["python tools/compare --corpus FILE", *given, f"--nodes {nodes}"])


def read_material(args: argparse.Namespace, sets: TestSets, folder: Path) -> Material:
    """What is to be trained. OSError, ValueError."""
    if args.graph:
        return make_graph(folder)
    return make_world(args.sentences, folder) if args.quick else read_corpus(args.corpus, sets, folder)


def main(argv: list[str] | None = None) -> int:
    """Exit code 2 with one line on standard error for what cannot be read."""
    args = arguments(argv)
    until = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            results = Results(args.out)
            settled = args.settled and Results(args.settled)
            sets = TestSets.read(args)
            material = read_material(args, sets, folder)
        except (OSError, ValueError) as error:
            print(f"compare: {error}", file=sys.stderr)
            return 2
        warm_up(args.vector_size, 1)
        negative, window = args.settings[0]
        base = Run(
            baseline="one", nodes=1, alpha=args.alpha, rounds=1, seed=args.seeds[0], negative=negative, window=window,
            epochs=args.epochs, vector_size=args.vector_size, speed=args.speed, corpus=material.digest,
        )  # fmt: skip
        known = Findings(list(settled.lines.values()), base) if settled else None
        plan = Plan(material, results, base, until, known)
        (real_plan if args.real else whole_plan)(plan, args)
    lines = [line for line in results.lines.values() if line.run.corpus == base.corpus]
    write_page(args.page, lines, base, command_of(args))
    if args.picture is not None:
        write_picture(args.picture, lines, base)
    print(args.page)
    return 0
