#!/usr/bin/env python3
"""Hold what `gossipw2v plan` says of traffic and time against simulated runs that it was not fitted to.

    tools/check_plan.py [--runs 3,10000,48,6e5,0 ...] [--text FILE]

A run is nodes, different words, dimensions, words of the text, and Mbit/s of each node's one cable (0: no limit). Its
text is made up by Zipf's law, or --text, of which the vocabulary is then. The daemon's core, frames, merge and kernels
run on a virtual network and clock, at a speed that makes training last --seconds; the plan is told that speed. Printed
are bytes of the links and seconds from the first trained word until all rows are everywhere, and how far off they are.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gossipw2v.system.launch import prepare_machine

prepare_machine()  # before numba is loaded

from compare.network import Cables, SharedWires  # noqa: E402
from scenarios import ROW_SECONDS, Scenario, Texts, make_swarm, read_texts  # noqa: E402

from gossipw2v.cli.planning.estimate import estimate  # noqa: E402
from gossipw2v.cli.planning.frequencies import zipf  # noqa: E402
from gossipw2v.cli.planning.rates import THREADS, Rates  # noqa: E402
from gossipw2v.cli.planning.task import Fleet, Task  # noqa: E402
from gossipw2v.gossip.overlay.link import Uplink  # noqa: E402
from gossipw2v.node.session import ENOUGH, most_rows  # noqa: E402
from gossipw2v.w2v.text.vocab import Vocab  # noqa: E402
from gossipw2v.w2v.text.words import Words  # noqa: E402

LINE = 1000  # words of a line
CORES = 1000  # of a node that is told to the plan: the simulator's merging takes nothing from its training
LATENCY = 0.001  # s
LOOKS = 200  # at a swarm in a run
PATIENCE = 40  # times as long as training takes
# several N, vocabularies, dimensions and bandwidths, none of which the model was fitted to
RUNS = ("3,12000,48,6e5,0", "6,30000,24,8e5,0", "6,30000,24,8e5,12", "12,15000,32,8e5,0", "12,15000,32,8e5,30",
        "5,8000,64,6e5,40", "24,10000,16,8e5,0")  # fmt: skip


class Costs(NamedTuple):
    """`sent`: bytes over all links, frames of rows and of members; `seconds` from the first word to the end."""

    sent: float
    seconds: float


class Wanted(NamedTuple):
    """A run."""

    nodes: int
    vocab: int
    vector_size: int
    words: int
    megabits: float


def made_up(vocab: int, words: int) -> Texts:
    """A text by Zipf's law, of lines of LINE words."""
    groups = zipf(vocab)
    shares = np.repeat(groups.shares, groups.sizes.astype(np.int64))
    drawn = np.random.default_rng(1).choice(vocab, words, p=shares / shares.sum())
    counts = np.maximum(np.bincount(drawn, minlength=vocab), 1)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(vocab, np.int32)
    place[order] = np.arange(vocab, dtype=np.int32)
    lines = np.full((max(1, words // LINE), LINE + 1), -1, np.int32)
    lines[:, :LINE] = np.resize(place[drawn], (len(lines), LINE))
    names = Words.of(tuple(f"w{number:08}".encode() for number in range(vocab)))
    return Texts(Vocab(names, counts[order].astype(np.int64)), [lines.reshape(-1)], np.empty(0, np.int32))


def simulated(texts: Texts, wanted: Wanted, seconds: float) -> Costs:
    """Train for so many virtual seconds, to the end. TimeoutError if there is none."""
    rows = min(16_384, most_rows(wanted.vector_size))
    scenario = Scenario(
        wanted.nodes, ENOUGH, rows, "sequential", 1, seconds, 0.5, 0.0, LATENCY, 0.0, 0.0, (1.0,), (1.0,), (), 4, 1,
        wanted.vector_size,
    )  # fmt: skip
    swarm, _ = make_swarm(texts, scenario)
    cables = Cables(wanted.megabits * 1e6 / 8 or float("inf"))
    swarm.wires = SharedWires(swarm.clock, swarm.rng, swarm.line, cables=cables)
    began = None
    while began is None or not swarm.complete():
        swarm.run(seconds / LOOKS)
        if began is None and any(node.trained for node in swarm.nodes.values()):
            began = swarm.now
        if swarm.now > PATIENCE * seconds + 100:
            raise TimeoutError(f"no end after {swarm.now:.0f} virtual seconds")
    ends = [link.end for node in swarm.living() for link in node.core.view.links() if isinstance(link, Uplink)]
    return Costs(sum(end.flow.sent_bytes + end.flow.received_bytes for end in ends), swarm.now - began)


def planned(wanted: Wanted, seconds: float) -> Costs:
    """What the plan says of it, at the speed of the simulation."""
    task = Task(words=wanted.words, epochs=1, vocab=wanted.vocab, vector_size=wanted.vector_size)
    fleet = Fleet(nodes=wanted.nodes, cores=CORES, megabits=wanted.megabits, latency=LATENCY)
    word = seconds * wanted.nodes * CORES * THREADS / wanted.words
    found = estimate(task, fleet, Rates(word=word, merged_row=ROW_SECONDS, merged_value=0.0))
    return Costs((found.up + found.down) * (wanted.nodes - 1), found.trained + found.drained)


def compared(wanted: Wanted, seconds: float, text: Path | None) -> tuple[Wanted, Costs, Costs]:
    """The run as it was in the end, what the plan says, and what was simulated."""
    if text is None:
        texts = made_up(wanted.vocab, wanted.words)
    else:
        with tempfile.TemporaryDirectory() as folder:
            texts = read_texts([str(text)], 5, Path(folder))
    words = int(np.count_nonzero(texts.tokens[0] >= 0))
    wanted = wanted._replace(vocab=len(texts.vocab), words=words)
    return wanted, planned(wanted, seconds), simulated(texts, wanted, seconds)


def off(said: float, was: float) -> str:
    """By how much the plan is too high or too low."""
    return f"{100 * (said / was - 1):+.0f} %"


def lines(runs: list[Wanted], seconds: float, text: Path | None) -> Iterator[str]:
    """The table, line by line."""
    for each in runs:
        wanted, said, was = compared(each, seconds, text)
        yield (
            f"N {wanted.nodes:2}, {wanted.vocab:,} words of {wanted.vector_size}, {wanted.words:,} words of text, "
            f"{wanted.megabits:g} Mbit/s: {said.sent / 1e6:.1f} MB, simulated {was.sent / 1e6:.1f} "
            f"({off(said.sent, was.sent)}); {said.seconds:.1f} s, simulated {was.seconds:.1f} "
            f"({off(said.seconds, was.seconds)})"
        )


def read_run(text: str) -> Wanted:
    """A run as it is typed."""
    try:
        nodes, vocab, size, words, megabits = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NODES,VOCAB,DIMENSIONS,WORDS,MBIT") from None
    return Wanted(int(nodes), int(vocab), int(size), int(words), megabits)


def main() -> int:
    """Print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=read_run, nargs="+", default=[read_run(run) for run in RUNS])
    parser.add_argument("--text", type=Path, metavar="FILE", help="train this text instead of made-up ones")
    parser.add_argument("--seconds", type=float, default=11.0, help="virtual, that training lasts")
    args = parser.parse_args()
    for line in lines(args.runs, args.seconds, args.text):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
