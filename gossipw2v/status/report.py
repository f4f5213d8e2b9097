"""A node's status as text for people: what `gossipw2v status` prints.

The status may come from any program that answers on the port, and parts of it from strangers: what is missing is
shown as a dash, and nothing that moves a terminal's cursor gets through.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gossipw2v.status.humanize import (
    UNKNOWN,
    condition,
    count,
    decimal,
    duration,
    finite,
    items,
    percent,
    section,
    size,
)

BAR = 30  # characters of the progress bar
LISTED = 20  # members and links shown; --json has them all
LONGEST = 100  # characters of one text
LONGEST_PROBLEM = 600  # of one that says what to do

Row = Mapping[str, Any]
Columns = Sequence[tuple[str, Callable[[Row], str], bool]]  # head, what is below it, whether that is a number


def render(status: Row) -> str:
    """Several lines, without a final newline."""
    probes = items(section(status, "probe"), "sets")
    parts = [
        f"node {_short(status.get('node'))} of job {_text(status.get('job'))}: {_state(status)}, "
        f"up {duration(status.get('uptime_seconds'))}",
        _addresses(status),
        *_corpus(status),
        *_waiting(status),
        *_problems(status),
        *_progress(status),
        *(_table("probes", PROBES, probes) if probes else []),
        *_table("members", MEMBERS, items(status, "members")),
        *_table("links", LINKS, items(status, "links")),
    ]
    return "\n".join(parts)


def members(status: Row) -> str:
    """The members alone, as `render` shows them; all, however many."""
    return "\n".join(_table("members", MEMBERS, items(status, "members"), most=None)[1:])


def traffic(links: Sequence[Row]) -> str:
    """Links with `sent` and `received` bytes a second, a line each."""
    return "\n".join(_table("links", TRAFFIC, links, most=None)[1:])


def summary(status: Row) -> str:
    """One line, for where a screen cannot be redrawn."""
    progress = section(status, "progress")
    rate, left = count(progress.get("swarm_words_per_second")), duration(progress.get("eta_seconds"))
    done, members = percent(progress.get("ratio")), len(items(status, "members"))
    state = _state(status)
    return f"{state}{',' * (', ' in state)} {done}, {rate} words/s, {left} left, {members} members"


def _state(status: Row) -> str:
    degraded = status.get("degraded") is True and status.get("failure") is None
    return _text(status.get("state")) + (", degraded" if degraded else "")


def bar(ratio: object, width: int = BAR) -> str:
    """A progress bar of `width` characters; empty for what is no number."""
    filled = round(width * min(1.0, max(0.0, finite(ratio) or 0.0)))
    return "█" * filled + "░" * (width - filled)


def _addresses(status: Row) -> str:
    addresses = section(status, "addresses")
    tls = " (TLS)" if status.get("tls") else ""
    return f"gossip on {_text(addresses.get('listen'))}{tls}, http on {_text(addresses.get('http'))}"


def _corpus(status: Row) -> list[str]:
    """The vocabulary, and what was made of the text: so that a backup among it is seen, or another encoding."""
    corpus, vocabulary = section(status, "corpus"), section(status, "vocabulary")
    words = f"{count(vocabulary.get('words'))} words" if vocabulary else "not agreed yet"
    if vocabulary.get("version"):
        words += f" (version {count(vocabulary.get('version'))})"
    replaced, long, passed = "replaced_bytes", "dropped_tokens", "passed_over_files"
    shown = {key: count(corpus.get(key)) for key in ("files", replaced, long, passed)}
    return [
        f"{size(corpus.get('bytes'))} of text, vocabulary {words} {_short(vocabulary.get('digest'), '')}".rstrip(),
        f"text: files read {shown['files']}, passed over {shown[passed]}; bytes replaced {shown[replaced]}; "
        f"words too long {shown[long]}",
    ]


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
    names = ("swarm_trained_tokens", "swarm_total_tokens", "swarm_words_per_second", "words_per_second")
    trained, total, swarm, own = (count(progress.get(key)) for key in names)
    epoch = f"epoch {count(progress.get('epoch'))} of {count(progress.get('epochs'))}"
    held_out = decimal(section(status, "held_out").get("loss"))
    return [
        "",
        f"{bar(progress.get('ratio'))} {percent(progress.get('ratio'))}, {duration(progress.get('eta_seconds'))} left",
        f"swarm: {trained} of {total} words, {swarm} words/s",
        f"this node: {own} words/s, {epoch}, alpha {decimal(progress.get('alpha'))}",
        f"loss: {decimal(progress.get('loss'))}, on held-out text {held_out}",
    ]


def _table(title: str, columns: Columns, rows: Sequence[Any], most: int | None = LISTED) -> list[str]:
    """The rows under a title that says how many there are, and under heads; at most so many."""
    shown = [row if isinstance(row, Mapping) else {} for row in rows[:most]]
    cells = [[head for head, *_ in columns], *([cell(row) for _, cell, _ in columns] for row in shown)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    forms = [str.rjust if number else str.ljust for *_, number in columns]
    lines = [
        "  " + "  ".join(form(*pair) for form, pair in zip(forms, zip(row, widths, strict=True), strict=True)).rstrip()
        for row in cells
    ]
    more = [f"  and {len(rows) - most} more"] if most is not None and len(rows) > most else []
    return ["", f"{title}: {len(rows)}", *(lines if shown else []), *more]


def _done(member: Row) -> str:
    trained, total = finite(member.get("trained_tokens")), finite(member.get("total_tokens"))
    return percent(trained / total) if trained is not None and total else UNKNOWN


def _place(member: Row) -> str:
    return "this node" if member.get("self") else ", ".join(_text(a) for a in items(member, "addresses")[:2])


MEMBERS: Columns = (
    ("node", lambda row: _short(row.get("node")), False),
    ("state", lambda row: _text(condition(row)), False),
    ("trained", _done, True),
    ("at", _place, False),
)
LINKS: Columns = (
    ("to", lambda row: _short(row.get("peer")), False),
    ("which is", lambda row: _text(row.get("role")), False),
    ("exchanges", lambda row: count(row.get("exchanges")), True),
    ("sent", lambda row: size(row.get("sent_bytes")), True),
    ("received", lambda row: size(row.get("received_bytes")), True),
    ("rows to share", lambda row: count(row.get("pending_rows")), True),
)
TRAFFIC: Columns = (
    ("to", lambda row: _short(row.get("peer")), False),
    ("which is", lambda row: _text(row.get("role")), False),
    ("sent/s", lambda row: size(row.get("sent")), True),
    ("received/s", lambda row: size(row.get("received")), True),
    ("exchanges/s", lambda row: decimal(row.get("exchanges")), True),
    ("rows to share", lambda row: count(row.get("pending_rows")), True),
)
PROBES: Columns = (
    ("test set", lambda row: _text(row.get("name")), False),
    ("figure", lambda row: _text(row.get("figure")), False),
    ("last", lambda row: decimal(row.get("last")), True),
    ("best", lambda row: decimal(row.get("best")), True),
    ("after words", lambda row: count(row.get("best_trained_tokens")), True),
    ("known", lambda row: f"{count(row.get('known'))} of {count(row.get('total'))}", True),
)


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
