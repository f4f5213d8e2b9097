"""A shard is the text, whole, or it is not there: after kills, full disks and damage alike."""

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipw2v.w2v.text import shards
from gossipw2v.w2v.text.blocks import Stopped, TextReader
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.finding.digests import corpus_digest
from gossipw2v.w2v.text.finding.find import find_files
from gossipw2v.w2v.text.heldout import Divider, Division
from gossipw2v.w2v.text.scanner import END
from gossipw2v.w2v.text.shards import HEADER_BYTES, KEEP, Shard, ShardError, encode, open_shard
from gossipw2v.w2v.text.vocab import Vocab, count_words, freeze
from gossipw2v.w2v.text.words import Words

WORDS = ["the", "of", "日本", "naïve", "и", "в", "🦆", "rare"]
UNKNOWN = ["other", "ほか"]


def make_vocab(words: list[str]) -> Vocab:
    return Vocab(Words.of([word.encode() for word in words]), np.arange(len(words), 0, -1, dtype=np.int64))


VOCAB = make_vocab(WORDS)


def write_text(folder: Path, tokens: int = 2000, files: int = 2) -> list[Path]:
    pick = random.Random(tokens)
    folder.mkdir(exist_ok=True)
    for n in range(files):
        text = "".join(pick.choice(WORDS + UNKNOWN) + pick.choice([" ", " ", "\n", "\r\n\n"]) for _ in range(tokens))
        (folder / f"{n}.txt").write_text(text, newline="")
    return find_files([str(folder)])


def naive_ids(files: list[Path]) -> list[int]:
    """The obvious twin: every line of every file, its known words, then END."""
    index = {word.encode(): place for place, word in enumerate(WORDS)}
    lines = (line for path in files for line in path.read_bytes().split(b"\n"))
    sentences = ([index[word] for word in line.split() if word in index] for line in lines)
    return [token for sentence in sentences if sentence for token in [*sentence, END]]


def encoded(files: list[Path], folder: Path, vocab: Vocab = VOCAB) -> Shard:
    return encode(files, vocab, folder, corpus_digest(files))


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_shard_holds_the_text_in_order(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text")
    shard = encoded(files, tmp_path / "shards")
    assert shard.tokens.tolist() == naive_ids(files)
    assert shard.words == sum(token != END for token in naive_ids(files))
    assert shard.tokens.dtype == np.int32
    assert not shard.tokens.flags.writeable
    assert not shard.reused
    assert listing(tmp_path / "shards") == [shard.path.name]


@pytest.fixture(scope="module")
def _any_damage() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gossipw2v.w2v.text.damage.FEW", 10**6)
        yield


@pytest.mark.usefixtures("_any_damage")
@given(
    lines=st.lists(
        st.lists(st.sampled_from([b"the", b"of", b"xx", b"\xff", b"\0", b"rare" * 300, b"\r"])).map(b" ".join),
        max_size=12,
    )
)
@settings(deadline=None, max_examples=30)
def test_no_sentence_is_empty_and_none_is_lost(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("shard")
    (folder / "a").write_bytes(b"\n".join(lines) + b" ")
    files = find_files([str(folder / "a")])
    shard = encoded(files, folder / "shards")
    assert shard.tokens.tolist() == naive_ids(files)


def test_a_large_text_is_encoded_in_order_across_blocks(tmp_path: Path) -> None:
    text = " ".join(str(n % 1000) + ("\n" if n % 7 == 0 else "") for n in range(2_000_000))
    (tmp_path / "text").write_text(text)
    files = find_files([str(tmp_path / "text")])
    vocab = freeze(count_words(files), 1)
    tokens = encoded(files, tmp_path / "shards", vocab).tokens
    rows = {word: row for row, word in enumerate(vocab.words)}
    ids = np.array([rows[b"%d" % n] for n in range(1000)], np.int32)
    assert np.array_equal(tokens[tokens != END], ids[np.arange(2_000_000) % 1000])
    assert np.count_nonzero(tokens == END) == 2_000_000 // 7 + 2


def test_an_encoding_is_used_again_without_reading_text(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text")
    digest = corpus_digest(files)
    first = encode(files, VOCAB, tmp_path / "shards", digest)
    for path in files:
        path.unlink()
    again = encode(files, VOCAB, tmp_path / "shards", digest)
    assert again.reused
    assert np.array_equal(again.tokens, first.tokens)
    assert again.words == first.words
    with pytest.raises(CorpusError):
        encode(files, make_vocab(["other", "words"]), tmp_path / "shards", digest)


def test_a_shard_that_was_forgotten_can_be_read_again(tmp_path: Path) -> None:
    shard = encoded(write_text(tmp_path / "text"), tmp_path / "data")
    before = shard.tokens.tolist()
    pages = resident(shard.path)
    shard.forget()
    assert resident(shard.path) < pages
    assert shard.tokens.tolist() == before
    assert not shard.tokens.flags.writeable


def resident(path: Path) -> int:
    """KiB of a mapped file that count as this process's."""
    maps = Path("/proc/self/smaps")
    if not maps.exists():
        pytest.skip("this system does not tell")
    after = maps.read_text().partition(str(path))[2]
    return int(after.partition("Rss:")[2].split()[0])


def test_a_text_without_known_words_is_an_empty_shard(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text")
    for reused in (False, True):
        shard = encoded(files, tmp_path / "shards", make_vocab(["no", "such"]))
        assert (shard.tokens.size, shard.words, shard.reused) == (0, 0, reused)


def damages(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    flipped = {
        f"byte {at}": data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        for at in (0, 8, 12, 16, 24, 40, 60, 75, 90, 120)
    }
    last = data[:-1] + bytes([data[-1] ^ 1])
    return flipped | {"id": last, "empty": b"", "header": data[:50], "short": data[:-4], "long": data + b"\0" * 4}


def test_a_damaged_shard_is_refused_replaced_and_counted(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text", tokens=50)
    path, digest = encoded(files, tmp_path / "shards").path, corpus_digest(files)
    for what, data in damages(path).items():
        path.unlink()
        path.write_bytes(data)
        with pytest.raises(ShardError, match=path.name):
            open_shard(path, digest, VOCAB.digest)
        shard = encoded(files, tmp_path / "shards")
        assert (shard.broken, shard.reused, shard.tokens.tolist()) == (1, False, naive_ids(files)), what


def test_a_shard_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text")
    shard, other = encoded(files, tmp_path / "shards"), make_vocab(WORDS[::-1])
    name = shard.path.name.replace(VOCAB.digest.hex(), other.digest.hex())
    shard.path.rename(shard.path.with_name(name))
    assert encoded(files, tmp_path / "shards", other).broken == 1


def test_replacing_a_shard_leaves_one_in_use_alone(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text")
    used = encoded(files, tmp_path / "shards")
    used.path.rename(tmp_path / "elsewhere")  # as a writer replaces it: a new file, never the old one changed
    used.path.write_bytes(b"broken")
    assert encoded(files, tmp_path / "shards").broken == 1
    assert used.tokens.tolist() == naive_ids(files)


def test_few_generations_are_kept_and_the_one_used_is_among_them(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text", tokens=20)
    folder = tmp_path / "shards"
    first = encoded(files, folder)
    for n in range(2 * KEEP):
        os.utime(first.path, ns=(n, n))  # long unused, until:
        assert encoded(files, folder).reused
        current = encoded(files, folder, make_vocab(["the", f"w{n}"]))
        assert {first.path.name, current.path.name} <= set(listing(folder))
    assert len(listing(folder)) == KEEP


def test_a_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text")
    with pytest.raises(Stopped):
        encode(files, VOCAB, tmp_path / "shards", corpus_digest(files), TextReader(should_stop=lambda: True))
    assert listing(tmp_path / "shards") == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text")
    with pytest.raises(ShardError, match=r"0\.txt.*data directory"):
        encoded(files, files[0] / "shards")


ENCODE = """
import os, signal, sys, time
from pathlib import Path
from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.finding.digests import corpus_digest
from gossipw2v.w2v.text.finding.find import find_files
from gossipw2v.w2v.text.shards import encode
from gossipw2v.w2v.text.vocab import Vocab, count_words, freeze

text, folder, limit, stage = sys.argv[1:]

def wait(where):
    if where == stage:
        print(where, flush=True)
        time.sleep(600)

def slow(name):
    real = getattr(os, name)
    def call(*arguments):
        wait(name)
        return real(*arguments)
    setattr(os, name, call)

slow("fsync")
slow("replace")
files = find_files([text])
vocab = freeze(count_words(files), 1)
if int(limit):
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
done = lambda at, total: wait("reading" if at > 0.8 * total else "start")
encode(files, vocab, Path(folder), corpus_digest(files), TextReader(progress=done))
"""


def child(text: Path, folder: Path, limit: int = 0, stage: str = "none") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ENCODE, str(text), str(folder), str(limit), stage]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def large_text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More blocks than are in flight at once, so that ids are on disk before all is read."""
    path = tmp_path_factory.mktemp("large") / "text"
    cores = os.cpu_count() or 1
    path.write_bytes(b" ".join(b"%d" % (n * n % 50_021) for n in range(50_000)) * (8 * (2 * cores + 3)))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["start", "reading", "fsync", "replace"])
def test_a_kill_while_encoding_leaves_no_shard_and_the_next_start_none_of_its_rest(
    stage: str, large_text: Path, tmp_path: Path
) -> None:
    with child(large_text, tmp_path, stage=stage) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == stage
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert [name.startswith(".") and name.endswith(".tmp") for name in listing(tmp_path)] == [True]
    files = find_files([str(large_text)])
    shard = encoded(files, tmp_path, freeze(count_words(files), 1))
    assert (shard.reused, shard.broken) == (False, 0)
    assert listing(tmp_path) == [shard.path.name]
    assert shard.words == large_text.read_bytes().count(b" ") + 1


@pytest.mark.slow
def test_a_full_disk_is_named_and_leaves_nothing_behind(large_text: Path, tmp_path: Path) -> None:
    with child(large_text, tmp_path, limit=HEADER_BYTES + 100_000) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "ShardError" in errors
    assert f"{tmp_path}: File too large" in errors
    assert listing(tmp_path) == []


# --- what is held out -----------------------------------------------------------------------------------


def divided(files: list[Path], folder: Path, share: float, seed: int = 1) -> Shard:
    return encode(files, VOCAB, folder, corpus_digest(files), division=Division(share, seed))


def test_a_shard_holds_both_parts_of_the_text(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text")
    shard, whole = divided(files, tmp_path / "shards", 0.1), encoded(files, tmp_path / "shards")
    assert 0.05 * len(whole.tokens) < len(shard.held_out) < 0.2 * len(whole.tokens)
    assert shard.words + np.count_nonzero(shard.held_out != END) == whole.words == np.count_nonzero(whole.tokens != END)
    divider = Divider(Division(0.1, 1))
    assert shard.tokens.tolist() == divider.trained(whole.tokens).tolist()
    assert shard.held_out.tolist() == divider.held_out.tolist()
    again = divided(files, tmp_path / "shards", 0.1)
    assert again.reused
    assert (again.tokens.tolist(), again.held_out.tolist()) == (shard.tokens.tolist(), shard.held_out.tolist())
    assert again.checksum == shard.checksum


def test_texts_divided_in_different_ways_are_told_apart(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text")
    shards = [
        divided(files, tmp_path / "shards", share, seed) for share, seed in ((0.1, 1), (0.1, 2), (0.2, 1), (0, 1))
    ]
    assert [(shard.reused, shard.broken) for shard in shards] == [(False, 0)] * 4
    assert len({shard.checksum for shard in shards}) == len({shard.path for shard in shards}) == 4
    ids = shards[-1].tokens.tobytes()  # a checkpoint of a text that was never divided still belongs to it
    assert shards[-1].checksum == hashlib.blake2b(ids, digest_size=16).digest()
    with pytest.raises(ShardError, match="divided in another way"):
        open_shard(shards[-1].path, corpus_digest(files), VOCAB.digest, Division(0.1, 1))


def test_the_last_sentence_held_out_is_not_the_same_text_as_trained(tmp_path: Path) -> None:
    tokens = [0, 1, END, 2, 3, END, 4, 5, END]
    (tmp_path / "text").write_text("the of\n日本 naïve\nи в\n")
    files = find_files([str(tmp_path / "text")])
    whole = divided(files, tmp_path / "shards", 0.0)
    assert whole.tokens.tolist() == tokens
    seed = next(seed for seed in range(99) if len(Divider(Division(0.5, seed)).trained(whole.tokens)) == 6)
    shard = divided(files, tmp_path / "shards", 0.5, seed)
    assert [*shard.tokens, *shard.held_out] == tokens
    assert shard.checksum != whole.checksum


def test_a_shard_of_the_version_before_is_made_anew(tmp_path: Path) -> None:
    files = write_text(tmp_path / "text", tokens=50)
    digest = corpus_digest(files)
    old = tmp_path / "shards" / f"{digest.hex()}-{VOCAB.digest.hex()}.shard"
    old.parent.mkdir()
    old.write_bytes(b"GW2VSHRD" + bytes(200))
    shard = divided(files, tmp_path / "shards", 0.1)
    assert (shard.reused, shard.broken) == (False, 0)


@pytest.mark.parametrize("look", [6, 7, 10, 1000])
def test_lines_are_described_whatever_is_looked_at_once(monkeypatch, look):
    monkeypatch.setattr(shards, "_LOOK", look)
    lengths = [1, 3, 1, 2, 5, 1]
    tokens = np.concatenate([np.append(np.arange(length), -1) for length in lengths]).astype(np.int32)
    assert shards.describe_lines(tokens) == shards.Lines(5, 3, (6 + 2 + 20) / 13)
    assert shards.describe_lines(tokens[:0]) == shards.Lines(0, 0, 0.0)
