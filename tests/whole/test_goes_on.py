"""A job that was done goes on when it is asked for more, from the model that is there."""

import signal
from pathlib import Path

from support.daemons import STOP_SECONDS, Daemons, addresses, agree_in_the_end, write_texts


def test_a_swarm_that_was_done_trains_more_epochs_from_where_it_was(tmp_path: Path) -> None:
    texts, (here, there) = write_texts(tmp_path, 2, 1500), addresses(2)
    with Daemons(tmp_path) as swarm:
        one = swarm.start(texts[0], listen=here, peers=there, min_peers=1, epochs=2)
        other = swarm.start(texts[1], listen=there, peers=here, min_peers=1, epochs=2)
        assert swarm.ended() == [0, 0]
        before = one.model()[2]
        swarm.again(one, "--epochs=1")
        assert one.end() == 2
        assert "is of another job: epochs is '2' there and '1' here" in one.log()
        for node in (one, other):
            swarm.again(node, "--epochs=3", "--no-until-complete")
        for node in (one, other):
            node.until(lambda status: status["state"] == "complete" and status["links"])
        assert agree_in_the_end([one, other])
        assert [node.end(signal.SIGTERM, STOP_SECONDS) for node in (one, other)] == [0, 0]
        for node in (one, other):
            assert "goes on with a model that was done" in node.log()
            assert "froze the vocabulary" not in node.log().split("going on from")[-1]
        after = one.model()[2]
        assert (before["complete"], after["complete"], after["epochs"]) == (True, True, "3")
        assert 2 * sum(after["origins"].values()) == 3 * sum(before["origins"].values())


def test_new_files_of_a_job_that_was_done_are_trained_into_its_model(tmp_path: Path) -> None:
    texts, folder = write_texts(tmp_path, 3, 1500), tmp_path / "corpus"
    folder.mkdir()
    (folder / "m.txt").write_bytes(texts[0].read_bytes())
    (folder / "log.txt").write_bytes(texts[2].read_bytes())
    with Daemons(tmp_path) as swarm:
        node = swarm.start(folder, epochs=2)
        assert node.end() == 0
        first = node.model()
        (folder / "a.txt").write_bytes(texts[1].read_bytes())
        with (folder / "log.txt").open("ab") as file:
            file.write(b"and more\n")
        swarm.again(node, "--checkpoint-interval=0.1", "--replay=0.5", "--epochs=3")
        assert node.end() == 0
        second = node.model()
        assert second[0] == first[0]
        said = node.log().split("going on from")[-1]
        assert "new text" in said
        assert "log.txt (1) changed" in said
        assert "goes on with a model that was done" in said
        trained = sum(second[2]["origins"].values()) - sum(first[2]["origins"].values())
        words = len(texts[1].read_bytes().split())
        assert 1.5 * words < trained / 3 < 2.2 * words  # half of it old
        swarm.again(node, "--epochs=3")
        assert node.end() == 0
        assert sum(node.model()[2]["origins"].values()) == sum(second[2]["origins"].values())
