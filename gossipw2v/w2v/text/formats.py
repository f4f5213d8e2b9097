"""What is no text, by how it begins: what it is, and what to do about it."""

from __future__ import annotations

import re
import tarfile

from gossipw2v.system.lock import LOCK_FILE
from gossipw2v.w2v.text.unpack import packing

HEAD_BYTES = 1 << 16  # of a file that are looked at, unpacked
TAR_HEADER = 512  # bytes
FEWEST_VECTORS = 2  # rows that must be there to tell vectors from text that begins with two numbers

_UNPACK = "unpack it first (`{} FILE`), or use gz, bz2, xz or zst"
_BINARY = "give the text that is in it as a plain text file"

# The first bytes, what begins with them, what to do. What text may begin with, too, needs more than a few letters.
KINDS: tuple[tuple[bytes, str, str], ...] = (
    (rb"[\x50-\x5f]\x2a\x4d\x18", "zstd- or lz4-compressed", _UNPACK.format("unzstd")),
    (rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18", "lz4-compressed", _UNPACK.format("unlz4")),
    (rb"\x5d\0\0.{2}(?:\xff{8}|.{5}\0{3})", "compressed in the older format lzma", _UNPACK.format("unlzma")),
    (rb"LZIP\x01", "lzip-compressed", _UNPACK.format("lzip -d")),
    (rb"\x89LZO\0", "lzop-compressed", _UNPACK.format("lzop -d")),
    (rb"\xff\x06\0\0sNaPpY", "snappy-compressed", _UNPACK.format("snzip -d")),
    (rb"\x1f[\x9d\xa0\x1e\x9e\x9f]", "packed with compress or pack", _UNPACK.format("gzip -d")),
    (
        rb"PK(?:\x03\x04|\x05\x06|\x07\x08)",
        "a zip archive, or a document or a model that is one",
        _UNPACK.format("unzip"),
    ),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK.format("7z x")),
    (rb"Rar!\x1a\x07", "a rar archive", _UNPACK.format("unrar x")),
    (rb"07070[127][0-9A-Fa-f]{64}|[\xc7\x71][\x71\xc7]\0", "a cpio archive", _UNPACK.format("cpio -id <")),
    (rb"!<(?:arch|thin)>\n", "an ar archive", _UNPACK.format("ar x")),
    (rb"xar!\0|MSCF\0|\xed\xab\xee\xdb", "an archive", "unpack it first"),
    (rb"PAR1\x15", "Parquet", "say --parquet COLUMN for the column that is text"),
    (rb"ARROW1\0|FEA1|Obj\x01|\x89HDF|CDF[\x01\x02]", "a table or array in a binary format", _BINARY),
    (
        rb"SQLite format 3\0",
        "an SQLite database",
        "write its text to a plain text file first (`sqlite3 FILE 'select ...'`)",
    ),
    (rb"\x93NUMPY", "a NumPy array", _BINARY),
    (rb"\x80[\x02-\x05](?:\x95|[\]}cX(q\x8a-\x8e])|\((?:lp|dp)\d*\n|c[\w.]+\n\w+\np\d+\n", "a Python pickle", _BINARY),
    (rb"%PDF-", "a PDF document", "extract its text first (`pdftotext FILE`)"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document", "extract its text first (`ps2ascii FILE`)"),
    (rb"\{\\rtf\d", "an RTF document", _BINARY),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an older Office", _BINARY),
    (
        rb"\x7fELF|MZ[^\n]{1,2}\0|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe|\0asm",
        "a program",
        _BINARY,
    ),
    (rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|RIFF.{4}WEBP|BM.{4}\0{4}|\0\0\x01\0", "an image", _BINARY),
    (
        rb"OggS\0|fLaC\0|ID3[\x02-\x04]\0|RIFF.{4}(?:WAVE|AVI )|\0\0.{2}ftyp|\x1aE\xdf\xa3|\xff[\xfb\xf3\xf2]",
        "sound or film",
        _BINARY,
    ),
    (rb"wOF[F2]\0|OTTO\0|\0\x01\0\0\0", "a font", _BINARY),
    (rb"GGUF[\x01-\x09]\0|.{5}\0{3}\{\"", "a model's weights", _BINARY),
    (rb"Salted__|age-encryption\.org/v1\n", "encrypted", "decrypt it first"),
    (
        rb"version https://git-lfs\.github\.com/spec/",
        "what Git LFS has put in place of a file",
        "fetch the file (`git lfs pull`)",
    ),
)
_KINDS = tuple((re.compile(start, re.DOTALL), what, cure) for start, what, cure in KINDS)

_FIRST_LINES = rb"(?:[^\n]{0,1000}\n){0,4}"  # a shell, or Python, may have said something before
# What this program writes, and people may well put among the text: passed over there.
OURS = {
    re.compile(rb"GW2V[A-Z]{4}"): "a checkpoint or an encoded text of gossipw2v",
    re.compile(
        _FIRST_LINES + rb'\{"timestamp": "[^"\n]+", "level": "[a-z]+", "logger": "[a-z._]+", "event": '
    ): "a log of gossipw2v",
    re.compile(
        _FIRST_LINES + rb"\d\d:\d\d:\d\d \[(?:debug|info|warning|error|critical) *\] [^\n]*\[[a-z._]+\]"
    ): "a log of gossipw2v",
}
OURS_BY_NAME = {
    LOCK_FILE: re.compile(rb"\d{1,10}\n?\Z"),
    "node.json": re.compile(rb'\{"pid": \d+, "node": "'),
}
_HEADER = re.compile(rb"(\d{1,10}) (\d{1,5})\r?\n")


def refusal(head: bytes, inside: bool = False) -> str | None:
    """What a file that begins with `head` is, if that is no text, and what to do; None if it may be text.

    `inside`: these are the first bytes of what was packed.
    """
    for start, what, cure in _KINDS:
        if start.match(head):
            return f"is {what}: {cure}"
    if is_tar(head):
        return "is a tar archive: unpack it first (`tar xf FILE`) and give the folder"
    if inside and (kind := packing(head)):
        return f"is packed twice: unpack it once (what is inside is {kind})"
    return None


def is_tar(head: bytes) -> bool:
    """Whether `head` begins with the header of a tar's member, of whatever age: its checksum is right."""
    try:
        tarfile.TarInfo.frombuf(head[:TAR_HEADER], "utf-8", "replace")
    except tarfile.HeaderError:
        return False
    return True


def ours(head: bytes, name: str = "") -> str | None:
    """What a file that begins with `head` is, if this program writes such files; else None."""
    if name in OURS_BY_NAME and OURS_BY_NAME[name].match(head):
        return "the state of a node of gossipw2v"
    found = next((what for start, what in OURS.items() if start.match(head)), None)
    return found or ("word vectors in word2vec's text format" if is_vectors(head) else None)


def is_vectors(head: bytes) -> bool:
    """Whether `head` begins word2vec text: words and dimensions, then rows of a word and as many numbers."""
    if (header := _HEADER.match(head)) is None:
        return False
    words, size = int(header[1]), int(header[2])
    rows = head[header.end() :].split(b"\n")
    whole = rows[: min(words, FEWEST_VECTORS)] if len(rows) > 1 else rows
    return bool(size and words) and all(_is_vector(row, size, row is rows[-1]) for row in whole)


def _is_vector(row: bytes, size: int, cut: bool) -> bool:
    """Whether a row holds a word and `size` numbers; fewer, but some, if it may be cut off."""
    numbers = row.split()[1:]
    if b"." not in row:  # ids are words, too
        return False
    if len(numbers) != size and not (cut and 1 < len(numbers) < size):
        return False
    return all(map(_is_number, numbers[:-1] if cut else numbers))


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
