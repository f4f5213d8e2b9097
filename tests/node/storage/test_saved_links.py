"""The references of a stopped node's links: they come back bit for bit, or are refused with the reason."""

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from support.checkpoints import NODE
from support.disks import Crash, Scripted, Volatile
from support.samples import links, nodes, numbers, origins
from support.saved_links import GENERATION, GOOD_LINK, SHAPE, arrays, bits, forge, held, keep, prefix, read_all

from gossipw2v.gossip.messages import BIG
from gossipw2v.gossip.overlay.retained import SavedLink
from gossipw2v.node.storage.generations import links_of, prune
from gossipw2v.node.storage.saved_links import VERSION, read, write
from gossipw2v.system.durable import DISK, Disk
from gossipw2v.system.sections import DamagedError
from gossipw2v.w2v.training.link_view import Reference

some = st.lists(nodes, max_size=3).map(tuple)
saved_links = st.builds(SavedLink, st.booleans(), nodes, links, numbers, origins, some, some, some)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
references = st.builds(
    Reference,
    npst.arrays(np.float32, SHAPE, elements=finite),
    npst.arrays(np.int64, SHAPE[0], elements=st.integers(0, 2**63 - 1)),
    npst.arrays(np.bool_, SHAPE[0]),
    st.booleans(),
    st.text(max_size=20),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return links_of(tmp_path, GENERATION)


# --- there and back -------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(saved_links, references), max_size=3))
def test_every_link_comes_back_as_it_was(path: Path, written: list[Any]) -> None:
    keep(path, *written)
    got, error = read_all(path)
    assert error is None
    assert [bits(link) for link in got] == [bits(link) for link in written]


def test_what_comes_back_can_be_written_to(path: Path) -> None:
    """The arrays become a model's."""
    keep(path, held(1))
    ((_, kept),), _ = read_all(path)
    for array in (kept.weights, kept.seen, kept.disjoint):
        array[0] = 1


def test_it_is_all_that_is_left_in_the_folder(path: Path) -> None:
    keep(path, held(1))
    keep(path, held(2))
    assert list(path.parent.iterdir()) == [path]
    assert [bits(link) for link in read_all(path)[0]] == [bits(held(2))]


def test_rows_of_more_than_one_block_come_back(path: Path) -> None:
    rng = np.random.default_rng(0)
    weights, seen = rng.normal(size=(150_000, 2)).astype(np.float32), rng.integers(0, 1 << 60, 150_000)
    kept = Reference(weights, seen, rng.integers(0, 2, 150_000) == 1, True, "")
    keep(path, (held(1)[0], kept))
    ((_, got),) = read(path, GENERATION, NODE, weights.shape)
    assert bits((held(1)[0], got)) == bits((held(1)[0], kept))


def test_a_file_that_is_not_there_is_no_damage(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read(path, GENERATION, NODE, SHAPE))


# --- damage ---------------------------------------------------------------------------------------------


def check_damaged(path: Path, data: bytes, *written: Any) -> None:
    """AssertionError unless it is refused, with nothing before the damage but what was written."""
    with path.open("r+b") as file:  # many times faster than a file that is emptied first
        file.write(data)
        file.truncate()
    got, error = read_all(path)
    assert error is not None
    assert [bits(link) for link in got] == [bits(link) for link in written[: len(got)]]


def test_no_flipped_bit_goes_unnoticed(path: Path) -> None:
    written = held(1), held(2)
    good = keep(path, *written)
    assert len(good) < 2000
    for place in range(8 * len(good)):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        check_damaged(path, bad, *written)


def test_no_missing_or_added_byte_goes_unnoticed(path: Path) -> None:
    written = held(1), held(2)
    good = keep(path, *written)
    for bad in (*(good[:length] for length in range(len(good))), good + b"\0"):
        check_damaged(path, bad, *written)


def test_links_before_the_damage_are_still_given(path: Path) -> None:
    good = keep(path, held(1), held(2))
    path.write_bytes(good[:-1])
    got, error = read_all(path)
    assert error is not None
    assert [bits(link) for link in got] == [bits(held(1))]


def test_parts_of_two_files_do_not_make_a_third(path: Path) -> None:
    one, other = keep(path, held(1), held(3)), keep(path, held(1), held(5))
    assert len(one) == len(other)
    for cut in range(len(one)):
        if one[:cut] + other[cut:] in (one, other):
            continue
        path.write_bytes(one[:cut] + other[cut:])
        got, error = read_all(path)
        assert error is not None
        assert [bits(link) for link in got] == [bits(held(1))][: len(got)]


@pytest.mark.parametrize(
    ("generation", "node", "shape", "reason"),
    [
        (GENERATION + 1, NODE, SHAPE, "another checkpoint"),
        (GENERATION - 1, NODE, SHAPE, "another checkpoint"),
        (GENERATION, NODE[:8] + bytes(8), SHAPE, "another life"),
        (GENERATION, NODE, (4, 4), "should have 64 bytes"),
        (GENERATION, NODE, (3, 4), "should have 24 bytes"),
        (GENERATION, NODE, (2, 3), "should have 24 bytes"),
    ],
)
def test_what_belongs_to_something_else_is_refused(
    path: Path, generation: int, node: bytes, shape: tuple[int, int], reason: str
) -> None:
    keep(path, held(1))
    with pytest.raises(DamagedError, match=reason):
        list(read(path, generation, node, shape))


def test_another_version_is_refused(path: Path) -> None:
    good = keep(path, held(1))
    path.write_bytes(prefix(VERSION + 1) + good[len(prefix()) :])
    with pytest.raises(DamagedError, match="another version"):
        list(read(path, GENERATION, NODE, SHAPE))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(path: Path, data: bytes) -> None:
    for start in (b"", prefix()):
        path.write_bytes(start + data)
        got, error = read_all(path)
        assert got == []
        assert error is not None


# --- disks that fail ------------------------------------------------------------------------------------


def save(path: Path, disk: Disk = DISK) -> None:
    write(path, GENERATION, NODE, [held(1), held(2)], disk)


def check_whole_or_not_there(path: Path) -> bool:
    """AssertionError if there is half of a file; whether there is one."""
    if not path.exists():
        return False
    got, error = read_all(path)
    assert error is None
    assert [bits(link) for link in got] == [bits(held(1)), bits(held(2))]
    return True


@pytest.fixture
def operations(tmp_path: Path) -> int:
    """How many a file takes; the last three make it whole, name it, and make the name last."""
    disk, folder = Scripted(), tmp_path / "counted"
    folder.mkdir()
    save(folder / "x", disk)
    assert disk.names[-3:] == ["sync", "rename", "sync_folder"]
    return disk.count


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("lasting", [False, True])
def test_an_error_at_any_operation_leaves_a_whole_file_or_none(
    path: Path, operations: int, number: int, lasting: bool
) -> None:
    for at in range(1, operations + 1):
        with pytest.raises(OSError, match=rf"^\[Errno {number}\]"):
            save(path, Scripted(fail_at=at, error=OSError(number, "it fails"), lasting=lasting))
        assert check_whole_or_not_there(path) is (at == operations)
        assert lasting or not list(path.parent.glob(".*"))
    prune(path.parent, GENERATION)
    assert [each.name for each in path.parent.iterdir() if each.is_file()] == [path.name]


def test_a_killed_process_leaves_a_whole_file_or_none(path: Path, operations: int) -> None:
    for at in range(1, operations + 1):
        with pytest.raises(Crash):
            save(path, Scripted(crash_at=at))
        assert check_whole_or_not_there(path) is (at >= operations - 1)
        path.unlink(missing_ok=True)
    prune(path.parent, GENERATION)
    assert [each.name for each in path.parent.iterdir() if each.is_file()] == []


@pytest.mark.parametrize("early", [False, True], ids=["names come late", "names come early"])
def test_a_power_cut_leaves_a_whole_file_or_none(tmp_path: Path, operations: int, early: bool) -> None:
    for at in range(1, operations + 1):
        folder = tmp_path / str(at)
        folder.mkdir()
        path, disk = links_of(folder, GENERATION), Volatile(crash_at=at)
        with pytest.raises(Crash):
            save(path, disk)
        disk.lose_power(folder, early)
        assert check_whole_or_not_there(path) is (at >= operations - early)


# --- forgeries, whose checksums are right ---------------------------------------------------------------


def about(**changes: object) -> dict[str, object]:
    return {"node": NODE.hex(), "links": [GOOD_LINK | changes]}


def refused(path: Path, described: object, *sections: bytes) -> None:
    forge(path, described, *sections)
    with pytest.raises(DamagedError):
        list(read(path, GENERATION, NODE, SHAPE))


def test_the_forger_of_these_tests_can_write_a_good_file(path: Path) -> None:
    forge(path, about(), *arrays())
    ((saved, kept),), error = read_all(path)
    assert error is None
    assert (saved.seq, saved.link, kept.host) == (3, b"\xab" * 8, "10.0.0.1")
    forge(path, about(batch=BIG), *arrays())
    assert read_all(path)[1] is None


ID, JUNK = "11" * 16, [None, 5, -1, 1.5, True, "x", "", [], {}, [[]], [5], {"a": {}}]
LIES: dict[str, list[object]] = {
    "up": [None, 0, 1, "true", []],
    "peer": [*JUNK, "00", "zz" * 16, "11" * 17, "\ud800" * 32],
    "link": [*JUNK, "00" * 7, "00" * 9, "zz" * 8],
    "batch": [None, True, -1, 1.0, 1e300, float("nan"), BIG + 1, 1 << 4000, "3", [], {}],
    "known": [None, 5, "", [], [[ID, 5]], {"00": 5}, {"": 5}, {"zz" * 16: 5}]
    + [{ID: n} for n in (None, -1, True, 5.0, "5", 1 << 64, [], {})],
    "again": [None, 5, "", ID, {}, {ID: 1}, [5], [None], ["00"], [ID, "zz" * 16], [[ID]]],
    "via": [None, "", {}, [5], ["00"], [[ID]]],
    "doubts": [None, "", {}, [5], ["00"], [[ID]]],
    "take": [None, 0, 1, "true", []],
    "origin": [None, 5, True, 1.5, [], {}, ["10.0.0.1"], {"a": 1}],
}


@pytest.mark.parametrize("name", GOOD_LINK)
def test_a_link_that_lies_is_refused(path: Path, name: str) -> None:
    for lie in LIES[name]:
        refused(path, about(**{name: lie}), *arrays())


@pytest.mark.parametrize("name", GOOD_LINK)
def test_a_link_that_lacks_something_is_refused(path: Path, name: str) -> None:
    lacking = {key: value for key, value in GOOD_LINK.items() if key != name}
    refused(path, about() | {"links": [lacking]}, *arrays())


@pytest.mark.parametrize("name", GOOD_LINK)
@pytest.mark.parametrize("depth", [50, 400, 900, 100_000])
def test_deep_nesting_is_refused_wherever_it_is(path: Path, name: str, depth: int) -> None:
    described = json.dumps(about(**{name: "HERE"})).replace('"HERE"', "[" * depth + "]" * depth)
    refused(path, described.encode(), *arrays())


@pytest.mark.parametrize(
    "described",
    [
        {}, [], 5, None, {"node": NODE.hex()}, {"links": []}, {"node": 5, "links": []}, about() | {"node": "00"},
        *({"node": NODE.hex(), "links": each} for each in (None, 5, "", {}, GOOD_LINK, [5], [None], [[]], [{}])),
        {"node": NODE.hex(), "links": [GOOD_LINK, 5]}, b"", b"{", b"\xff", b'{"node":' + b"1" * 5000 + b"}",
    ],
    ids=repr,
)  # fmt: skip
def test_a_description_that_is_none_is_refused(path: Path, described: object) -> None:
    refused(path, described, *arrays())


def test_more_links_than_a_node_can_have_are_refused(path: Path) -> None:
    forge(path, about() | {"links": [{}] * 1025})
    with pytest.raises(DamagedError, match="does not say what it holds"):
        list(read(path, GENERATION, NODE, SHAPE))


def test_more_links_than_there_are_references_are_refused(path: Path) -> None:
    refused(path, about() | {"links": [GOOD_LINK, GOOD_LINK]}, *arrays())
    refused(path, about() | {"links": []}, *arrays())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_reference_that_is_not_finite_is_refused(path: Path, value: float) -> None:
    saved, kept = held(1)
    kept.weights[2, 1] = value
    keep(path, (saved, kept))
    check_damaged(path, path.read_bytes(), (saved, kept))


@pytest.mark.parametrize("value", [-1, -(2**63)])
def test_a_negative_number_of_updates_is_refused(path: Path, value: int) -> None:
    saved, kept = held(1)
    kept.seen[3] = value
    keep(path, (saved, kept))
    check_damaged(path, path.read_bytes(), (saved, kept))


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("length", [0, 1, 3, 5, 31, 33, 47, 49])
def test_an_array_of_another_length_is_refused(path: Path, which: int, length: int) -> None:
    sections = arrays()
    sections[which] = bytes(length)
    refused(path, about(), *sections)
