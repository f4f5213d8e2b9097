"""Text is found and unpacked whatever its name and packing; what cannot be read is refused by name."""

import bz2
import gzip
import lzma
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gossipw2v.w2v.text.blocks import BOM
from gossipw2v.w2v.text.files import CorpusError, open_text
from gossipw2v.w2v.text.finding.digests import contents_digest, corpus_digest
from gossipw2v.w2v.text.finding.find import EMPTY, OWN, find, find_files
from gossipw2v.w2v.text.finding.names import BACKUP, HIDDEN
from gossipw2v.w2v.text.sources.form import Form

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def content(path: Path) -> bytes:
    with open_text(path) as (stream, _):
        return stream.read()


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_text_is_known_by_its_bytes_not_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(PACKERS[kind](BOM + b"one two\nthree"))
    assert content(path) == BOM + b"one two\nthree"


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_packed_text_cut_short_is_refused_by_name(kind: str, keep: float, tmp_path: Path) -> None:
    path, packed = tmp_path / "text", PACKERS[kind](os.urandom(50_000).hex().encode())
    path.write_bytes(packed[: int(keep * len(packed))])
    with pytest.raises(CorpusError, match=re.escape(str(path))):
        content(path)


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_text_that_is_damaged_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    path, packed = tmp_path / "text", bytearray(PACKERS[kind](os.urandom(50_000).hex().encode()))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)
    with pytest.raises(CorpusError, match=re.escape(str(path))):
        content(path)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x04\x22\x4d\x18 rest", "lz4.*unlz4"),
        (b"PK\x03\x04 rest", "zip.*unzip"),
        ("text".encode("utf-16"), "UTF-16.*iconv"),
        (gzip.compress("text".encode("utf-16"), mtime=0), "UTF-16.*iconv"),
    ],
    ids=["lz4", "zip", "UTF-16", "UTF-16 in gzip"],
)
def test_what_is_not_text_is_refused_with_what_to_do(data: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=f"{re.escape(str(path))}.*{what}"):
        content(path)


def test_text_that_starts_like_a_packed_file_is_text(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"BZhang wrote PAR1")
    assert content(path) == b"BZhang wrote PAR1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "sub/c.txt", ".hidden", ".git/d.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text of {name}")
    (tmp_path / "_SUCCESS").touch()
    return tmp_path


def test_a_folder_stands_for_its_files_sorted_without_hidden_and_empty(folder: Path) -> None:
    assert find_files([str(folder)]) == [folder / "a.txt", folder / "b.txt", folder / "sub/c.txt"]


def test_backups_of_editors_are_left_out_unless_they_are_asked_for(folder: Path) -> None:
    names = ["a.txt~", "#a.txt#", ".a.txt.swp", "a.txt.swp", "sub/a.bak"]
    for name in names:
        (folder / name).write_text("a backup")
    found = find([str(folder)])
    assert found.files == [folder / "a.txt", folder / "b.txt", folder / "sub/c.txt"]
    assert {path for path, why in found.passed_over.items() if why in (HIDDEN, BACKUP)} == {
        *(folder / name for name in names),
        folder / ".git",
        folder / ".hidden",
    }
    assert find([str(folder / "a*")]).files == [folder / "a.txt"]
    for asked in ("a.txt~", "*.txt~"):
        assert find([str(folder / asked)]).files == [folder / "a.txt~"]


def test_files_globs_and_folders_mix_and_a_file_counts_once(folder: Path) -> None:
    (folder / "link.txt").symlink_to(folder / "a.txt")
    (folder / "sub" / "loop").symlink_to(folder)
    names = [str(folder / "b.txt"), str(folder / "*.txt"), str(folder)]
    assert find_files(names) == [folder / "b.txt", folder / "a.txt", folder / "sub/c.txt"]
    assert find_files([str(folder / "**" / "c*")]) == [folder / "sub/c.txt"]


def test_a_linked_folder_is_followed_once_after_all_else(tmp_path: Path) -> None:
    for name in ("corpus/b.txt", "corpus/sub/c.txt", "elsewhere/d.txt", "elsewhere/deep/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    corpus, elsewhere = tmp_path / "corpus", tmp_path / "elsewhere"
    for link, target in (
        ("a", "sub"),
        ("more", "../elsewhere"),
        ("more2", "../elsewhere"),
        ("loop", "."),
        ("up", "more"),
    ):
        (corpus / link).symlink_to(target)
    (elsewhere / "back").symlink_to(corpus)
    (elsewhere / "again.txt").hardlink_to(corpus / "b.txt")
    wanted = [corpus / name for name in ("b.txt", "more/d.txt", "more/deep/e.txt", "sub/c.txt")]
    assert find_files([str(corpus)]) == wanted
    assert find_files([str(corpus), str(elsewhere), str(corpus / "loop" / "*")]) == wanted


def test_loops_below_a_glob_of_all_folders_end(folder: Path) -> None:
    for n in range(5):  # by any number of ways, some 5 ** 40 of them
        (folder / "sub" / f"loop{n}").symlink_to(folder)
    wanted = [folder / "a.txt", folder / "b.txt", folder / "sub/c.txt"]
    assert sorted(find_files([str(folder / "**" / "*.txt")])) == wanted
    assert sorted(find_files([str(folder / "**")])) == wanted
    assert find_files([str(folder / "s*" / "**" / "c.txt")]) == [folder / "sub/c.txt"]


def test_a_folder_below_a_glob_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "a[1]*").mkdir()
    (tmp_path / "a[1]*" / "b.txt").write_text("text")
    assert find_files([str(tmp_path / "**" / "*.txt")]) == [tmp_path / "a[1]*" / "b.txt"]


def test_links_that_lead_nowhere_are_named(folder: Path) -> None:
    (folder / "gone").symlink_to("nowhere")
    with pytest.raises(CorpusError, match=r"gone: is a link to nowhere, which is not there"):
        find_files([str(folder)])
    (folder / "gone").unlink()
    (folder / "round").symlink_to("round")
    with pytest.raises(CorpusError, match=r"round: cannot be read: .*symbolic links"):
        find_files([str(folder)])


def test_what_the_node_writes_is_passed_over_and_refused_where_it_is_named(folder: Path) -> None:
    state, vectors = folder / "state", folder / "vectors.txt"
    state.mkdir()
    for name in ("lock", "checkpoint-1", "checkpoint-1.aside"):
        (state / name).write_text("123")
    (folder / "link").symlink_to(state / "lock")
    vectors.write_text("2 3\none 0.1 0.2 0.3\ntwo 0.1 0.2 0.3\n")
    (folder / "old.log").write_text('{"timestamp": "2026", "level": "info", "logger": "work", "event": "counted"}\n')
    (folder / "checkpoint-7").write_bytes(b"GW2VCKPT" + bytes(99))
    found = find([str(folder)], own=list(state.iterdir()))
    assert found.files == [folder / "a.txt", folder / "b.txt", folder / "sub/c.txt"]
    own = {path for path, why in found.passed_over.items() if why == OWN}
    assert own == {*state.iterdir(), folder / "link"}
    assert found.passed_over[vectors] == "is word vectors in word2vec's text format"
    assert found.passed_over[folder / "_SUCCESS"] == EMPTY
    assert {path for path, why in found.passed_over.items() if why == HIDDEN} == {folder / ".git", folder / ".hidden"}
    assert len(found.passed_over) == len(own) + 6
    for path in (vectors, state / "lock", folder / "link", folder / "old.log"):
        with pytest.raises(CorpusError, match=re.escape(str(path))):
            find([str(path)], own=list(state.iterdir()))


def test_packed_vectors_are_passed_over(folder: Path) -> None:
    (folder / "v.gz").write_bytes(gzip.compress(b"2 3\none 0.1 0.2 0.3\ntwo 0.1 0.2 0.3\n"))
    assert folder / "v.gz" in find([str(folder)]).passed_over


PRINT_FILES = """
import sys
from gossipw2v.w2v.text.finding.find import find_files
print(len(find_files(["."])), file=sys.stderr, flush=True)
"""


def test_what_standard_output_and_error_go_to_is_no_text(folder: Path) -> None:
    for handle in ("stdout", "stderr"):
        with (folder / "new.log").open("ab") as log:
            log.write(b"lines of before\n")
            log.flush()
            where = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, handle: log}
            done = subprocess.run([sys.executable, "-c", PRINT_FILES], cwd=folder, check=True, **where)
        found = (folder / "new.log").read_bytes() if handle == "stderr" else done.stderr
        assert found.split()[-1] == b"3"


def test_where_there_is_no_text_it_is_said_what_there_is(tmp_path: Path) -> None:
    for name in ("_SUCCESS", "a", "b", "c"):
        (tmp_path / name).touch()
    with pytest.raises(CorpusError, match=r"no text found in .*_SUCCESS is empty; .* and 1 more"):
        find_files([str(tmp_path)])


@pytest.mark.parametrize("name", [b"latin-\xe4.txt", b"new\nline", "日本 語".encode()])
def test_a_name_of_any_bytes_is_a_name(name: bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"some text\n")
    assert find_files([str(tmp_path)]) == [path]
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(CorpusError, match="zip"):
        find_files([str(tmp_path)])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_refused_by_name(folder: Path) -> None:
    (folder / "sub").chmod(0)
    with pytest.raises(CorpusError, match="sub: cannot be listed"):
        find_files([str(folder)])
    (folder / "sub").chmod(0o700)
    (folder / "a.txt").chmod(0)
    with pytest.raises(CorpusError, match=r"a\.txt: cannot be read"):
        find_files([str(folder)])


def test_an_archive_in_a_folder_is_refused_at_once(folder: Path) -> None:
    with tarfile.open(folder / "sub" / "more.tar.gz", "w:gz") as archive:
        archive.add(folder / "a.txt")
    with pytest.raises(CorpusError, match=r"more\.tar\.gz: is a tar archive"):
        find_files([str(folder)])


def test_digest_is_of_the_encoding_too(folder: Path) -> None:
    files = find_files([str(folder)])
    assert corpus_digest(files) == corpus_digest(files, Form("UTF8")) != corpus_digest(files, Form("latin-1"))
    assert corpus_digest(files, Form("latin1")) == corpus_digest(files, Form("ISO-8859-1"))


def test_a_name_with_glob_characters_is_a_name_first(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("x")
    assert find_files([str(tmp_path / "a[1].txt")]) == [tmp_path / "a[1].txt"]


def test_missing_empty_and_irregular_paths_are_refused_by_name(folder: Path) -> None:
    os.mkfifo(folder / "sub" / "pipe")
    (folder / "empty").mkdir()
    bad = {"missing": "no such file", "*.csv": "no text found", "_SUCCESS": "is empty", "empty": "no text found"}
    bad["x" * 300] = "cannot be read"
    bad |= {"sub/pipe": "read but once", "sub": "not a regular file", "a.txt/b": "cannot be read"}
    for name, why in bad.items():
        with pytest.raises(CorpusError, match=why) as error:
            find_files([str(folder / name)])
        assert name in str(error.value)
    with pytest.raises(CorpusError, match="not a regular file"):
        find_files(["/dev/zero"])
    with pytest.raises(CorpusError, match="empty list"):
        find_files([])


def test_digest_is_of_the_text_not_of_its_place(folder: Path, tmp_path: Path) -> None:
    files = find_files([str(folder / "a.txt"), str(folder / "b.txt")])
    before = corpus_digest(files)
    moved = [path.rename(tmp_path / f"moved-{path.name}") for path in files]
    assert corpus_digest(moved) == before
    assert corpus_digest(moved[::-1]) != before
    os.utime(moved[0])
    assert corpus_digest(moved) != before


def test_the_same_files_are_known_again_whatever_their_names_and_times(folder: Path, tmp_path: Path) -> None:
    files = find_files([str(folder / "a.txt"), str(folder / "b.txt")])
    before = contents_digest(files)
    moved = [path.rename(tmp_path / f"moved-{path.name}") for path in reversed(files)]
    os.utime(moved[0])
    assert contents_digest(moved) == before
    assert contents_digest(moved[:1]) != before
    moved[0].write_bytes(moved[0].read_bytes()[::-1])
    assert contents_digest(moved) != before


def test_digest_sees_a_change_at_either_end_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "text"
    digests = set()
    for place in (None, 0, 999_999):
        data = bytearray(1_000_000)
        if place is not None:
            data[place] = 1
        path.write_bytes(data)
        os.utime(path, (0, 0))
        digests.add(corpus_digest([path]))
    assert len(digests) == 3
