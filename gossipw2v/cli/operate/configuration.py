"""`gossipw2v config`: the reference configuration, or whether a file is one."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from gossipw2v.config import loader, options

DESCRIPTION = (
    "Print every setting with its default, what it does, its unit, its bounds and the reason, as a file for --config; "
    "or look whether a file is right, as `gossipw2v start --config FILE` would."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be typed behind `gossipw2v config`."""
    parser.description = DESCRIPTION
    parser.add_argument(
        "--check", metavar="FILE.toml", type=Path, help="print nothing, and say what is wrong with this file"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print, or check; ConfigError has every problem of a file."""
    if args.check is None:
        print(options.reference_toml(), end="")
        return 0
    text = loader.find("corpus", None, args.check, {})
    config = loader.load({"corpus": text or [os.devnull]}, args.check, {"STATE_DIRECTORY": os.devnull})
    missing = "" if text else "; it names no corpus, so a flag or a variable has to"
    print(f"{args.check}: all settings are right, job {config.job.job}{missing}", file=sys.stderr)
    return 0
