"""A swarm that starts from given vectors: all from the same, and better than from none after the same few words."""

from pathlib import Path

import numpy as np
from support.daemons import AGREEMENT, Daemon, Daemons, addresses, difference, write_texts

QUICK = {"epochs": 1, "held_out": 0.1}


def held_out(daemon: Daemon) -> float:
    """The loss on held-out text in the end, as the log has it."""
    return float(daemon.log().split("loss on held-out text")[-1].split("loss=")[1].split()[0])


def test_a_swarm_starts_from_one_file_and_turns_away_a_node_without(tmp_path: Path) -> None:
    *texts, few = write_texts(tmp_path, 4, 1500)
    with Daemons(tmp_path) as swarm:
        first = swarm.start(texts[0])
        assert first.end() == 0
        words, vectors, _ = first.model()
        path = tmp_path / "first.txt"
        _write(path, words, vectors)
        here, there = addresses(2)
        given = {"from": path, "min_count": 1, "min_peers": 1, "epochs": 2}
        one = swarm.start(texts[1], listen=here, peers=there, **given)
        other = swarm.start(texts[2], listen=there, peers=here, **given)
        stranger = swarm.start(few, peers=here, min_peers=1, min_count=1, epochs=2, until_complete=False)
        assert [one.end(), other.end()] == [0, 0]
        stranger.says("another job: from is '[0-9a-f]{32}' there and None here")
        assert difference([one, other]) <= AGREEMENT
        assert "words start from vectors" in one.log()
    alone = set(words)
    mine, learned, _ = one.model()
    rows = [n for n, word in enumerate(mine) if word in alone]
    before = vectors[[words.index(mine[n]) for n in rows]]
    cosines = np.sum(learned[rows] * before, 1) / np.linalg.norm(learned[rows], axis=1) / np.linalg.norm(before, axis=1)
    assert np.median(cosines) > 0.5  # from another start it would be another space, with 0 on average


def test_a_warm_start_is_better_after_the_same_few_words(tmp_path: Path) -> None:
    text, few = write_texts(tmp_path, 2, 4000)
    few.write_text("".join(few.read_text().splitlines(keepends=True)[:400]))
    with Daemons(tmp_path) as swarm:
        first = swarm.start(text, min_count=1)
        assert first.end() == 0
        words, vectors, _ = first.model()
        _write(tmp_path / "first.vec", words, vectors)
        given = {"min_count": 1, **QUICK}
        cold = swarm.start(few, **given)
        warm = swarm.start(few, **given, **{"from": tmp_path / "first.vec"})
        both = swarm.start(few, **given, **{"from": first.data})
        assert [cold.end(), warm.end(), both.end()] == [0, 0, 0]
        assert held_out(both) < held_out(warm) < held_out(cold) - 0.1
        swarm.again(warm, "--from", str(first.data))
        assert warm.end() == 2
        assert "is of another job: from is" in warm.log()


def _write(path: Path, words: list[bytes], vectors: np.ndarray) -> None:
    rows = (b" ".join([word, *(b"%.9g" % x for x in row)]) for word, row in zip(words, vectors.tolist(), strict=True))
    path.write_bytes(b"\n".join([b"%d %d" % vectors.shape, *rows, b""]))
