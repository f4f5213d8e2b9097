"""Members that have fallen silent, and whether that is their fault or this node's own.

A member whose beat has not risen for SUSPECT_AFTER seconds is *suspect*: it is looked for, and any sign of it clears
it. After DEAD_AFTER it is confirmed dead, until it rises again; the node that comes to that verdict says so, and those
who suspect it too agree, while those who know a newer beat tell that.
"""

from __future__ import annotations

from gossipw2v.gossip.membership.table import MemberTable
from gossipw2v.gossip.records import SUSPECT_AFTER, NodeId, Stage, Verdict


def suspects(table: MemberTable, now: float) -> list[tuple[float, NodeId]]:
    """The living who have been silent for so long that they should be looked for: seconds until they are dead."""
    since = now - SUSPECT_AFTER - table.slack
    silent = [e for e in table.entries.values() if e.rose_at < since and table.is_fresh(e, now)]
    return [(e.rose_at + table.patience - now, e.member.node) for e in silent]


def suspect(table: MemberTable, node: NodeId, beat: int | None = None) -> None:
    """Somebody takes `node` for dead, having heard nothing after `beat` (None: nor has this node).

    It is believed if this node suspects it too; if it has heard more, that is to be told at once.
    """
    entry = table.entries.get(node)
    if entry is None:
        return
    if beat is not None and beat < entry.member.beat:
        table.untold[node], table.urgent = None, True
    else:
        entry.suspected_at = entry.member.beat


def verdicts(table: MemberTable, now: float) -> list[Verdict]:
    """Members that have been found dead since the last time."""
    since = now - SUSPECT_AFTER
    silent = [e for e in table.entries.values() if e.rose_at < since and e.confirmed_dead < e.member.beat]
    dead = [entry for entry in silent if not table.is_fresh(entry, now)]
    for entry in dead:
        entry.confirmed_dead = entry.member.beat
    return [(entry.member.node, entry.member.beat) for entry in dead if entry.member.state != Stage.LEFT]


def is_cut_off(table: MemberTable, now: float, patience: float) -> bool:
    """Whether it is likelier that this node was cut off than that those it no longer hears have died.

    So it is when half of the swarm or more, with work left, fell silent within the last `patience` seconds.
    """
    here, lost = 1, 0
    for entry in table.entries.values():
        fresh, recent = table.is_fresh(entry, now), now - entry.rose_at <= patience
        missing = entry.member.state < Stage.COMPLETE and not fresh
        lost += missing and recent
        here += fresh or (recent and not missing)  # a member that left in order was there too
    return lost >= here
