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
from support.disks import Scripted
from support.samples import delta
from support.trees import downward, upward

from gossipw2v.config.job import Job
from gossipw2v.config.node import Config
from gossipw2v.delta import empty
from gossipw2v.gossip.messages import Answer, Push
from gossipw2v.gossip.overlay.retained import SavedLink
from gossipw2v.gossip.records import Member, Stage, stem
from gossipw2v.node.node import Node
from gossipw2v.node.session import make_session
from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.node.storage.generations import find, links_of, path_of
from gossipw2v.system.durable import USUAL, Disk
from gossipw2v.w2v.text.shards import Shard
from gossipw2v.w2v.text.vocab import Vocab
from gossipw2v.w2v.text.words import Words
from gossipw2v.w2v.training.trainer import Trainer

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
            node.checkpointer.disk = disk
        if look:
            node.checkpointer.look(fresh=False)
        node.begin()
        node.agreement.adopt(vocab, vocab.to_bytes())
        if found := node.checkpointer.resumed:
            node.core.own.resumed(found.state.origins, found.state.lives)
        node.session = make_session(config, vocab, Shard(TOKENS, len(TOKENS), Path("none"), text), node.rows.done)
        node.checkpointer.restore(node.session, text)
        node.state = Stage.TRAINING
        return node

    yield made
    for node in nodes:
        node.close_session()


def train(node: Node, slices: int = 1) -> None:
    """Some steps of the first thread."""
    assert node.session is not None
    steps = node.session.trainer.steps(0, 500)
    for _ in range(slices):
        next(steps)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- going on -------------------------------------------------------------------------------------------


async def test_the_next_node_goes_on_where_the_last_was(make: Make, tmp_path: Path) -> None:
    one = make()
    train(one, 3)
    one.core.tree.links.provenance.learn({OTHER: 77})
    one.core.members.witness(Member(OTHER, 1, Stage.TRAINING, ("10.0.0.2:7411", "10.0.0.3:7411")), 0.0)
    await one.save()
    other = make()
    before, after = one.session, other.session
    assert before is not None
    assert after is not None
    assert after.model.weights.tobytes() == before.model.weights.tobytes()
    assert after.model.updates.tobytes() == before.model.updates.tobytes()
    assert after.trainer.cursor.positions == before.trainer.cursor.positions
    assert (after.trainer.before, after.trainer.trained) == (1500, 0)
    assert after.trainer.losses.means == before.trainer.losses.means
    assert other.core.tree.links.provenance.vector == {one.core.node: 1500, OTHER: 77}
    assert other.core.tree.reconciler.earlier.lives == {one.core.node: 1500}
    assert other.core.node != one.core.node
    found = other.checkpointer.resumed
    assert found is not None
    assert found.state.addresses == (("10.0.0.2:7411", "10.0.0.3:7411"),)
    assert other.snapshot()["checkpoint"]["resumed_from"] == 1
    assert other.snapshot()["progress"]["trained_tokens"] == 1500

    train(other, 2)
    await other.save()
    third = make()
    assert third.core.tree.reconciler.earlier.lives == {one.core.node: 1500, other.core.node: 1000}
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2"}


async def test_what_a_model_comes_back_to_is_the_newest_checkpoint_of_this_life_or_the_one_before(make: Make) -> None:
    one = make()
    assert one.session is not None
    assert await one.checkpointer.back(one.session) is None
    train(one, 3)
    await one.save()
    weights, updates = one.session.model.weights.copy(), one.session.model.updates.copy()
    train(one, 3)
    other = make()
    assert other.session is not None
    for node in (one, other):
        back = await node.checkpointer.back(node.session)
        assert back is not None
        found, counted = np.zeros_like(weights), np.zeros_like(updates)
        assert back.put(found, counted)
        assert found.tobytes() == weights.tobytes()
        assert counted.tobytes() == updates.tobytes()
        assert find(node.config.data_dir).newest == back.found


async def test_updates_that_came_while_a_checkpoint_was_written_are_not_taken_for_its_rows(make: Make) -> None:
    node = make()
    session = node.session
    assert session is not None
    train(node, 2)
    before = session.model.updates.copy()

    class Busy(Disk):
        def create(self, path: Path, mode: int = USUAL) -> BinaryIO:
            session.model.updates += 5
            return Disk.create(self, path, mode)

    node.checkpointer.disk = Busy()
    await node.save()
    back = await node.checkpointer.back(session)
    assert back is not None
    updates = np.zeros_like(before)
    assert back.put(np.zeros_like(session.model.weights), updates)
    assert updates.tobytes() == before.tobytes()


async def test_a_checkpoint_that_is_damaged_or_gone_is_none_to_come_back_to(make: Make, tmp_path: Path) -> None:
    node = make()
    assert node.session is not None
    train(node, 2)
    await node.save()
    back = await node.checkpointer.back(node.session)
    assert back is not None
    back.found.path.unlink()
    model = node.session.model
    assert not back.put(model.weights.copy(), model.updates.copy())
    assert await node.checkpointer.back(node.session) is None


async def test_a_node_that_has_failed_keeps_nothing(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node, 2)
    node.condition.fail("the model diverged again")
    await node.save()
    assert not any(name.startswith("checkpoint") for name in files(tmp_path))


async def test_progress_counts_what_earlier_lives_have_trained(make: Make) -> None:
    one = make()
    train(one, 40)
    await one.save()
    other = make()
    assert other.session is not None
    other.core.members.update_self(total=other.session.trainer.total)
    assert other.core.view.progress(0.0) == (20_000, 200_000)


async def test_what_is_being_merged_counts_as_merged(make: Make) -> None:
    """Its rows may be in the checkpoint already; were it not owned up to, it would be merged once more."""
    one = make()
    train(one)
    push = Push(bytes(8), 1, False, 0, 0, {OTHER: 5}, empty(8))
    answer = Answer(bytes(8), 1, False, 0, 0, {THIRD: 6}, empty(8))
    one.core.tree.links.table += [upward(THIRD, bytes(8), applying=answer), downward(OTHER, bytes(8), applying=push)]
    await one.save()
    found = find(one.config.data_dir).newest
    assert found is not None
    assert found.state.origins == {one.core.node: 500, OTHER: 5, THIRD: 6}
    assert one.core.tree.links.provenance.vector == {one.core.node: 500}


async def test_nothing_new_is_not_written_again_and_a_change_is(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node)
    for _ in range(3):
        await node.save()
    assert files(tmp_path) == {"checkpoint-1"}
    train(node)
    await node.save()
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2"}


async def test_a_model_that_was_final_stays_so_when_others_leave_or_come(make: Make, tmp_path: Path) -> None:
    node, now = make(), asyncio.get_running_loop().time()
    train(node)
    node.core.own.done(True)
    assert node.core.view.final(now)
    await node.save()
    node.core.members.witness(Member(THIRD, 1, Stage.TRAINING, ("10.0.0.2:7411",)), now)
    assert not node.core.view.final(now)
    await node.save()
    assert files(tmp_path) >= {"checkpoint-1"}
    assert "checkpoint-2" not in files(tmp_path)
    node.core.tree.links.provenance.learn({THIRD: 5})
    await node.save()
    again = make()
    assert again.checkpointer.generation == 2
    assert not again.checkpointer.was_done


async def test_a_node_that_still_waits_for_the_others_rows_writes_nothing(make: Make, tmp_path: Path) -> None:
    node = make()
    node.state = Stage.JOINING
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
        other.snapshot()["checkpoint"] | {"generation": 1, "damaged": 1, "resumed_from": 1}
        == other.checkpointer.describe()
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
    other.checkpointer.look(fresh=True)
    assert other.checkpointer.resumed is None
    train(other)
    await other.save()
    assert files(tmp_path) == {"checkpoint-1.aside", "checkpoint-2"}


# --- links ----------------------------------------------------------------------------------------------

UP, DOWN = b"upwards!", b"downward"
KNOWN = {OTHER: 7, THIRD: 8}


@pytest.fixture
def link(make: Make) -> Callable[[], Node]:
    """A node that has trained, and exchanged rows with its parent and a child."""

    def linked() -> Node:
        node = make()
        assert node.session is not None
        model, tree = node.session.model, node.core.tree
        train(node)
        for name, host in ((UP, "10.0.0.1"), (DOWN, "10.0.0.2")):
            model.open_link(name, overlap=name == DOWN, catch_up=False, host=host, take=name == DOWN)
        sent = model.collect(UP, flush=True)
        model.settle(UP, sent.delta, sent.delta)
        model.merge(DOWN, sent.delta, flush=True, overlap=False)
        tree.links.provenance.learn({OTHER: 7}, UP)
        tree.links.table.append(upward(OTHER, UP, seq=3, acked=dict(KNOWN), again=[OTHER]))
        tree.links.table.append(downward(THIRD, DOWN, seq=4, acked=dict(KNOWN)))
        return node

    return linked


async def stop(node: Node) -> None:
    node.stopping.set()
    await node.save()
    await node.save_links()


def kept_links(node: Node) -> list[SavedLink]:
    """The links that a new node goes on with."""
    assert node.session is not None
    return node.checkpointer.links(node.session)


def references(node: Node) -> dict[bytes, tuple[object, ...]]:
    assert node.session is not None
    held = node.session.model.references()
    return {
        name: (each.weights.tobytes(), each.seen.tobytes(), each.disjoint.tobytes(), each.take, each.host)
        for name, each in held.items()
    }


async def test_the_next_node_has_the_links_of_one_that_was_stopped(
    make: Make, link: Callable[[], Node], tmp_path: Path
) -> None:
    one = link()
    await stop(one)
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-1.links"}
    other = make()
    assert kept_links(other) == one.core.view.saved_links()
    assert [(saved.peer, saved.seq, saved.again) for saved in one.core.view.saved_links()] == [
        (OTHER, 3, (OTHER,)),
        (THIRD, 4, ()),
    ]
    assert references(other) == references(one)
    assert set(references(one)) == {UP, DOWN}
    assert other.checkpointer.totals.damaged == 0


async def test_links_go_on_with_what_neither_end_had_told(make: Make, link: Callable[[], Node]) -> None:
    one = link()
    train(one)
    await stop(one)
    other = make()
    kept_links(other)
    assert one.session is not None
    assert other.session is not None
    for flush in (False, True):
        before, after = one.session.model.collect(UP, flush), other.session.model.collect(UP, flush)
        assert len(before.delta) > 0
        assert after.delta.rows.tolist() == before.delta.rows.tolist()
        assert after.delta.values.tobytes() == before.delta.values.tobytes()
        assert after.delta.counts.tobytes() == before.delta.counts.tobytes()


async def test_who_begins_without_a_checkpoint_or_links_has_none(make: Make) -> None:
    node = make()
    assert kept_links(node) == []
    train(node)
    await node.save()
    assert kept_links(make()) == []


async def test_links_of_older_checkpoints_are_removed_with_the_next(
    make: Make, link: Callable[[], Node], tmp_path: Path
) -> None:
    await stop(link())
    other = make()
    kept_links(other)
    train(other)
    await other.save()
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2"}


async def test_a_node_that_was_stopped_before_it_trained_anything_more_keeps_its_links_again(
    make: Make, link: Callable[[], Node], tmp_path: Path
) -> None:
    await stop(link())
    other = make()
    other.core.own.take_up(kept_links(other), 0.0)
    await stop(other)
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2", "checkpoint-2.links"}
    third = make()
    assert [saved.link for saved in kept_links(third)] == [UP, DOWN]
    assert references(third) == references(other)


@pytest.mark.parametrize(("cut", "left"), [(1, [UP]), (20, [UP]), (2_000, [UP]), (6_000, []), (10_000, [])])
async def test_damaged_links_are_told_of_and_only_those_before_the_damage_are_used(
    make: Make, link: Callable[[], Node], tmp_path: Path, caplog: pytest.LogCaptureFixture, cut: int, left: list[bytes]
) -> None:
    one = link()
    await stop(one)
    path = links_of(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-cut])
    caplog.clear()
    other = make()
    assert [saved.link for saved in kept_links(other)] == left
    assert references(other) == {name: each for name, each in references(one).items() if name in left}
    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert "checkpoint-1.links" in warning.getMessage()
    assert other.checkpointer.resumed is not None
    assert other.checkpointer.describe()["damaged"] == 1
    assert one.session is not None
    assert other.session is not None
    assert other.session.model.weights.tobytes() == one.session.model.weights.tobytes()


async def test_links_that_are_none_or_of_another_checkpoint_are_not_used(
    make: Make, link: Callable[[], Node], tmp_path: Path
) -> None:
    await stop(link())
    train(other := make())
    good = links_of(tmp_path, 1).read_bytes()
    await other.save()
    for bad in (b"", b"nonsense", good):
        links_of(tmp_path, 2).write_bytes(bad)
        third = make()
        assert third.checkpointer.resumed is not None
        assert kept_links(third) == []
        assert references(third) == {}
        assert third.checkpointer.totals.damaged == 1


async def test_links_are_not_used_with_an_older_checkpoint_than_the_last(
    make: Make, link: Callable[[], Node], tmp_path: Path
) -> None:
    """The others have seen more of this node than it holds."""
    node = link()
    await stop(node)
    older = links_of(tmp_path, 1).read_bytes()
    train(node)
    await stop(node)
    links_of(tmp_path, 1).write_bytes(older)
    path_of(tmp_path, 2).write_bytes(b"damaged")
    other = make()
    assert other.checkpointer.resumed is not None
    assert other.checkpointer.resumed.generation == 1
    assert kept_links(other) == []
    assert references(other) == {}


async def test_no_links_are_written_beside_a_checkpoint_that_could_not_be(
    link: Callable[[], Node], tmp_path: Path
) -> None:
    node = link()
    await node.save()
    train(node)
    disk = node.checkpointer.disk = Scripted(fail_at=1)
    await stop(node)
    assert node.checkpointer.unkept is not None
    assert disk.fail_at < disk.count  # it works again by now
    assert files(tmp_path) == {"checkpoint-1"}
    train(node)
    await stop(node)
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-3", "checkpoint-3.links"}


async def test_links_that_cannot_be_written_are_told_of_and_leave_no_litter(
    link: Callable[[], Node], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = link()
    node.stopping.set()
    await node.save()
    node.checkpointer.disk = Scripted(fail_at=3)
    await node.save_links()
    assert files(tmp_path) == {"checkpoint-1"}
    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert "No space left on device" in warning.getMessage()
    assert node.checkpointer.unkept is None


async def test_links_are_written_only_by_a_node_that_was_told_to_stop_and_has_trained(
    make: Make, link: Callable[[], Node], tmp_path: Path
) -> None:
    node = link()
    await node.save()
    await node.save_links()
    node.stopping.set()
    node.state = Stage.JOINING
    await node.save_links()
    train(unlinked := make())
    await stop(unlinked)
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2"}
    unsaved = link()
    unsaved.stopping.set()
    await unsaved.save_links()
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2"}


async def test_a_link_whose_rows_change_hands_or_whose_other_end_catches_up_is_left_out(
    make: Make, link: Callable[[], Node]
) -> None:
    node = link()
    assert node.session is not None
    catching, busy = b"catching", b"merging!"
    for name in (catching, busy):
        node.session.model.open_link(name, overlap=False, catch_up=name == catching)
        node.core.tree.links.table.append(downward(name * 2, name))
    node.core.tree.links.named(busy).end.applying = Push(busy, 1, False, 0, 0, {}, empty(8))
    node.core.tree.links.table.append(downward(OTHER, b"no model"))
    await stop(node)
    assert [saved.link for saved in kept_links(make())] == [UP, DOWN]


async def test_what_an_exchange_brought_without_an_update_is_written_before_the_links(
    make: Make, link: Callable[[], Node], tmp_path: Path
) -> None:
    """The links speak of rows and origins that must be in the model of the next life."""
    one = link()
    await one.save()
    assert one.session is not None
    before = one.session.model.updates.copy()
    one.session.model.merge(DOWN, delta([5], [0], [0.1], np.ones((1, 8))), flush=True, overlap=False)
    assert np.array_equal(one.session.model.updates, before)
    await one.save()
    assert files(tmp_path) == {"checkpoint-1", "checkpoint-2"}
    row = delta([6], [0], [0.1], np.ones((1, 8)))
    one.session.model.settle(UP, row, row)
    await one.save()
    one.core.tree.links.provenance.learn({THIRD: 9}, DOWN)
    await stop(one)
    assert files(tmp_path) == {"checkpoint-3", "checkpoint-4", "checkpoint-4.links"}
    other = make()
    assert other.core.tree.links.provenance.vector == one.core.tree.links.provenance.vector
    assert other.session is not None
    assert other.session.model.weights.tobytes() == one.session.model.weights.tobytes()


async def test_every_life_has_the_stem_of_the_first_and_an_end_of_its_own(make: Make) -> None:
    lives = []
    for _ in range(3):
        node = make()
        train(node)
        await node.save()
        lives.append(node.core.node)
    assert len({stem(life) for life in lives}) == 1
    assert len({life[8:] for life in lives}) == 3
    assert {len(life) for life in lives} == {16}
    fresh = make(look=False)
    fresh.checkpointer.look(fresh=True)
    assert fresh.checkpointer.next_life(bytes(16)) == bytes(16)


# --- refused --------------------------------------------------------------------------------------------


async def test_one_of_another_job_is_refused_with_what_differs_and_left_alone(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node)
    await node.save()
    with pytest.raises(CheckpointError, match=r"checkpoint-1: is of another job: epochs is '5' there and '6' here, ve"):
        make(epochs=6, vector_size=4)
    assert files(tmp_path) == {"checkpoint-1"}


async def test_more_epochs_go_on_from_where_it_was_and_fewer_are_refused(make: Make) -> None:
    node = make()
    train(node, slices=3)
    assert node.session is not None
    node.session.trainer.recipe = replace(node.session.trainer.recipe, lift=2.5)
    left = node.session.trainer.cursor.left()
    await node.save()
    more = make(epochs=7)
    assert more.session is not None
    assert more.session.trainer.total == left + 2 * len(TOKENS)
    assert more.session.trainer.recipe.lift == 2.5
    assert np.array_equal(more.session.model.weights, node.session.model.weights)
    assert not more.checkpointer.was_done
    with pytest.raises(CheckpointError, match=r"another job: epochs is '5' there and '4' here; .*--fresh"):
        make(epochs=4)


async def test_one_of_another_text_is_refused_and_left_alone(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node)
    await node.save()
    with pytest.raises(
        CheckpointError,
        match=r"checkpoint-1: was trained on another text .* --held-out, --encoding or --graph-share; .*--fresh",
    ):
        make(text=b"x" * 16)
    assert files(tmp_path) == {"checkpoint-1"}


async def test_one_whose_positions_are_outside_the_text_is_refused(make: Make) -> None:
    node = make()
    assert node.session is not None
    train(node)
    place = node.session.trainer.cursor.positions[0]
    node.session.trainer.cursor.positions[0] = replace(place, left=(place.left[0]._replace(stop=1 << 40),))
    await node.save()
    with pytest.raises(CheckpointError, match="checkpoint-1: positions outside"):
        make()


async def test_one_of_a_vocabulary_that_the_swarm_gave_up_is_kept_and_not_used(make: Make, tmp_path: Path) -> None:
    node = make()
    train(node)
    await node.save()
    other = make(vocab=Vocab(VOCAB.words, VOCAB.counts + 1))
    assert other.session is not None
    assert not other.session.model.updates.any()
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
        told = f"No space left on device: '{path_of(tmp_path, 1 + failures)}'; the last whole one is 1"
        assert told in status["problems"][0]
        assert node.checkpointer.unkept == status["problems"][0]
        assert (status["checkpoint"]["failures"], status["checkpoint"]["generation"]) == (failures, 1)
    assert files(tmp_path) >= {"checkpoint-1"}
    assert not path_of(tmp_path, 2).exists()
    node.metrics.observe(node.snapshot())
    scraped = node.metrics.render()[0]
    assert b"gossipw2v_checkpoint_failures_total 2.0" in scraped
    assert b"gossipw2v_degraded 1.0" in scraped

    disk.fail_at = 0
    await node.save()
    assert node.checkpointer.unkept is None
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
    assert node.checkpointer.unkept is None


async def test_rows_that_are_not_finite_are_shown_and_the_last_good_ones_stay(make: Make, tmp_path: Path) -> None:
    node = make()
    assert node.session is not None
    train(node)
    await node.save()
    train(node)
    node.session.model.weights[7, 0] = np.nan
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
    assert node.session is not None
    trainer = node.session.trainer
    trainer.start()
    await asyncio.to_thread(wait_for, trainer, 1)
    saves = [asyncio.create_task(node.save()) for _ in range(3)]
    assert await asyncio.to_thread(disk.waits.wait, 60)
    await asyncio.to_thread(wait_for, trainer, trainer.trained + 200_000)
    assert node.checkpointer.problem(3600.0) is None
    assert "takes more than 0 s: the disk is slow" in str(node.checkpointer.problem(0.0))
    disk.told.set()
    await asyncio.gather(*saves)
    assert node.checkpointer.problem(0.0) is None
    assert disk.most == 1
    assert node.checkpointer.totals.written >= 1
    assert node.checkpointer.totals.failures == 0
    found = find(node.config.data_dir).newest
    assert found is not None
    assert np.isfinite(found.weights()).all()
    assert 0 < found.state.lives[node.core.node] <= trainer.trained
