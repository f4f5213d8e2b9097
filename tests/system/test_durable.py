"""A file is whole and on disk before it has its name, and its name before anybody is told."""

import os
from pathlib import Path

import pytest

from gossipw2v.system.durable import TEMPORARY, replace_file, sweep


@pytest.fixture
def synced(monkeypatch):
    """What was synced, with what the folder held at that moment."""
    seen = []
    fsync = os.fsync

    def watched(handle):
        path = Path(f"/proc/self/fd/{handle}").readlink()
        folder = path if path.is_dir() else path.parent
        seen.append((path, sorted(each.name for each in folder.iterdir())))
        fsync(handle)

    if not Path("/proc/self/fd").exists():
        pytest.skip("there is no /proc to tell what is synced")
    monkeypatch.setattr(os, "fsync", watched)
    return seen


def test_the_content_is_synced_before_the_rename_and_the_folder_after(tmp_path, synced):
    replace_file(tmp_path / "file", [b"content"])
    (file, before), (folder, after) = synced
    assert file.name.endswith(TEMPORARY)
    assert before == [file.name]
    assert folder == tmp_path
    assert after == ["file"]


def test_who_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces():
        yield b"new"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        replace_file(path, pieces())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_without_a_name_is_given_that_of_the_file(tmp_path):
    path = tmp_path / "file"

    def pieces():
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        replace_file(path, pieces())


def test_what_killed_processes_left_is_swept(tmp_path):
    for name in (f".model.1234{TEMPORARY}", f".other.1234{TEMPORARY}", "model"):
        (tmp_path / name).touch()
    sweep(tmp_path, "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".other.1234{TEMPORARY}", "model"]
