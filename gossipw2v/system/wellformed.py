"""Text that every encoding of Unicode can hold.

The name of a file may be no UTF-8; Python keeps its bytes as lone surrogates, which no page, label or JSON may hold.
"""

import re

REPLACEMENT = "\ufffd"
_SURROGATES = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """`text` with U+FFFD in place of each code point that is no character."""
    return text if text.isascii() else _SURROGATES.sub(REPLACEMENT, text)
