"""Every field of `Job`, `Walks` and `Config` as users meet it: its names, the values it takes, its entry in a file."""

import difflib
import json
import math
import os
import re
import textwrap
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args

from gossipw2v.config.fields import Between, OneOf
from gossipw2v.config.job import Job, Walks
from gossipw2v.config.node import Config

PREFIX = "GOSSIPW2V_"
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

# The first of a list like $PATH's; a colon in the head of a URL separates nothing
PLACE = re.compile(r"(?:[a-z][a-z0-9+]+://[^/:]*(?::\d+(?![^/:]))?)?[^:]*" if os.pathsep == ":" else r"[^;]*")

EXAMPLES = {  # of what has no default
    "corpus": ("/srv/gossipw2v",),
    "jsonl": "text",
    "csv": "text",
    "parquet": "text",
    "vocab": "/srv/words.txt",
    "from": "/srv/vectors.txt",
    "data_dir": "/var/lib/gossipw2v",
    "secret_file": "/etc/gossipw2v/secret",
    "other_secret_file": "/etc/gossipw2v/other-secret",
    "http_token_file": "/etc/gossipw2v/http-token",
}

Value = str | int | float | bool | tuple[str, ...] | Path


def as_flag(name: str) -> str:
    """`--vector-size` for `vector_size`."""
    return "--" + name.replace("_", "-")


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
        return as_flag(self.name)

    @property
    def variable(self) -> str:
        """`GOSSIPW2V_VECTOR_SIZE` for `vector_size`."""
        return PREFIX + self.name.upper()

    @property
    def limits(self) -> str:
        """What its values have to keep to, if that can be said in a few words: `1 to 255`; else empty."""
        return str(self.check) if isinstance(self.check, (Between, OneOf)) else ""

    def read(self, raw: object) -> Value:
        """The value in the field's own type, checked; ValueError says what is wrong with it."""
        value = _READERS[self.kind](raw, self)
        for item in value if isinstance(value, tuple) else (value,):
            self.check(item)
        return value


def _options(owner: type) -> tuple[Option, ...]:
    own = [f for f in fields(owner) if f.metadata]
    return tuple(_option(f) for f in own)


def _option(made: Field[Any]) -> Option:
    told = dict(made.metadata)
    name, default = told.pop("called", made.name), None if made.default is MISSING else made.default
    return Option(name, _kind(made.type), default, **told)


def _kind(declared: Any) -> Any:
    """What a value is when it is given: `Path` of `Path | None`."""
    return get_args(declared)[0] if isinstance(declared, UnionType) else declared


NODE_OPTIONS = _options(Config)
WALK_OPTIONS = _options(Walks)
JOB_OPTIONS = (*_options(Job), *WALK_OPTIONS)
OPTIONS = {option.name: option for option in (*NODE_OPTIONS, *JOB_OPTIONS)}


def known(name: str) -> Option:
    """The option of that name; ValueError if there is none, with the one that was likely meant."""
    if name in OPTIONS:
        return OPTIONS[name]
    close = difflib.get_close_matches(name, OPTIONS, n=1)
    raise ValueError("no such setting" + (f"; did you mean {close[0]!r}?" if close else ""))


def reference_toml() -> str:
    """`configs/lan.toml`: every field with its default, what it does, its unit, its bounds and the reason."""
    head = "# Every default of gossipw2v, for nodes on one local network. Flags override this file.\n"
    node, job = ("\n".join(map(_entry, options)) for options in (NODE_OPTIONS, JOB_OPTIONS))
    return f"{head}\n# This node.\n\n{node}\n# The job: the same on all nodes of a swarm.\n\n{job}"


def _entry(option: Option) -> str:
    limits = f"; {option.limits}" if option.limits else ""
    comments = [option.does, f"unit: {option.unit}{limits}", f"reason: {option.reason}"]
    prefix, value = ("# ", EXAMPLES[option.name]) if option.default is None else ("", option.default)
    line = f"{prefix}{option.name} = {json.dumps(value)}\n"  # JSON's texts, numbers and lists are TOML's too
    return "".join(f"# {comment}\n" for comment in comments) + line


# --- the kinds of values -------------------------------------------------------------------------------------


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
    """A list, or one text that is split as $PATH is, but not within URLs (paths), or at commas (others)."""
    paths = option.unit == "paths"
    if isinstance(raw, str):
        raw = _places(raw) if paths else raw.split(",")
    empty = not raw and option.default != ()  # where none is the default, none may be said
    if not isinstance(raw, (list, tuple)) or empty or not all(isinstance(item, str) for item in raw):
        raise _is_not(raw, "a list of texts")
    items = dict.fromkeys(_home(item) if paths else item.strip() for item in raw)
    return tuple(items)


def _places(raw: str) -> list[str]:
    found, at = [], 0
    while at <= len(raw):
        place = PLACE.match(raw, at)
        assert place is not None  # nothing is a place, too
        found.append(place[0])
        at = place.end() + 1
    return found


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
