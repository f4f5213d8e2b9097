"""What tells one text from another, from samples: reading all of it would take as long as counting it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from gossipw2v.w2v.text.files import Source, naming, regular
from gossipw2v.w2v.text.sources.form import PLAIN, Form
from gossipw2v.w2v.text.sources.remote import Remote

SAMPLE_BYTES = 64 << 10
SAMPLES = 16  # 1 MiB of each file: read in milliseconds at every start


def corpus_digest(files: Sequence[Source], form: Form = PLAIN) -> bytes:
    """16 bytes that change when the text does: of each file its size, modification time and 1 MiB of samples.

    Of objects behind URLs, size and version. Paths are no part of it, the order is, and so is a form other than plain
    UTF-8. A digest of the whole content would cost a full reading at every start; without the time, an edit in place
    between the samples would go unseen; with it, the worst case is a needless encoding.
    """
    digest = hashlib.blake2b(digest_size=16, person=b"gossipw2v.text")
    digest.update(form.identity)
    for source in files:
        _add(digest, source, timed=True)
    return digest.digest()


def contents_digest(files: Sequence[Source]) -> bytes:
    """16 bytes that the same files have on every machine, whatever they are called there and however old they are."""
    digests = sorted(content_digest(source) for source in files)
    return hashlib.blake2b(b"".join(digests), digest_size=16, person=b"gossipw2v.files").digest()


def content_digest(source: Source, form: Form = PLAIN) -> bytes:
    """16 bytes of one file, as `corpus_digest`, but whatever its time, so that copies have the same."""
    digest = hashlib.blake2b(digest_size=16, person=b"gossipw2v.file")
    digest.update(form.identity)
    _add(digest, source, timed=False)
    return digest.digest()


def _add(digest: hashlib.blake2b, source: Source, timed: bool) -> None:
    if isinstance(source, Remote):
        digest.update(f"{source.size} {source.version}\n".encode())
        return
    status = regular(source)
    digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode() if timed else b"%d\n" % status.st_size)
    _add_samples(digest, source, status)


def _add_samples(digest: hashlib.blake2b, path: Path, status: os.stat_result) -> None:
    with naming(path), path.open("rb") as file:
        for n in range(SAMPLES):
            file.seek(max(0, status.st_size - SAMPLE_BYTES) * n // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))
