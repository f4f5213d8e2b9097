"""The words of files that come become words of the model, at all nodes and without a restart."""

import signal
from pathlib import Path

import numpy as np
from support.daemons import STOP_SECONDS, Daemon, Daemons, Status, addresses, agree_in_the_end, write_texts

TWIN, ALSO = b"twinword", b"alsoword"


def following(folder: Path) -> Path:
    (folder / "follow.toml").write_text("follow = true\ncheckpoint_interval = 0.5\nreplay = 0.5\n")
    return folder / "follow.toml"


def put(path: Path, text: bytes) -> None:
    """A file comes, whole."""
    path.with_suffix(".part").write_bytes(text)
    path.with_suffix(".part").rename(path)


def done(node: Daemon, rounds: int, version: int) -> Status:
    """The status once so many rounds have been trained with this version."""
    return node.until(
        lambda s: (
            s["state"] == "complete"
            and s["corpus"]["rounds"] == rounds
            and s["vocabulary"]["version"] >= version
            and s["progress"]["trained_tokens"] == s["progress"]["total_tokens"] > 0
        )
    )


def twin_of(text: Path, word: bytes, twin: bytes) -> bytes:
    """The text with another word in place of one."""
    return text.read_bytes().replace(b" " + word + b" ", b" " + twin + b" ")


def ranked(node: Daemon, word: bytes, twin: bytes) -> float:
    """The share of all words that are nearer to `word` than its `twin` is."""
    words, vectors = node.serving()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit[words.index(word)]
    return float((near > near[words.index(twin)]).mean())


def common_word(node: Daemon) -> bytes:
    """One of some dozen occurrences, that stands in a class of its own."""
    return node.serving()[0][40]


def test_a_word_of_a_later_file_gets_a_vector_at_all_nodes_and_a_killed_one_goes_on(tmp_path: Path) -> None:
    texts, (here, there) = write_texts(tmp_path, 4, 3000), addresses(2)
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, text in zip(folders, texts, strict=False):
        folder.mkdir()
        put(folder / "first.txt", text.read_bytes())
    given = {"config": following(tmp_path), "min_peers": 1, "epochs": 8, "until_complete": False}
    with Daemons(tmp_path) as swarm:
        node = swarm.start(folders[0], listen=here, peers=there, **given)
        other = swarm.start(folders[1], listen=there, peers=here, **given)
        first = done(node, 1, 0)
        done(other, 1, 0)
        word = common_word(node)
        put(folders[0] / "second.txt", twin_of(texts[2], word, TWIN) + b"rare rare\n")
        after = done(node, 2, 1)
        other.until(lambda s: s["vocabulary"]["version"] == 1)
        assert after["node"] == first["node"]
        assert after["vocabulary"]["words"] > first["vocabulary"]["words"]
        assert after["vocabulary"]["waiting"] > 0  # "rare" is, in all texts
        assert agree_in_the_end([node, other])
        assert node.serving()[0][: first["vocabulary"]["words"]] == other.serving()[0][: first["vocabulary"]["words"]]
        assert max(ranked(each, word, TWIN) for each in (node, other)) < 0.25
        node.until(lambda s: s["checkpoint"]["written"] and s["checkpoint"]["age_seconds"] is not None)
        node.end(signal.SIGKILL)
        put(folders[0] / "third.txt", twin_of(texts[3], word, ALSO))
        swarm.again(node)
        again = done(node, 3, 2)
        other.until(lambda s: s["vocabulary"]["digest"] == again["vocabulary"]["digest"])
        assert agree_in_the_end([node, other])
        assert {TWIN, ALSO} <= set(other.serving()[0])
        assert [each.status()["problems"] for each in (node, other)] == [[], []]
        assert [each.end(signal.SIGTERM, STOP_SECONDS) for each in (node, other)] == [0, 0]
        assert node.model()[0] == other.model()[0]


def test_a_single_node_goes_the_same_way_and_phrases_fix_the_words(tmp_path: Path) -> None:
    texts, folder = write_texts(tmp_path, 2, 1000), tmp_path / "corpus"
    folder.mkdir()
    put(folder / "first.txt", texts[0].read_bytes())
    config = following(tmp_path)
    with Daemons(tmp_path) as swarm:
        node = swarm.start(folder, config=config, epochs=1, until_complete=False)
        fixed = swarm.start(folder, config=config, epochs=1, phrases=1, until_complete=False)
        words = done(node, 1, 0)["vocabulary"]["words"]
        done(fixed, 1, 0)
        put(folder / "second.txt", b"unheard_of\n" * 9 + texts[1].read_bytes())
        assert done(node, 2, 1)["vocabulary"]["words"] > words
        assert done(fixed, 2, 0)["corpus"]["unknown_tokens"] >= 9
        assert b"unheard_of" in node.serving()[0]
        assert b"unheard_of" not in fixed.serving()[0]
