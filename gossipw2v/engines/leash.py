"""`python -m gossipw2v.engines.leash SECONDS FOLDER COMMAND...`: a command that lives no longer than who started it.

Whoever starts it writes a byte to its standard input now and then. When that ends, since the worker of an engine was
killed, or nothing has come for SECONDS, since nobody asks for the result any more, the command is told to stop, so that
a node hands over and keeps what it trained, and FOLDER is removed.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time

from gossipw2v.api import process

LOOK_SECONDS = 0.2  # between two looks whether the command has ended


def main(arguments: list[str]) -> int:
    """Run the command; its exit code, 128 + N if it ended by signal N."""
    seconds, folder, *command = arguments
    node = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: node.terminate())
    if not _watched(node, float(seconds)):
        process.stop([node])
        shutil.rmtree(folder, ignore_errors=True)
    return node.returncode if node.returncode >= 0 else 128 - node.returncode


def _watched(node: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of the command, as long as somebody is interested; whether it has come."""
    deadline = time.monotonic() + seconds
    while node.poll() is None:
        if select.select([0], [], [], LOOK_SECONDS)[0]:
            if not os.read(0, 4096):
                return False
            deadline = time.monotonic() + seconds
        elif time.monotonic() > deadline:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
