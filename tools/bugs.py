#!/usr/bin/env python3
"""Put bugs into a copy of the tree, one at a time, and see whether the tests catch them.

    tools/bugs.py [NAME ...] [--folder tests/bugs]

Each file of the folder is a patch: a line that says what goes wrong, a line `Tests:` with the arguments to pytest that
should notice, and the diff. First those tests must pass without any bug. Exits with 1 if a bug was missed.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BUGS = REPOSITORY / "tests" / "bugs"
FAILED = 1  # pytest's exit code when tests ran and some failed; others mean that nothing was tested
PATIENCE = 300  # s


@dataclass(frozen=True)
class Bug:
    """A patch, and what is to notice it."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.stem

    @property
    def tests(self) -> list[str]:
        """Arguments to pytest."""
        lines = self.path.read_text("utf-8").splitlines()
        (line,) = [line for line in lines if line.startswith("Tests:")]
        return shlex.split(line.removeprefix("Tests:"))

    def apply(self, tree: Path, *options: str) -> None:
        """Put the bug into `tree`. CalledProcessError if the patch does not fit."""
        subprocess.run(["git", "apply", *options, str(self.path)], cwd=tree, check=True)


def bugs(folder: Path, names: list[str]) -> list[Bug]:
    """The bugs of that name, or all."""
    found = {path.stem: Bug(path) for path in sorted(folder.glob("*.patch"))}
    if unknown := set(names) - set(found):
        raise SystemExit(f"no such bug: {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    return [found[name] for name in names] if names else list(found.values())


def copy_tree(folder: Path) -> Path:
    """What git knows of the tree, as it is now, as a repository of its own."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    for line in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *line], cwd=folder, check=True)
    return folder


def pytest(tree: Path, tests: list[str]) -> int:
    """Run tests on a tree; pytest's exit code, or that of failure if they do not end."""
    environ = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    line = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(line, cwd=tree, env=environ, stdout=subprocess.DEVNULL, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return FAILED
    return done.returncode


def try_bug(tree: Path, bug: Bug) -> bool:
    """Whether the tests that should notice do; without the bug they pass."""
    bug.apply(tree, "--check")
    if code := pytest(tree, bug.tests):
        raise SystemExit(f"{bug.name}: pytest {shlex.join(bug.tests)} ends with {code} without the bug")
    bug.apply(tree)
    try:
        return pytest(tree, bug.tests) == FAILED
    finally:
        bug.apply(tree, "--reverse")


def main() -> int:
    """Try the bugs that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a patch; all if none is given")
    parser.add_argument("--folder", type=Path, default=BUGS, help="where the patches are")
    args = parser.parse_args()
    chosen = bugs(args.folder.resolve(), args.names)
    caught = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_tree(Path(folder))
        for bug in chosen:
            began = time.perf_counter()
            noticed = try_bug(tree, bug)
            caught += noticed
            seconds = time.perf_counter() - began
            print(f"{'caught' if noticed else 'MISSED'}  {bug.name}, {seconds:.0f} s", flush=True)
    print(f"{caught} of {len(chosen)} caught")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
