"""What may say how text is divided into words: white space, or a regular expression that cannot run for ever.

Python matches regular expressions by trying, and holds its lock while it does: a pattern that tries each of 2^n ways
would stop a whole node. Those that can are told by their form, and refused.
"""

import re
import re._parser as sre  # type: ignore[import-not-found]  # what `re` itself parses with; typeshed does not know it
from re import _constants as op  # type: ignore[attr-defined]  # as above
from typing import Any

WHITESPACE = "whitespace"
MOST_CHARACTERS = 100  # of a pattern: it travels in the handshake
REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT)
ATOMIC = (op.POSSESSIVE_REPEAT, op.ATOMIC_GROUP)

_ADVICE = "write a possessive one inside (`\\w++` for `\\w+`), or one set of characters (`[\\w']+`)"


def check_tokenize(value: str) -> None:
    """ValueError unless `value` is `whitespace`, or a pattern whose matches can be words and be found in time."""
    if value == WHITESPACE:
        return
    if not 0 < len(value) <= MOST_CHARACTERS:
        raise ValueError(f"{value[:40]!r} has {len(value)} characters; 1 to {MOST_CHARACTERS} are allowed")
    try:
        pattern = re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{value!r} is neither `{WHITESPACE}` nor a regular expression: {error}") from error
    if pattern.groups > 1:
        raise ValueError(f"{value!r} has {pattern.groups} groups: which is the word? Write the others as (?:...)")
    if (why := _endless(sre.parse(value), False)) is not None:
        raise ValueError(f"{value!r} may take for ever on some text: {why}")


def _endless(items: Any, repeated: bool) -> str | None:
    """Why matching `items`, which may be inside a repetition, could take time exponential in a text's length."""
    for kind, argument in items:
        if kind in (op.GROUPREF, op.GROUPREF_EXISTS):
            return "it refers back to a group"
        if kind in REPEATS:
            least, most, _ = argument
            if repeated and least != most:
                return f"a repetition is inside another: {_ADVICE}"
            inside = repeated or most > 1
        elif kind is op.BRANCH and repeated:
            return f"alternatives are inside a repetition: {_ADVICE}"
        else:
            inside = repeated and kind not in ATOMIC
        for part in _parts(kind, argument):
            if (why := _endless(part, inside)) is not None:
                return why
    return None


def _parts(kind: Any, argument: Any) -> list[Any]:
    """The patterns that an item of a parsed pattern is made of."""
    if kind is op.BRANCH:
        return list(argument[1])
    nested = argument if isinstance(argument, tuple) else (argument,)
    return [part for part in nested if isinstance(part, sre.SubPattern)]
