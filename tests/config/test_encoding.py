"""An encoding is one that text is kept in, by any of its names."""

import encodings
import pkgutil

import pytest

from gossipw2v.config.encoding import canonical, check_encoding

NONE = {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "aliases"}
NONE |= {"idna", "punycode", "charmap", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
NONE |= {"", "no-such", "rot13", "zlib", "utf-8\0", "é", "\udcff", "../utf_8", "os.path", "u" * 65, "utf_8" + " " * 99}


@pytest.mark.parametrize("name", sorted(NONE))
def test_a_name_of_no_text_encoding_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no text encoding"):
        check_encoding(name)


def test_every_other_encoding_of_python_is_known() -> None:
    for module in pkgutil.iter_modules(encodings.__path__):
        if module.name not in NONE:
            check_encoding(module.name)


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("UTF8", "utf-8"),
        ("utf_8_sig", "utf-8"),
        ("latin1", "iso8859-1"),
        ("ISO-8859-1", "iso8859-1"),
        ("sjis", "shift-jis"),
    ],
)
def test_many_names_are_one(name: str, one: str) -> None:
    assert canonical(name) == one
