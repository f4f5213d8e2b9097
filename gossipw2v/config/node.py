"""What can be set of one node, once: every field with its bounds, its unit, what it does and why.

Flags, TOML keys, environment variables and `configs/lan.toml` are all derived from the fields of `Job` and
`Config`; `settings` reads them. Nothing here imports a heavy library: `--help` and a mistake answer at once.
"""

from dataclasses import MISSING, dataclass, field
from pathlib import Path

from gossipw2v.config.address import HOST_NAME, PORT, Address, is_source, parse_ban
from gossipw2v.config.encoding import UTF_8, check_encoding
from gossipw2v.config.fields import Between, OneOf, setting
from gossipw2v.config.job import Job, Walks
from gossipw2v.config.secret import read_secret

HTTP_PORT = 7412
MOST_SHARES = 4096  # nodes that walk one graph together
MOST_FIELD = 1000  # characters of a field's or column's name


def _peer(value: str) -> None:
    if value not in ("auto", "none") and not is_source(value) and Address.parse(value).port == 0:
        raise ValueError(f"{value!r}: a peer's port cannot be 0")


def _path(value: str | Path) -> None:
    if not str(value).strip() or "\0" in str(value):
        raise ValueError(f"{str(value)[:80]!r} is not a path")


def _field(value: str) -> None:
    if not 0 < len(value) <= MOST_FIELD or "\0" in value:
        raise ValueError(f"{value[:80]!r} is not the name of a field or column")


def _secret_file(value: str | Path) -> None:
    _path(value)
    read_secret(Path(value))


def _host_name(value: str) -> None:
    if not HOST_NAME.fullmatch(value):
        raise ValueError(f"{value[:80]!r} is not a host name")


def parse_share(value: str) -> tuple[int, int]:
    """(i, n) of `I/N`. ValueError."""
    part, _, parts = value.partition("/")
    if not (part.isascii() and parts.isascii() and part.isdigit() and parts.isdigit() and len(value) < 10):
        raise ValueError(f"{value[:80]!r} is not I/N, such as 1/4")
    if not 1 <= int(part) <= int(parts) <= MOST_SHARES:
        raise ValueError(f"{value!r} is no share: 1/N to N/N, with N up to {MOST_SHARES}")
    return int(part), int(parts)


@dataclass(frozen=True, kw_only=True)
class Config:
    """One node. Only `job` has to be the same everywhere."""

    corpus: tuple[str, ...] = setting(
        MISSING,
        _path,
        "paths",
        "this node's text: files, folders, globs, URLs (s3://, gs://, hdfs://, https://), or - for standard input; a "
        "line is a sentence",
        "every node brings its own; there is nothing to guess",
    )
    graph: tuple[str, ...] = setting(
        (),
        _path,
        "paths",
        "instead of text, files with the edges of a graph, on which walks are trained: two columns of nodes, or three "
        "with weights",
        "a node trains text or walks; configs/graph.toml has what suits walks",
    )
    graph_share: str = setting(
        "1/1",
        parse_share,
        "I/N",
        "of N nodes that have the same graph this is the I-th: it walks from that part of the graph's nodes",
        "a node walks from every node of its graph",
    )
    encoding: str = setting(
        UTF_8,
        check_encoding,
        "name",
        "encoding of this node's text, such as cp1252, gb18030, shift_jis or utf-16-le; words are UTF-8 everywhere",
        "other text is refused where it cannot be UTF-8, since nothing says for certain what it is",
    )
    jsonl: str | None = setting(
        None,
        _field,
        "field",
        "the text is JSON lines, and this field of each holds a text or a list of words; a.b is b in a",
        "plain text needs none of the three",
    )
    csv: str | None = setting(
        None,
        _field,
        "column",
        "the text is CSV (commas, tabs or semicolons), and this column holds it: a name of the first row, or a number "
        "from 1 where there are no names",
        "plain text needs none of the three",
    )
    parquet: str | None = setting(
        None,
        _field,
        "column",
        "the text is in Parquet files, and this column holds it: strings, or lists of words; needs gossipw2v[data]",
        "plain text needs none of the three",
    )
    plain: bool = setting(
        False,
        bool,
        "true or false",
        "take files for plain text that look like JSON lines or a table, which are refused otherwise",
        "field names would become the commonest words",
    )
    vocab: Path | None = setting(  # noqa: RUF009 (the call makes a field)
        None,
        _path,
        "path",
        "file with all words that there may be, one a line, or each with a count; part of the job, by its content",
        "the text brings the words; a public list keeps all others on their node",
    )
    init: Path | None = setting(  # noqa: RUF009 (the call makes a field)
        None,
        _path,
        "path",
        "file of vectors, or another node's data directory, from which words that are in it start; part of the job, by "
        "its content",
        "words start from small random vectors; what was trained before need not be learned again",
        called="from",
    )
    peers: tuple[str, ...] = setting(
        ("auto",),
        _peer,
        "addresses",
        "auto (nodes found on this network), HOST:PORT of a node, dns:NAME (all of its addresses), file:PATH (a node a "
        "line), slurm: (the hosts of this job, at the port that this node listens at), or none",
        "a local network needs no list; elsewhere one node that answers is enough to meet all",
    )
    data_dir: Path = setting(  # noqa: RUF009 (the call makes a field)
        MISSING,
        _path,
        "path",
        "folder for what must survive a restart",
        "$STATE_DIRECTORY under systemd, else gossipw2v/JOB in the user's data folder",
    )
    listen: str = setting(
        f"0.0.0.0:{PORT}",
        Address.parse,
        "HOST:PORT",
        "where other nodes connect; port 0 takes a free one, [::]:7411 is for networks with IPv6 alone",
        "other machines must reach it; without secret_file nothing is encrypted and the network must be trusted",
    )
    secret_file: Path | None = setting(  # noqa: RUF009 (the call makes a field)
        None,
        _secret_file,
        "path",
        "file with the swarm's secret, the same on all its nodes; only who holds it can connect, by TLS 1.3",
        "there is none to begin with; 32 characters or more, open to its owner alone (mode 0600)",
    )
    other_secret_file: Path | None = setting(  # noqa: RUF009 (the call makes a field)
        None,
        _secret_file,
        "path",
        "file with a second secret whose holders are let in too, while the swarm changes from one to the other",
        "one secret is enough; a swarm that changes it node by node needs both for a while",
    )
    http: str = setting(
        f"127.0.0.1:{HTTP_PORT}",
        Address.parse,
        "HOST:PORT",
        "where status, metrics and export answer; port 0 takes a free one",
        "whoever reads it sees the model, so only this machine may; any other address needs http_token_file",
    )
    http_token_file: Path | None = setting(  # noqa: RUF009 (the call makes a field)
        None,
        _secret_file,
        "path",
        "file with the token that every HTTP request has to carry, as bearer or as a browser's password",
        "this machine's users are trusted; 32 characters or more, open to its owner alone (mode 0600)",
    )
    http_names: tuple[str, ...] = setting(
        (),
        _host_name,
        "names",
        "host names by which browsers may call the HTTP side, besides localhost and IP addresses",
        "a name that anybody may choose lets a foreign page read this node (DNS rebinding)",
    )
    min_peers: int = setting(
        0,
        Between(0, 10_000),
        "nodes",
        "other nodes that must have counted before the vocabulary is frozen",
        "0 never waits: a node that finds nobody trains alone, and later ones join it",
    )
    until_complete: bool = setting(
        False,
        bool,
        "true or false",
        "leave with exit code 0 when the swarm is done",
        "a service stays up and serves the result",
    )
    threads: int = setting(
        0,
        Between(0, 1024),
        "threads",
        "training threads; 0 is one for each core this process may use",
        "training takes every core there is; the network needs little of one",
    )
    settle_seconds: float = setting(
        3.0,
        Between(0, 3600),
        "seconds",
        "quiet time without a new node before the vocabulary is frozen",
        "discovery on a local network takes about 2 s; words only later nodes know are left out",
    )
    exchange_interval: float = setting(
        0.03,
        Between(0.001, 3600),
        "seconds",
        "shortest time from one exchange on a link to the next",
        "a run of seconds needs some 100 exchanges; long runs, slow links and busy machines stretch it by themselves",
    )
    exchange_rows: int = setting(
        16_384,
        Between(1, 262_144),
        "rows",
        "rows that each end puts into one exchange at most",
        "1.2 MB at 128 dimensions; half as many cost two thirds of the bytes and a point of SimLex",
    )
    max_bandwidth: float = setting(
        0.0,
        Between(0, 1_000_000),
        "Mbit/s",
        "most that exchanges take of the link to this node's parent, each way, on average; 0 is no limit",
        "a local network is there to be used; a low limit makes exchanges rarer, and the nodes' models differ more",
    )
    merge_share: float = setting(
        0.1,
        Between(0.01, 1),
        "share of CPU time",
        "most that merging may take of what this node's training and merging use together; 1 is no limit",
        "a run of seconds takes more, as it needs every row: kept to a tenth, it lost seven points of word similarity",
    )
    children: int = setting(
        4,
        Between(1, 64),
        "links",
        "nodes that may link below this one",
        "each costs a copy of the model; 4 keep 300 nodes within five steps of the root",
    )
    max_row_move: float = setting(
        100.0,
        Between(0, 1e9),
        "lengths",
        "furthest that another node may move a row in one exchange; 0 is no limit",
        "skip-gram moves none by more than 6, CBOW by 20, also when a node joins; raise it with alpha",
    )
    row_budget: float = setting(
        200_000.0,
        Between(0, 1e9),
        "lengths an hour",
        "most that another machine may move a row in any hour, all exchanges together; 0 is no limit",
        "five times what the busiest row of a long run takes; status shows how much of it links use, so lower it",
    )
    ban: tuple[str, ...] = setting(
        (),
        parse_ban,
        "addresses",
        "IP addresses, networks (10.0.0.0/24) and node ids with which this node has nothing to do",
        "nobody is banned; who breaks the protocol is cut off for growing times without it",
    )
    held_out: float = setting(
        0.002,
        Between(0, 0.5),
        "share of the text",
        "sentences kept out of training, 200,000 words at most, to measure the loss on; 0 keeps none out",
        "the loss of training itself may rise while vectors get better; so little text is not missed",
    )
    probe: tuple[str, ...] = setting(
        (),
        _path,
        "files",
        "test sets of pairs or analogies on which the model is scored at each checkpoint, beside training",
        "none fits all languages; what is scored while a node trains need not be exported first",
    )
    follow: bool = setting(
        False,
        bool,
        "true or false",
        "look for new files in the text's folders, and train them as they come, once the job is done",
        "text is read once; a service whose folder fills goes on with this; new words become the model's, unless "
        "phrases or a list of words fix them",
    )
    replay: float = setting(
        0.5,
        Between(0, 0.9),
        "share",
        "share of old text among new, where a job that was done goes on with new text",
        "new text alone makes a model forget the old",
    )
    checkpoint_interval: float = setting(
        60.0,
        Between(0.1, 86_400),
        "seconds",
        "pause between two checkpoints in the data directory",
        "a killed node loses at most what it trained in one, and of that nothing that others have merged",
    )
    fresh: bool = setting(
        False,
        bool,
        "true or false",
        "start over, and keep the checkpoints of the data directory under other names",
        "for one start on the command line: in a service's settings it would give up all work at each restart",
    )
    lost_patience: float = setting(
        60.0,
        Between(0, 86_400),
        "seconds",
        "time that a node waits before it takes the job for done, if it lost half of the swarm or more at once",
        "it may be the one whose cable was pulled; those who left in order, or were done, are not waited for",
    )
    log_level: str = setting(
        "info",
        OneOf(("debug", "info", "warning", "error")),
        "level",
        "least important line to log",
        "what a person wants to know and no more",
    )
    log_format: str = setting(
        "auto",
        OneOf(("auto", "text", "json")),
        "format",
        "auto is text on a terminal and JSON elsewhere",
        "people and programs are both served without asking",
    )
    job: Job = field(default_factory=Job)
    walks: Walks = field(default_factory=Walks)
