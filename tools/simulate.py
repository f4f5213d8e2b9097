#!/usr/bin/env python3
"""Train a text on a swarm of virtual nodes in one process, and say how good the vectors are and what they cost.

    tools/simulate.py TEXT [TEXT ...] --nodes 8 --exchanges 105 [--seeds 1 2 3] [--out FILE] [--wordsim FILE] ...

The model, the merge, the protocol, the frames and the kernels are the daemon's own; only clock and network are virtual,
so that a run depends on nothing but its arguments. Each node trains for --seconds virtual seconds (a slower one longer)
on its share of the text, in which its link to its parent has about --exchanges exchanges. An answer arrives --late
pauses after its push left; --bandwidth, --delay, --jitter and --loss describe lines otherwise. Several values of
--nodes, --exchanges, --rows, --rules or --seeds: every combination in turn. With --out, each result is a line of JSON
there, and what is there already is not run again. --window, --negative, --alpha and --sg are the job's.

A digest of the root's weights tells whether two runs, or two versions of the program, did the same to the bit.
A model-equivalent is the bytes of one direction of a link, all frames, whole run, over those of both float32 matrices.
"""

import argparse
import hashlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenarios import RULES, Scenario, Texts, make_swarm, read_texts, recipe_of
from test_sets import TestSets, add_test_sets

from gossipw2v.config.options import OPTIONS
from gossipw2v.delta import DeltaError
from gossipw2v.gossip.overlay.link import Uplink
from gossipw2v.simulation.node import SimulatedNode
from gossipw2v.simulation.swarm import Swarm
from gossipw2v.w2v.training.curvature import Pairs
from gossipw2v.w2v.training.estimates import sample_pairs
from gossipw2v.w2v.training.evaluation import mean_loss
from gossipw2v.w2v.training.model import Model
from gossipw2v.w2v.training.trainer import Trainer
from gossipw2v.w2v.warmup import warm_up

RARE = 200  # a pair of words is rare if one of them occurs less often
PAIRS = 20_000  # for a loss
SETTINGS = ("window", "negative", "alpha", "sg")  # of the job, which a scenario may change

Tokens = NDArray[np.int32]
Judge = Callable[[Model, Scenario], dict[str, float]]


# --- a run ---------------------------------------------------------------------------------------------------------


def run(texts: Texts, scenario: Scenario, judge: Judge) -> dict[str, Any]:
    """Train until all is final; what came of it."""
    began = time.perf_counter()
    swarm, later = make_swarm(texts, scenario)
    for event in scenario.events:
        at, _, what = event.partition(":")
        swarm.clock.at(float(at) * scenario.seconds, later[what])
    halfway = list(train(swarm, scenario))
    nodes = swarm.living()
    root = max(nodes, key=lambda node: node.core.node)
    kernel = sum(node.worker.kernel_seconds for node in swarm.nodes.values())  # type: ignore[attr-defined]
    result = {**judge(root.model, scenario), "apart": swarm.apart(), **costs(swarm, root.model), **dict(halfway)}
    seconds = time.perf_counter() - began
    digest = hashlib.blake2b(root.model.weights.tobytes(), digest_size=8).hexdigest()
    timing = {"virtual_seconds": swarm.now, "cpu_seconds": seconds, "kernel_share": kernel / seconds}
    return {**result, "digest": digest, **timing}


def train(swarm: Swarm, scenario: Scenario) -> Iterator[tuple[str, float]]:
    """Run to the end; yields how things stood when the training ended, before what was left had flowed."""
    total = sum(node.worker.total for node in swarm.nodes.values())
    drained = False
    while not swarm.complete() or swarm.now < scenario.seconds / 2:
        swarm.run(scenario.seconds / 100)
        trained = sum(node.trained for node in swarm.nodes.values())
        show(f"{trained / max(1, total):4.0%} trained, {swarm.now:.1f} s, {exchanges(swarm)} exchanges a link")
        if not drained and all(node.trained >= node.worker.total for node in swarm.living()):
            drained = True
            yield "training_exchanges", exchanges(swarm)
            yield (
                "pending_rows",
                max((link.end.pending for n in swarm.living() for link in n.core.view.links()), default=0),
            )
            yield "apart_before_drain", swarm.apart()
        if swarm.now > 100 + 20 * scenario.seconds:
            raise SystemExit("the swarm does not come to an end; " + "; ".join(map(describe, swarm.living())))
    show("")


def describe(node: SimulatedNode) -> str:
    """Where a node stands, for an end that does not come."""
    return f"{node.name} {node.core.view.me.state.name} {node.trained} {node.refused[-3:]}"


def uplinks(swarm: Swarm) -> list[Any]:
    """The children's ends of all links."""
    return [link.end for node in swarm.living() for link in node.core.view.links() if isinstance(link, Uplink)]


def exchanges(swarm: Swarm) -> int:
    """The most that a link had, without those that moved no row."""
    return max((swarm.moved[link.link] for link in uplinks(swarm)), default=0)


def costs(swarm: Swarm, model: Model) -> dict[str, float]:
    """Bytes, for the dearest link and the mean one."""
    links, size = uplinks(swarm), model.weights.nbytes
    up, down = ([getattr(link.flow, way) for link in links] or [0] for way in ("sent_bytes", "received_bytes"))
    words = sum(node.trained for node in swarm.nodes.values())
    return {
        "exchanges": exchanges(swarm),
        "up": float(np.mean(up)) / size,
        "down": float(np.mean(down)) / size,
        "most": max(*up, *down) / size,
        "bytes_per_word": (sum(up) + sum(down)) / words,
        "rows_up": sum(link.flow.sent_rows for link in links) / max(1, len(links)),
        "rows_down": sum(link.flow.received_rows for link in links) / max(1, len(links)),
        "depth": max(map(len, chains(swarm))),
        "nodes": len(swarm.living()),
    }


def chains(swarm: Swarm) -> Iterator[list[bytes]]:
    """The way from each node to its root."""
    above = {n.core.node: up.peer for n in swarm.living() for up in n.core.view.links() if isinstance(up, Uplink)}
    for node in swarm.living():
        chain = [node.core.node]
        while chain[-1] in above:
            chain.append(above[chain[-1]])
        yield chain


# --- quality -------------------------------------------------------------------------------------------------------


def make_judge(texts: Texts, sets: TestSets) -> Judge:
    """What scores a model on the test sets that were given, and its loss in the way that the scenario trains."""
    words = [word.decode("utf-8", "replace") for word in texts.vocab.words]
    counts = texts.vocab.counts
    frequent = {word for word, count in zip(words, counts.tolist(), strict=True) if count >= RARE}
    rare = {
        f"{name}_rare": [pair for pair in pairs if not {*pair[:2]} <= frequent] for name, pairs in sets.pairs.items()
    }
    every = TestSets({**sets.pairs, **rare}, sets.questions)

    def judge(model: Model, scenario: Scenario) -> dict[str, float]:
        scores = every.scores(words, model.syn0)
        for name, text in (("loss", texts.tokens[0]), ("held_out_loss", texts.held_out)):
            scores[name] = mean_loss(model.syn0, model.syn1neg, sample(model, text, counts, scenario))
        return scores

    return judge


def sample(model: Model, text: Tokens, counts: NDArray[np.int64], scenario: Scenario) -> Pairs:
    """The same pairs of a text for every model with the same --window, --negative and --sg."""
    return sample_pairs(Trainer(model, text, counts, recipe_of(scenario)), PAIRS, np.random.default_rng(1))


# --- the command ---------------------------------------------------------------------------------------------------


def show(text: str) -> None:
    """Progress, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def asked_for(args: argparse.Namespace) -> Iterator[Scenario]:
    """Every combination that was asked for."""
    base = Scenario(
        1, 1, 1, "", 1, args.seconds, args.late, args.bandwidth, args.delay, args.jitter, args.loss, tuple(args.shares),
        tuple(args.speeds), tuple(args.events), args.children, args.epochs, args.vector_size,
        *[getattr(args, name) for name in SETTINGS],
    )  # fmt: skip
    for nodes, number, rows, rule in itertools.product(args.nodes, args.exchanges, args.rows, args.rules):
        for seed in args.seeds:
            yield replace(base, nodes=nodes, exchanges=number, rows=rows, rule=rule, seed=seed)


def known(path: Path | None) -> dict[str, Any]:
    """Results that are there already, by scenario; what older ones do not say was the default."""
    if path is None or not path.exists():
        return {}
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return {json.dumps(asdict(Scenario(**line["scenario"]))): line["result"] for line in lines}


def unusual(scenario: Scenario) -> str:
    """The settings of the job that are not its defaults."""
    values = {name: getattr(scenario, name) for name in SETTINGS}
    return "".join(f" {name} {value}" for name, value in values.items() if value != OPTIONS[name].default)


def headline(scenario: Scenario, result: dict[str, Any]) -> str:
    """A result in a line."""
    if "diverged" in result:
        settings = unusual(scenario)
        return f"N {scenario.nodes:2} {scenario.rule}{settings} seed {scenario.seed}: diverges, {result['diverged']}"
    scores = " ".join(f"{name} {result[name]:.1f}" for name in ("wordsim", "simlex", "analogy") if name in result)
    return (
        f"N {scenario.nodes:2} {scenario.rule} rows {scenario.rows}{unusual(scenario)} seed {scenario.seed}: {scores},"
        f" loss {result['loss']:.4f}, {result['exchanges']} exchanges,"
        f" model-equivalents {result['up']:.2f} up {result['down']:.2f} down, most {result['most']:.2f},"
        f" apart {result['apart']:.1e}, {result['cpu_seconds']:.0f} s, digest {result['digest']}"
    )


def add_setting(parser: argparse.ArgumentParser, name: str) -> None:
    """An argument that takes what the job's setting of that name takes."""

    def read(text: str) -> Any:
        try:
            return OPTIONS[name].read(text)
        except ValueError as error:  # whose text argparse would not show
            raise argparse.ArgumentTypeError(str(error)) from error

    option = OPTIONS[name]
    parser.add_argument(f"--{name}", type=read, default=option.default, help=option.does)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="several are dealt out to the nodes in turn")
    parser.add_argument("--nodes", type=int, nargs="+", default=[8])
    parser.add_argument("--exchanges", type=int, nargs="+", default=[105], help="on a link, while a node trains")
    parser.add_argument("--rows", type=int, nargs="+", default=[16_384], help="of one end in an exchange")
    parser.add_argument("--rules", nargs="+", default=["sequential"], choices=list(RULES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--seconds", type=float, default=30.0, help="that a node of speed 1 trains")
    parser.add_argument("--late", type=float, default=0.5, help="pauses until the answer, if no --delay is given")
    parser.add_argument("--bandwidth", type=float, default=0.0, help="Mbit/s each way of a link; 0: no limit")
    parser.add_argument("--delay", type=float, default=0.0, help="s, one way")
    parser.add_argument("--jitter", type=float, default=0.0, help="s")
    parser.add_argument("--loss", type=float, default=0.0, help="share of messages that come late by a retransmission")
    parser.add_argument("--shares", type=float, nargs="+", default=[1.0], help="sizes of the nodes' texts, in turn")
    parser.add_argument("--speeds", type=float, nargs="+", default=[1.0], help="of the nodes, in turn")
    parser.add_argument(
        "--events", nargs="+", default=[], metavar="WHEN:WHAT:NODE",
        help="join, leave or kill, at a share of --seconds: 0.5:kill:n3",
    )  # fmt: skip
    parser.add_argument("--children", type=int, default=4, help="that a node takes")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--vector-size", type=int, default=128)
    parser.add_argument("--min-count", type=int, default=5)
    for name in SETTINGS:
        add_setting(parser, name)
    add_test_sets(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="results, a line of JSON each")
    parser.add_argument("--folder", type=Path, help="where encoded texts are kept for the next time")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for and is not there yet."""
    args = arguments()
    there = known(args.out)
    with tempfile.TemporaryDirectory() as temporary:
        texts = read_texts(args.texts, args.min_count, args.folder or Path(temporary))
        judge = make_judge(texts, TestSets.read(args))
        warm_up(args.vector_size, args.sg)
        for scenario in asked_for(args):
            key = json.dumps(asdict(scenario))
            if key not in there:
                try:
                    there[key] = run(texts, scenario, judge)
                except DeltaError as error:  # what the sum of many nodes comes to
                    there[key] = {"diverged": str(error)}
                if args.out is not None:
                    with args.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"scenario": asdict(scenario), "result": there[key]}) + "\n")
            print(headline(scenario, there[key]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
