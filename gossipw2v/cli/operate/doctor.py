"""`gossipw2v doctor`: tries what a node will need, and says in a line each what is well or wrong, and what to do."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from gossipw2v.cli.commands import config_file
from gossipw2v.cli.operate.findings import WRONG, Finding, note, wrong
from gossipw2v.config import loader, options
from gossipw2v.system.launch import prepare_machine

if TYPE_CHECKING:
    from gossipw2v.config.node import Config

SCHEMA = "gossipw2v-doctor-1"
USUAL_WORDS = 100_000  # of a vocabulary that nobody knows yet
MOST_WORDS = 2**29  # as of `max_vocab`
BOUNDS = "mend it; `gossipw2v config` prints each setting with its bounds"
DESCRIPTION = (
    "Try what a node will need, with the flags, file and variables of `gossipw2v start`, and say in a line each what "
    "is well and what is not: configuration, secrets, folder, disk, memory, compiled kernels, ports, multicast, every "
    "peer. No node is started and none is disturbed; it takes some seconds. Exit code 0: nothing is wrong; 1: "
    "something is."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be typed besides the settings."""
    parser.description = DESCRIPTION
    parser.add_argument(
        "--words", type=_words, metavar="N",
        help=f"size of the vocabulary for which there must be room (default: --max-vocab, or {USUAL_WORDS:,})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="all there is, for programs")
    parser.set_defaults(run=run)


def _words(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:10]) <= MOST_WORDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_WORDS}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Look at everything and print it; the exit code. OSError if no folder can be written at all."""
    prepare_machine()
    found = list[Finding]()
    for finding in _found(args):
        found.append(finding)
        if not args.json:
            print(finding.paragraph(get_terminal_size().columns) if sys.stdout.isatty() else finding.line(), flush=True)
    mistakes = sum(finding.verdict == WRONG for finding in found)
    if args.json:
        told = [finding._asdict() for finding in found]
        print(json.dumps({"schema": SCHEMA, "well": not mistakes, "findings": told}), flush=True)
    else:
        print(f"\nwrong: {mistakes} of {len(found)}" if mistakes else "\nnothing is wrong", flush=True)
    return 1 if mistakes else 0


def _found(args: argparse.Namespace) -> Iterator[Finding]:
    """What is found, as it comes: this machine at once, others after some seconds."""
    try:
        config = _configuration(args)
    except loader.ConfigError as error:
        yield from (wrong("configuration", problem, BOUNDS) for problem in error.problems)
        yield note("doctor", "the rest was not looked at: it depends on the configuration")
    else:
        yield from _examine(config, args.words)


def _configuration(args: argparse.Namespace) -> Config:
    """As `start` would have it; text is not looked at and need not be given."""
    flags = {name: getattr(args, name) for name in options.OPTIONS}
    if loader.find("corpus", flags["corpus"], config_file(args)) is None:
        flags["corpus"] = [os.devnull]
    return loader.load(flags, config_file(args))


def _examine(config: Config, words: int | None) -> Iterator[Finding]:
    from gossipw2v.cli.operate.local import given, look_at_machine, node_note  # noqa: PLC0415
    from gossipw2v.system.lock import in_use  # noqa: PLC0415

    running = node_note(config.data_dir) if in_use(config.data_dir) else {}
    yield from look_at_machine(config, words or config.job.max_vocab or USUAL_WORDS)
    files, of_job = given(config)
    yield from files
    yield from asyncio.run(_look_outside(config, of_job, running))


async def _look_outside(config: Config, files: dict[str, str], running: dict[str, object]) -> list[Finding]:
    """Ports, multicast and peers; `files`: as of `job_of`, `running`: what the node that runs here says of itself."""
    from gossipw2v.cli.operate.clocks import compare_clocks  # noqa: PLC0415
    from gossipw2v.cli.operate.multicast import look_around  # noqa: PLC0415
    from gossipw2v.cli.operate.peers import job_of, named, visit_all  # noqa: PLC0415
    from gossipw2v.cli.operate.ports import look_at_port  # noqa: PLC0415

    ports = [await look_at_port(name, getattr(config, name), running.get("pid")) for name in ("listen", "http")]
    (around, heard), (sources, given) = await asyncio.gather(look_around(config), named(config))
    peers = await visit_all(config, job_of(config, files), [*given, *heard], running.get("node"))
    hosts = list(dict.fromkeys(place[0].host for place in [*given, *heard]))
    clocks = await asyncio.to_thread(compare_clocks, config, hosts)
    return [*ports, *around, *sources, *peers, *clocks]
