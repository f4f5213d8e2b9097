"""What each command does, with the parsed arguments. Each imports what is heavy itself, so that others answer at once.

A function of `args` returns the exit code of its command; what it raises is judged in `main`.
"""

import argparse
import faulthandler
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from gossipw2v.cli import streams
from gossipw2v.cli.models import vectors
from gossipw2v.cli.screen import Screen
from gossipw2v.config import loader, options
from gossipw2v.config.node import HTTP_PORT
from gossipw2v.config.secret import read_secret
from gossipw2v.status import client, report
from gossipw2v.system import lock, machine, signals
from gossipw2v.system.launch import TEMPORARY, leave, prepare_machine, run_loop, telling_of_limits, uncollected
from gossipw2v.system.output import STANDARD_OUTPUT

FAILURE, USAGE = 1, 2  # exit codes: something failed; wrong usage
DEFAULT_URL = f"http://127.0.0.1:{HTTP_PORT}"
STANDARD_OUTPUT_NAME = "standard output"
WATCH_SECONDS = 1.0
ENDS = ("complete", "failed")  # states in which a watch ends
CHECKPOINTS = "checkpoint-*[0-9]"  # as in `generations`, which is too heavy to ask
NO_CACHE = "kernels are compiled at every start: no folder keeps them; set NUMBA_CACHE_DIR to one that can be written"


# --- start and demo -------------------------------------------------------------------------------------


def start(args: argparse.Namespace) -> int:
    """Run a node until it is done or told to stop."""
    for (
        number
    ) in signals.stopping():  # the node's own handlers come with its event loop; until then nothing can be lost
        signal.signal(number, _end_at_once)
    faulthandler.enable(
        streams.MESSAGES
    )  # systemd's watchdog aborts a node that hangs; the journal then says where it does
    signal.signal(signals.RELOADING, signal.SIG_IGN)  # there is nothing yet that could be read again
    flags = {name: getattr(args, name) for name in options.OPTIONS}
    load = partial(loader.load, flags, config_file(args), os.environ)
    config = load()
    with _holding(config.data_dir):
        prepare_machine()
        machine.share_heap()
        with telling_of_limits(), uncollected():
            from gossipw2v.node import daemon  # noqa: PLC0415
            from gossipw2v.system import logs  # noqa: PLC0415

        logs.configure(config.log_level, config.log_format)
        for folder in TEMPORARY:
            logs.get_logger("cli").warning(NO_CACHE, used=folder)
        code = run_loop(daemon.serve(config, load))
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


def config_file(args: argparse.Namespace) -> Path | None:
    path = args.config or os.environ.get(f"{options.PREFIX}CONFIG")
    return Path(path) if path else None


def demo(args: argparse.Namespace) -> int:
    """Start several nodes here, and show what came of it."""
    prepare_machine()
    from gossipw2v.cli.demo import run_demo  # noqa: PLC0415

    return run_demo(args.nodes, args.corpus)


# --- status and export ----------------------------------------------------------------------------------


def status(args: argparse.Namespace) -> int:
    """Show how far a node is, once or until its swarm is done."""
    token = shown_token(args)
    with suppress(KeyboardInterrupt):  # the way to end a watch
        if args.watch:
            _watch(args, token)
        else:
            print(_told(client.status(args.url, token), args.json), flush=True)
    return 0


def _watch(args: argparse.Namespace, token: bytes | None) -> None:
    """Show a status every second: on all of a terminal, where only the last one stays, or else a line each."""
    with Screen(sys.stdout, whole=True) as screen:
        while (last := client.status(args.url, token))["state"] not in ENDS:
            if screen.drawn and not args.json:
                screen.show(report.render(last))
            else:
                print(_told(last, args.json, brief=True), flush=True)
            time.sleep(WATCH_SECONDS)
    print(_told(last, args.json, brief=not screen.drawn), flush=True)


def _told(status: dict[str, Any], as_json: bool, brief: bool = False) -> str:
    if as_json:
        return json.dumps(status)
    return report.summary(status) if brief else report.render(status)


def shown_token(args: argparse.Namespace) -> bytes | None:
    """What to show a node, from the file that it has it from."""
    path = loader.find("http_token_file", args.http_token_file, config_file(args), os.environ)
    return None if path is None else read_secret(path)


def export(args: argparse.Namespace) -> int:
    """Write the vectors of a node, or of its folder, to a file."""
    if args.path.is_dir():
        streams.tell(f"gossipw2v: {args.path} is a folder; name a file in it")
        return USAGE
    folder = args.data_dir if args.data_dir or args.url else _default_folder()
    target, selection = vectors.chosen(args)
    if folder:
        words, dimensions = vectors.export_folder(folder, target, selection)
    else:
        words, dimensions = vectors.export_node(args.url or DEFAULT_URL, target, selection, shown_token(args))
    path = STANDARD_OUTPUT_NAME if args.path == STANDARD_OUTPUT else args.path
    streams.tell(f"{path}: {words:,} words of {dimensions} dimensions, from {folder or args.url or DEFAULT_URL}")
    return 0


def _default_folder() -> Path | None:
    """The folder of the default job, if a node that no longer runs has left its model there."""
    try:
        folder = loader.default_data_dir("default")
    except loader.ConfigError:  # a user without a home has none
        return None
    return folder if any(folder.glob(CHECKPOINTS)) and not lock.in_use(folder) else None
