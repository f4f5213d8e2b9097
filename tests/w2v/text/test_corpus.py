"""A node's own text: counted and encoded in threads, with its numbers, and stopped when that is asked."""

import asyncio
from pathlib import Path

import pytest

from gossipw2v.w2v.text.blocks import Reader, Stopped
from gossipw2v.w2v.text.corpus import Text
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.vocab import freeze


def text_of(folder: Path, content: str) -> Text:
    path = folder / "text"
    path.write_text(content, encoding="utf-8")
    text = Text([str(path)], folder, threads=2)
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
    run = Reader.run
    monkeypatch.setattr(Reader, "run", lambda self, *given: asked.append(self.threads) or run(self, *given))
    await text.encode(freeze(await text.count(), 1, 0))
    assert asked == [2, 2]


@pytest.mark.parametrize("content", ["one one one\n", "\n\n \n"])
async def test_fewer_than_two_words_are_refused_by_name(tmp_path: Path, content: str) -> None:
    with pytest.raises(CorpusError, match="text"):
        await text_of(tmp_path, content).count()


def test_a_missing_text_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"missing\.txt"):
        Text([str(tmp_path / "missing.txt")], tmp_path, 1).find()


async def test_a_pass_ends_when_it_is_told_to(tmp_path: Path) -> None:
    text = text_of(tmp_path, "many words are here\n" * 2_000_000)
    counting = asyncio.create_task(text.count())
    await asyncio.sleep(0)
    text.stop()
    with pytest.raises(Stopped):
        await counting
    assert text.counts is None
