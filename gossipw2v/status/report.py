"""A node's status as text for people: what `gossipw2v status` prints.

The status may come from any program that answers on the port, and parts of it from strangers: what is missing is
shown as a dash, and nothing that moves a terminal's cursor gets through.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gossipw2v.status.humanize import UNKNOWN, count, decimal, duration, finite, items, percent, section, size

BAR = 30  # characters of the progress bar
LISTED = 20  # members and links shown; --json has them all
LONGEST = 100  # characters of one text
LONGEST_PROBLEM = 600  # of one that says what to do

Row = Mapping[str, Any]


def render(status: Row) -> str:
    """Several lines, without a final newline."""
    parts = [
        f"node {_short(status.get('node'))} of job {_text(status.get('job'))}, {_addresses(status)}",
        f"{_state(status)} for {duration(status.get('uptime_seconds'))}, {_corpus(status)}",
        _text_read(status),
        *_waiting(status),
        *_progress(status),
        *_problems(status),
        *_probes(status),
        *_table("members", items(status, "members"), _member),
        *_table("links", items(status, "links"), _link),
    ]
    return "\n".join(parts)


def members(status: Row) -> str:
    """The members alone, as `render` shows them; all, however many."""
    return "\n".join(_table("members", items(status, "members"), _member, most=None)[1:])


def traffic(links: Sequence[Row]) -> str:
    """Links with `sent` and `received` bytes a second, a line each."""
    return "\n".join(_table("links", links, _traffic, most=None)[1:])


def summary(status: Row) -> str:
    """One line, for where a screen cannot be redrawn."""
    progress = section(status, "progress")
    rate, left = count(progress.get("swarm_words_per_second")), duration(progress.get("eta_seconds"))
    done, members = percent(progress.get("ratio")), len(items(status, "members"))
    return f"{_state(status)} {done}, {rate} words/s, {left} left, {members} members"


def _state(status: Row) -> str:
    degraded = status.get("degraded") is True and status.get("failure") is None
    return _text(status.get("state")) + (", degraded," if degraded else "")


def bar(ratio: object, width: int = BAR) -> str:
    """A progress bar of `width` characters; empty for what is no number."""
    filled = round(width * min(1.0, max(0.0, finite(ratio) or 0.0)))
    return "█" * filled + "░" * (width - filled)


def _addresses(status: Row) -> str:
    addresses = section(status, "addresses")
    tls = " (TLS)" if status.get("tls") else ""
    return f"gossip on {_text(addresses.get('listen'))}{tls}, http on {_text(addresses.get('http'))}"


def _corpus(status: Row) -> str:
    corpus, vocabulary = section(status, "corpus"), section(status, "vocabulary")
    words = f"{count(vocabulary.get('words'))} words" if vocabulary else "not agreed yet"
    if vocabulary.get("version"):
        words += f" (version {count(vocabulary.get('version'))})"
    return f"{size(corpus.get('bytes'))} of text, vocabulary {words} {_short(vocabulary.get('digest'), '')}".rstrip()


def _text_read(status: Row) -> str:
    """What was made of the text, so that a backup among it is seen, or a file in another encoding."""
    corpus = section(status, "corpus")
    replaced, long, passed = "replaced_bytes", "dropped_tokens", "passed_over_files"
    shown = {key: count(corpus.get(key)) for key in ("files", replaced, long, passed)}
    return (
        f"text: files read {shown['files']}, passed over {shown[passed]}; bytes replaced {shown[replaced]}; "
        f"words too long {shown[long]}"
    )


def _waiting(status: Row) -> list[str]:
    """What the node waits for, who is there, and who is not, a line each."""
    waiting = section(status, "waiting")
    if not waiting:
        return []
    since, found = duration(waiting.get("seconds")), len(items(waiting, "found"))
    lines = [f"waiting for {_text(waiting.get('for'), longest=LONGEST_PROBLEM)}, for {since}; {found} found"]
    for title, key in (("no answer from", "unanswered"), ("refused", "refused")):
        places = list(section(waiting, key).items())[:LISTED]
        lines += [f"  {title} {_text(place)}: {_text(why, longest=LONGEST_PROBLEM)}" for place, why in places]
    return lines


def _progress(status: Row) -> list[str]:
    progress = section(status, "progress")
    ratio, left = progress.get("ratio"), duration(progress.get("eta_seconds"))
    rate = ("swarm_words_per_second", "words_per_second")
    swarm, own = (count(progress.get(key)) for key in rate)
    epoch = f"epoch {count(progress.get('epoch'))} of {count(progress.get('epochs'))}"
    losses = (
        f"loss {decimal(progress.get('loss'))}, on held-out text {decimal(section(status, 'held_out').get('loss'))}"
    )
    learned = f"alpha {decimal(progress.get('alpha'))}, {losses}"
    tokens = f"{count(progress.get('swarm_trained_tokens'))} of {count(progress.get('swarm_total_tokens'))} tokens"
    return [
        "",
        f"{bar(ratio)} {percent(ratio)}, {left} left",
        f"{tokens}, {swarm} words/s; this node {own} words/s, {epoch}; {learned}",
    ]


def _table(title: str, rows: Sequence[Any], line: Any, most: int | None = LISTED) -> list[str]:
    """The rows under a title, columns aligned, at most so many; the title says how many there are."""
    cells = [line(row if isinstance(row, Mapping) else {}) for row in rows[:most]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    more = [f"  and {len(rows) - most} more"] if most is not None and len(rows) > most else []
    return ["", f"{title} {len(rows)}", *lines, *more]


def _probes(status: Row) -> list[str]:
    sets = items(section(status, "probe"), "sets")
    return _table("probes", sets, _probe) if sets else []


def _probe(row: Row) -> list[str]:
    """The last and the best score on a test set."""
    return [
        _text(row.get("name")),
        f"{_text(row.get('figure'))} {decimal(row.get('last'))}",
        f"best {decimal(row.get('best'))} after {count(row.get('best_trained_tokens'))} words",
        f"{count(row.get('known'))} of {count(row.get('total'))} known",
    ]


def _member(row: Row) -> list[str]:
    trained, total = finite(row.get("trained_tokens")), finite(row.get("total_tokens"))
    done = percent(trained / total) if trained is not None and total else UNKNOWN
    place = "this node" if row.get("self") else ", ".join(_text(a) for a in items(row, "addresses")[:2])
    state = _text(row.get("state")) if row.get("alive", True) else "lost"
    return [_short(row.get("node")), state, done, place]


def _link(row: Row) -> list[str]:
    return [
        _short(row.get("peer")),
        _text(row.get("role")),
        f"{count(row.get('exchanges'))} exchanges",
        f"{size(row.get('sent_bytes'))} out",
        f"{size(row.get('received_bytes'))} in",
        f"{count(row.get('pending_rows'))} rows pending",
    ]


def _traffic(row: Row) -> list[str]:
    return [
        _short(row.get("peer")),
        _text(row.get("role")),
        f"{size(row.get('sent'))}/s out",
        f"{size(row.get('received'))}/s in",
        f"{decimal(row.get('exchanges'))} exchanges/s",
        f"{count(row.get('pending_rows'))} rows pending",
    ]


def _problems(status: Row) -> list[str]:
    refused = sum(finite(number) or 0 for number in section(status, "refusals").values())
    problems = [f"  {_text(problem, longest=LONGEST_PROBLEM)}" for problem in items(status, "problems")[:LISTED]]
    problems += [f"  {count(refused)} messages refused; --json says why"] if refused else []
    return ["", "problems", *problems] if problems else []


def _text(value: object, missing: str = UNKNOWN, longest: int = LONGEST) -> str:
    shown = missing if value in (None, "") else str(value)[:longest]
    return "".join(char if char.isprintable() else "?" for char in shown)


def _short(value: object, missing: str = UNKNOWN) -> str:
    """The first 12 characters of an id, enough to tell nodes apart."""
    return _text(value, missing)[:12]
