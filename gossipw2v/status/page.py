"""The status page: one self-contained HTML page made from the dict of `/status`.

Rendered here, so that it can be read without JavaScript; the script of `page.html` only fetches it again.
Node ids, addresses and problems may come from strangers: every text passes through `html.escape`, and the
page's policy allows no script, style or request but its own.
"""

import base64
import hashlib
import html
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any, NamedTuple

from gossipw2v.status.humanize import UNKNOWN, count, decimal, duration, finite, percent, size
from gossipw2v.system.wellformed import well_formed

TEMPLATE = resources.files("gossipw2v.status").joinpath("page.html").read_text(encoding="utf-8")
LISTED = 100  # rows of a table; /status has them all
LONGEST = 200  # characters of one text
LONGEST_PROBLEM = 600  # of one that says what to do


def _digest(tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", TEMPLATE, re.DOTALL)
    assert found is not None
    return base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()


POLICY = (
    f"default-src 'none'; script-src 'sha256-{_digest('script')}'; style-src 'sha256-{_digest('style')}'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)  # for the Content-Security-Policy header

Row = Mapping[str, Any]


class Column(NamedTuple):
    """One column of a table: its title, how a row's cell is made (as HTML), and whether it holds numbers."""

    title: str
    cell: Callable[[Row], str]
    number: bool = False


def render(status: Row) -> str:
    """The whole page for a status dict; what the dict lacks, or holds as null, is shown as a dash."""
    parts = (_header(status), _problems(status), _waiting(status), _progress(status), _figures(status), _probes(status),
             _members(status), _links(status), _details(status))  # fmt: skip
    return Template(TEMPLATE).substitute(title=_title(status), body="\n".join(filter(None, parts)))


def _title(status: Row) -> str:
    ratio = _of(status, "progress").get("ratio")
    return f"{percent(ratio)} · {text(status.get('job'))} · gossipw2v"


def _header(status: Row) -> str:
    node, version = short(status.get("node")), text(status.get("version"))
    up = duration(status.get("uptime_seconds"))
    kind = "state" if status.get("failure") is None else "state bad"
    return (
        f"<header><h1>{text(status.get('job'))}</h1>"
        f'<span class="soft">node <code>{node}</code>, gossipw2v {version}, up {up}</span>'
        f'<span class="{kind}">{text(status.get("state"))}</span></header>'
    )


def _problems(status: Row) -> str:
    items = "".join(f"<li>{text(problem, LONGEST_PROBLEM)}</li>" for problem in _rows(status, "problems")[:LISTED])
    return f'<section class="card bad"><h2>Problems</h2><ul>{items}</ul></section>' if items else ""


def _waiting(status: Row) -> str:
    waiting = _of(status, "waiting")
    if not waiting:
        return ""
    silent = [f"no answer from {text(place)}: {text(why)}" for place, why in _of(waiting, "unanswered").items()]
    refused = [f"refused {text(place)}: {text(why)}" for place, why in _of(waiting, "refused").items()]
    items = "".join(f"<li>{each}</li>" for each in (silent + refused)[:LISTED])
    found = f"{len(_rows(waiting, 'found'))} found"
    head = f"waiting for {text(waiting.get('for'), LONGEST_PROBLEM)}, for {duration(waiting.get('seconds'))}; {found}"
    return f'<section class="card"><p>{head}</p><ul>{items}</ul></section>'


def _progress(status: Row) -> str:
    progress = _of(status, "progress")
    ratio = finite(progress.get("ratio")) or 0.0
    done = f"{count(progress.get('swarm_trained_tokens'))} of {count(progress.get('swarm_total_tokens'))} tokens"
    return (
        f'<section class="card"><progress value="{ratio:.4f}"></progress><p class="split">'
        f'<span>{percent(ratio)} trained by the swarm</span><span class="soft">{done}</span>'
        f"<span>{duration(progress.get('eta_seconds'))} left</span></p></section>"
    )


def _figures(status: Row) -> str:
    progress, links = _of(status, "progress"), _rows(status, "links")
    epoch = f"{count(progress.get('epoch'))} of {count(progress.get('epochs'))}"
    return _list({
        "words/s, swarm": count(progress.get("swarm_words_per_second")),
        "words/s, this node": count(progress.get("words_per_second")),
        "loss": decimal(progress.get("loss")),
        "loss on held-out text": decimal(_of(status, "held_out").get("loss")),
        "alpha": decimal(progress.get("alpha")),
        "epoch here": epoch,
        "sent": size(sum(finite(link.get("sent_bytes")) or 0 for link in links)),
        "received": size(sum(finite(link.get("received_bytes")) or 0 for link in links)),
    })  # fmt: skip


def _probes(status: Row) -> str:
    sets = _rows(_of(status, "probe"), "sets")
    return "" if not sets else _table("Probes", sets, (
        Column("test set", lambda row: text(row.get("name"))),
        Column("figure", lambda row: text(row.get("figure"))),
        Column("last", lambda row: decimal(row.get("last")), number=True),
        Column("best", lambda row: decimal(row.get("best")), number=True),
        Column("known", lambda row: count(row.get("known")), number=True),
        Column("of", lambda row: count(row.get("total")), number=True),
    ))  # fmt: skip


def _members(status: Row) -> str:
    return _table("Members", _rows(status, "members"), (
        Column("node", _node),
        Column("state", _condition),
        Column("addresses", lambda row: text(", ".join(map(str, _rows(row, "addresses")[:4])))),
        Column("trained", lambda row: count(row.get("trained_tokens")), number=True),
        Column("of", lambda row: count(row.get("total_tokens")), number=True),
    ))  # fmt: skip


def _links(status: Row) -> str:
    return _table("Links", _rows(status, "links"), (
        Column("peer", lambda row: f"<code>{short(row.get('peer'))}</code>"),
        Column("role", lambda row: text(row.get("role"))),
        Column("exchanges", lambda row: count(row.get("exchanges")), number=True),
        Column("sent", lambda row: size(row.get("sent_bytes")), number=True),
        Column("received", lambda row: size(row.get("received_bytes")), number=True),
        Column("rows sent", lambda row: count(row.get("sent_rows")), number=True),
        Column("rows received", lambda row: count(row.get("received_rows")), number=True),
        Column("pending", lambda row: count(row.get("pending_rows")), number=True),
        Column("clipped", lambda row: count(row.get("clipped_rows")), number=True),
    ))  # fmt: skip


def _details(status: Row) -> str:
    vocabulary, corpus, addresses = (_of(status, key) for key in ("vocabulary", "corpus", "addresses"))
    refused = {reason: n for reason, n in _of(status, "refusals").items() if n}
    return _list({
        "vocabulary": f"{count(vocabulary.get('words'))} words",
        "digest": f"<code>{short(vocabulary.get('digest'))}</code>",
        "corpus": size(corpus.get("bytes")),
        "tokens": count(corpus.get("tokens")),
        "gossip": f"<code>{text(addresses.get('listen'))}</code>{' (TLS)' if status.get('tls') else ''}",
        "refused": ", ".join(f"{text(reason)} {count(n)}" for reason, n in refused.items()) or "nothing",
        "cut off": ", ".join(text(each.get("origin")) for each in _cut_off(status)[:LISTED]) or "nobody",
    }, "card small")  # fmt: skip


def _cut_off(status: Row) -> list[Row]:
    origins = _rows(_of(status, "standing"), "origins")
    return [each for each in origins if finite(each.get("cut_off_seconds"))]


def _node(member: Row) -> str:
    return f"<code>{short(member.get('node'))}</code>{' (this one)' if member.get('self') else ''}"


def _condition(member: Row) -> str:
    return text(member.get("state")) if member.get("alive") else '<span class="bad">lost</span>'


def _list(values: Mapping[str, str], kind: str = "card") -> str:
    items = "".join(f"<div><dt>{title}</dt><dd>{value}</dd></div>" for title, value in values.items())
    return f'<section class="{kind}"><dl>{items}</dl></section>'


def _table(title: str, rows: Sequence[Any], columns: Sequence[Column]) -> str:
    if not rows:
        return f'<section class="card"><h2>{title}</h2><p class="soft">none yet</p></section>'
    lines = [_line("th", columns, [column.title for column in columns])]
    lines += [_line("td", columns, [column.cell(row) for column in columns]) for row in rows[:LISTED]]
    head = f'<h2>{title} <span class="soft">{len(rows)}</span></h2>'
    return f'<section class="card">{head}<table>{"".join(lines)}</table></section>'


def _line(tag: str, columns: Sequence[Column], cells: Sequence[str]) -> str:
    kinds = (' class="number"' if column.number else "" for column in columns)
    joined = "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
    return f"<tr>{joined}</tr>"


def _of(status: Row, key: str) -> Row:
    value = status.get(key)
    return value if isinstance(value, Mapping) else {}


def _rows(status: Row, key: str) -> Sequence[Any]:
    return list(status.get(key) or ())


def text(value: object, longest: int = LONGEST) -> str:
    """`value` well-formed, escaped for HTML text and attributes, and cut to a length that keeps the page readable."""
    return UNKNOWN if value in (None, "") else html.escape(well_formed(str(value)[:longest]))


def short(value: object) -> str:
    """The first 12 characters of an id, enough to tell nodes apart."""
    return text(None if value is None else str(value)[:12])
