"""`python tools/compare`: makes the package and its neighbours among the tools importable, then runs the command."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from gossipw2v.system.launch import prepare_machine  # noqa: E402

prepare_machine()  # before numba is loaded

from compare.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
