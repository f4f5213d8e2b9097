"""Who proposes, who makes a version and when; which offers are wanted."""

from random import Random

import pytest
from support.samples import NODE, OTHER

from gossipw2v.gossip.blobs.names import VOCABULARY, proposal_id, proposal_name, version_name
from gossipw2v.gossip.census import Census, digest_of
from gossipw2v.gossip.config import GossipConfig
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.instructions import Freeze, Received, Refused
from gossipw2v.gossip.messages import BlobPart, BlobPull, Offer, ProtocolError
from gossipw2v.gossip.records import Member, Stage

LOW, HIGH, QUIET = b"\x01" * 16, b"\xfe" * 16, 3.0
BASE = b"the first vocabulary"
ROOT = digest_of(BASE)


def node_that_is_done(node: bytes = NODE, *others: bytes, stage: Stage = Stage.COMPLETE) -> GossipCore:
    """A core whose model is trained to the end, and that knows some others."""
    core = GossipCore(Member(node, 0, Stage.COMPLETE), GossipConfig(job={}, quiet=QUIET), Random(0), 0.0)
    core.own.frozen(BASE, 10)
    core.own.ready()
    core.own.done(True)
    for other in others:
        core.members.witness(Member(other, 1, stage, parent=node), 0.0)
    return core


def proposed(core: GossipCore, node: bytes, tokens: int = 5, now: float = 0.0) -> str:
    name = proposal_name(ROOT, node, tokens)
    core.growth.hold(name, b"counts", now)
    return name


def test_the_highest_makes_a_version_once_all_have_been_quiet() -> None:
    core = node_that_is_done(HIGH, LOW)
    name = proposed(core, LOW, now=1.0)
    assert core.growth.due(1.0 + QUIET / 2) == []
    assert core.growth.due(1.0 + QUIET) == [Freeze((name,))]
    assert core.growth.due(1.0 + QUIET) == []  # said once


@pytest.mark.parametrize(
    ("node", "stage"), [(LOW, Stage.COMPLETE), (HIGH, Stage.TRAINING)], ids=["another is higher", "another trains"]
)
def test_it_is_not_made_while(node: bytes, stage: Stage) -> None:
    core = node_that_is_done(node, LOW if node == HIGH else HIGH, stage=stage)
    proposed(core, node)
    assert core.growth.due(QUIET) == []


def test_what_the_dead_have_proposed_waits_until_they_are_back() -> None:
    core = node_that_is_done(HIGH)
    proposed(core, LOW)
    assert core.growth.due(QUIET) == []
    again = LOW[:8] + b"\x77" * 8  # the same node in its next life
    core.members.witness(Member(again, 1, Stage.COMPLETE, parent=HIGH), QUIET)
    assert core.growth.proposals(QUIET) == (proposal_name(ROOT, LOW, 5),)


def test_a_proposal_of_more_tokens_takes_the_place_of_the_one_before() -> None:
    core = node_that_is_done(HIGH, LOW)
    proposed(core, LOW, 5)
    name = proposed(core, LOW, 7)
    assert core.growth.proposals(0.0) == (name,)


def test_a_node_joins_in_once_when_others_propose() -> None:
    core = node_that_is_done(LOW, HIGH)
    assert not core.growth.joins_in(0.0)
    proposed(core, HIGH)
    assert core.growth.joins_in(0.0)
    proposed(core, LOW)
    assert not core.growth.joins_in(0.0)


def test_one_that_could_not_be_made_is_tried_again_later() -> None:
    core = node_that_is_done()
    proposed(core, NODE)
    assert core.growth.due(QUIET)
    core.growth.failed(QUIET)
    assert core.growth.due(QUIET + 1) == []
    assert core.growth.due(QUIET + 100)


# -- what is wanted of others --------------------------------------------------------------------------------


def census(data: bytes = BASE, rank: int = 10, root: bytes = b"") -> Census:
    made = Census(NODE)
    made.hold(VOCABULARY, data, rank, root)
    return made


def offered(data: bytes, rank: int, root: bytes = ROOT) -> Offer:
    return Offer(version_name(root), digest_of(data), len(data), rank)


def test_a_version_of_the_own_vocabulary_is_wanted_whatever_has_been_trained() -> None:
    (pull,) = census().heard(1, [offered(b"version", 11)], young=False)
    assert isinstance(pull.message, BlobPull)
    assert pull.message.name == version_name(ROOT)


@pytest.mark.parametrize("rank", [9, 12], ids=["lower", "higher"])
def test_of_two_versions_that_were_made_apart_the_higher_is_wanted(rank: int) -> None:
    held = census(b"version", 11, ROOT)
    assert bool(held.heard(1, [offered(b"another", rank)], young=False)) is (rank > 11)
    assert held.heard(2, [Offer(VOCABULARY, ROOT, len(BASE), 10)], young=False) == []


def test_one_that_is_here_and_not_taken_over_yet_is_not_asked_for_again() -> None:
    held = census()
    held.newer = offered(b"version", 11)
    assert held.heard(1, [offered(b"version", 11)], young=False) == []
    assert held.heard(1, [offered(b"next", 12)], young=False)
    held.reject(b"version")
    assert held.newer is None
    assert held.heard(2, [offered(b"version", 11)], young=False) == []


def test_a_version_of_another_vocabulary_is_another_vocabulary() -> None:
    orders = census().heard(1, [offered(b"version", 11, root=b"r" * 16)], young=False)
    assert isinstance(orders[0], Refused)


def test_versions_are_served_by_the_name_under_which_they_are_offered() -> None:
    held = census(b"version", 11, ROOT)
    (offer,) = held.offers()
    assert held.asked(1, BlobPull(offer.name, offer.digest, 0)).message.data == b"version"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (proposal_name(ROOT, OTHER, 5), True),
        (proposal_name(b"x" * 16, OTHER, 5), False),
        (proposal_name(ROOT, OTHER, 5)[:-1] + "many", False),
        (proposal_name(ROOT, NODE, 2), False),
    ],
    ids=["for the next version", "for another", "of no number", "fewer than are here"],
)
def test_which_proposals_are_wanted(name: str, wanted: bool) -> None:
    held = census()
    held.propose(proposal_name(ROOT, NODE, 3), b"mine")
    assert bool(held.heard(1, [Offer(name, bytes(16), 9, 0)], young=False)) is wanted


def test_a_part_that_was_asked_for_before_a_version_was_taken_over_is_no_breach() -> None:
    held = census()
    old, new = Offer(proposal_name(ROOT, OTHER, 5), digest_of(b"counts"), 6, 0), offered(b"next", 12)
    assert held.heard(1, [old], young=False)
    held.hold(VOCABULARY, b"version", 11, ROOT)
    assert held.heard(1, [new], young=False)
    assert held.part(1, BlobPart(old.name, old.digest, 0, b"counts")) == []
    (got,) = held.part(1, BlobPart(new.name, new.digest, 0, b"next"))
    assert isinstance(got, Received)
    assert held.heard(1, [offered(b"more", 13)], young=False)
    with pytest.raises(ProtocolError):
        held.part(1, BlobPart(old.name, old.digest, 0, b"counts"))


def test_no_two_proposals_have_one_id() -> None:
    names = [proposal_name(base, node, 3) for base in (ROOT, bytes(16)) for node in (NODE, OTHER)]
    assert len({proposal_id(name, b"counts") for name in names}) == 4
    assert proposal_id(names[0], b"other counts") != proposal_id(names[0], b"counts")
