"""Names of text encodings, as Python knows them."""

import codecs

UTF_8 = "utf-8"
MOST_CHARACTERS = 64  # of a name; it becomes part of a module's
PROBE = "word"

# Python calls these text encodings, but text is not kept in them.
NO_TEXT = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "charmap", "mbcs", "oem"})


def canonical(name: str) -> str:
    """The one name of an encoding that has many: `utf-8` of `UTF8`. LookupError or ValueError if there is none."""
    found = codecs.lookup(name).name.replace("_", "-")
    return UTF_8 if found == "utf-8-sig" else found  # a mark at the beginning is passed over in any case


def check_encoding(name: str) -> None:
    """ValueError unless text may be kept in the encoding of that name, and be read piece by piece."""
    if not _is_known(name):
        raise ValueError(
            f"{name[:MOST_CHARACTERS]!r} is no text encoding: utf-8, cp1252, gb18030, shift_jis or utf-16-le is one, "
            "and so are all others that Python lists as standard encodings"
        )


def _is_known(name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name[: MOST_CHARACTERS + 1])
        PROBE.encode(name)  # LookupError for rot13, base64 and the like
        return len(name) <= MOST_CHARACTERS and canonical(name) not in NO_TEXT
    except (LookupError, ValueError):
        return False
