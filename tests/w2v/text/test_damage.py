"""A file too much of which is no text is refused by name; a few bytes are borne, and told of."""

import gzip
import os
import re
import struct
from pathlib import Path

import pytest

from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.damage import FEW, MOST_REPLACED, Damage
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.vocab import Counts, count_words

ENGLISH = b"some words of a text that is plain enough\n" * 2000
GERMAN = "über die Straße läuft der müde Bär größer schöner wärmer\n" * 500


def counted(files: list[Path], **reader: object) -> tuple[Counts, list[Damage]]:
    told: list[Damage] = []
    return count_words(files, TextReader(2, on_damage=told.append, **reader)), told  # type: ignore[arg-type]


def text_of(folder: Path, data: bytes, name: str = "text") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def refused(path: Path, **reader: object) -> str:
    with pytest.raises(CorpusError, match=re.escape(str(path))) as error:
        counted([path], **reader)
    return str(error.value)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-32-be", "cp500"])
@pytest.mark.parametrize("block", [999, 1 << 20])
def test_text_in_another_encoding_is_refused_and_read_when_it_is_said(
    encoding: str, block: int, tmp_path: Path
) -> None:
    path = text_of(tmp_path, GERMAN.encode(encoding))
    why = refused(path, block_bytes=block)
    assert "% are no UTF-8" in why or " %) are no UTF-8" in why
    assert "--encoding" in why
    counts, told = counted([path], block_bytes=block, form=Form(encoding))
    assert {word.decode() for word in counts.words} == set(GERMAN.split())
    assert (counts.tokens, counts.replaced, told) == (len(GERMAN.split()), 0, [])
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert "--encoding" in refused(path, block_bytes=block)
    assert counted([path], block_bytes=block, form=Form(encoding))[0].words == counts.words


@pytest.mark.parametrize("encoding", ["iso2022_jp", "hz", "utf-7"])
def test_text_that_looks_like_ascii_is_refused_with_its_name(encoding: str, tmp_path: Path) -> None:
    text = {"utf-7": GERMAN, "hz": "我们 喜欢 中文\n" * 500}.get(encoding, "私 は 日本\n" * 500)
    assert f"--encoding {encoding}" in refused(text_of(tmp_path, text.encode(encoding)))


def test_a_few_broken_bytes_are_replaced_counted_and_told(tmp_path: Path) -> None:
    path = text_of(tmp_path, ENGLISH + b"caf\xe9 bar\n" + ENGLISH)
    counts, (damage,) = counted([path])
    assert counts.replaced == damage.replaced == 1
    assert "caf\ufffd".encode() in list(counts.words)
    assert str(path) in damage.warning()
    assert "1 of 168,010 bytes" in damage.warning()
    assert "cp1252" in damage.warning()


def test_the_bound_is_a_share_of_the_file(tmp_path: Path) -> None:
    size, most = len(ENGLISH) * 5, int(MOST_REPLACED * len(ENGLISH) * 5)
    assert most > FEW
    below = b"\xff" * most + b" " + ENGLISH * 5
    assert counted([text_of(tmp_path, below)])[0].replaced == most
    above = b"\xff" * (most + 10) + b" " + ENGLISH * 5
    for block in (1000, size * 2):
        assert "% are no" in refused(text_of(tmp_path, above), block_bytes=block).replace("%)", "%")


def test_a_small_file_may_have_a_damaged_word_but_many_such_files_may_not(tmp_path: Path) -> None:
    one = text_of(tmp_path, b"a few words with caf\xe9\n")
    assert counted([one])[0].replaced == 1
    many = [text_of(tmp_path, b"gr\xf6\xdfer sch\xf6n w\xe4rmer\n", f"{n}") for n in range(30)]
    with pytest.raises(CorpusError, match=r"so are .* of all files.*cp1252"):
        counted(many)


def test_a_file_that_is_damaged_names_itself_among_others(tmp_path: Path) -> None:
    files = [
        text_of(tmp_path, ENGLISH, "a"),
        text_of(tmp_path, GERMAN.encode("cp1252"), "b"),
        text_of(tmp_path, ENGLISH, "c"),
    ]
    with pytest.raises(CorpusError, match=r"/b: "):
        counted(files)


def fields(texts: list[bytes]) -> bytes:
    """As protocol buffers write texts."""
    return b"".join(b"\x0a%c\x12%c" % (len(text) + 2, len(text)) + text for text in texts)


@pytest.mark.parametrize(
    "data",
    [
        os.urandom(50_000),
        ENGLISH + os.urandom(50_000),
        bytes(50_000),
        struct.pack("<9999i", *range(9999)),
        fields([b"some words of a text that are no"] * 999),
        b"\x01".join([b"a field"] * 9999),
    ],
    ids=["random", "later", "zeros", "numbers", "fields", "separated"],
)
def test_bytes_that_are_no_text_are_refused(data: bytes, tmp_path: Path) -> None:
    assert refused(text_of(tmp_path, data), block_bytes=10_000)


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[31mERROR\x1b[0m a line in colour\n" * 999,
        ENGLISH + b"\x1a",
        b"tab\tfeed\f\v bell\a\n" * 99,
        b"\x01" * 400 + ENGLISH,
    ],
    ids=["colours", "end of DOS", "white space", "a bad beginning"],
)
def test_text_with_the_control_characters_that_text_has_is_read(data: bytes, tmp_path: Path) -> None:
    assert counted([text_of(tmp_path, data)], block_bytes=2000)[0].tokens


def test_another_wrong_encoding_is_refused_with_a_likely_one(tmp_path: Path) -> None:
    path = text_of(tmp_path, ("我们 喜欢 中文 分词 语料\n" * 500).encode("gb18030"))
    assert "gb18030" in refused(path, form=Form("shift_jis"))


def test_a_large_file_in_another_encoding_is_refused_before_its_end(tmp_path: Path) -> None:
    path, seen = text_of(tmp_path, GERMAN.encode("cp1252") * 100), []
    refused(path, block_bytes=20_000, progress=lambda done, total: seen.append(done / total))
    assert max(seen) < 0.5
