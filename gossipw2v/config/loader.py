"""Reads a `Config` from flags, a TOML file and environment variables, in that order of precedence.

Every value of every source is checked, also one that a stronger source covers, and every problem is told at
once with where it came from.
"""

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from gossipw2v.config.address import Address, is_local
from gossipw2v.config.job import Job, Walks
from gossipw2v.config.node import Config
from gossipw2v.config.options import JOB_OPTIONS, OPTIONS, PREFIX, WALK_OPTIONS, Value, as_flag, known
from gossipw2v.config.secret import ADVICE, SecretError, read_secret

MAX_TOML_BYTES = 1 << 16  # ten times what can be set; stops at a device or a corpus given by mistake
FORMS = ("jsonl", "csv", "parquet", "plain")  # settings of which one at most can be right
MAX_DOTS = 8  # of bare keys and numbers in a line: tomllib takes memory and time with the square of a key's depth
BARE = re.compile(r"""#[^\n]*|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?""")  # what is not: comments and texts, also broken off
# Kubernetes puts these into every container beside a service called gossipw2v
FOREIGN_VARIABLE = re.compile(PREFIX + r"(SERVICE_|PORT$|PORT_\d)")
TEXT_ALONE = ("lines", "lowercase", "phrases", "tokenize")  # settings that mean nothing where a graph is walked
Source = Iterator[tuple[str, str, object]]  # origin for the reader of a message, field name, raw value


class ConfigError(ValueError):
    """Every problem of a configuration at once; `problems` holds a sentence each, with where it came from."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  - ".join([f"{count} in the configuration:", *problems]))


def load(
    flags: Mapping[str, object],
    path: Path | None,
    environ: Mapping[str, str] = os.environ,
    named: Callable[[str], str] = as_flag,
) -> Config:
    """Build one node's configuration; `flags` maps field names to what was typed (None: not given).

    Raises ConfigError with every problem of all three sources; `named` is what it calls a flag.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    wrong: set[str] = set()
    for source in (_from_environment(environ), _from_toml(path, problems), _from_flags(flags, named)):
        for origin, name, raw in source:
            try:
                values[name] = known(name).read(raw)
                origins[name] = origin
            except ValueError as error:
                problems.append(f"{origin}: {error}")
                wrong.add(name)
    given = _Given(values, origins)
    problems += [text for names, text in _contradictions(given) if wrong.isdisjoint(names)]
    if problems:
        raise ConfigError(problems)
    return _build(values, environ)


def find(name: str, flag: object, path: Path | None, environ: Mapping[str, str] = os.environ) -> Any:
    """The value of one field by the same precedence, or its default; other fields are not looked at.

    Raises ConfigError if it is wrong anywhere.
    """
    problems: list[str] = []
    value: Value | None = OPTIONS[name].default
    for source in (_from_environment(environ), _from_toml(path, problems), _from_flags({name: flag}, as_flag)):
        for origin, field, raw in source:
            if field == name:
                try:
                    value = OPTIONS[name].read(raw)
                except ValueError as error:
                    problems.append(f"{origin}: {error}")
    if problems:
        raise ConfigError(problems)
    return value


def _build(values: dict[str, Any], environ: Mapping[str, str]) -> Config:
    walks = Walks(**{o.name: values.pop(o.name) for o in WALK_OPTIONS if o.name in values})
    job = Job(**{o.name: values.pop(o.name) for o in JOB_OPTIONS if o.name in values})
    values.setdefault("corpus", ())
    if "from" in values:  # a keyword, which no field can be called
        values["init"] = values.pop("from")
    if "data_dir" not in values:  # not asked for in vain: a user without a home has no default
        values["data_dir"] = default_data_dir(job.job, environ)
    return Config(job=job, walks=walks, **values)


# --- the three sources --------------------------------------------------------------------------------------


def _from_flags(flags: Mapping[str, object], named: Callable[[str], str]) -> Source:
    for name, raw in flags.items():
        if raw is not None:
            yield named(name), name, raw


def _from_environment(environ: Mapping[str, str]) -> Source:
    for variable, raw in sorted(environ.items()):
        if not variable.startswith(PREFIX) or FOREIGN_VARIABLE.match(variable) or variable == PREFIX + "CONFIG":
            continue
        if raw:  # an empty variable is the usual way to unset one
            yield variable, variable.removeprefix(PREFIX).lower(), raw


def _from_toml(path: Path | None, problems: list[str]) -> Source:
    if path is None:
        return
    try:
        text = _text_of(path)
        table = _table_of(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        problems.append(f"{path}: {reason}")
        return
    for key, raw in table.items():
        yield f"{path}{_line_of(key, text)}, {key}", key, raw


def _text_of(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_TOML_BYTES + 1)
    if len(content) > MAX_TOML_BYTES:
        raise ValueError(f"more than {MAX_TOML_BYTES} bytes; is it a configuration file?")
    return content.decode("utf-8-sig")  # editors of other systems begin a file with a byte order mark


def _table_of(text: str) -> dict[str, object]:
    """Names and values; ValueError where they cannot be settings, before they cost more than a moment."""
    for number, line in enumerate(BARE.sub("", text).splitlines(), 1):
        if line.count(".") > MAX_DOTS:
            raise ValueError(f"line {number} is nested deeper than any setting")
    table = tomllib.loads(text)
    if len(table) > 2 * len(OPTIONS):
        raise ValueError(f"{len(table)} settings, but there are only {len(OPTIONS)}; is it a configuration file?")
    return table


def _line_of(key: str, text: str) -> str:
    """Where a key stands; tomllib does not tell. Nothing is better than a wrong line."""
    found = re.search(rf"^[ \t]*\[?[\"']?{re.escape(key)}[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    return f", line {text.count(chr(10), 0, found.start()) + 1}" if found else ""


# --- all values together ------------------------------------------------------------------------------------


class _Given(NamedTuple):
    values: dict[str, Any]
    origins: dict[str, str]

    def value(self, name: str) -> Any:
        return self.values.get(name, OPTIONS[name].default)

    def named(self, name: str) -> str:
        return f"{name} = {self.value(name)!r} ({self.origins.get(name, 'default')})"


def _contradictions(given: _Given) -> Iterator[tuple[set[str], str]]:
    """The fields concerned and what is wrong with them together; each is right by itself."""
    alone = given.value("peers") == ("none",)
    if not given.value("corpus") and not given.value("graph"):
        yield {"corpus"}, "corpus: this node has no text to train on; give --corpus PATH, or --graph EDGES"
    if given.value("corpus") and given.value("graph"):
        text = f"{given.named('graph')}, {given.named('corpus')}: a node trains the one or the other"
        yield {"corpus", "graph"}, text
    if given.value("graph_share") != OPTIONS["graph_share"].default and not given.value("graph"):
        yield {"graph", "graph_share"}, f"{given.named('graph_share')} needs graph"
    for name in TEXT_ALONE:
        if given.value("graph") and given.value(name) != OPTIONS[name].default:
            yield {"graph", name}, f"{given.named(name)} is about text; leave it out with graph"
    yield from _not_shared(given)
    forms = [name for name in FORMS if given.value(name)]
    if len(forms) > 1:
        yield set(forms), f"{', '.join(map(given.named, forms))}: a node's text has one form; give one of them"
    if given.value("min_alpha") > given.value("alpha"):
        yield {"alpha", "min_alpha"}, f"{given.named('min_alpha')} is above {given.named('alpha')}"
    if "none" in given.value("peers") and not alone:
        yield {"peers"}, f"{given.named('peers')}: 'none' stands alone"
    if alone and given.value("min_peers"):
        yield (
            {"peers", "min_peers"},
            f"{given.named('min_peers')} would wait for ever with {given.named('peers')}",
        )
    yield from _wrong_words(given)
    yield from _not_followed(given)
    if _same_socket(Address.parse(given.value("listen")), Address.parse(given.value("http"))):
        yield {"listen", "http"}, f"{given.named('listen')} and {given.named('http')} take the same port"
    if given.value("other_secret_file") is not None and given.value("secret_file") is None:
        yield {"secret_file", "other_secret_file"}, f"{given.named('other_secret_file')} needs secret_file"
    yield from _open_http(given)


def _wrong_words(given: _Given) -> Iterator[tuple[set[str], str]]:
    """What cannot be of the settings that say which words there are."""
    if given.value("max_vocab") == 1:
        yield {"max_vocab"}, f"{given.named('max_vocab')}: one word has no context to learn from"
    if given.value("vocab") is not None and given.value("phrases"):
        text = f"{given.named('phrases')} would make words that {given.named('vocab')} may not have; leave one out"
        yield {"vocab", "phrases"}, text


def _not_shared(given: _Given) -> Iterator[tuple[set[str], str]]:
    """What does not go with a text that all nodes have."""
    if not given.value("shared_corpus"):
        return
    if given.value("graph"):
        text = f"{given.named('shared_corpus')} is about text; nodes with one graph take parts of it by graph_share"
        yield {"graph", "shared_corpus"}, text
    if "-" in (given.value("corpus") or ()):
        yield {"corpus", "shared_corpus"}, f"{given.named('shared_corpus')}: standard input is this node's alone"
    if given.value("lines") == "whole":
        text = f"{given.named('shared_corpus')}, {given.named('lines')}: nobody looks at all lines of a shared text"
        yield {"lines", "shared_corpus"}, text


def _not_followed(given: _Given) -> Iterator[tuple[set[str], str]]:
    """What no new files can come of."""
    if not given.value("follow"):
        return
    if given.value("graph"):
        yield {"follow", "graph"}, f"{given.named('follow')} is about text; leave it out with graph"
    if given.value("shared_corpus"):
        text = f"{given.named('follow')} cannot know which node is to train a file that comes; leave one out"
        yield {"follow", "shared_corpus"}, f"{text}: {given.named('shared_corpus')}"
    if given.value("until_complete"):
        text = f"{given.named('until_complete')} would wait for ever with {given.named('follow')}; leave one out"
        yield {"follow", "until_complete"}, text
    if places := [place for place in given.value("corpus") or () if place == "-" or "://" in place]:
        yield {"follow", "corpus"}, f"{given.named('follow')} looks at files and folders here, not at {places[0]!r}"


def _open_http(given: _Given) -> Iterator[tuple[set[str], str]]:
    """What must not be while HTTP answers to others than this machine, or by one secret for everything."""
    token = given.value("http_token_file")
    if token is None and not is_local(Address.parse(given.value("http")).host):
        text = f"{given.named('http')} is open to other machines and needs http_token_file; {ADVICE}"
        yield {"http", "http_token_file"}, text
    if token is None:
        return
    for name in ("secret_file", "other_secret_file"):
        with suppress(SecretError):  # gone since it was checked: the node says so when it starts
            if (path := given.value(name)) is not None and read_secret(token) == read_secret(path):
                text = f"{name}, http_token_file: the token travels in clear, so it must not be the secret"
                yield {name, "http_token_file"}, text


def _same_socket(one: Address, other: Address) -> bool:
    everywhere = {"0.0.0.0", "::"}
    meet = one.host == other.host or bool(everywhere & {one.host, other.host})
    return meet and one.port == other.port != 0


def default_data_dir(job: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a node keeps its state unless told otherwise: systemd's folder, else by the XDG rules.

    ConfigError for a user without a home.
    """
    if state := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(state)
    home = Path(environ.get("XDG_DATA_HOME", ""))
    try:
        return (home if home.is_absolute() else Path.home() / ".local" / "share") / "gossipw2v" / job
    except RuntimeError:
        raise ConfigError(["data_dir: this user has no home folder; give --data-dir DIR"]) from None
