"""Which checkpoint counts, after every accident that a disk, a process or the power can have."""

import errno
import os
from pathlib import Path

import pytest
from support.checkpoints import check, keep
from support.disks import Crash, Scripted, Volatile

from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.node.storage.generations import (
    KEEP,
    find,
    links_of,
    newest,
    path_of,
    prune,
    set_aside,
    set_damaged_aside,
)
from gossipw2v.system.durable import DISK, Disk

ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT]


def save(folder: Path, generation: int, disk: Disk = DISK) -> None:
    """As a node does it."""
    keep(folder, generation, disk)
    prune(folder, generation, disk)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_highest_generation_counts_whatever_times_and_names_say(tmp_path: Path) -> None:
    for generation in (9, 10, 2):
        os.utime(keep(tmp_path, generation), (1, 1e9 - generation))
    found = find(tmp_path)
    assert found.newest is not None
    assert (check(found.newest), found.last, found.damaged) == (10, 10, {})
    path_of(tmp_path, 2).rename(path_of(tmp_path, 77))  # inside it still says 2
    found = find(tmp_path)
    assert found.newest is not None
    assert (check(found.newest), found.last) == (10, 77)  # and no later one takes the name


def test_an_empty_or_missing_folder_has_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert find(folder).newest is None
        with pytest.raises(CheckpointError, match="no model has been saved here"):
            newest(folder)


def test_only_two_generations_stay(tmp_path: Path) -> None:
    (tmp_path / "other-1").touch()
    (tmp_path / ".checkpoint-3.aaaa.tmp").touch()
    for generation in range(1, 6):
        save(tmp_path, generation)
    assert names(tmp_path) == {"other-1", "checkpoint-4", "checkpoint-5"}
    assert KEEP == 2


def test_references_go_with_the_next_generation_and_not_before(tmp_path: Path) -> None:
    for generation in (1, 2):
        save(tmp_path, generation)
        links_of(tmp_path, generation).touch()
    (tmp_path / ".checkpoint-2.links.aaaa.tmp").touch()
    prune(tmp_path, 2)
    assert names(tmp_path) == {"checkpoint-1", "checkpoint-2", "checkpoint-2.links"}
    save(tmp_path, 3)
    assert names(tmp_path) == {"checkpoint-2", "checkpoint-3"}


def test_references_are_no_checkpoints_but_no_later_one_takes_their_number(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    links_of(tmp_path, 5).write_bytes(b"references")
    found = find(tmp_path)
    assert found.newest is not None
    assert (found.newest.generation, found.damaged, found.last) == (1, {}, 5)


def test_a_damaged_one_is_named_and_the_one_before_counts(tmp_path: Path) -> None:
    for generation in (1, 2, 3):
        keep(tmp_path, generation)
    path_of(tmp_path, 3).write_bytes(b"")
    path_of(tmp_path, 2).write_bytes(path_of(tmp_path, 2).read_bytes()[:-1])
    found = find(tmp_path)
    assert found.newest is not None
    assert (check(found.newest), found.last) == (1, 3)
    assert {path.name: why for path, why in found.damaged.items()} == {
        "checkpoint-3": "it is no checkpoint, or its first bytes are damaged",
        "checkpoint-2": "a checksum does not match",
    }
    for path in found.damaged:
        set_damaged_aside(path)
    assert names(tmp_path) == {"checkpoint-1", "checkpoint-2.damaged", "checkpoint-3.damaged"}
    assert find(tmp_path).damaged == {}
    assert find(tmp_path).last == 3


def test_damaged_ones_do_not_fill_the_disk(tmp_path: Path) -> None:
    for generation in range(1, 12):
        set_damaged_aside(keep(tmp_path, generation))
    assert names(tmp_path) == {"checkpoint-10.damaged", "checkpoint-11.damaged"}


def test_if_all_are_damaged_it_is_told_of_each(tmp_path: Path) -> None:
    keep(tmp_path, 1).write_bytes(b"")
    assert list(find(tmp_path).damaged) == [path_of(tmp_path, 1)]
    assert find(tmp_path).newest is None
    with pytest.raises(CheckpointError, match="checkpoint-1: it is no checkpoint"):
        newest(tmp_path)


def test_what_is_set_aside_is_kept_and_not_found(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    kept = set_aside(tmp_path)
    assert sorted(path.name for path in kept) == ["checkpoint-1.aside", "checkpoint-2.aside"]
    assert names(tmp_path) == {path.name for path in kept}
    assert find(tmp_path).newest is None
    assert find(tmp_path).last == 2  # its successors have other names
    for generation in (3, 4, 5):
        save(tmp_path, generation)
    assert {path.name for path in kept} < names(tmp_path)


def test_one_that_only_somebody_else_may_read_is_not_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, 1)

    def forbidden(self: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)  # root, which tests may run as, reads everything
    with pytest.raises(CheckpointError, match="Permission denied: check the owner"):
        find(tmp_path)


def test_every_flipped_bit_and_truncation_leaves_the_one_before(tmp_path: Path) -> None:
    keep(tmp_path, 1)
    path = keep(tmp_path, 2)
    good = path.read_bytes()
    flipped = (good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :] for at in range(len(good)))
    for bad in (*flipped, *(good[:length] for length in range(len(good)))):
        path.write_bytes(bad)
        found = find(tmp_path)
        assert found.newest is not None
        assert check(found.newest) == 1
        assert list(found.damaged) == [path]


# --- accidents ------------------------------------------------------------------------------------------


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def prepared(folder: Path, disk: Disk = DISK) -> None:
    save(folder, 1, disk)
    save(folder, 2, disk)


def operations(folder: Path) -> list[str]:
    """What one save does, the third of its folder."""
    disk = Scripted()
    prepared(folder)
    save(folder, 3, disk)
    return disk.names


def test_a_save_syncs_the_file_names_it_and_syncs_the_name_before_it_removes_another(tmp_path: Path) -> None:
    names = operations(tmp_path)
    assert names[0] == "create"
    assert set(names[1:-4]) == {"write"}
    assert names[-4:] == ["sync", "rename", "sync_folder", "remove"]


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("lasting", [False, True])
def test_an_error_at_any_operation_leaves_a_whole_one_and_no_litter(tmp_path: Path, number: int, lasting: bool) -> None:
    for at in range(1, len(operations(make(tmp_path / "counted"))) + 1):
        folder = make(tmp_path / str(at))
        prepared(folder)
        disk = Scripted(fail_at=at, error=OSError(number, os.strerror(number)), lasting=lasting)
        with pytest.raises(OSError, match=os.strerror(number)):
            save(folder, 3, disk)
        found = find(folder)
        assert found.newest is not None
        assert check(found.newest) in (2, 3)
        assert found.damaged == {}
        save(folder, 4)  # the disk works again
        found = find(folder)
        assert found.newest is not None
        assert check(found.newest) == 4
        assert names(folder) <= {"checkpoint-4", "checkpoint-3", "checkpoint-2"}
        assert len(names(folder)) == KEEP


def test_a_disk_that_stays_full_is_not_filled_further(tmp_path: Path) -> None:
    last = len(operations(make(tmp_path / "counted"))) - 1  # the removal of an old one fails differently: all is there
    folder = make(tmp_path / "full")
    prepared(folder)
    for at in range(1, last + 1):
        with pytest.raises(OSError, match="space"):
            save(folder, 2 + at, Scripted(fail_at=at))
        assert names(folder) == {"checkpoint-1", "checkpoint-2"}


def test_a_killed_process_leaves_a_whole_one(tmp_path: Path) -> None:
    for at in range(1, len(operations(make(tmp_path / "counted"))) + 1):
        folder = make(tmp_path / str(at))
        prepared(folder)
        with pytest.raises(Crash):
            save(folder, 3, Scripted(crash_at=at))
        found = find(folder)
        assert found.newest is not None
        assert check(found.newest) in (2, 3)
        assert found.damaged == {}
        save(folder, 4)
        assert not [name for name in names(folder) if name.endswith("tmp")]


@pytest.mark.parametrize("early", [False, True], ids=["names come late", "names come early"])
def test_a_power_cut_leaves_a_whole_one_and_never_one_older_than_was_promised(tmp_path: Path, early: bool) -> None:
    for at in range(1, 3 * len(operations(make(tmp_path / "counted")))):
        folder = make(tmp_path / str(at))
        disk = Volatile()
        prepared(folder, disk)
        disk.crash_at = disk.count + at
        promised = saves_until_it_crashes(folder, disk)
        disk.lose_power(folder, early)
        found = find(folder)
        assert found.newest is not None
        assert promised <= check(found.newest) <= promised + 1


def saves_until_it_crashes(folder: Path, disk: Disk) -> int:
    """The last generation that was written when it did."""
    for generation in range(3, 9):
        try:
            keep(folder, generation, disk)
        except Crash:
            return generation - 1
        try:
            prune(folder, generation, disk)
        except Crash:
            return generation
    raise AssertionError("nothing has crashed")
