"""`gossipw2v leave`: a node of this machine is told to leave the swarm in order.

By a signal and not over HTTP: the system knows who may send one, while HTTP stays something that changes nothing, for
whatever page a browser on this machine shows.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from pathlib import Path

from gossipw2v.cli import streams
from gossipw2v.cli.commands import config_file
from gossipw2v.config import loader
from gossipw2v.system import lock

NO_NODE, NOT_YET = 69, 1  # exit codes
PATIENCE = 120.0  # s: systemd waits as long (TimeoutStopSec)
PAUSE = 0.1  # s between two looks
DESCRIPTION = (
    "Tell the node that has a data directory on this machine to leave: it hands over what it trained last, says "
    "goodbye to the others, keeps its model and ends, as by SIGTERM. Waits for its end. The node has to be of your "
    "user, unless you are root. A service is better stopped by `systemctl stop`, which also remembers it."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be typed behind `gossipw2v leave`."""
    parser.description = DESCRIPTION
    parser.add_argument("--data-dir", metavar="DIR", help="the node's folder (default: that of the job)")
    parser.add_argument("--job", metavar="NAME", help="the job's name (default: default)")
    parser.add_argument("--config", metavar="FILE.toml", help="read data_dir and job from here, as the node does")
    parser.add_argument("--no-wait", action="store_true", help="only tell it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Tell it, and wait for its end. ConfigError; OSError if this user may not."""
    folder = _folder(args)
    pid = lock.holder(folder)
    if pid is None:
        hidden = ", or one that this user may not see" if lock.in_use(folder) else ""
        streams.tell(f"gossipw2v: no node has {folder}{hidden}; --data-dir or --config says where it is")
        return NO_NODE
    _tell(pid, folder)
    ended = _is_left(folder, 0.0 if args.no_wait else PATIENCE)
    print(f"the node with pid {pid} has left" if ended else f"the node with pid {pid} was told to leave")
    return 0 if ended or args.no_wait else NOT_YET


def _folder(args: argparse.Namespace) -> Path:
    file = config_file(args)
    given: Path | None = loader.find("data_dir", args.data_dir, file)
    return given or loader.default_data_dir(loader.find("job", args.job, file))


def _tell(pid: int, folder: Path) -> None:
    """Send the signal to the very process that has the folder, whatever becomes of its number meanwhile."""
    if not hasattr(os, "pidfd_open"):  # not on Linux
        os.kill(pid, signal.SIGTERM)
        return
    process = os.pidfd_open(pid)
    try:
        if lock.holder(folder) == pid:
            signal.pidfd_send_signal(process, signal.SIGTERM)
    finally:
        os.close(process)


def _is_left(folder: Path, seconds: float) -> bool:
    """Whether nobody has the folder any more, within so many seconds."""
    deadline = time.monotonic() + seconds
    while lock.in_use(folder):
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE)
    return True
