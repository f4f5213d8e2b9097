"""The `gossipw2v` command: what was typed is parsed and run, and whatever goes wrong becomes a line and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 69 no node answers, 74 input or output failed,
128 + N ended by signal N.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NoReturn

from gossipw2v.cli import commands, streams
from gossipw2v.cli.commands import FAILURE, STANDARD_OUTPUT_NAME, USAGE
from gossipw2v.cli.parser import make_parser
from gossipw2v.config import loader
from gossipw2v.config.secret import SecretError
from gossipw2v.status import client
from gossipw2v.system import lock, signals
from gossipw2v.system.output import STANDARD_OUTPUT

UNREACHABLE, IO_ERROR, INTERRUPTED = 69, 74, 130


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
        args = make_parser().parse_args(argv)
        with nullcontext() if args.run is commands.start else signals.raised():  # a node has its own way to stop
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
