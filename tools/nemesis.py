#!/usr/bin/env python3
"""Try swarms under seeded faults: real cores, real models, a virtual network and clock.

    tools/nemesis.py --seeds 10000 [--first 0] [--processes 2]
    tools/nemesis.py --seed 4711    # one, with the story of what befell it
    tools/nemesis.py --growth --seeds 300    # swarms whose vocabulary grows meanwhile
    tools/nemesis.py --seed 4711 --story n1 n3    # and of the link between two nodes: what was done, and why

Each seed is a swarm of two to eight nodes; in `gossipw2v/simulation/`, `auditor.py` has what must hold at every step,
`trial.py` (with --growth `growing.py`) what must come true in the end, and `nemesis.py` what happens to it. One that
fails is printed with the line that replays it; exits with 1 if any did.
"""

import argparse
import multiprocessing
import sys
import time
from functools import partial

from gossipw2v.simulation import growing
from gossipw2v.simulation.story import link_story
from gossipw2v.simulation.trial import Trial, failure
from gossipw2v.system.launch import prepare_machine


def attempt(seed: int, grows: bool = False) -> tuple[int, str | None]:
    """The seed, and what went wrong."""
    return seed, growing.failure(seed) if grows else failure(seed)


def replay(seed: int) -> int:
    """One seed, told at length."""
    wrong = failure(seed)
    if wrong is None:
        trial = Trial(seed)
        trace = trial.run()
        print("\n".join(trial.nemesis.story))
        print(f"all is well after {trial.swarm.now:.0f} virtual s, {len(trial.swarm.living())} nodes, trace {trace}")
        return 0
    print(wrong)
    return 1


def regrow(seed: int) -> int:
    """One seed whose vocabulary grows."""
    trial = growing.GrowthTrial(seed)
    wrong = growing.failure(seed)
    if wrong is None:
        version = trial.run()
        print("\n".join(trial.nemesis.story))
        print(f"all is well after {trial.swarm.now:.0f} virtual s: version {version}, {trial.given_up} words given up")
    print(wrong or "", end="")
    return int(wrong is not None)


def tell(seed: int, one: str, other: str) -> int:
    """The story of a link in one seed."""
    trial = Trial(seed)
    print("\n".join(link_story(trial, one, other)))
    if unknown := {one, other} - trial.swarm.nodes.keys():
        print(f"seed {seed} has no node {', '.join(sorted(unknown))}; it has {', '.join(trial.swarm.nodes)}")
    return len(unknown)


def many(seeds: range, processes: int, grows: bool) -> int:
    """All of `seeds`; progress goes where somebody looks."""
    began, failed = time.monotonic(), 0
    with multiprocessing.get_context("spawn").Pool(processes, prepare_machine) as pool:
        for done, (_seed, wrong) in enumerate(
            pool.imap_unordered(partial(attempt, grows=grows), seeds, chunksize=4), 1
        ):
            if wrong is not None:
                failed += 1
                print(f"\r{wrong}\n", flush=True)
            if sys.stderr.isatty():
                rate = done / (time.monotonic() - began)
                print(f"\r\033[K{done} of {len(seeds)}, {failed} failed, {rate:.1f}/s", end="", file=sys.stderr)
    seconds = time.monotonic() - began
    print(f"{len(seeds)} seeds from {seeds.start}, {failed} failed, {seconds:.0f} s")
    return 1 if failed else 0


def main() -> int:
    """Try what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=300, metavar="N", help="how many")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="where to begin")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--growth", action="store_true", help="text comes, and the vocabulary grows")
    parser.add_argument("--story", nargs=2, metavar="NODE", help="of --seed, all about the link between two nodes")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    args = parser.parse_args()
    prepare_machine()
    if args.story and args.seed is None:
        parser.error("--story needs --seed: the one whose story is told")
    if args.story:
        return tell(args.seed, *args.story)
    if args.seed is not None:
        return regrow(args.seed) if args.growth else replay(args.seed)
    return many(range(args.first, args.first + args.seeds), args.processes, args.growth)


if __name__ == "__main__":
    sys.exit(main())
