"""Where a result goes: real files, pipes, devices, sockets and descriptors, none of which may become another kind."""

import fcntl
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from gossipw2v.system import output
from gossipw2v.system.durable import MARK, TEMPORARY
from gossipw2v.system.output import STANDARD_OUTPUT, SteadyFile, writing

LARGE = b"a line of a result\n" * 20_000  # more than any pipe holds


def put(path: Path, data: bytes = LARGE) -> None:
    with writing(path) as file:
        file.write(data)


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, and what its reader got once the test calls."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))

    def got():
        reader.join(20)
        return read[0]

    reader.start()
    yield path, got
    if reader.is_alive():
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        reader.join(20)


@pytest.fixture
def device(tmp_path):
    """Make a device node of our own: never try this on the machine's."""

    def make(name, kind, major, minor):
        path = tmp_path / name
        try:
            os.mknod(path, kind | 0o666, os.makedev(major, minor))
            if kind == stat.S_IFCHR:
                os.close(os.open(path, os.O_WRONLY))
        except OSError as error:
            pytest.skip(f"device nodes cannot be made or used here: {error}")
        return path

    return make


def test_a_new_file_and_an_old_one(tmp_path):
    for data in (b"one", b"two"):
        put(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == data
    assert len(list(tmp_path.iterdir())) == 1


def test_a_named_pipe_is_written_to(pipe):
    path, got = pipe
    put(path)
    assert got() == LARGE
    assert path.is_fifo()


def test_a_link_to_a_named_pipe_is_written_to(pipe, tmp_path):
    path, got = pipe
    (tmp_path / "link").symlink_to(path.name)
    put(tmp_path / "link")
    assert got() == LARGE
    assert (tmp_path / "link").is_symlink()


def test_a_pipe_that_nobody_reads_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(output, "READER_SECONDS", 0.1)
    with pytest.raises(TimeoutError, match=r"nobody has read this pipe for 0\.1 s; start its reader"):
        put(tmp_path / "pipe")


def test_a_reader_that_goes_away_breaks_the_pipe(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["head", "-c", "1", path], stdout=subprocess.PIPE), pytest.raises(BrokenPipeError):
        put(path)


def test_a_failure_ends_the_readers_waiting(pipe):
    path, got = pipe
    with pytest.raises(ValueError, match="no model"), writing(path):
        raise ValueError("no model")
    assert got() == b""


def test_a_device_is_written_to_and_stays(device, tmp_path):
    null = device("null", stat.S_IFCHR, 1, 3)
    (tmp_path / "link").symlink_to("null")
    for path in (null, tmp_path / "link"):
        put(path)
        assert path.is_char_device()
    assert (tmp_path / "link").is_symlink()


def test_a_full_device_is_named(device):
    full = device("full", stat.S_IFCHR, 1, 7)
    with pytest.raises(OSError, match=f"No space left on device: '{full}'"):
        put(full)
    assert full.is_char_device()


def test_a_disk_is_not_written_over(device):
    disk = device("disk", stat.S_IFBLK, 7, 0xFFF00)  # one of no driver's
    with pytest.raises(OSError, match="is a disk"):
        put(disk)
    assert disk.is_block_device()


def test_a_socket_is_connected_to(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        read = []

        def serve():
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as file:
                read.append(file.read())

        server = threading.Thread(target=serve)
        server.start()
        put(tmp_path / "socket")
        server.join(20)
    assert read == [LARGE]
    with pytest.raises(OSError, match="cannot connect to this socket: Connection refused"):
        put(tmp_path / "socket")
    assert (tmp_path / "socket").is_socket()


# --- open descriptors -----------------------------------------------------------------------------------

PUT = """
import sys
from pathlib import Path
from gossipw2v.system.output import writing
with writing(Path(sys.argv[1])) as file:
    file.writelines([b"written\\n"] * int(sys.argv[2]))
"""


def putting(path: object, lines: int = 1, **options: object) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-c", PUT, str(path), str(lines)]
    return subprocess.run(command, check=False, timeout=60, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link", STANDARD_OUTPUT])
def test_standard_output_is_written_to_whatever_its_name(tmp_path, name):
    (tmp_path / "one").symlink_to("/proc/self/fd/1")
    (tmp_path / "link").symlink_to("one")
    assert putting(name, cwd=tmp_path, stdout=subprocess.PIPE).stdout == b"written\n"
    assert (tmp_path / "one").is_symlink()
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", STANDARD_OUTPUT])
def test_a_file_that_standard_output_was_sent_to_keeps_what_stands_in_it(tmp_path, name):
    path = tmp_path / "file"
    with path.open("wb", buffering=0) as file:
        file.write(b"before\n")
        putting(name, stdout=file)
        file.seek(0, os.SEEK_END)
        file.write(b"after\n")
    assert path.read_bytes() == b"before\nwritten\nafter\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_descriptor_that_a_shell_has_made_is_written_to(tmp_path):
    ours, theirs = os.pipe()
    try:
        putting(f"/dev/fd/{theirs}", pass_fds=[theirs])
    finally:
        os.close(theirs)
    with os.fdopen(ours, "rb") as file:
        assert file.read() == b"written\n"


def test_a_descriptor_that_is_not_open_is_refused():
    assert b"is not open: '/dev/fd/77'" in putting("/dev/fd/77").stderr


def test_a_pipe_that_somebody_has_made_non_blocking_gets_all(tmp_path):
    ours, theirs = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
    read = []
    reader = threading.Thread(target=lambda: read.append(Path(f"/dev/fd/{ours}").read_bytes()))
    reader.start()
    with SteadyFile(theirs, "wb") as file:
        assert file.write(LARGE) == len(LARGE)
    reader.join(20)
    os.close(ours)
    assert read == [LARGE]


# --- where nothing can be written -----------------------------------------------------------------------


def test_a_missing_folder_is_named_and_nothing_else(tmp_path):
    (tmp_path / "link").symlink_to("none/file")
    for path, folder in ((tmp_path / "no/such/v.txt", tmp_path / "no/such"), (tmp_path / "link", tmp_path / "none")):
        with pytest.raises(FileNotFoundError, match="there is no such folder; make it") as error:
            put(path)
        assert error.value.filename == str(folder)


def test_a_file_in_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as error:
        put(tmp_path / "file" / "v.txt")
    assert TEMPORARY not in str(error.value)


def test_rests_of_killed_writers_of_the_same_file_are_removed_also_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/file")
    rest = tmp_path / "real" / f".file{MARK}12345678{TEMPORARY}"
    rest.write_bytes(b"left")
    put(tmp_path / "link")
    assert not rest.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_is_write_protected_is_not_replaced():
    as_nobody = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\nwith writing"
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own are for root alone
        Path(folder).chmod(0o777)
        path = Path(folder) / "file"
        path.write_bytes(b"old")
        command = [sys.executable, "-c", PUT.replace("with writing", as_nobody), path, "1"]
        told = subprocess.run(command, check=False, timeout=60, capture_output=True).stderr
        assert b"may not be written to" in told
        assert path.read_bytes() == b"old"
