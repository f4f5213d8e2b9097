"""The rule of double counting, as a truth table: what an exchange names, and whether it may be here already."""

import pytest

from gossipw2v.gossip.overlay.provenance import Provenance

ME, ONE = b"m" * 16, b"1" * 16
HERE, OTHER = b"thislink", b"another!"

# (tokens of ONE here, the link they came by, what both ends know, what the push names) -> (named back, with care)
PUSHES = {
    "it is new here": ((0, None, 0, 5), (0, False)),
    "it goes on as it came": ((5, HERE, 5, 7), (0, False)),
    "it came by another link": ((5, OTHER, 0, 5), (5, True)),
    "it came by another link, and both knew": ((5, OTHER, 5, 7), (7, True)),
    "it came from disk, which the child cannot know": ((5, None, 0, 7), (5, True)),
    "it is named though both knew": ((5, HERE, 5, 5), (5, True)),
    "nothing is named, but here is more": ((5, OTHER, 3, 0), (5, False)),
    "nothing is named, and here is no more": ((5, OTHER, 5, 0), (0, False)),
}


def held(tokens: int, via: bytes | None) -> Provenance:
    return Provenance({ONE: tokens} if tokens else {}, {ONE: via} if via else {}, own=ME)


def vector(tokens: int) -> dict[bytes, int]:
    return {ONE: tokens} if tokens else {}


@pytest.mark.parametrize(("state", "expected"), PUSHES.values(), ids=PUSHES)
def test_what_a_push_brings(state, expected):
    tokens, via, acked, named = state
    provenance = held(tokens, via)
    back, care = provenance.hear_push(HERE, vector(acked), vector(named))
    assert (back.get(ONE, 0), care) == expected
    assert provenance.vector.get(ONE, 0) == max(tokens, named)
    assert (OTHER in provenance.doubts) is (via == OTHER and named > 0)


# (tokens here, by which link, what both know, what was pushed, what the answer names) -> (named again, with care)
ANSWERS = {
    "it is new here": ((0, None, 0, 0, 5), (False, False)),
    "it goes on as it came": ((5, HERE, 5, 0, 7), (False, False)),
    "it came another way since the push": ((5, OTHER, 0, 0, 7), (True, True)),
    "it came from disk": ((5, None, 5, 0, 7), (True, True)),
    "the push named it, and it is echoed": ((5, HERE, 5, 5, 5), (False, True)),
    "the parent has met it elsewhere": ((5, HERE, 5, 0, 5), (False, True)),
    "nothing is named": ((5, OTHER, 3, 0, 0), (False, False)),
}


@pytest.mark.parametrize(("state", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_what_an_answer_brings(state, expected):
    tokens, via, acked, pushed, named = state
    provenance = held(tokens, via)
    again, care = provenance.hear_answer(HERE, vector(acked), vector(pushed), vector(named))
    assert (ONE in again, care) == expected
    assert provenance.vector.get(ONE, 0) == max(tokens, named)


def test_a_link_in_doubt_is_a_reason_for_care_and_is_asked_once():
    provenance = held(5, HERE)
    assert provenance.learn({ONE: 5}, OTHER) == [ONE]
    assert provenance.hear_answer(HERE, vector(5), {}, {}) == ([], True)
    assert provenance.announce(HERE, vector(5), []) == {ONE: 5}
    assert provenance.announce(HERE, vector(5), []) == {}
    assert provenance.hear_push(HERE, vector(5), {}) == ({}, False)


def test_the_own_training_is_never_met():
    provenance = Provenance({ME: 5}, own=ME)
    assert provenance.hear_push(HERE, {}, {ME: 4})[1]  # both ends name it
    assert provenance.hear_push(HERE, {ME: 5}, {}) == ({}, False)
    assert provenance.learn({ME: 5}, OTHER) == []
