"""One process for each folder, whatever becomes of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gossipw2v.system.lock import LOCK_FILE, LockedError, holding, in_use

HOLDER = """
import sys, time
from pathlib import Path
from gossipw2v.system.lock import holding
with holding(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_made_and_held_for_the_block(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    assert not in_use(folder)
    with holding(folder):
        assert in_use(folder)
        assert (folder / LOCK_FILE).read_text() == f"{os.getpid()}\n"
    assert not in_use(folder)
    with holding(folder):
        pass


def test_another_process_is_named_and_its_death_frees_the_folder(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            assert in_use(tmp_path)
            with pytest.raises(LockedError, match=f"{tmp_path}: in use by the node with pid {holder.pid};"):
                holding(tmp_path).__enter__()
        finally:
            holder.send_signal(signal.SIGKILL)
    assert not in_use(tmp_path)
    with holding(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"


def test_a_lock_file_of_nonsense_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_bytes(b"\xff" * 1000)
    with holding(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"


def test_one_who_looks_does_not_keep_a_daemon_out(tmp_path: Path) -> None:
    with holding(tmp_path):
        pass
    for _ in range(100):
        assert not in_use(tmp_path)
        with holding(tmp_path):
            pass


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        holding(tmp_path / "file" / "data").__enter__()


def test_a_pipe_in_place_of_the_lock_is_nobodys_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / LOCK_FILE)
    assert not in_use(tmp_path)


@pytest.mark.parametrize("kind", ["file", "link that leads nowhere"])
def test_what_is_no_folder_is_said_to_be_none(tmp_path, kind):
    path = tmp_path / "data"
    if kind == "file":
        path.touch()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(NotADirectoryError, match="is no folder; give --data-dir another"), holding(path):
        pass
