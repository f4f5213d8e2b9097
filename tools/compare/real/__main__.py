"""`python -m compare.real FOLDER NODE LIFE`: one process of a real baseline, as `worker` has it."""

import sys

from gossipw2v.system.launch import prepare_machine

prepare_machine()  # before numba is loaded

from compare.real.worker import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
