"""What is kept of a link, and the link that is made of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import LINK, NODE, OTHER
from support.trees import CHILD, ME, downward, push, rows, upward

from gossipw2v.gossip.messages import BIG, Answer
from gossipw2v.gossip.overlay.link import AnyLink, Downlink, Phase, Uplink
from gossipw2v.gossip.overlay.provenance import Provenance
from gossipw2v.gossip.overlay.retained import SavedLink, restore, save
from gossipw2v.gossip.overlay.states import LinkState

ORIGINS = [bytes([n]) * 16 for n in range(5)]
ANOTHER = b"another!"

some = st.lists(st.sampled_from(ORIGINS), unique=True)
tokens = st.dictionaries(st.sampled_from(ORIGINS), st.integers(0, BIG))
links = st.sampled_from([LINK, ANOTHER])


def up(**more) -> Uplink:
    return upward(OTHER, LINK, **more)


def down(**more) -> Downlink:
    return downward(CHILD, LINK, **more)


@st.composite
def provenances(draw: st.DrawFn) -> Provenance:
    held = draw(st.dictionaries(st.sampled_from(ORIGINS), st.integers(0, BIG)))
    inside = st.lists(st.sampled_from(sorted(held)), unique=True) if held else st.just([])
    via = {origin: draw(links) for origin in draw(inside)}
    return Provenance(held, via, draw(st.dictionaries(links, inside.map(dict.fromkeys))))


@st.composite
def some_link(draw: st.DrawFn, provenance: Provenance) -> AnyLink:
    seq, acked = draw(st.integers(0, BIG)), draw(tokens)
    if draw(st.booleans()):
        return down(seq=seq, acked=acked)
    again = draw(st.lists(st.sampled_from(sorted(provenance.vector)), unique=True)) if provenance.vector else []
    return up(seq=seq, acked=acked, again=again)


@given(st.data())
def test_a_link_at_rest_comes_back_as_it_was(data: st.DataObject) -> None:
    before = data.draw(provenances())
    link = data.draw(some_link(before))
    saved = save(link, before)
    assert saved is not None
    after = Provenance(dict(before.vector))
    made = restore(saved, after, 9.0)
    assert type(made) is type(link)
    assert (made.peer, made.name, made.end.seq, made.end.acked) == (link.peer, LINK, link.end.seq, link.end.acked)
    if isinstance(link, Uplink) and isinstance(made, Uplink):
        assert set(made.end.again) == set(link.end.again)
        assert made.end.phase is Phase.IDLE
    assert after.via == {origin: name for origin, name in before.via.items() if name == LINK}
    assert after.doubts.get(LINK, {}) == before.doubts.get(LINK, {})
    assert (made.state, made.lost_at) == (LinkState.RETAINED, 9.0)
    both = (each for each in (saved, save(made, after)) if each is not None)
    one, other = (replace(each, again=tuple(sorted(each.again))) for each in both)
    assert one == other


def test_what_changes_later_does_not_change_what_is_saved() -> None:
    saved = save(link := up(acked={NODE: 5}), Provenance())
    assert saved is not None
    made = restore(saved, Provenance(), 0.0)
    link.end.acked[NODE] = 6
    made.end.acked[NODE] = 7
    assert saved.acked == {NODE: 5}


def test_a_link_is_saved_unless_its_rows_are_just_changing_hands() -> None:
    answer, asked = Answer(LINK, 5, False, 0, 0, {}, rows()), push(LINK, 5)
    assert save(up(seq=4), Provenance()) == SavedLink(True, OTHER, LINK, 4, {})
    assert save(up(seq=4, phase=Phase.APPLYING, applying=answer), Provenance()) is None
    assert save(down(seq=4), Provenance()) == SavedLink(False, CHILD, LINK, 4, {})
    assert save(down(seq=4, applying=asked), Provenance()) is None


@pytest.mark.parametrize("phase", [Phase.GATHERING, Phase.IN_FLIGHT])
def test_the_origins_of_a_push_that_perhaps_never_arrived_are_named_again(phase: Phase) -> None:
    """Doubts are told once: they would be lost with it."""
    link = up(phase=phase, named={NODE: 5}, again=[OTHER])
    saved = save(link, Provenance())
    assert saved is not None
    assert sorted(saved.again) == [NODE, OTHER]
    link.end.phase = Phase.IDLE
    settled = save(link, Provenance())
    assert settled is not None
    assert settled.again == (OTHER,)


def test_the_next_push_names_them() -> None:
    provenance = Provenance({NODE: 5, OTHER: 6}, doubts={LINK: {OTHER: None}})
    link = up(acked={NODE: 5, OTHER: 6}, again=[NODE])
    link.end.begin(0.0, False, provenance)
    assert link.end.named == {NODE: 5, OTHER: 6}
    saved = save(link, provenance)
    assert saved is not None
    made = restore(saved, provenance, 0.0)
    made.end.begin(0.0, False, provenance)
    assert made.end.named == {NODE: 5, OTHER: 6}


@pytest.mark.parametrize("upward", [True, False])
def test_origins_of_which_the_model_holds_nothing_any_more_are_left_out(upward: bool) -> None:
    provenance = Provenance({NODE: 5})
    both = (NODE, OTHER)
    made = restore(SavedLink(upward, ME, LINK, 1, {OTHER: 3}, both, both, both), provenance, 0.0)
    assert provenance.via == {NODE: LINK}
    assert provenance.doubts == {LINK: {NODE: None}}
    if upward:
        assert made.end.again == [NODE]
        made.end.begin(0.0, False, provenance)
        assert made.end.named == {NODE: 5}


def test_what_came_by_other_links_stays_so() -> None:
    provenance = Provenance({NODE: 5, OTHER: 6}, {OTHER: ANOTHER}, {ANOTHER: {NODE: None}})
    restore(SavedLink(True, ME, LINK, 1, {}, via=(NODE,), doubts=(OTHER,)), provenance, 0.0)
    assert provenance.via == {NODE: LINK, OTHER: ANOTHER}
    assert provenance.doubts == {ANOTHER: {NODE: None}, LINK: {OTHER: None}}
