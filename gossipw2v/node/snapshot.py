"""The `/status` answer: one JSON-ready picture of a node, made in the event loop from numbers that are at hand."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from gossipw2v import __version__
from gossipw2v.config.node import Config
from gossipw2v.gossip.core import GossipCore
from gossipw2v.gossip.overlay.link import AnyLink, Uplink
from gossipw2v.gossip.records import Member, Stage
from gossipw2v.node.agreement import VocabularyGrowth
from gossipw2v.node.session import Session
from gossipw2v.system.machine import resident_memory
from gossipw2v.system.pulse import Pulse
from gossipw2v.w2v.given.given import Given
from gossipw2v.w2v.text.rounds.rounds import TextRounds
from gossipw2v.w2v.trainable import Trainable
from gossipw2v.w2v.training.clipping import Bucket

NOTHING_HELD_OUT: dict[str, Any] = {"words": 0, "pairs": 0, "loss": None, "seconds": 0.0, "history": []}


def describe_job(config: Config, core: GossipCore, state: str) -> dict[str, Any]:
    """The node's names, and what it is doing."""
    return {"version": __version__, "node": core.node.hex(), "job": config.job.job, "state": state}


def describe_start(config: Config, state: str, uptime: float, where: dict[str, str]) -> dict[str, Any]:
    """A node that has no id yet, nor anything else to tell: it looks for its text and for what an earlier life left."""
    nothing: dict[str, Any] = {"vocabulary": None, "progress": {}, "members": [], "links": [], "waiting": None}
    about = {"version": __version__, "node": None, "job": config.job.job, "state": state}
    return {**about, "uptime_seconds": uptime, "addresses": where, **nothing, "failure": None, "problems": []}


def describe_vocabulary(session: Session | None, given: Given, growth: VocabularyGrowth) -> dict[str, Any] | None:
    """The vocabulary, or None; `version`: how often it has grown, `proposed` whether words are to go into the next.

    `waiting`: words of later text that are in none, `forgotten` those that were too many, `dropped` words that were
    given up with a version.

    With a list of words `listed` says how many are in it; with vectors to start from, `start` how many words do.
    """
    if session is None:
        return None
    vocab, first = session.vocab, session.first
    found: dict[str, Any] = {"words": len(vocab), "digest": vocab.digest.hex(), "tokens": vocab.tokens}
    found |= {"version": vocab.version, "proposed": growth.proposed, "dropped": growth.dropped}
    if (waiting := growth.waiting) is not None:
        found |= {"waiting": len(waiting.waiting.words), "forgotten": waiting.forgotten}
    if given.words is not None:
        found["listed"] = len(given.words.words)
    if given.start is not None:
        found["start"] = {"from": given.start.name, "words": len(first.at), "context_vectors": first.both}
    return found


def describe_progress(config: Config, core: GossipCore, session: Session | None, now: float) -> dict[str, Any]:
    """How far the node and the swarm are."""
    trainer = session.trainer if session else None
    trained, total = core.view.progress(now)
    mine = trainer.before + trainer.trained if trainer else 0
    rate = trainer.words_per_second if trainer else 0.0
    swarm_rate = rate * trainer.swarm_trained / trainer.trained if trainer and trainer.trained else 0.0
    epochs = config.job.epochs
    own = trainer.before + trainer.total if trainer else 0
    return {
        "ratio": trained / total if total else 0.0,
        "trained_tokens": mine,
        "total_tokens": own,
        "swarm_trained_tokens": trained,
        "swarm_total_tokens": total,
        "words_per_second": rate,
        "swarm_words_per_second": swarm_rate,
        "eta_seconds": (total - trained) / swarm_rate if swarm_rate else None,
        "alpha": trainer.alpha if trainer else config.job.alpha,
        "loss": trainer.losses.recent if trainer else None,
        "epoch_losses": trainer.losses.means if trainer else [],
        "epoch": min(epochs, mine * epochs // own + 1) if own else 0,
        "epochs": epochs,
    }


def describe_held_out(config: Config, session: Session | None) -> dict[str, Any]:
    """The loss on the text that is kept out of training; null where there is none, or none yet."""
    found = session.evaluation.describe() if session else NOTHING_HELD_OUT
    return {"share": config.held_out, **found}


def describe_load(session: Session | None, pulse: Pulse) -> dict[str, Any]:
    """What the process takes, what of it training, merging and the event loop do, and how late the loop runs."""
    training = session.trainer.threads.cpu_seconds if session else 0.0
    return {
        "process_cpu_seconds": time.process_time(),
        "resident_bytes": resident_memory(),
        "training_cpu_seconds": training,
        "merging_cpu_seconds": session.row_worker.cpu_seconds if session else 0.0,
        "loop_cpu_seconds": pulse.cpu_seconds,
        "words_per_cpu_second": session.trainer.trained / training if session and training else None,
        "loop_lag_p50_seconds": pulse.lag(0.5),
        "loop_lag_p99_seconds": pulse.lag(0.99),
    }


def describe_members(core: GossipCore, now: float) -> list[dict[str, Any]]:
    """Everybody this node has heard of."""
    return [_member(core, member, now) for member in core.view.members.everyone()]


def describe_links(core: GossipCore, session: Session | None) -> list[dict[str, Any]]:
    """The node's edges of the tree, with what each other end has moved; `role` is the other end's."""
    held = session.model.clipping.buckets if session else {}
    return [
        {**_link(link), "host": core.view.host_of(link.name), **_moved(held.get(link.name))}
        for link in core.view.links()
    ]


def describe_corpus(corpus: Trainable, rounds: TextRounds | None) -> dict[str, Any]:
    """The node's own text; `rounds` of files that were trained or are, `unknown_tokens` of new ones."""
    counts = corpus.counts
    return {
        "files": len(corpus.files),
        "damaged_files": corpus.damaged_files,
        "passed_over_files": len(corpus.passed_over),
        "encoding": corpus.form.encoding,
        "bytes": corpus.bytes,
        "done_bytes": corpus.done_bytes,
        "replaced_bytes": counts.replaced if counts else 0,
        "dropped_tokens": counts.dropped if counts else 0,
        "pruned_words": counts.pruned_words if counts else 0,
        "tokens": counts.tokens if counts else 0,
        "rounds": len(rounds.past) if rounds else 0,
        "unknown_tokens": rounds.unknown if rounds else 0,
    }


def _member(core: GossipCore, member: Member, now: float) -> dict[str, Any]:
    me = member.node == core.node
    alive = me or core.view.members.is_alive(member.node, now)
    return {
        "node": member.node.hex(),
        "state": Stage(member.state).name.lower(),
        "alive": alive,
        "addresses": list(member.addresses),
        "trained_tokens": member.trained,
        "total_tokens": member.total,
        "parent": member.parent.hex() or None,
        "suspect": alive and not me and not core.view.members.is_alive(member.node, now, heard=True),
        "self": me,
    }


def _moved(bucket: Bucket | None) -> dict[str, Any]:
    bucket = bucket or Bucket(np.empty(0))
    return {
        "clipped_rows": bucket.clipped,
        "largest_row_move": bucket.largest,
        "row_budget_used": bucket.used,
    }


def _link(link: AnyLink) -> dict[str, Any]:
    return {
        "peer": link.peer.hex(),
        "role": "parent" if isinstance(link, Uplink) else "child",
        "state": link.state.name.lower(),
        "pending_rows": link.end.pending,
        "outstanding": link.end.busy,
        **asdict(link.end.flow),
    }
