"""Text in any encoding becomes the UTF-8 that Python makes of it, in whatever pieces; what it surely is not is told."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossipw2v.w2v.text.blocks import clean
from gossipw2v.w2v.text.encodings import Transcoder, likely, resolved, seven_bit
from gossipw2v.w2v.text.unpack import buffered

GERMAN = "über die Straße läuft der müde Bär größer schöner wärmer\n" * 400
RUSSIAN = "съешь ещё этих мягких французских булок да выпей чаю\n" * 400
CHINESE = "我们 喜欢 中文 分词 语料 训练 词 向量\n" * 400
JAPANESE = "私 は 日本 語 の コーパス です\n" * 400
KOREAN = "우리 는 한국어 말뭉치 를 좋아 합니다\n" * 400
KEPT_IN = {
    GERMAN: ["cp1252", "utf-16-le", "utf-32-be", "cp037", "utf-7"],
    RUSSIAN: ["cp1251", "koi8-r", "cp866", "utf-16-be"],
    CHINESE: ["gb18030", "big5", "hz", "utf-16-be", "utf-32-le"],
    JAPANESE: ["cp932", "euc-jp", "iso2022_jp", "utf-16-le"],
    KOREAN: ["cp949", "iso2022_kr", "utf-16-le"],
}
CASES = [
    (text.replace("语", "語").replace("训练", "") if name == "big5" else text, name)
    for text in KEPT_IN
    for name in KEPT_IN[text]
]
CASES = [(text.encode(name, "ignore"), name) for text, name in CASES]
PIECES = ["word", " ", "\n", "naïve", "日本", "é", "~", "+", "\\", "{"]


def as_utf8(data: bytes, encoding: str, size: int = 1 << 20) -> bytes:
    some = Transcoder(io.BytesIO(data), encoding).some
    pieces = list(iter(lambda: some(size), b""))
    assert all(len(piece) <= size for piece in pieces)
    return b"".join(pieces)


@given(
    text=st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
    encoding=st.sampled_from(
        ["utf-16", "utf-16-le", "utf-32-be", "gb18030", "utf-7", "iso2022_jp_2", "euc_jis_2004", "hz", "cp1252"]
    ),
    size=st.integers(1, 9),
)
@settings(deadline=None)
def test_pieces_of_any_size_give_the_whole(text: str, encoding: str, size: int) -> None:
    data = text.encode(encoding, "ignore")
    assert as_utf8(data, encoding, size) == data.decode(encoding).encode()


def test_a_byte_of_which_nothing_can_be_made_is_found_in_the_utf8() -> None:
    for data, encoding, lost in (
        (b"ab \xff\xffc", "shift_jis", 2),
        (b"a \x81 b", "cp1252", 1),
        ("a b\n".encode("utf-16-le") + b"x", "utf-16-le", 1),
        (b"\x00\xd8a\x00", "utf-16-le", 2),
        (b"\xe9t\xe9", "ascii", 2),
    ):
        assert clean(as_utf8(data, encoding)).replaced == lost
    assert clean(as_utf8("a\ufffdb".encode("utf-16"), "utf-16")).replaced == 0  # was there before


def test_lines_of_a_mainframe_end() -> None:
    assert as_utf8("one\x85two\n".encode("cp037"), "cp037") == b"one\ntwo\n"
    assert as_utf8("one\x85".encode("utf-16-le"), "utf-16-le") == "one\x85".encode()


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("family", ["utf-16", "utf-32"])
@pytest.mark.parametrize("text", [GERMAN, CHINESE, KOREAN])
def test_the_order_of_bytes_is_found_with_and_without_a_mark(text: str, family: str, order: str) -> None:
    actual = f"{family}-{order}"
    plain, marked = text.encode(actual), ("\ufeff" + text).encode(actual)
    assert resolved(family, plain) == actual
    assert as_utf8(marked, resolved(family, marked)) == as_utf8(marked, resolved(actual, marked)) == text.encode()


@pytest.mark.parametrize(
    ("data", "encoding", "why"),
    [
        (GERMAN.encode(), "latin-1", "is UTF-8"),
        (CHINESE.encode(), "gb18030", "is UTF-8"),
        (b"plain text\n", "utf-16-le", "is UTF-8"),
        (b"plain text\n", "cp037", "is UTF-8"),
        (b"\xef\xbb\xbftext", "cp1252", "is UTF-8, as its first bytes say"),
        (b"\xff\xfea\0", "utf-8", "is UTF-16.*--encoding utf-16"),
        (b"\xff\xfe\0\0a\0\0\0", "utf-8", "is UTF-32"),
        (b"\xfe\xff\0a", "utf-16-le", "is UTF-16"),
        (b"\x81\xe2\x83\xe4", "utf-16", "utf-16-le or utf-16-be"),
    ],
)
def test_what_a_text_surely_is_not_is_told(data: bytes, encoding: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        resolved(encoding, data)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "shift_jis", "gb18030", "utf-7"])
def test_english_is_read_in_whatever_keeps_ascii(encoding: str) -> None:
    assert as_utf8(b"plain text\n", resolved(encoding, b"plain text\n")) == b"plain text\n"


@pytest.mark.parametrize(("data", "name"), CASES, ids=[name for _, name in CASES])
def test_the_likely_encoding_of_a_text_is_one_that_reads_it(data: bytes, name: str) -> None:
    often, guess = seven_bit(data)
    found = guess or likely(data)
    assert found is not None
    assert data.decode(found) == data.decode(name)
    assert not often or often > 0.001 * len(data)


@pytest.mark.parametrize(
    "text", [b"plain +1-555-0100 ~{} text (a+b)\n", GERMAN.encode(), b"\x1b[31mred\x1b[0m\x1b(B\n", b""]
)
def test_what_only_looks_like_seven_bits_is_none(text: bytes) -> None:
    assert seven_bit(text * 9) == (0, None)


def test_bytes_at_random_are_likely_nothing() -> None:
    assert likely(bytes(range(256)) * 9) is None


def test_a_transcoder_is_a_file_that_is_read_line_by_line() -> None:
    stream = buffered(Transcoder(io.BytesIO(GERMAN.encode("cp1252")), "cp1252").some)
    assert list(stream) == GERMAN.encode().splitlines(keepends=True)
