"""Text that can be read only once is kept whole, in bounded memory, and found again."""

import os
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from support.daemons import Daemon, Daemons, resident, write_texts

from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.finding.find import find, find_files
from gossipw2v.w2v.text.sources.spool import SUFFIX, Spool

TEXT = b"one two three\n" * 50_000


def through(path: Path, data: bytes) -> threading.Thread:
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    return writer


def test_a_named_pipe_is_read_to_its_end_and_kept(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "data"
    os.mkfifo(pipe)
    writer = through(pipe, TEXT)
    (kept,) = find([str(pipe)], spool=Spool(folder)).files
    writer.join()
    assert isinstance(kept, Path)
    assert kept.read_bytes() == TEXT
    assert kept.stat().st_mode & 0o077 == 0
    assert find([str(pipe)], spool=Spool(folder)).files == [kept]  # nobody writes any more
    assert find([str(pipe)], own=[kept], spool=Spool(folder)).files == [kept]
    writer = through(pipe, TEXT[:28])
    assert find([str(pipe)], spool=Spool(folder, fresh=True)).files == [kept]
    writer.join()
    assert kept.read_bytes() == TEXT[:28]
    Spool(folder).drop_others([kept])
    assert list(folder.iterdir()) == [kept]
    Spool(folder).drop_others([])
    assert not list(folder.iterdir())


def test_an_empty_pipe_and_one_that_may_not_be_kept_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for folder, data, why in ((tmp_path / "data", b"", "is empty"), (pipe, b"", "cannot be kept in")):
        writer = through(pipe, data)
        with pytest.raises(CorpusError, match=f"pipe: {why}"):
            find([str(pipe)], spool=Spool(folder))
        if folder is pipe:
            pipe.read_bytes()
        writer.join()
    assert not list((tmp_path / "data").iterdir())


def test_the_wait_for_a_pipe_ends_when_the_node_is_told_to_stop(tmp_path: Path) -> None:
    pipe, stop = tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(CorpusError, match="told to stop"):
        find([str(pipe)], spool=Spool(tmp_path / "data", stop.is_set))
    assert not list((tmp_path / "data").iterdir())


def test_a_stream_for_which_there_is_no_room_leaves_nothing(tmp_path: Path) -> None:
    """No file may be larger than some 100 KB there, as if the disk were full."""
    read = "from gossipw2v.w2v.text.finding.find import find; from gossipw2v.w2v.text.sources.spool import Spool; "
    read += f"from pathlib import Path; find(['-'], spool=Spool(Path({str(tmp_path / 'data')!r})))"
    command = ["sh", "-c", 'ulimit -f 200; exec "$0" -c "$1"', sys.executable, read]
    done = subprocess.run(command, input=TEXT, capture_output=True, check=False)
    assert done.returncode
    assert b"CorpusError: standard input: cannot be kept in " in done.stderr
    assert b"look for its space and owner" in done.stderr
    assert not list((tmp_path / "data").iterdir())


def test_where_nothing_can_be_kept_standard_input_is_refused() -> None:
    with pytest.raises(CorpusError, match="standard input: can be read but once"):
        find_files(["-"])


def started(swarm: Daemons, stdin: object, **options: object) -> Daemon:
    return swarm.start(Path("-"), partial(subprocess.Popen, stdin=stdin), **options)


def test_a_node_reads_standard_input_once(tmp_path: Path) -> None:
    """The first start reads it; the second, of the same data directory, has none and goes on; `--fresh` asks for it."""
    (text,) = write_texts(tmp_path, 1)
    with Daemons(tmp_path) as swarm:
        with text.open("rb") as file:
            node = started(swarm, file)
        assert node.end() == 0
        (kept,) = node.data.glob(f"*{SUFFIX}")
        assert kept.read_bytes() == text.read_bytes()
        words, weights, _ = node.model()

        swarm.again(node)
        assert node.end() == 0
        assert "an earlier start has kept" in node.log()
        again, same, _ = node.model()
        assert again == words
        assert (same == weights).all()

        node.process.args = [*node.process.args, "--fresh"]  # type: ignore[misc]
        with Path(os.devnull).open("rb") as nothing, (node.folder / "log").open("ab") as log:
            done = subprocess.run(node.process.args, stdin=nothing, stdout=log, stderr=log, check=False)
        assert done.returncode == 2
        assert "standard input: is empty" in node.log()
        assert kept.read_bytes() == text.read_bytes()


def test_a_node_that_waits_for_standard_input_can_be_stopped(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with Daemons(tmp_path) as swarm:
        node = started(swarm, reader)
        os.write(writer, TEXT[:1000])
        node.says("read only once")
        begun = time.monotonic()
        node.process.terminate()
        assert node.end(seconds=10) == 0
        assert not list(node.data.glob(f"*{SUFFIX}"))
        assert time.monotonic() > begun
    os.close(reader)
    os.close(writer)


FLOOD = "import sys\npiece = b'one two three four\\n' * 50_000\nfor n in range({}): sys.stdout.buffer.write(piece)\n"
MEGABYTES = 400


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="memory is not told here")
def test_a_long_stream_does_not_grow_memory(tmp_path: Path) -> None:
    pieces = MEGABYTES * 1_000_000 // 950_000
    seen: list[int] = []
    with (
        Daemons(tmp_path) as swarm,
        subprocess.Popen([sys.executable, "-c", FLOOD.format(pieces)], stdout=subprocess.PIPE) as flood,
    ):
        node = started(swarm, flood.stdout)
        assert flood.stdout is not None
        flood.stdout.close()
        while flood.poll() is None:
            if list(node.data.glob(f".*{SUFFIX}*")):  # after the imports
                seen.append(resident(node))
            assert node.process.poll() is None
            time.sleep(0.02)
        node.says("kept the text")
        (kept,) = node.data.glob(f"*{SUFFIX}")
        assert kept.stat().st_size == pieces * 950_000
    assert max(seen) - seen[0] < 20 << 20, seen
