"""Compiled code on disk: it is used if it is whole and of these sources, and compiled anew if it is not."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

NO_FOLDER = """
from numba.core import caching
caching.CacheImpl._locator_classes = []
"""
ROWS = """
import numpy as np
from gossipw2v.w2v.kernels import priority
found = priority.both(np.array([1, 3], np.int32), np.array([2, 3], np.int32))
print(found[0].tolist(), found[1].tolist(), sum(priority.both.stats.cache_hits.values()))
"""
TRAINING = """
from pathlib import Path
import sys
from gossipw2v.w2v.kernels import sgns
print(sgns.compiled())
sgns.warm_up(8)
print(sgns.compiled())
"""
STATES = """
from gossipw2v.w2v.kernels import sgns
print(sgns.compiled())
"""
FRESH, FROM_DISK = ("[1, 2, 3] [0, -1, 1] 0\n", "[1, 2, 3] [0, -1, 1] 1\n")


def run(program: str, folder: Path, **options: str) -> str:
    """What a new process prints that keeps its compiled code in `folder`."""
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(folder), **options}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def cut_to_nothing(whole: bytes) -> bytes:
    assert whole
    return b""


def cut_in_half(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def random_bytes(whole: bytes) -> bytes:
    return np.random.default_rng(1).bytes(len(whole))


def another_bit(whole: bytes) -> bytes:
    """Deep in the machine code, where nothing but a checksum can tell."""
    at = len(whole) // 2
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]


DAMAGES = [cut_to_nothing, cut_in_half, random_bytes, another_bit]


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with compiled code for `ROWS`."""
    folder = tmp_path_factory.mktemp("kernels")
    assert run(ROWS, folder) == FRESH
    return folder


def test_what_was_compiled_is_loaded_the_next_time_and_nothing_else_is_left(compiled: Path) -> None:
    before = files(compiled)
    assert {path.suffix for path in before} == {".nbc"}
    assert run(ROWS, compiled) == FROM_DISK
    assert files(compiled) == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_compiled_anew(compiled: Path, damage) -> None:
    for path, whole in files(compiled).items():
        path.write_bytes(damage(whole))
    assert run(ROWS, compiled) == FRESH
    assert run(ROWS, compiled) == FROM_DISK


def test_code_of_another_signature_under_this_ones_name_is_compiled_anew(compiled: Path) -> None:
    (path,) = files(compiled)
    other = run(ROWS.replace("int32", "int64"), compiled.parent / "other")
    assert other.endswith(" 0\n")
    (wrong,) = files(compiled.parent / "other").values()
    path.write_bytes(wrong)
    assert run(ROWS, compiled) == FRESH


def test_a_folder_in_place_of_a_file_is_no_compiled_code(compiled: Path) -> None:
    (path,) = files(compiled)
    path.unlink()
    path.mkdir()
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(compiled)}
    done = subprocess.run([sys.executable, "-c", ROWS], env=environ, capture_output=True, text=True, check=False)
    path.rmdir()
    assert "OSError" in done.stderr or "IsADirectoryError" in done.stderr  # it cannot be kept, and that is said
    assert path.name in done.stderr


def test_without_any_folder_it_is_compiled_each_time() -> None:
    for _ in range(2):
        assert run(NO_FOLDER + ROWS, Path("/")) == FRESH


def test_a_damaged_kernel_is_told_before_it_is_compiled(tmp_path: Path) -> None:
    assert run(TRAINING, tmp_path) == "False\nTrue\n"
    (path,) = [path for path in files(tmp_path) if "_skipgram" in path.name]
    whole = path.read_bytes()
    for damage in (cut_to_nothing, another_bit):
        path.write_bytes(damage(whole))
        assert run(STATES, tmp_path) == "False\n"
    path.write_bytes(whole)
    assert run(STATES, tmp_path) == "True\n"
    path.write_bytes(cut_in_half(whole))
    assert run(TRAINING, tmp_path) == "False\nTrue\n"
