"""A node's own text: counted and encoded in threads, with its numbers, and stopped when that is asked."""

import asyncio
import os
import re
from pathlib import Path

import pytest

from gossipw2v.w2v.text.blocks import Stopped, TextReader
from gossipw2v.w2v.text.corpus import Corpus
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.vocab import freeze


def text_of(folder: Path, content: str) -> Corpus:
    folder.mkdir(exist_ok=True)
    path = folder / "text"
    path.write_text(content, encoding="utf-8")
    text = Corpus([str(path)], folder, threads=2)
    text.find()
    return text


async def test_a_text_is_counted_then_encoded_then_reused(tmp_path: Path) -> None:
    text = text_of(tmp_path, "b a b\nb c\n" * 100)
    assert (len(text.files), text.bytes) == (1, 1000)
    counts = await text.count()
    assert (list(counts.words), counts.counts.tolist(), counts.tokens) == ([b"a", b"b", b"c"], [100, 300, 100], 500)
    assert text.counts is counts
    text.let_go()
    assert len(text.counts.words) == 0
    assert text.counts.totals() == counts.totals()
    assert text.done_bytes == text.bytes == 1000
    vocab = freeze(counts, 1, 0)
    shard = await text.encode(vocab)
    assert shard.tokens.tolist() == [0, 1, 0, -1, 0, 2, -1] * 100
    assert shard.words == 500
    assert not shard.reused
    assert (await text.encode(vocab)).reused


async def test_an_encoded_text_that_was_damaged_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = text_of(tmp_path, "b a b\nb c\n" * 100)
    vocab = freeze(await text.count(), 1, 0)
    with (await text.encode(vocab)).path.open("r+b") as file:
        file.truncate(100)
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
    assert (await text.encode(vocab)).words == 500
    (told,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert "was damaged" in told


async def test_a_text_is_read_with_the_threads_that_were_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, asked = text_of(tmp_path, "b a b\n"), []
    run = TextReader.run
    monkeypatch.setattr(TextReader, "run", lambda self, *given: asked.append(self.threads) or run(self, *given))
    await text.encode(freeze(await text.count(), 1, 0))
    assert asked == [2, 2]


@pytest.mark.parametrize("content", ["one one one\n", "\n\n \n"])
async def test_fewer_than_two_words_are_refused_by_name(tmp_path: Path, content: str) -> None:
    with pytest.raises(CorpusError, match="text"):
        await text_of(tmp_path, content).count()


async def test_a_text_that_is_emptied_before_it_is_encoded_is_refused(tmp_path: Path) -> None:
    text = text_of(tmp_path, "b a b\nb c\n" * 100)
    vocab = freeze(await text.count(), 1, 0)
    text.files[0].write_bytes(b"")
    with pytest.raises(CorpusError, match=r"text: has changed since it was counted, and no word"):
        await text.encode(vocab)
    text.files[0].write_text("none of these\n" * 100)
    with pytest.raises(CorpusError, match="has changed since it was counted"):
        await text.encode(vocab)


async def test_a_text_that_changes_before_it_is_encoded_is_told_of(tmp_path: Path) -> None:
    text = text_of(tmp_path, "b a b\nb c\n" * 100)
    vocab = freeze(await text.count(), 1, 0)
    assert text.problem is None
    with text.files[0].open("a") as file:
        file.write("b d\n")
    assert (await text.encode(vocab)).words == 501
    assert "text: has changed since it was counted" in (text.problem or "")
    await text.count()
    await text.encode(vocab)
    assert text.problem is None


async def test_a_text_without_a_word_of_the_vocabulary_is_told_of(tmp_path: Path) -> None:
    text = text_of(tmp_path, "b a b\n" * 100)
    other = text_of(tmp_path / "other", "x y\n" * 100)
    vocab = freeze(await other.count(), 1, 0)
    await text.count()
    assert (await text.encode(vocab)).words == 0
    assert "no word is in the vocabulary" in (text.problem or "")


async def test_replaced_bytes_are_told_with_the_worst_file_and_after_a_restart(tmp_path: Path) -> None:
    for name, broken in (("a", 1), ("b", 3), ("c", 0)):
        (tmp_path / name).write_bytes(b"b a b\n" * 100 + b"caf\xe9 \n" * broken)
    text = Corpus([str(tmp_path)], tmp_path / "state", threads=1)
    text.find()
    await text.count()
    assert re.search(r"/b: 3 of 619 bytes.*cp1252.*1 more", text.problem or "")
    assert text.damaged_files == 2
    later = Corpus([str(tmp_path)], tmp_path / "state", threads=1)
    later.counted_before(text.totals())
    assert (later.problem or "").startswith("4 bytes are no utf-8")


async def test_a_name_that_is_no_utf8_is_told_in_what_is(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"latin-\xe4")).write_bytes(b"b a b caf\xe9\n")
    text = Corpus([str(tmp_path)], tmp_path / "state", threads=1)
    text.find()
    await text.count()
    assert "latin-\\udce4: 1 of" in (text.problem or "").encode().decode()


async def test_another_encoding_is_another_text_where_it_matters(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("größer schöner\n".encode("cp1252") * 100)
    shards = []
    for encoding in ("cp1252", "latin-1", "koi8-r"):
        text = Corpus([str(tmp_path / "text")], tmp_path / "state", 1, form=Form(encoding))
        text.find()
        shards.append(await text.encode(freeze(await text.count(), 1)))
    assert not any(shard.reused for shard in shards)
    assert [shard.words for shard in shards] == [200] * 3


def test_a_missing_text_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"missing\.txt"):
        Corpus([str(tmp_path / "missing.txt")], tmp_path, 1).find()


async def test_a_pass_ends_when_it_is_told_to(tmp_path: Path) -> None:
    text = text_of(tmp_path, "many words are here\n" * 2_000_000)
    counting = asyncio.create_task(text.count())
    await asyncio.sleep(0)
    text.stop()
    with pytest.raises(Stopped):
        await counting
    assert text.counts is None
