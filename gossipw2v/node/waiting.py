"""What a node waits for, and for whom: in `/status` at once, in the log again and again."""

from __future__ import annotations

from typing import Any

from gossipw2v.gossip.census import counts_name
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.records import Member, Stage
from gossipw2v.gossip.tasks.listing import CORPUS
from gossipw2v.transport.contacts import Contacts

SHOWN = 5  # places in a sentence; /status has more


def reason(core: GossipCore, state: Stage, now: float) -> str | None:
    """What the node waits for; None if it does not. The conditions of `Census.freeze_due`, in its order of sizes."""
    if state is Stage.JOINING:
        return "a link to the others, and what they have learned"
    if state is not Stage.GATHERING:
        return None
    me, others = core.view.me, list(core.view.members.alive(now))
    needed = max([me.min_peers, *(other.min_peers for other in others)])
    if len(others) < needed:
        return f"{needed} other nodes to count with (min_peers), of which {len(others)} are there"
    shared = CORPUS in core.view.config.job
    if missing := [each for each in others if counts_name(each.node, shared) not in core.view.blobs]:
        return f"the word counts of {names(missing)}"
    if above := [each for each in others if each.node > me.node]:
        return f"the vocabulary of {names([max(above, key=lambda each: each.node)])}"
    return f"more nodes, until none has come for {core.view.config.quiet:g} s (settle_seconds)"


def describe(core: GossipCore, contacts: Contacts, why: str, seconds: float, now: float) -> dict[str, Any]:
    """Why a node waits and since when, who is there, who does not answer and who was refused."""
    return {
        "for": why,
        "seconds": seconds,
        "found": [_found(each) for each in core.view.members.alive(now)],
        "unanswered": dict(contacts.unanswered),
        "refused": dict(contacts.refused),
    }


def sentence(waiting: dict[str, Any]) -> str:
    """A description in one line."""
    parts = [f"waiting for {waiting['for']}"]
    for title, key in (("no answer from", "unanswered"), ("refused", "refused")):
        places = list(waiting[key].items())[-SHOWN:]
        parts += [f"{title} {', '.join(f'{place} ({why})' for place, why in places)}"] if places else []
    return "; ".join(parts)


def names(members: list[Member]) -> str:
    """Some members for people: the beginning of an id, and where it is."""
    names = ", ".join(f"{each.node.hex()[:12]} at {', '.join(each.addresses[:2]) or '?'}" for each in members[:SHOWN])
    return names if len(members) <= SHOWN else f"{names} and {len(members) - SHOWN} more"


def _found(member: Member) -> dict[str, Any]:
    state = Stage(member.state).name.lower()
    return {"node": member.node.hex(), "state": state, "addresses": list(member.addresses)}
