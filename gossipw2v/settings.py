"""Reads a `Config` from flags, a TOML file and environment variables, in that order of precedence.

Every value of every source is checked, also one that a stronger source covers, and every problem is told at
once with where it came from. `reference_toml` writes what is in `configs/lan.toml`.
"""

import difflib
import json
import math
import os
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args

from gossipw2v.address import Address, is_local
from gossipw2v.config import Between, Config, ConfigError, Job, OneOf
from gossipw2v.secret import ADVICE, SecretError, read_secret

MAX_TOML_BYTES = 1 << 16  # ten times what can be set; stops at a device or a corpus given by mistake
MAX_DOTS = 8  # of bare keys and numbers in a line: tomllib takes memory and time with the square of a key's depth
BARE = re.compile(r"""#[^\n]*|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?""")  # what is not: comments and texts, also broken off
PREFIX = "GOSSIPW2V_"
# Kubernetes puts these into every container beside a service called gossipw2v
FOREIGN_VARIABLE = re.compile(PREFIX + r"(SERVICE_|PORT$|PORT_\d)")
TRUTH = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}

EXAMPLES = {  # of what has no default
    "corpus": ("/srv/gossipw2v",),
    "data_dir": "/var/lib/gossipw2v",
    "secret_file": "/etc/gossipw2v/secret",
    "other_secret_file": "/etc/gossipw2v/other-secret",
    "http_token_file": "/etc/gossipw2v/http-token",
}

Value = str | int | float | bool | tuple[str, ...] | Path
Source = Iterator[tuple[str, str, object]]  # origin for the reader of a message, field name, raw value


class Option(NamedTuple):
    """One field as users meet it. `default` is None if there is none or the machine decides it."""

    name: str
    kind: Any
    default: Value | None
    check: Callable[[Any], object]
    unit: str
    does: str
    reason: str

    @property
    def flag(self) -> str:
        """`--vector-size` for `vector_size`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """`GOSSIPW2V_VECTOR_SIZE` for `vector_size`."""
        return PREFIX + self.name.upper()


def _options(owner: type) -> tuple[Option, ...]:
    own = [f for f in fields(owner) if f.metadata]
    return tuple(Option(f.name, _kind(f.type), None if f.default is MISSING else f.default, **f.metadata) for f in own)


def _kind(declared: Any) -> Any:
    """What a value is when it is given: `Path` of `Path | None`."""
    return get_args(declared)[0] if isinstance(declared, UnionType) else declared


NODE_OPTIONS = _options(Config)
JOB_OPTIONS = _options(Job)
OPTIONS = {option.name: option for option in (*NODE_OPTIONS, *JOB_OPTIONS)}


def load(flags: Mapping[str, object], path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Build one node's configuration; `flags` maps field names to what was typed (None: not given).

    Raises ConfigError with every problem of all three sources.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    wrong: set[str] = set()
    for source in (_from_environment(environ), _from_toml(path, problems), _from_flags(flags)):
        for origin, name, raw in source:
            try:
                values[name] = _convert(_known(name), raw)
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
    for source in (_from_environment(environ), _from_toml(path, problems), _from_flags({name: flag})):
        for origin, field, raw in source:
            if field == name:
                try:
                    value = _convert(OPTIONS[name], raw)
                except ValueError as error:
                    problems.append(f"{origin}: {error}")
    if problems:
        raise ConfigError(problems)
    return value


def _build(values: dict[str, Any], environ: Mapping[str, str]) -> Config:
    job = Job(**{o.name: values.pop(o.name) for o in JOB_OPTIONS if o.name in values})
    values.setdefault("data_dir", default_data_dir(job.job, environ))
    return Config(job=job, **values)


# --- the three sources --------------------------------------------------------------------------------------


def _from_flags(flags: Mapping[str, object]) -> Source:
    for name, raw in flags.items():
        if raw is not None:
            yield "--" + name.replace("_", "-"), name, raw


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


# --- one value ----------------------------------------------------------------------------------------------


def _known(name: str) -> Option:
    if name in OPTIONS:
        return OPTIONS[name]
    close = difflib.get_close_matches(name, OPTIONS, n=1)
    raise ValueError("no such setting" + (f"; did you mean {close[0]!r}?" if close else ""))


def _convert(option: Option, raw: object) -> Value:
    """The value in the field's own type, checked; ValueError says what is wrong with it."""
    value = _READERS[option.kind](raw, option)
    for item in value if isinstance(value, tuple) else (value,):
        option.check(item)
    return value


def _read_text(raw: object, _: Option) -> str:
    if not isinstance(raw, str):
        raise _is_not(raw, "text in quotes")
    return raw


def _read_bool(raw: object, _: Option) -> bool:
    value = TRUTH.get(raw.lower()) if isinstance(raw, str) else raw
    if not isinstance(value, bool):
        raise _is_not(raw, "true or false")
    return value


def _read_int(raw: object, _: Option) -> int:
    try:
        value = int(raw) if isinstance(raw, str) else raw
    except ValueError:
        value = None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _is_not(raw, "a whole number")
    return value


def _read_float(raw: object, _: Option) -> float:
    try:
        value = float(raw) if isinstance(raw, (str, int)) and not isinstance(raw, bool) else raw
    except (ValueError, OverflowError):
        value = None
    if not isinstance(value, float) or not math.isfinite(value):
        raise _is_not(raw, "a finite number")
    return value + 0.0  # -0.0 becomes 0.0, lest two equal jobs have two digests


def _read_list(raw: object, option: Option) -> tuple[str, ...]:
    """A list, or one text that is split as $PATH is (corpus) or at commas (others)."""
    paths = option.name == "corpus"
    if isinstance(raw, str):
        raw = raw.split(os.pathsep if paths else ",")
    empty = not raw and option.default != ()  # where none is the default, none may be said
    if not isinstance(raw, (list, tuple)) or empty or not all(isinstance(item, str) for item in raw):
        raise _is_not(raw, "a list of texts")
    items = dict.fromkeys(_home(item) if paths else item.strip() for item in raw)
    return tuple(items)


def _read_path(raw: object, option: Option) -> Path:
    text = _read_text(raw, option)
    option.check(_home(text))  # Path("") would be the working folder
    return Path(_home(text))


def _home(text: str) -> str:
    """`~` as a shell reads it: neither TOML nor the environment went through one."""
    try:
        return str(Path(text).expanduser()) if text.startswith("~") else text
    except RuntimeError:
        raise ValueError(f"{text[:80]!r}: there is no such home folder") from None


def _is_not(raw: object, wanted: str) -> ValueError:
    return ValueError(f"{textwrap.shorten(repr(raw), 80)} is not {wanted}")


_READERS: dict[Any, Callable[[object, Option], Value]] = {
    str: _read_text,
    bool: _read_bool,
    int: _read_int,
    float: _read_float,
    Path: _read_path,
    tuple[str, ...]: _read_list,
}


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
    if not given.value("corpus"):
        yield {"corpus"}, "corpus: this node has no text to train on; give --corpus PATH"
    if given.value("min_alpha") > given.value("alpha"):
        yield {"alpha", "min_alpha"}, f"{given.named('min_alpha')} is above {given.named('alpha')}"
    if "none" in given.value("peers") and not alone:
        yield {"peers"}, f"{given.named('peers')}: 'none' stands alone"
    if alone and given.value("min_peers"):
        yield (
            {"peers", "min_peers"},
            f"{given.named('min_peers')} would wait for ever with {given.named('peers')}",
        )
    if given.value("max_vocab") == 1:
        yield {"max_vocab"}, f"{given.named('max_vocab')}: one word has no context to learn from"
    if _same_socket(Address.parse(given.value("listen")), Address.parse(given.value("http"))):
        yield {"listen", "http"}, f"{given.named('listen')} and {given.named('http')} take the same port"
    if given.value("other_secret_file") is not None and given.value("secret_file") is None:
        yield {"secret_file", "other_secret_file"}, f"{given.named('other_secret_file')} needs secret_file"
    yield from _open_http(given)


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
    """Where a node keeps its state unless told otherwise: systemd's folder, else by the XDG rules."""
    if state := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(state)
    home = Path(environ.get("XDG_DATA_HOME", ""))
    return (home if home.is_absolute() else Path.home() / ".local" / "share") / "gossipw2v" / job


# --- the file with every default ----------------------------------------------------------------------------


def reference_toml() -> str:
    """`configs/lan.toml`: every field with its default, what it does, its unit, its bounds and the reason."""
    head = "# Every default of gossipw2v, for nodes on one local network. Flags override this file.\n"
    node, job = ("\n".join(map(_entry, options)) for options in (NODE_OPTIONS, JOB_OPTIONS))
    return f"{head}\n# This node.\n\n{node}\n# The job: the same on all nodes of a swarm.\n\n{job}"


def _entry(option: Option) -> str:
    limits = f"; {option.check}" if isinstance(option.check, (Between, OneOf)) else ""
    comments = [option.does, f"unit: {option.unit}{limits}", f"reason: {option.reason}"]
    prefix, value = ("# ", EXAMPLES[option.name]) if option.default is None else ("", option.default)
    line = f"{prefix}{option.name} = {json.dumps(value)}\n"  # JSON's texts, numbers and lists are TOML's too
    return "".join(f"# {comment}\n" for comment in comments) + line
