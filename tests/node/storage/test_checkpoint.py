"""Checkpoints: what was written comes back, or is refused with the reason; the state is never older than the rows."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.checkpoints import ABOUT, GOOD_ABOUT, GOOD_STATE, check, contents, keep

from gossipw2v.node.storage.checkpoint import MAGIC, VERSION, CheckpointError, generation_of, read, write
from gossipw2v.node.storage.generations import path_of
from gossipw2v.system.sections import DamagedError, Writer, digest


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    path = keep(tmp_path, 5)
    assert generation_of(path) == 5
    assert check(read(path)) == 5
    assert read(path).weights()[1, 2] == 10
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint-5"]


def test_the_size_that_is_told_is_that_of_the_file(tmp_path: Path) -> None:
    size = write(path_of(tmp_path, 1), 1, contents(1))
    assert size == path_of(tmp_path, 1).stat().st_size


def test_the_state_is_asked_for_when_all_rows_are_written(tmp_path: Path) -> None:
    """Were it older than the rows, what it lacks would be merged with them a second time."""
    rows = contents(1).weights
    rows_bytes = rows.tobytes()
    there = []

    def state() -> Any:
        (temporary,) = tmp_path.glob(".checkpoint-1.*.tmp")
        with temporary.open("rb") as file:
            there.append(file.read())
        rows[:] = 0  # too late to be in the file
        return contents(1).state()

    # more than a buffer full, so that what has been written shows in the file
    wide = np.tile(rows, (1, 1000))
    about = replace(ABOUT, vector_size=3000)
    write(path_of(tmp_path, 1), 1, replace(contents(1), about=about, weights=wide, state=state))
    assert wide[:3].tobytes() in there[0]
    assert read(path_of(tmp_path, 1)).weights()[:, :3].tobytes() == rows_bytes


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_not_kept(tmp_path: Path, value: float) -> None:
    bad = contents(1)
    bad.weights[2, 1] = value
    with pytest.raises(ValueError, match="row 2 of the model"):
        write(path_of(tmp_path, 1), 1, bad)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_do_not_go_with_the_words_are_not_kept(tmp_path: Path) -> None:
    for changes in ({"weights": np.zeros((3, 3), np.float32)}, {"updates": np.zeros(3, np.int64)}):
        with pytest.raises(ValueError, match="do not go with 2 words"):
            write(path_of(tmp_path, 1), 1, replace(contents(1), **changes))


# --- damage ---------------------------------------------------------------------------------------------


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    path = keep(tmp_path, 1)
    good = path.read_bytes()
    assert len(good) < 2000
    for place in range(8 * len(good)):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        path.write_bytes(bad)
        with pytest.raises(DamagedError):
            read(path)


def test_no_missing_or_added_byte_goes_unnoticed(tmp_path: Path) -> None:
    path = keep(tmp_path, 1)
    good = path.read_bytes()
    for bad in (*(good[:length] for length in range(len(good))), good + b"\0"):
        path.write_bytes(bad)
        with pytest.raises(DamagedError):
            read(path)


def test_parts_of_two_checkpoints_do_not_make_a_third(tmp_path: Path) -> None:
    one, other = keep(tmp_path, 1).read_bytes(), keep(tmp_path, 2).read_bytes()
    assert len(one) == len(other)
    mixed = tmp_path / "mixed"
    for cut in range(1, len(one)):
        if one[:cut] + other[cut:] in (one, other):
            continue
        mixed.write_bytes(one[:cut] + other[cut:])
        with pytest.raises(DamagedError):
            read(mixed)


def test_rows_that_change_after_they_were_found_are_refused(tmp_path: Path) -> None:
    path = keep(tmp_path, 1)
    found = read(path)
    data = bytearray(path.read_bytes())
    data[found.rows_at + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"checkpoint-1: a checksum"):
        found.weights()
    path.unlink()
    with pytest.raises(CheckpointError, match="No such file"):
        found.weights()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "checkpoint-1"
    for start in (b"", MAGIC, prefix(len(data))):
        path.write_bytes(start + data)
        with pytest.raises(DamagedError):
            read(path)


# --- forgeries, whose checksums are right ---------------------------------------------------------------


def prefix(about_bytes: int, version: int = VERSION) -> bytes:
    start = struct.pack("<8sIQI", MAGIC, version, 1, about_bytes)
    return start + digest(start)


def forge(path: Path, about: object, state: object) -> None:
    described, last = json.dumps(about).encode(), json.dumps(state).encode()
    rows = contents(1)
    with path.open("wb") as file:
        file.write(prefix(len(described)))
        out = Writer(file, prefix(len(described))[-16:])
        for section in (described, rows.vocabulary, rows.weights.tobytes(), rows.updates.tobytes(), last):
            out.section(len(section), [section])


def test_the_forger_of_these_tests_can_write_a_good_file(tmp_path: Path) -> None:
    forge(tmp_path / "x", GOOD_ABOUT, GOOD_STATE)
    assert read(tmp_path / "x").state.origins == {b"\x11" * 16: 5}


ABOUTS: list[dict[str, Any]] = [
    {"words": -1}, {"words": True}, {"words": 2.0}, {"words": 1 << 40}, {"vector_size": 1 << 63}, {"job": []},
    {"job": {"a": 1}}, {"text": 5}, {"counted": 3}, {"counted": ["x"]}, {"more": 1}, {"vocabulary": None},
]  # fmt: skip
STATES: list[dict[str, Any]] = [
    {"node": "00"}, {"node": 5}, {"node": "xx"}, {"origins": []}, {"origins": {"00": 1}}, {"origins": {"11" * 16: -1}},
    {"origins": {"11" * 16: 1 << 64}}, {"lives": {"11" * 16: "5"}}, {"places": 5}, {"places": [5]},
    {"places": [[[[0, 1]], 1, 7]]}, {"places": [[[], -1, 7]]}, {"places": [[[], 1, True]]}, {"losses": [[1.0]]},
    {"losses": [["x", 1]]}, {"addresses": 5}, {"addresses": [5]},
    {"lift": 0.5}, {"lift": "2"}, {"lift": None}, {"lift": 1e999},
]  # fmt: skip


@pytest.mark.parametrize("changes", ABOUTS)
def test_a_forged_description_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    forge(tmp_path / "x", GOOD_ABOUT | changes, GOOD_STATE)
    with pytest.raises(DamagedError):
        read(tmp_path / "x")


@pytest.mark.parametrize("changes", STATES)
def test_a_forged_state_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    forge(tmp_path / "x", GOOD_ABOUT, GOOD_STATE | changes)
    with pytest.raises(DamagedError):
        read(tmp_path / "x")


@pytest.mark.parametrize("name", [*GOOD_ABOUT, *GOOD_STATE])
def test_nothing_may_be_missing(tmp_path: Path, name: str) -> None:
    about, state = ({key: value for key, value in each.items() if key != name} for each in (GOOD_ABOUT, GOOD_STATE))
    forge(tmp_path / "x", about, state)
    with pytest.raises(DamagedError):
        read(tmp_path / "x")


def test_another_version_is_refused_by_name_and_is_not_taken_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-1"
    path.write_bytes(prefix(10, VERSION + 1) + b"whatever a later version makes of it")
    with pytest.raises(CheckpointError, match=rf"checkpoint-1: is of version {VERSION + 1}.*--fresh"):
        read(path)
