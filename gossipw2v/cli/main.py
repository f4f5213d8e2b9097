"""The `gossipw2v` command. Each command imports what is heavy itself, so help and mistakes answer at once.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 69 no node answers, 74 input or output failed,
128 + N ended by signal N.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

from gossipw2v import __version__
from gossipw2v.cli import signals, streams
from gossipw2v.cli.launch import TEMPORARY, leave, prepare_machine, run_loop, telling_of_limits
from gossipw2v.config import loader, options
from gossipw2v.config.node import HTTP_PORT
from gossipw2v.config.secret import SecretError, read_secret
from gossipw2v.status import client, report
from gossipw2v.system import lock, machine
from gossipw2v.system.output import STANDARD_OUTPUT
from gossipw2v.system.signals import ending

FAILURE, USAGE, UNREACHABLE, IO_ERROR, INTERRUPTED = 1, 2, 69, 74, 130
DEFAULT_URL = f"http://127.0.0.1:{HTTP_PORT}"
STANDARD_OUTPUT_NAME = "standard output"
WATCH_SECONDS = 1.0
CHECKPOINTS = "checkpoint-*[0-9]"  # as in `generations`, which is too heavy to ask
MAX_DEMO_NODES = 16
NO_CACHE = "kernels are compiled at every start: no folder keeps them; set NUMBA_CACHE_DIR to one that can be written"
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
    "ban": "ADDRESS[,ADDRESS...]",
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    streams.prepare()
    sys.exit(_code(argv))


def _code(argv: Sequence[str] | None) -> int:
    """The exit code of the command line, once whatever went wrong has been told."""
    try:
        return _run_command(argv)
    except BrokenPipeError:  # the reader of our output has seen enough, as `head` does
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except signals.Ended as ended:
        return ended.code
    except (
        loader.ConfigError,
        SecretError,
        lock.LockedError,
        client.NoNodeError,
        client.AnswerError,
        OSError,
        MemoryError,
    ) as error:
        return _fail(*_verdict(error))


def _verdict(error: Exception) -> tuple[int, str]:
    """The exit code for what went wrong, and what to say of it."""
    match error:
        case loader.ConfigError():
            return USAGE, f"{error}\n`gossipw2v start --help` lists every setting"
        case SecretError() | lock.LockedError():
            return USAGE, str(error)
        case client.NoNodeError():
            return UNREACHABLE, f"no node answers at {error}\nis it running? --url says where its http port is"
        case OSError():
            return IO_ERROR, _told(error)
        case MemoryError():
            return IO_ERROR, f"not enough memory: {error or 'an allocation failed'}"
        case _:
            return FAILURE, str(error)


def _run_command(argv: Sequence[str] | None) -> int:
    try:
        args = _parser().parse_args(argv)
        with nullcontext() if args.run is _start else signals.raised():  # a node has its own way to stop
            code: int = args.run(args)
    except SystemExit as left:  # help and wrong usage, as argparse ends them
        code = int(left.code or 0)
    sys.stdout.flush()
    return code


def _fail(code: int, message: str) -> int:
    streams.tell(f"gossipw2v: {message}")
    return code


def _told(error: OSError) -> str:
    """What went wrong with which file, in one line."""
    if not isinstance(error.filename, str | bytes) or not error.strerror:
        return str(error)
    name = os.fsdecode(error.filename)
    return f"{STANDARD_OUTPUT_NAME if name == str(STANDARD_OUTPUT) else name}: {error.strerror}"


# --- start and demo -------------------------------------------------------------------------------------


def _start(args: argparse.Namespace) -> int:
    for number in ending():  # the node's own handlers come with its event loop; until then nothing can be lost
        signal.signal(number, _end_at_once)
    flags = {name: getattr(args, name) for name in options.OPTIONS}
    config = loader.load(flags, _config_file(args), os.environ)
    with _holding(config.data_dir):
        prepare_machine()
        machine.share_heap()
        with telling_of_limits():
            from gossipw2v.node import daemon  # noqa: PLC0415
            from gossipw2v.system import logs  # noqa: PLC0415

        logs.configure(config.log_level, config.log_format)
        for folder in TEMPORARY:
            logs.get_logger("cli").warning(NO_CACHE, used=folder)
        code = run_loop(daemon.serve(config))
    leave(code)


def _end_at_once(_number: int, _frame: object) -> None:
    sys.exit(0)


@contextmanager
def _holding(folder: Path) -> Iterator[None]:
    """Have the data folder; OSError says what can be set if it cannot be used."""
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.holding(folder))
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"--data-dir {folder}: cannot be written: {why}; give a folder that can") from error
        yield


def _config_file(args: argparse.Namespace) -> Path | None:
    path = args.config or os.environ.get(f"{options.PREFIX}CONFIG")
    return Path(path) if path else None


def _demo(args: argparse.Namespace) -> int:
    prepare_machine()
    from gossipw2v.cli.demo import run_demo  # noqa: PLC0415

    return run_demo(args.nodes, args.corpus)


# --- status and export ----------------------------------------------------------------------------------


def _status(args: argparse.Namespace) -> int:
    token = _token(args)
    try:
        while True:
            status = client.status(args.url, token)
            done = not args.watch or status["state"] in ("complete", "failed")
            print(_shown(status, args), flush=True)
            if done:
                return 0
            time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        return 0  # the way to end a watch


def _token(args: argparse.Namespace) -> bytes | None:
    """What to show a node, from the file that it has it from."""
    path = loader.find("http_token_file", args.http_token_file, _config_file(args), os.environ)
    return None if path is None else read_secret(path)


def _shown(status: dict[str, Any], args: argparse.Namespace) -> str:
    if args.json:
        return json.dumps(status)
    if args.watch and not streams.redraws(sys.stdout):
        return report.summary(status)
    clear = "\x1b[H\x1b[J" if args.watch else ""
    return clear + report.render(status)


def _export(args: argparse.Namespace) -> int:
    if args.path.is_dir():
        return _fail(USAGE, f"{args.path} is a folder; name a file in it")
    folder = args.data_dir if args.data_dir or args.url else _default_folder()
    words, dimensions = _export_folder(folder, args.path) if folder else _export_node(args)
    path = STANDARD_OUTPUT_NAME if args.path == STANDARD_OUTPUT else args.path
    streams.tell(f"{path}: {words:,} words of {dimensions} dimensions, from {folder or args.url or DEFAULT_URL}")
    return 0


def _export_node(args: argparse.Namespace) -> tuple[int, int]:
    line = streams.ProgressLine()

    def draw(rows: int, words: int) -> None:
        line.show(f"{report.bar(rows / max(1, words))} {rows:,} of {words:,} words")

    def wait(why: str, _: float) -> None:
        line.note(f"{why}; waiting")

    try:
        return client.export(args.url or DEFAULT_URL, args.path, client.Watcher(draw, wait), _token(args))
    finally:
        line.end()


def _default_folder() -> Path | None:
    """The folder of the default job, if a node that no longer runs has left its model there."""
    try:
        folder = loader.default_data_dir("default")
    except loader.ConfigError:  # a user without a home has none
        return None
    return folder if any(folder.glob(CHECKPOINTS)) and not lock.in_use(folder) else None


def _export_folder(folder: Path, path: Path) -> tuple[int, int]:
    prepare_machine()
    from gossipw2v.node.storage.checkpoint import CheckpointError  # noqa: PLC0415
    from gossipw2v.node.storage.export import export_model  # noqa: PLC0415
    from gossipw2v.w2v.word2vec_format import ExportError  # noqa: PLC0415

    try:
        return export_model(folder, path)
    except (ExportError, CheckpointError) as error:
        raise client.AnswerError(str(error)) from error


# --- the command line -----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="gossipw2v",
        description="word2vec trained by a swarm of equal nodes that gossip what they learn.",
        epilog="Type the same `gossipw2v start` on every machine; `gossipw2v COMMAND --help` tells the rest.",
    )
    parser.add_argument("--version", action="version", version=f"gossipw2v {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_start(commands.add_parser("start", help="train, together with the nodes there are"))
    _add_export(commands.add_parser("export", help="write the vectors in word2vec's text format"))
    _add_status(commands.add_parser("status", help="show how far a node and its swarm are"))
    _add_demo(commands.add_parser("demo", help="see a swarm on this machine learn a small world"))
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
    parser.add_argument("--config", metavar="FILE.toml", help="read settings from here; see configs/lan.toml")
    groups = {"this node": options.NODE_OPTIONS, "the job, the same on all its nodes": options.JOB_OPTIONS}
    for title, members in groups.items():
        group = parser.add_argument_group(title)
        for option in members:
            group.add_argument(option.flag, default=None, help=_help(option), **_form(option))
    parser.set_defaults(run=_start)


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
        "Write all vectors to PATH in word2vec's text format, whole or not at all; what is no file, such as a pipe, is "
        "written to as it is. Without an option: the model "
        f"that a stopped node left in the default data folder, or else that of the node at {DEFAULT_URL}."
    )
    parser.add_argument(
        "path", metavar="PATH", type=_target, help="the file to write, such as vectors.txt; - for standard output"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data-dir", metavar="DIR", type=Path, help="what a node left in its folder")
    source.add_argument("--url", type=_url, help="a running node")
    _add_token(parser)
    parser.set_defaults(run=_export)


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show the state, the progress, the members and the links of a running node."
    parser.add_argument("--url", type=_url, default=DEFAULT_URL, help="the node to ask (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="all there is, for programs")
    parser.add_argument("--watch", action="store_true", help="again every second, until the swarm is done")
    _add_token(parser)
    parser.set_defaults(run=_status)


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--http-token-file", metavar="FILE", help="the token that the node asks for")
    parser.add_argument("--config", metavar="FILE.toml", help="read http_token_file from here, as the node does")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = "Start several nodes on this machine, let them train together, and show what came of it."
    parser.add_argument(
        "--nodes", type=_nodes, default=3, metavar="N", help=f"1 to {MAX_DEMO_NODES} nodes (default %(default)s)"
    )
    parser.add_argument("--corpus", type=Path, metavar="PATH", help="text of your own instead of the small world")
    parser.set_defaults(run=_demo)


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
