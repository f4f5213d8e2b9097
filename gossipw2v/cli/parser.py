"""The command line: commands, flags and their help. Settings stay text here: `config.loader` reads them."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gossipw2v import __version__
from gossipw2v.cli import commands, leaves, neighbors
from gossipw2v.cli.commands import DEFAULT_URL
from gossipw2v.cli.models import evaluate, merge, train, vectors
from gossipw2v.cli.operate import completion, configuration, doctor, leaving, manual, watching
from gossipw2v.cli.planning import command as planning
from gossipw2v.config import options
from gossipw2v.status import client
from gossipw2v.system.output import STANDARD_OUTPUT

MAX_DEMO_NODES = 16
METAVARS = {int: "N", float: "X", Path: "DIR"}
METAVARS_BY_NAME = {
    "corpus": "PATH",
    "graph": "EDGES",
    "job": "NAME",
    "peers": "auto|HOST:PORT[,HOST:PORT...]",
    "secret_file": "FILE",
    "other_secret_file": "FILE",
    "http_token_file": "FILE",
    "http_names": "NAME[,NAME...]",
    "vocab": "FILE",
    "from": "VECTORS|DIR",
    "probe": "FILE[,FILE...]",
    "ban": "ADDRESS[,ADDRESS...]",
}


def make_parser() -> argparse.ArgumentParser:
    """What reads a command line; `run` of the result is the function of its command."""
    parser = _Parser(
        prog="gossipw2v",
        description="word2vec trained by a swarm of equal nodes that gossip what they learn.",
        epilog="Type the same `gossipw2v start` on every machine; `gossipw2v COMMAND --help` tells the rest.",
    )
    parser.add_argument("--version", action="version", version=f"gossipw2v {__version__}")
    chosen = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_start(chosen.add_parser("start", help="train, together with the nodes there are"))
    train.add(
        chosen.add_parser("train", help="train on this machine alone, and write the vectors"), _target, _add_option
    )
    _add_export(chosen.add_parser("export", help="write the vectors of a model to a file"))
    merge.add(chosen.add_parser("merge", help="make one of several models' vectors"), _target)
    _add_status(chosen.add_parser("status", help="show how far a node and its swarm are"))
    _add_neighbors(chosen.add_parser("neighbors", help="show which words a running node finds near others"))
    _add_evaluate(chosen.add_parser("evaluate", help="score vectors on test sets"))
    _add_what_leaves(chosen.add_parser("what-leaves", help="print the words that a node would tell others of"))
    planning.add_arguments(chosen.add_parser("plan", help="say what a training will cost, before it begins"))
    _add_doctor(chosen.add_parser("doctor", help="try what a node will need, and say what is wrong"))
    configuration.add_arguments(chosen.add_parser("config", help="print every setting, or check a file of them"))
    _add_watching(chosen.add_parser("members", help="list the nodes of a swarm"), watching.members)
    _add_watching(top := chosen.add_parser("top", help="show what goes over each link"), watching.top)
    watching.add_top_arguments(top)
    leaving.add_arguments(chosen.add_parser("leave", help="tell a node of this machine to leave the swarm"))
    for module, name, does in (
        (completion, "completion", "completion for a shell"),
        (manual, "man", "the manual page"),
    ):
        _add_text(chosen.add_parser(name, help=f"print {does}"), module)
    _add_demo(chosen.add_parser("demo", help="see a swarm on this machine learn a small world"))
    return parser


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)  # an abbreviation breaks when a longer option is added


def _add_start(parser: argparse.ArgumentParser) -> None:
    parser.usage = "gossipw2v start (--corpus PATH ... | --graph EDGES ...) [--peers auto|HOST:PORT,...] [OPTION ...]"
    parser.description = (
        "Train on this node's text together with all nodes of the same job. A flag wins over the same key of the "
        f"--config file, which wins over the variable of the same name ({options.PREFIX}VECTOR_SIZE)."
    )
    _add_settings(parser)
    parser.set_defaults(run=commands.start)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Every setting of a node, by flag, and the file that has the rest."""
    parser.add_argument("--config", metavar="FILE.toml", help="read settings from here; see configs/lan.toml")
    groups = {"this node": options.NODE_OPTIONS, "the job, the same on all its nodes": options.JOB_OPTIONS}
    for title, members in groups.items():
        group = parser.add_argument_group(title)
        for option in members:
            _add_option(group, option)


def _add_option(parser: argparse._ActionsContainer, option: options.Option) -> None:
    parser.add_argument(option.flag, default=None, help=_help(option), **_form(option))


def _form(option: options.Option) -> dict[str, Any]:
    """How a flag is typed. Values stay text: `settings` reads them and reports all mistakes together."""
    if option.kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    metavar = METAVARS_BY_NAME.get(option.name) or METAVARS.get(option.kind, option.unit.upper())
    return {"metavar": metavar, "nargs": "+" if option.unit == "paths" else None}


def _help(option: options.Option) -> str:
    unit = option.unit if option.kind in (int, float) else ""
    default = ",".join(option.default) if isinstance(option.default, tuple) else option.default
    known = "" if default in (None, "") or option.kind is bool else f"default {default}"
    notes = "; ".join(filter(None, (unit, option.limits, known)))
    return f"{option.does} ({notes})" if notes else option.does


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write a model's vectors to PATH, whole or not at all, in the format that its suffix or --format says, else in "
        "word2vec's text format; what is no file, such as a pipe, is written to as it is. Without --data-dir or --url: "
        f"the model that a stopped node left in the default data folder, or else that of the node at {DEFAULT_URL}."
    )
    parser.add_argument(
        "path", metavar="PATH", type=_target, help="the file to write, such as vectors.txt; - for standard output"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data-dir", metavar="DIR", type=Path, help="what a node left in its folder")
    source.add_argument("--url", type=_url, help="a running node")
    vectors.add_options(parser)
    vectors.add_matrix(parser)
    _add_token(parser)
    parser.set_defaults(run=commands.export)


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show the state, the progress, the members and the links of a running node."
    parser.add_argument("--url", type=_url, default=DEFAULT_URL, help="the node to ask (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="all there is, for programs")
    parser.add_argument("--watch", action="store_true", help="again every second, until the swarm is done")
    _add_token(parser)
    parser.set_defaults(run=commands.status)


def _add_neighbors(parser: argparse.ArgumentParser) -> None:
    neighbors.add_arguments(parser)
    parser.add_argument("--url", type=_url, default=DEFAULT_URL, help="the node to ask (default %(default)s)")
    _add_token(parser)
    parser.set_defaults(run=lambda args: neighbors.run(args, commands.shown_token))


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    evaluate.add_arguments(parser)
    _add_token(parser)
    parser.set_defaults(run=lambda args: evaluate.run(args, commands.shown_token))


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--http-token-file", metavar="FILE", help="the token that the node asks for")
    parser.add_argument("--config", metavar="FILE.toml", help="read http_token_file from here, as the node does")


def _add_what_leaves(parser: argparse.ArgumentParser) -> None:
    parser.description = leaves.DESCRIPTION
    parser.add_argument("--config", metavar="FILE.toml", help="read settings from here, as `start` does")
    for name in leaves.FLAGS:
        _add_option(parser, options.OPTIONS[name])
    parser.set_defaults(run=leaves.what_leaves)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.usage = "gossipw2v doctor [--words N] [--json] [OPTION OF start ...]"
    doctor.add_arguments(parser)
    _add_settings(parser)


def _add_watching(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace, watching.Token], int]) -> None:
    parser.description = "List the nodes that a running node knows of: state, share of the own text trained, addresses."
    parser.add_argument("--url", type=_url, default=DEFAULT_URL, help="the node to ask (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="all there is, for programs")
    _add_token(parser)
    parser.set_defaults(run=lambda args: run(args, commands.shown_token))


def _add_text(parser: argparse.ArgumentParser, module: Any) -> None:
    module.add_arguments(parser)
    parser.set_defaults(run=lambda args: module.run(args, make_parser()))


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = "Start several nodes on this machine, let them train together, and show what came of it."
    parser.add_argument(
        "--nodes", type=_nodes, default=3, metavar="N", help=f"1 to {MAX_DEMO_NODES} nodes (default %(default)s)"
    )
    parser.add_argument("--corpus", type=Path, metavar="PATH", help="text of your own instead of the small world")
    parser.set_defaults(run=commands.demo)


def _target(text: str) -> Path:
    if text == "-":
        return STANDARD_OUTPUT
    if os.path.basename(text) in ("", ".", ".."):  # noqa: PTH119 (a Path forgets what stands behind the last slash)
        raise argparse.ArgumentTypeError(f"{text!r} names no file")
    return Path(text)


def _url(text: str) -> str:
    try:
        return client.base_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _nodes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_DEMO_NODES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_DEMO_NODES}")
    return int(text)
