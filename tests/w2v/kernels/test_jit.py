"""Compiled code on disk: it is used if it is whole and of these sources, and compiled anew if it is not."""

import os
import shutil
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
from gossipw2v.w2v.kernels import sgns
sgns.warm_up(8)
print(sgns._skipgram._cache.cache_path)
"""
STATES = """
from gossipw2v.w2v.kernels import sgns
print(sgns.compiled())
"""
WARMING = """
import sys
from numba.core import event
from gossipw2v.w2v.warmup import warm_up
with event.install_recorder("numba:compile") as compiled:
    for sg in (0, 1):
        warm_up(16, sg)
    ready = "numba.np.linalg" in sys.modules  # as a compiler needs it
    warm_up(16, 1, graph=True)
print(len(compiled.buffer), ready)
"""
NO_SYMBOL = """
import sys
from gossipw2v.w2v.kernels import jit
jit.binding = type("Binding", (), {"address_of_symbol": staticmethod(lambda name: None)})
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


def test_symbols_that_are_not_there_yet_are_made_ready_before_code_that_needs_them(compiled: Path) -> None:
    shown = '\nprint("numba.np.linalg" in sys.modules)'
    assert run("import sys" + ROWS + shown, compiled) == FROM_DISK + "False\n"
    assert run(NO_SYMBOL + ROWS + shown, compiled) == FROM_DISK + "True\n"


def test_once_all_is_kept_a_start_compiles_nothing_and_makes_no_compiler_ready() -> None:
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    run(WARMING, folder)
    assert run(WARMING, folder) == "0 False\n"


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
    kept = Path(run(TRAINING, Path(os.environ["NUMBA_CACHE_DIR"])).strip())
    (tmp_path / kept.name).mkdir()
    paths = [Path(shutil.copy(path, tmp_path / kept.name)) for path in kept.glob("sgns._skipgram*.nbc")]
    assert run(STATES, tmp_path) == "True\n"
    wholes = [path.read_bytes() for path in paths]
    for damage in DAMAGES:
        for path, whole in zip(paths, wholes, strict=True):
            path.write_bytes(damage(whole))
        assert run(STATES, tmp_path) == "False\n"
