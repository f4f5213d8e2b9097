"""A file is whole and on disk before it has its name, and its name before anybody is told."""

import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.mounts import mounts_available

from gossipw2v.system.durable import MARK, TEMPORARY, Disk, replace_file, replacing, sweep, sweep_one


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


# --- what is there already ------------------------------------------------------------------------------


def chain(folder: Path) -> tuple[Path, Path]:
    """A link to a link, relative and across folders, to a file; both ends."""
    (folder / "real").mkdir()
    (folder / "real" / "file").write_bytes(b"old")
    (folder / "real" / "link").symlink_to("file")
    (folder / "link").symlink_to("real/link")
    return folder / "link", folder / "real" / "file"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    link, file = chain(tmp_path)
    replace_file(link, [b"new"])
    assert (link.readlink(), (tmp_path / "real/link").readlink()) == (Path("real/link"), Path("file"))
    assert file.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "link", "link", "real"]


def test_a_link_to_a_file_that_is_not_there_yet_makes_it(tmp_path):
    (tmp_path / "link").symlink_to("file")
    replace_file(tmp_path / "link", [b"new"])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_links_in_a_circle_are_refused_by_name(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match=f"symbolic links: '{tmp_path}/a'"):
        replace_file(tmp_path / "a", [b"new"])
    assert (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a pipe", "socket"])
def test_what_is_no_file_is_never_replaced(tmp_path, kind):
    path = tmp_path / "it"
    if kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    else:
        os.mkfifo(tmp_path / "pipe" if "link" in kind else path)
        if "link" in kind:
            path.symlink_to("pipe")
    before = path.lstat()
    with pytest.raises(OSError, match=f"'{path}'"):
        replace_file(path, [b"new"])
    assert path.lstat().st_ino == before.st_ino
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o444, 0o664, 0o755])
def test_the_mode_of_a_replaced_file_stays(tmp_path, mode):
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    replace_file(path, [b"new"])
    assert path.stat().st_mode & 0o7777 == mode
    assert path.read_bytes() == b"new"


def test_nobody_can_read_a_private_file_while_it_is_written(tmp_path):
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o640)
    with replacing(path) as file:
        assert os.fstat(file.fileno()).st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_and_group_of_a_replaced_file_stay(tmp_path):
    path = tmp_path / "file"
    path.touch()
    os.chown(path, 12345, 23456)
    replace_file(path, [b"new"])
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


AS_NOBODY = """
import os, sys
from pathlib import Path
from gossipw2v.system.durable import replace_file
os.setgroups([]); os.setgid(65534); os.setuid(65534)
replace_file(Path(sys.argv[1]), [b"new"])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_group_that_cannot_be_kept_is_not_exchanged_for_another_with_the_same_rights():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own are for root alone
        Path(folder).chmod(0o777)
        path = Path(folder) / "file"
        path.touch()
        os.chown(path, 65534, 23456)
        path.chmod(0o660)
        subprocess.run([sys.executable, "-c", AS_NOBODY, path], check=True, timeout=60)
        assert (path.stat().st_gid, path.stat().st_mode & 0o777, path.read_bytes()) == (65534, 0o600, b"new")


def acl(*entries: tuple[int, int, int]) -> bytes:
    """acl(5) as Linux keeps it: version 2, then tag, rights and id of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NO_ID = 0xFFFFFFFF
GRANTED = acl((1, 6, NO_ID), (2, 4, 12345), (4, 0, NO_ID), (16, 4, NO_ID), (32, 0, NO_ID))


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="ACLs are kept on Linux")
def test_an_acl_stays_and_one_that_the_folder_gives_is_not_added(tmp_path):
    path, plain = tmp_path / "file", tmp_path / "plain"
    for each in (path, plain):
        each.touch(mode=0o640)
    try:
        os.setxattr(path, "system.posix_acl_access", GRANTED)
        os.setxattr(tmp_path, "system.posix_acl_default", GRANTED)
    except OSError:
        pytest.skip("this file system has no ACLs")
    for each in (path, plain):
        replace_file(each, [b"new"])
    assert os.getxattr(path, "system.posix_acl_access") == GRANTED
    assert "system.posix_acl_access" not in os.listxattr(plain)
    assert plain.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_a_mount_point_is_written_over(tmp_path):
    if (reason := mounts_available()) is not None:
        pytest.skip(reason)
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.write_bytes(b"an old and longer one")
    inside.touch()
    subprocess.run(["mount", "--bind", outside, inside], check=True)
    try:
        replace_file(inside, [b"new"])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "outside"]
    finally:
        subprocess.run(["umount", inside], check=True)
    assert outside.read_bytes() == b"new"


# --- temporary names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x" * 255, "日" * 85])
def test_a_name_as_long_as_any_is_no_trouble(tmp_path, name):
    replace_file(tmp_path / name, [b"content"])
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_no_error_names_the_temporary_file(tmp_path):
    with pytest.raises(OSError, match=r"\S") as error:
        replace_file(tmp_path / "none" / "file", [b"x"])
    assert error.value.filename == str(tmp_path / "none/file")
    assert TEMPORARY not in str(error.value)


def test_a_rename_that_fails_names_the_file_alone(tmp_path):
    path = tmp_path / "file"

    class Refusing(Disk):
        def rename(self, old: Path, new: Path) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(old), None, str(new))

    with pytest.raises(PermissionError) as error, replacing(path, Refusing()):
        pass
    assert str(error.value) == f"[Errno 1] Operation not permitted: '{path}'"
    assert not list(tmp_path.iterdir())


def test_what_is_being_written_is_not_swept(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as file:
        file.write(b"new")
        sweep(tmp_path, "file")
        sweep_one(path)
    assert path.read_bytes() == b"new"


KILLED = """
import os, signal, sys
from pathlib import Path
from gossipw2v.system.durable import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(bytes(1 << 20))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_of_one_file_only_our_own_rests_are_removed(tmp_path):
    path = tmp_path / "v[1].txt"
    strangers = [".v[1].txt.swp", ".v[1].txt.deadbeef.tmp", f".v1.txt{MARK}deadbeef{TEMPORARY}", "v[1].txt.tmp"]
    for name in strangers:
        (tmp_path / name).touch()
    (tmp_path / f".v[1].txt{MARK}folder{TEMPORARY}").mkdir()
    (tmp_path / f".v[1].txt{MARK}link{TEMPORARY}").symlink_to(strangers[0])
    before = sorted(tmp_path.iterdir())
    assert subprocess.run([sys.executable, "-c", KILLED, path], check=False, timeout=60).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == len(before) + 1
    sweep_one(path)
    assert sorted(tmp_path.iterdir()) == before
