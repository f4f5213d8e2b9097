"""A node takes the memory of its model and little more."""

import subprocess
import sys
from pathlib import Path

import pytest

SIZE = 128
VOCABULARY, RARE = 30_000, 60_000  # words of the model, and others that are counted and then left out

NODE = """
import os, re, sys
from pathlib import Path
from gossipw2v.cli.main import main

def leave(code, leave=os._exit):
    print(*re.findall(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()), flush=True)
    leave(code)

os._exit = leave  # a node's last step
main(["start", "--peers", "none", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--until-complete",
      "--epochs", "1", "--threads", "2", *sys.argv[1:]])
"""


def peak(text: str, folder: Path) -> float:
    """The most memory, in MiB, that a node ever had which trained alone on `text`."""
    folder.mkdir()
    (folder / "text").write_text(text)
    flags = {"corpus": folder / "text", "data-dir": folder / "data", "vector-size": SIZE, "min-count": 5}
    command = [sys.executable, "-c", NODE, *(f"--{name}={value}" for name, value in flags.items())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell")
def test_a_lone_node_takes_a_quarter_more_than_its_matrices(tmp_path: Path) -> None:
    frequent = " ".join(f"frequent-word-{n}" for n in range(VOCABULARY))
    rare = " ".join(f"rare-word-{n * n}" for n in range(RARE))
    bare = min(peak("a b c d e\n" * 1000, tmp_path / f"bare{n}") for n in range(2))  # the first may compile
    matrices = 2 * VOCABULARY * SIZE * 4 / 2**20
    taken = peak("\n".join([frequent] * 5 + [rare]), tmp_path / "node") - bare
    assert matrices < taken < 1.25 * matrices
