"""What is kept of a link, and the link that is made of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import LINK, NODE, OTHER
from support.trees import CHILD, ME, push

from gossipw2v.gossip.messages import BIG
from gossipw2v.gossip.overlay.link import Downlink, Phase, Uplink
from gossipw2v.gossip.overlay.provenance import Provenance
from gossipw2v.gossip.overlay.saved import Bond, bond_of, edge_of

ORIGINS = [bytes([n]) * 16 for n in range(5)]
ANOTHER = b"another!"

some = st.lists(st.sampled_from(ORIGINS), unique=True)
tokens = st.dictionaries(st.sampled_from(ORIGINS), st.integers(0, BIG))
links = st.sampled_from([LINK, ANOTHER])
idle = Uplink(OTHER, LINK, 0.0, batch=4)


@st.composite
def provenances(draw: st.DrawFn) -> Provenance:
    held = draw(st.dictionaries(st.sampled_from(ORIGINS), st.integers(0, BIG)))
    inside = st.lists(st.sampled_from(sorted(held)), unique=True) if held else st.just([])
    via = {origin: draw(links) for origin in draw(inside)}
    return Provenance(held, via, draw(st.dictionaries(links, inside.map(dict.fromkeys))))


@st.composite
def edges(draw: st.DrawFn, provenance: Provenance) -> Uplink | Downlink:
    peer, batch, known = draw(st.sampled_from([NODE, CHILD])), draw(st.integers(0, BIG)), draw(tokens)
    if draw(st.booleans()):
        return Downlink(peer, LINK, batch, known=known)
    again = draw(st.lists(st.sampled_from(sorted(provenance.tokens)), unique=True)) if provenance.tokens else []
    return Uplink(peer, LINK, 0.0, batch=batch, known=known, again=again)


@given(st.data())
def test_a_link_at_rest_comes_back_as_it_was(data: st.DataObject) -> None:
    before = data.draw(provenances())
    edge = data.draw(edges(before))
    bond = bond_of(edge, before)
    assert bond is not None
    after = Provenance(dict(before.tokens))
    made = edge_of(bond, after, 9.0)
    assert type(made) is type(edge)
    assert (made.peer, made.link, made.batch, made.known) == (edge.peer, LINK, edge.batch, edge.known)
    if isinstance(edge, Uplink) and isinstance(made, Uplink):
        assert set(made.again) == set(edge.again)
        assert made.phase is Phase.IDLE
    assert after.via == {origin: link for origin, link in before.via.items() if link == LINK}
    assert after.doubts.get(LINK, {}) == before.doubts.get(LINK, {})
    assert made.lost_at == 9.0
    bonds = (each for each in (bond, bond_of(made, after)) if each is not None)
    one, other = (replace(each, again=tuple(sorted(each.again))) for each in bonds)
    assert one == other


def test_what_changes_later_does_not_change_the_bond() -> None:
    bond = bond_of(edge := Uplink(OTHER, LINK, 0.0, known={NODE: 5}), Provenance())
    assert bond is not None
    made = edge_of(bond, Provenance(), 0.0)
    edge.known[NODE] = 6
    made.known[NODE] = 7
    assert bond.known == {NODE: 5}


@pytest.mark.parametrize("phase", Phase)
def test_a_link_to_the_parent_is_kept_unless_an_answer_is_just_being_applied(phase: Phase) -> None:
    assert (bond_of(replace(idle, phase=phase), Provenance()) is None) is (phase is Phase.SETTLING)


def test_a_link_to_a_child_is_kept_unless_its_push_is_just_being_merged() -> None:
    bond = bond_of(Downlink(CHILD, LINK, 4), Provenance())
    assert bond == Bond(False, CHILD, LINK, 4, {})
    assert bond_of(Downlink(CHILD, LINK, 4, merging=push(LINK, 5)), Provenance()) is None


@pytest.mark.parametrize("phase", [Phase.COLLECTING, Phase.AWAITING])
def test_the_origins_of_a_push_that_perhaps_never_arrived_are_named_again(phase: Phase) -> None:
    """Doubts are told once: they would be lost with it."""
    edge = replace(idle, phase=phase, news={NODE: 5}, again=[OTHER])
    bond = bond_of(edge, Provenance())
    assert bond is not None
    assert sorted(bond.again) == [NODE, OTHER]
    settled = bond_of(replace(edge, phase=Phase.IDLE), Provenance())
    assert settled is not None
    assert settled.again == (OTHER,)


def test_the_next_push_names_them() -> None:
    provenance = Provenance({NODE: 5, OTHER: 6}, doubts={LINK: {OTHER: None}})
    edge = replace(idle, known={NODE: 5, OTHER: 6}, again=[NODE])
    edge.begin(0.0, False, provenance)
    assert edge.news == {NODE: 5, OTHER: 6}
    bond = bond_of(edge, provenance)
    assert bond is not None
    made = edge_of(bond, provenance, 0.0)
    assert isinstance(made, Uplink)
    made.begin(0.0, False, provenance)
    assert made.news == {NODE: 5, OTHER: 6}


@pytest.mark.parametrize("up", [True, False])
def test_origins_of_which_the_model_holds_nothing_any_more_are_left_out(up: bool) -> None:
    provenance = Provenance({NODE: 5})
    both = (NODE, OTHER)
    made = edge_of(Bond(up, ME, LINK, 1, {OTHER: 3}, both, both, both), provenance, 0.0)
    assert provenance.via == {NODE: LINK}
    assert provenance.doubts == {LINK: {NODE: None}}
    if isinstance(made, Uplink):
        assert made.again == [NODE]
        made.begin(0.0, False, provenance)
        assert made.news == {NODE: 5}


def test_what_came_by_other_links_stays_so() -> None:
    provenance = Provenance({NODE: 5, OTHER: 6}, {OTHER: ANOTHER}, {ANOTHER: {NODE: None}})
    edge_of(Bond(True, ME, LINK, 1, {}, via=(NODE,), doubts=(OTHER,)), provenance, 0.0)
    assert provenance.via == {NODE: LINK, OTHER: ANOTHER}
    assert provenance.doubts == {ANOTHER: {NODE: None}, LINK: {OTHER: None}}
