"""A node's checkpoints: gone on from, refused, written beside training, and what people see when a disk fails."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from disks import Scripted

from gossipw2v.checkpoint import CheckpointError
from gossipw2v.config import Config
from gossipw2v.delta import empty
from gossipw2v.durable import Disk
from gossipw2v.generations import find, path_of
from gossipw2v.job import Job
from gossipw2v.learner import make_learner
from gossipw2v.link import Downlink, Uplink
from gossipw2v.members import Member, State
from gossipw2v.messages import Answer, Push
from gossipw2v.node import Node
from gossipw2v.shards import Shard
from gossipw2v.trainer import Trainer
from gossipw2v.vocab import Vocab
from gossipw2v.words import Words

VOCAB = Vocab(Words.of([b"w%02d" % n for n in range(50)]), np.arange(150, 100, -1))
TOKENS = np.random.default_rng(1).integers(0, 50, 40_000).astype(np.int32)
TEXT = b"t" * 16
OTHER, THIRD = b"o" * 16, b"t" * 16
NUMBERS = iter(range(1, 1000))

Make = Callable[..., Node]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Nodes that are about to train, with the same data directory; `look` for a checkpoint and go on from it."""
    nodes: list[Node] = []

    def made(look: bool = True, vocab: Vocab = VOCAB, text: bytes = TEXT, disk: Disk | None = None, **job: Any) -> Node:
        given = {"vector_size": 8, "epochs": 5, **job}
        config = Config(corpus=("text",), data_dir=tmp_path, threads=2, job=Job(**given))
        node = Node(config, bytes([next(NUMBERS)]) * 32, asyncio.get_running_loop().time())
        nodes.append(node)
        if disk is not None:
            node.keeper.disk = disk
        if look:
            node.keeper.look(fresh=False)
        node.begin()
        node.adopt(vocab, vocab.to_bytes())
        if found := node.keeper.resumed:
            node.core.resumed(found.state.origins, found.state.lives)
        node.learner = make_learner(config, vocab, Shard(TOKENS, len(TOKENS), Path("none"), text), node.merged)
        node.keeper.restore(node.learner, text)
        node.state = State.TRAINING
        return node

    yield made
    for node in nodes:
        node.close_learner()


def train(node: Node, slices: int = 1) -> None:
    """Some steps of the first thread."""
    assert node.learner is not None
    steps = node.learner.trainer.steps(0, 500)
    for _ in range(slices):
        next(steps)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- going on -------------------------------------------------------------------------------------------


async def test_the_next_node_goes_on_where_the_last_was(make: Make, tmp_path: Path) -> None:
    one = make()
    train(one, 3)
    one.core.tree.provenance.learn({OTHER: 77})
    one.core.members.witness(Member(OTHER, 1, State.TRAINING, ("10.0.0.2:7411", "10.0.0.3:7411")), 0.0)
    await one.save()
    other = make()
    before, after = one.learner, other.learner
    assert before is not None
    assert after is not None
    assert after.model.weights.tobytes() == before.model.weights.tobytes()
    assert after.model.updates.tobytes() == before.model.updates.tobytes()
    assert after.trainer.places == before.trainer.places
    assert (after.trainer.before, after.trainer.trained) == (1500, 0)
    assert after.trainer.epoch_losses == before.trainer.epoch_losses
    assert other.core.tree.provenance.tokens == {one.core.node: 1500, OTHER: 77}
    assert other.core.tree.earlier.lives == {one.core.node: 1500}
    assert other.core.node != one.core.node
    found = other.keeper.resumed
    assert found is not None
    assert found.state.addresses == (("10.0.0.2:7411", "10.0.0.3:7411"),)
    assert other.snapshot()["checkpoint"]["resumed_from"] == 1
    assert other.snapshot()["progress"]["trained_tokens"] == 1500

    train(other, 2)
    await other.save()
    third = make()
    assert third.core.tree.earlier.lives == {one.core.node: 1500, other.core.node: 1000}
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2"}


async def test_progress_counts_what_earlier_lives_have_trained(make: Make) -> None:
    one = make()
    train(one, 40)
    await one.save()
    other = make()
    assert other.learner is not None
    other.core.members.update_self(total=other.learner.trainer.total)
    assert other.core.progress(0.0) == (20_000, 200_000)


async def test_what_is_being_merged_counts_as_merged(make: Make) -> None:
    """Its rows may be in the checkpoint already; were it not owned up to, it would be merged once more."""
    one = make()
    train(one)
    push = Push(bytes(8), 1, False, 0, 0, {OTHER: 5}, empty(8))
    answer = Answer(bytes(8), 1, False, 0, 0, {THIRD: 6}, empty(8))
    one.core.tree.downlinks[OTHER] = Downlink(OTHER, bytes(8), merging=push)
    one.core.tree.uplink = Uplink(THIRD, bytes(8), 0.0, answer=answer)
    await one.save()
    found = find(one.config.data_dir).newest
    assert found is not None
    assert found.state.origins == {one.core.node: 500, OTHER: 5, THIRD: 6}
    assert one.core.tree.provenance.tokens == {one.core.node: 500}


async def test_nothing_new_is_not_written_again_and_a_change_is(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node)
    for _ in range(3):
        await node.save()
    assert files(tmp_path) == {"checkpoint-1"}
    train(node)
    await node.save()
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2"}


async def test_a_node_that_still_waits_for_the_others_rows_writes_nothing(make: Make, tmp_path: Path) -> None:
    node = make()
    node.state = State.JOINING
    await node.save()
    assert files(tmp_path) == set()


async def test_a_damaged_one_is_put_aside_counted_and_the_one_before_is_used(make: Make, tmp_path: Path) -> None:
    node = make()
    for _ in range(2):
        train(node)
        await node.save()
    path = path_of(tmp_path, 2)
    path.write_bytes(path.read_bytes()[:-5])
    other = make()
    assert (
        other.snapshot()["checkpoint"] | {"generation": 1, "damaged": 1, "resumed_from": 1} == other.keeper.describe()
    )
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2.damaged"}
    train(other)
    await other.save()
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2.damaged", "checkpoint-3"}


async def test_starting_over_keeps_what_was_there(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node)
    await node.save()
    other = make(look=False, vector_size=4)
    other.keeper.look(fresh=True)
    assert other.keeper.resumed is None
    train(other)
    await other.save()
    assert files(tmp_path) == {"checkpoint-1.aside", "checkpoint-2"}


# --- refused --------------------------------------------------------------------------------------------


async def test_one_of_another_job_is_refused_with_what_differs_and_left_alone(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node)
    await node.save()
    with pytest.raises(CheckpointError, match=r"checkpoint-1: is of another job: epochs is '5' there and '6' here, ve"):
        make(epochs=6, vector_size=4)
    assert files(tmp_path) == {"checkpoint-1"}


async def test_one_of_another_text_is_refused_and_left_alone(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node)
    await node.save()
    with pytest.raises(
        CheckpointError, match=r"checkpoint-1: was trained on another text than there is now; .*--fresh"
    ):
        make(text=b"x" * 16)
    assert files(tmp_path) == {"checkpoint-1"}


async def test_one_whose_places_are_outside_the_text_is_refused(make: Make) -> None:
    node = make()
    assert node.learner is not None
    train(node)
    place = node.learner.trainer.places[0]
    node.learner.trainer.places[0] = replace(place, left=(place.left[0]._replace(stop=1 << 40),))
    await node.save()
    with pytest.raises(CheckpointError, match="checkpoint-1: places outside"):
        make()


async def test_one_of_a_vocabulary_that_the_swarm_gave_up_is_kept_and_not_used(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node)
    await node.save()
    other = make(vocab=Vocab(VOCAB.words, VOCAB.counts + 1))
    assert other.learner is not None
    assert not other.learner.model.updates.any()
    train(other)
    await other.save()
    assert files(tmp_path) == {"checkpoint-1.aside", "checkpoint-2"}


# --- disks that fail ------------------------------------------------------------------------------------


async def test_a_full_disk_is_shown_and_counted_until_it_works_again(make: Make, tmp_path: Path) -> None:
    disk = Scripted()
    node = make(disk=disk)
    train(node)
    await node.save()
    assert (node.snapshot()["degraded"], node.snapshot()["problems"]) == (False, [])
    disk.fail_at, disk.lasting = disk.count + 3, True
    for failures in (1, 2):
        train(node)
        await node.save()
        status = node.snapshot()
        assert status["degraded"] is True
        assert f"No space left on device: '{path_of(tmp_path, 2)}'; the last whole one is 1" in status["problems"][0]
        assert node.keeper.unkept == status["problems"][0]
        assert (status["checkpoint"]["failures"], status["checkpoint"]["generation"]) == (failures, 1)
    assert files(tmp_path) >= {"checkpoint-1"}
    assert not path_of(tmp_path, 2).exists()
    node.metrics.observe(node.snapshot())
    scraped = node.metrics.render()[0]
    assert b"gossipw2v_checkpoint_failures_total 2.0" in scraped
    assert b"gossipw2v_degraded 1.0" in scraped

    disk.fail_at = 0
    await node.save()
    assert node.keeper.unkept is None
    assert (node.snapshot()["degraded"], node.snapshot()["problems"]) == (False, [])
    assert node.snapshot()["checkpoint"]["generation"] == 4
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-4"}


class Sticky(Disk):
    """Nothing can be removed."""

    def remove(self, path: Path) -> None:
        raise OSError(30, "Read-only file system")


async def test_a_model_is_kept_though_an_older_one_cannot_be_removed(make: Make) -> None:
    node = make(disk=Sticky())
    for _ in range(3):
        train(node)
        await node.save()
    assert node.snapshot()["degraded"] is True
    assert node.keeper.unkept is None


async def test_rows_that_are_not_finite_are_shown_and_the_last_good_ones_stay(make: Make, tmp_path: Path) -> None:
    node = make()
    assert node.learner is not None
    train(node)
    await node.save()
    train(node)
    node.learner.model.weights[7, 0] = np.nan
    await node.save()
    assert "row 7 of the model holds a value that is not finite" in node.snapshot()["problems"][0]
    assert files(tmp_path) == {"checkpoint-1"}


class Slow(Disk):
    """Nothing is on disk before it is told."""

    def __init__(self) -> None:
        self.told, self.waits = threading.Event(), threading.Event()
        self.writers = self.most = 0

    def sync(self, file: BinaryIO) -> None:
        self.writers += 1
        self.most = max(self.most, self.writers)
        self.waits.set()
        assert self.told.wait(60)
        self.writers -= 1
        super().sync(file)


def wait_for(trainer: Trainer, tokens: int) -> None:
    """Until so many have been trained."""
    while trainer.trained < tokens:
        time.sleep(0.001)


async def test_training_goes_on_beside_a_slow_disk_which_is_shown_and_written_to_by_one(make: Make) -> None:
    disk = Slow()
    node = make(disk=disk, epochs=10_000)
    assert node.learner is not None
    trainer = node.learner.trainer
    trainer.start()
    await asyncio.to_thread(wait_for, trainer, 1)
    saves = [asyncio.create_task(node.save()) for _ in range(3)]
    assert await asyncio.to_thread(disk.waits.wait, 60)
    await asyncio.to_thread(wait_for, trainer, trainer.trained + 200_000)
    assert node.keeper.problem(3600.0) is None
    assert "takes more than 0 s: the disk is slow" in str(node.keeper.problem(0.0))
    disk.told.set()
    await asyncio.gather(*saves)
    assert node.keeper.problem(0.0) is None
    assert disk.most == 1
    assert node.keeper.written >= 1
    assert node.keeper.failures == 0
    found = find(node.config.data_dir).newest
    assert found is not None
    assert np.isfinite(found.weights()).all()
    assert 0 < found.state.lives[node.core.node] <= trainer.trained
