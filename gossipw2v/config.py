"""What can be set, once: every field with its bounds, its unit, what it does and the reason for its default.

Flags, TOML keys, environment variables and `configs/lan.toml` are all derived from the fields of `Job` and
`Config`; `settings` reads them. Nothing here imports a heavy library: `--help` and a mistake answer at once.
"""

import re
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, field
from pathlib import Path
from typing import Any

from gossipw2v.address import HOST_NAME, PORT, Address, is_source
from gossipw2v.secret import read_secret
from gossipw2v.standing import parse_ban

HTTP_PORT = 7412
JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # also a folder, and in discovery records


class ConfigError(ValueError):
    """Every problem of a configuration at once; `problems` holds a sentence each, with where it came from."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  - ".join([f"{count} in the configuration:", *problems]))


@dataclass(frozen=True)
class Between:
    """Bounds of a number, both included; "not a number" is outside."""

    low: float
    high: float

    def __call__(self, value: float) -> None:
        if not self.low <= value <= self.high:
            raise ValueError(f"{value} is out of bounds: {self}")

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True)
class OneOf:
    """The words a field may hold."""

    words: tuple[str, ...]

    def __call__(self, value: str) -> None:
        if value not in self.words:
            raise ValueError(f"{value[:80]!r} is none of {self}")

    def __str__(self) -> str:
        return ", ".join(self.words)


def _job_name(value: str) -> None:
    if not JOB_NAME.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is not a job's name: letters, digits, '.', '_', '-', at most 64")


def _peer(value: str) -> None:
    if value not in ("auto", "none") and not is_source(value) and Address.parse(value).port == 0:
        raise ValueError(f"{value!r}: a peer's port cannot be 0")


def _path(value: str | Path) -> None:
    if not str(value).strip() or "\0" in str(value):
        raise ValueError(f"{str(value)[:80]!r} is not a path")


def _secret_file(value: str | Path) -> None:
    _path(value)
    read_secret(Path(value))


def _host_name(value: str) -> None:
    if not HOST_NAME.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is not a host name")


def _set(default: Any, check: Callable[[Any], object], unit: str, does: str, reason: str) -> Any:
    """A field and what `settings` needs of it; MISSING as default makes it required here."""
    return field(default=default, metadata={"check": check, "unit": unit, "does": does, "reason": reason})


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained, equal on all nodes of a swarm: it travels in the handshake."""

    job: str = _set(
        "default",
        _job_name,
        "name",
        "name of the job",
        "nodes of other names on the same network are left alone",
    )
    vector_size: int = _set(
        128,
        Between(1, 4096),
        "dimensions",
        "length of a word vector",
        "enough for corpora below a billion words; memory and traffic grow with it",
    )
    sg: int = _set(
        1,
        Between(0, 1),
        "choice",
        "1 is skip-gram, 0 is CBOW (the mean of the window predicts the word)",
        "skip-gram gives better vectors and is faster here; CBOW wants an alpha of 0.05",
    )
    window: int = _set(
        5,
        Between(1, 255),
        "words",
        "furthest context word on either side",
        "word2vec's; smaller favours syntax, larger favours topics",
    )
    negative: int = _set(
        5,
        Between(1, 255),
        "words",
        "noise words for each pair",
        "word2vec's; 5 to 20 for small corpora, 2 to 5 for large ones",
    )
    sample: float = _set(
        1e-4,
        Between(0, 1),
        "share of all tokens",
        "frequency above which a word is thinned out; 0 keeps every token",
        "the commonest words cost most of the time and teach least",
    )
    min_count: int = _set(
        5,
        Between(1, 10**9),
        "occurrences",
        "words rarer than this in the whole swarm are dropped",
        "a word met fewer times learns nothing of use",
    )
    max_vocab: int = _set(
        0,
        Between(0, 2**29),
        "words",
        "keep only this many of the most frequent words; 0 keeps all",
        "set it to bound memory: a word costs 8 bytes a dimension, and as much again for each link",
    )
    alpha: float = _set(
        0.025,
        Between(1e-6, 1),
        "step",
        "learning rate at the start",
        "word2vec's; it falls with the progress of the whole swarm",
    )
    min_alpha: float = _set(
        0.0001,
        Between(0, 1),
        "step",
        "learning rate at the end",
        "word2vec's; never above alpha",
    )
    epochs: int = _set(
        3,
        Between(1, 10_000),
        "passes",
        "times every token is trained",
        "more passes gain little once a corpus has tens of millions of tokens",
    )
    seed: int = _set(
        1,
        Between(0, 2**32 - 1),
        "number",
        "seed of the first vectors",
        "every node starts from the same vectors without sending them",
    )
    ns_exponent: float = _set(
        0.75,
        Between(-2, 2),
        "power",
        "noise words are drawn by frequency to this power",
        "word2vec's for text; recommenders do better near or below 0",
    )


@dataclass(frozen=True, kw_only=True)
class Config:
    """One node. Only `job` has to be the same everywhere."""

    corpus: tuple[str, ...] = _set(
        MISSING,
        _path,
        "paths",
        "this node's text: files, folders, globs",
        "every node brings its own; there is nothing to guess",
    )
    peers: tuple[str, ...] = _set(
        ("auto",),
        _peer,
        "addresses",
        "auto (nodes found on this network), HOST:PORT of a node, dns:NAME (all of its addresses), file:PATH (a node a "
        "line), or none",
        "a local network needs no list; elsewhere one node that answers is enough to meet all",
    )
    data_dir: Path = _set(  # noqa: RUF009 (the call makes a field)
        MISSING,
        _path,
        "path",
        "folder for what must survive a restart",
        "$STATE_DIRECTORY under systemd, else gossipw2v/JOB in the user's data folder",
    )
    listen: str = _set(
        f"0.0.0.0:{PORT}",
        Address.parse,
        "HOST:PORT",
        "where other nodes connect; port 0 takes a free one, [::]:7411 is for networks with IPv6 alone",
        "other machines must reach it; without secret_file nothing is encrypted and the network must be trusted",
    )
    secret_file: Path | None = _set(  # noqa: RUF009 (the call makes a field)
        None,
        _secret_file,
        "path",
        "file with the swarm's secret, the same on all its nodes; only who holds it can connect, by TLS 1.3",
        "there is none to begin with; 32 characters or more, open to its owner alone (mode 0600)",
    )
    other_secret_file: Path | None = _set(  # noqa: RUF009 (the call makes a field)
        None,
        _secret_file,
        "path",
        "file with a second secret whose holders are let in too, while the swarm changes from one to the other",
        "one secret is enough; a swarm that changes it node by node needs both for a while",
    )
    http: str = _set(
        f"127.0.0.1:{HTTP_PORT}",
        Address.parse,
        "HOST:PORT",
        "where status, metrics and export answer; port 0 takes a free one",
        "whoever reads it sees the model, so only this machine may; any other address needs http_token_file",
    )
    http_token_file: Path | None = _set(  # noqa: RUF009 (the call makes a field)
        None,
        _secret_file,
        "path",
        "file with the token that every HTTP request has to carry, as bearer or as a browser's password",
        "this machine's users are trusted; 32 characters or more, open to its owner alone (mode 0600)",
    )
    http_names: tuple[str, ...] = _set(
        (),
        _host_name,
        "names",
        "host names by which browsers may call the HTTP side, besides localhost and IP addresses",
        "a name that anybody may choose lets a foreign page read this node (DNS rebinding)",
    )
    min_peers: int = _set(
        0,
        Between(0, 10_000),
        "nodes",
        "other nodes that must have counted before the vocabulary is frozen",
        "0 never waits: a node that finds nobody trains alone, and later ones join it",
    )
    until_complete: bool = _set(
        False,
        bool,
        "true or false",
        "leave with exit code 0 when the swarm is done",
        "a service stays up and serves the result",
    )
    threads: int = _set(
        0,
        Between(0, 1024),
        "threads",
        "training threads; 0 is one for each core this process may use",
        "training takes every core there is; the network needs little of one",
    )
    settle_seconds: float = _set(
        3.0,
        Between(0, 3600),
        "seconds",
        "quiet time without a new node before the vocabulary is frozen",
        "discovery on a local network takes about 2 s; words only later nodes know are left out",
    )
    exchange_interval: float = _set(
        0.03,
        Between(0.001, 3600),
        "seconds",
        "shortest time from one exchange on a link to the next",
        "a run of seconds needs some 100 exchanges; long runs, slow links and busy machines stretch it by themselves",
    )
    exchange_rows: int = _set(
        16_384,
        Between(1, 262_144),
        "rows",
        "rows that each end puts into one exchange at most",
        "1.2 MB at 128 dimensions; half as many cost two thirds of the bytes and a point of SimLex",
    )
    max_bandwidth: float = _set(
        0.0,
        Between(0, 1_000_000),
        "Mbit/s",
        "most that exchanges take of the link to this node's parent, each way, on average; 0 is no limit",
        "a local network is there to be used; a low limit makes exchanges rarer, and the nodes' models differ more",
    )
    merge_share: float = _set(
        1.0,
        Between(0.01, 1),
        "share of CPU time",
        "most that merging may take of what this node's training and merging use together; 1 is no limit",
        "a run of seconds needs its exchanges, or loses six points of analogy; long runs come nowhere near it",
    )
    children: int = _set(
        4,
        Between(1, 64),
        "links",
        "nodes that may link below this one",
        "each costs a copy of the model; 4 keep 300 nodes within five steps of the root",
    )
    max_row_move: float = _set(
        100.0,
        Between(0, 1e9),
        "lengths",
        "furthest that another node may move a row in one exchange; 0 is no limit",
        "skip-gram moves none by more than 6, CBOW by 20, also when a node joins; raise it with alpha",
    )
    row_budget: float = _set(
        200_000.0,
        Between(0, 1e9),
        "lengths an hour",
        "most that another machine may move a row in any hour, all exchanges together; 0 is no limit",
        "five times what the busiest row of a long run takes; status shows how much of it links use, so lower it",
    )
    ban: tuple[str, ...] = _set(
        (),
        parse_ban,
        "addresses",
        "IP addresses, networks (10.0.0.0/24) and node ids with which this node has nothing to do",
        "nobody is banned; who breaks the protocol is cut off for growing times without it",
    )
    checkpoint_interval: float = _set(
        60.0,
        Between(0.1, 86_400),
        "seconds",
        "pause between two checkpoints in the data directory",
        "a killed node loses at most what it trained in one, and of that nothing that others have merged",
    )
    fresh: bool = _set(
        False,
        bool,
        "true or false",
        "start over, and keep the checkpoints of the data directory under other names",
        "for one start on the command line: in a service's settings it would give up all work at each restart",
    )
    lost_patience: float = _set(
        60.0,
        Between(0, 86_400),
        "seconds",
        "time that a node waits before it takes the job for done, if it lost half of the swarm or more at once",
        "it may be the one whose cable was pulled; those who left in order, or were done, are not waited for",
    )
    log_level: str = _set(
        "info",
        OneOf(("debug", "info", "warning", "error")),
        "level",
        "least important line to log",
        "what a person wants to know and no more",
    )
    log_format: str = _set(
        "auto",
        OneOf(("auto", "text", "json")),
        "format",
        "auto is text on a terminal and JSON elsewhere",
        "people and programs are both served without asking",
    )
    job: Job = field(default_factory=Job)


def job_fields(job: Job) -> dict[str, str | int | float]:
    """The job as the handshake sends it: field name to scalar, in the order of the class."""
    return asdict(job)
