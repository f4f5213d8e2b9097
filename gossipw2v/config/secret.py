"""Files that hold a secret: who may read them and what may stand in them. No message repeats what one holds."""

import os
import re
import stat
from pathlib import Path

LEAST_BYTES, MOST_BYTES = 32, 4096
LEAST_KINDS = 8  # different characters: 32 random bytes in base64 have some 30, `aaaa...` has one
ADVICE = "(umask 077; head -c 32 /dev/urandom | base64 > FILE) makes one"


class SecretError(ValueError):
    """A file cannot serve as a secret; the text says why and what to do."""


def read_secret(path: Path) -> bytes:
    """The one line of the file, without its end: 32 to 4096 printable ASCII characters. SecretError if it is unfit."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # nobody may ever write into a pipe
    except OSError as error:  # without the name: some write the secret where its file should stand
        raise SecretError(f"{error.strerror}; {ADVICE}") from None
    try:
        _check_keeping(os.fstat(descriptor), path)
        content = os.read(descriptor, MOST_BYTES + 3)
    finally:
        os.close(descriptor)
    secret = re.sub(rb"\r?\n\Z", b"", content)
    if not re.fullmatch(rb"[!-~]*", secret):
        raise SecretError(f"{path} has to hold one line of printable ASCII without blanks; {ADVICE}")
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES or len(set(secret)) < LEAST_KINDS:
        raise SecretError(f"{path} has to hold {LEAST_BYTES} to {MOST_BYTES} characters, hard to guess; {ADVICE}")
    return secret


def _check_keeping(info: os.stat_result, path: Path) -> None:
    """Only its owner may read it, who is this user or root."""
    if not stat.S_ISREG(info.st_mode):
        raise SecretError(f"{path} is not a regular file")
    if info.st_uid not in (0, os.geteuid()):
        raise SecretError(f"{path} belongs to another user; chown it to the one who runs the node")
    if stat.S_IMODE(info.st_mode) & (0o137 if _from_systemd(path) else 0o177):
        raise SecretError(f"{path} is open to others, mode {stat.S_IMODE(info.st_mode):04o}; chmod 600 it")


def _from_systemd(path: Path) -> bool:
    """Whether it is a credential of the service: root's, and lent to one user by an ACL that shows as group's right."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder)
