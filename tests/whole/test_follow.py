"""Files that come into the folder of a running node are trained into its model, and reach the whole swarm."""

import signal
from pathlib import Path

from support.daemons import STOP_SECONDS, Daemon, Daemons, Status, addresses, agree_in_the_end, write_texts


def following(folder: Path) -> Path:
    (folder / "follow.toml").write_text("follow = true\ncheckpoint_interval = 0.5\n")
    return folder / "follow.toml"


def again_complete(node: Daemon, rounds: int, trained: int = 0) -> Status:
    """The status once the text of so many rounds has been trained, and more words than before: it is noted first."""
    return node.until(lambda s: s["state"] == "complete" and s["corpus"]["rounds"] == rounds and words_of(s) > trained)


def words_of(status: Status) -> int:
    return int(status["progress"]["swarm_trained_tokens"])


def test_new_files_are_trained_without_a_restart_and_all_nodes_have_them(tmp_path: Path) -> None:
    texts, (here, there), folder = write_texts(tmp_path, 3, 1500), addresses(2), tmp_path / "corpus"
    folder.mkdir()
    (folder / "one.txt").write_bytes(texts[0].read_bytes())
    given = {"min_peers": 1, "epochs": 2, "until_complete": False}
    with Daemons(tmp_path) as swarm:
        node = swarm.start(folder, listen=here, peers=there, config=following(tmp_path), **given)
        other = swarm.start(texts[1], listen=there, peers=here, **given)
        again_complete(node, 1)
        other.until(lambda s: s["state"] == "complete")
        trained, life = words_of(node.status()), node.status()["node"]
        (folder / "two.txt").write_bytes(b"unheard_of\n" * 4 + texts[2].read_bytes())
        status = again_complete(node, 2, trained)
        assert status["node"] == life
        assert status["corpus"]["unknown_tokens"] >= 4  # fewer than --min-count
        assert status["problems"] == []
        assert words_of(status) > trained + 1.9 * len(texts[2].read_bytes().split())
        other.until(lambda s: s["state"] == "complete" and words_of(s) > trained)
        assert agree_in_the_end([node, other])
        assert [each.end(signal.SIGTERM, STOP_SECONDS) for each in (node, other)] == [0, 0]
        assert node.model()[2]["origins"] == other.model()[2]["origins"]


def test_a_node_that_follows_goes_on_after_a_kill_and_names_files_that_change(tmp_path: Path) -> None:
    texts, folder = write_texts(tmp_path, 2, 1000), tmp_path / "corpus"
    folder.mkdir()
    (folder / "one.txt").write_bytes(texts[0].read_bytes())
    with Daemons(tmp_path) as swarm:
        node = swarm.start(folder, config=following(tmp_path), epochs=1, until_complete=False)
        trained = words_of(again_complete(node, 1))
        (folder / "two.txt").write_bytes(texts[1].read_bytes())
        again_complete(node, 2, trained)
        node.until(lambda s: s["checkpoint"]["written"] > 1)
        with (folder / "one.txt").open("ab") as file:
            file.write(b"more\n")
        (folder / "two.txt").unlink()
        told = node.until(lambda s: any("one.txt (1) changed; " in text for text in s["problems"]))["problems"]
        assert any("two.txt (1) gone" in text for text in told)
        node.end(signal.SIGKILL)
        swarm.again(node)
        after = again_complete(node, 2)
        assert after["corpus"]["unknown_tokens"] == 0
        assert any("one.txt (1) changed" in text for text in after["problems"])
