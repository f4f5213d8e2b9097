"""The end of a link: its reference goes with it, or there was none."""

import pytest
from support.trees import CHILD, ME, ROOT, downward, tree, upward

from gossipw2v.gossip.instructions import DropLink
from gossipw2v.gossip.overlay.links import Links
from gossipw2v.gossip.overlay.states import LinkState

NAME = b"12345678"
MADE = (LinkState.OPEN, LinkState.RESUMING, LinkState.LOST, LinkState.RETAINED)


@pytest.fixture(params=[(upward, ROOT), (downward, CHILD)], ids=["up", "down"])
def make(request):
    """Makes a link in a state, in a table of its own."""

    def made(state: LinkState):
        links, (kind, peer) = tree(ME).links, request.param
        links.table.append(link := kind(peer, NAME, state))
        return links, link

    return made


@pytest.mark.parametrize("state", MADE)
def test_a_reference_goes_with_its_link(make, state):
    links, link = make(state)
    assert links.close(link) == [DropLink(NAME)]
    assert (links.table, link.state) == ([], LinkState.CLOSED)


def test_of_a_link_without_a_reference_nothing_is_left(make):
    for end in (Links.close, Links.withdraw):
        links, link = make(LinkState.WANTED)
        assert not end(links, link)
        assert (links.table, link.state) == ([], LinkState.CLOSED)


@pytest.mark.parametrize("state", MADE)
def test_a_link_with_a_reference_cannot_be_withdrawn(make, state):
    """Nobody would tell the model, which would keep it for good."""
    links, link = make(state)
    with pytest.raises(RuntimeError, match=f"{state.name} cannot be withdrawn"):
        links.withdraw(link)
    assert (links.table, link.state) == ([link], state)


def test_no_link_is_none_to_end():
    links = tree(ME).links
    assert links.close(None) == []
    links.withdraw(None)
