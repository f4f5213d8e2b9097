"""What nodes say to each other: every message, and the cap on each field.

    child                         parent
      | Hello ------------------->  |    who, which job, which protocol (both ends, at once)
      | State, Dead <------------>  |    members and blobs on offer, every second; who has fallen silent
      | BlobPull / BlobPart <---->  |    word counts and the vocabulary, in parts, asked for one by one
      | LinkOpen ---------------->  |    "be my parent": a reference to measure from; LinkOpened answers
      | LinkRefused <------------>  |    there is no such link, or no more
      | Push -------------------->  |    rows since the reference, numbered
      | <------------------- Answer |    the merged rows: both ends add them to the reference
      | TaskNews <--------------->  |    of a shared text: who trains what, and what has been trained
      | FileListing <---------------->  |    the files of a shared text, where they are not the same
      | Leave, Refuse               |    goodbye, with or without a quarrel

How they become bytes is `codec`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from gossipw2v.delta import RowDelta
from gossipw2v.gossip.records import MAX_MEMBERS, Member, NodeId, Verdict

PROTOCOL = 3  # 2: initial vectors in (-1, 1) / D; 3: a child asks for its seat and its link at once
MAX_FRAME = 8 << 20  # bytes; a push of 16,384 rows of 300 dimensions is 5.1 MB
MAX_HELLO = 4 << 10  # bytes, before the other end has said who it is
MAX_BLOB = 1 << 30  # bytes; counts of some 50 million words
MAX_PART = 1 << 20  # bytes of a blob in one frame
MAX_ROWS = 1 << 16  # rows in one push
MAX_DIMENSIONS = 4096
MAX_OFFERS = 2 * MAX_MEMBERS
MAX_ORIGINS = MAX_MEMBERS
LINK_BYTES = 8  # of a link's name
MAX_TASKS = 1 << 14  # of a shared text; twice what `w2v/shared/pieces.py` makes of the longest run
MAX_TERM = 1 << 32  # times that a task changed hands
MAX_TOLD = 1 << 11  # tasks in one frame: some 60 kB
MAX_LISTING = 1 << 20  # bytes of names, sizes and samples of files: some 10,000
BIG = 1 << 62  # token counts, sequence numbers


class ProtocolError(ValueError):
    """The other end broke the protocol: `reason` is a short fixed word, the text says what happened."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Offer:
    """A blob that the sender can serve; `rank` orders rival vocabularies (tokens they were counted from)."""

    name: str
    digest: bytes
    size: int
    rank: int


@dataclass(frozen=True, slots=True)
class Hello:
    """First frame of both ends. `job` names every setting that must be equal in a swarm."""

    oldest: int
    newest: int
    node: bytes
    job: dict[str, str]
    addresses: list[str]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Why the sender closes the connection for good."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class StateNews:
    """What the sender knows of the swarm and what it can serve."""

    members: list[Member]
    offers: list[Offer]


@dataclass(frozen=True, slots=True)
class BlobPull:
    """Asks for the part of a blob that begins at `offset`."""

    name: str
    digest: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class BlobPart:
    """A part of a blob; empty when the sender no longer has it."""

    name: str
    digest: bytes
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class LinkOpen:
    """A node asks one of higher priority, or a lower one in a higher tree, for a seat and a link.

    It names the link: a `fresh` one, or one that it holds; `seq`: the last exchange that it is done with. It insists
    once all others have said no, or if it had a seat there before.
    """

    link: bytes
    fresh: bool
    seq: int
    vocabulary: bytes
    origins: dict[bytes, int]
    insist: bool = False


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """`resumed`: both ends still hold the reference; otherwise both start from the initial vectors.

    To a child that wanted to go on, `resumed` false says that the reference is gone: it asks for a fresh link.
    """

    link: bytes
    resumed: bool
    origins: dict[bytes, int]


@dataclass(frozen=True, slots=True)
class LinkRefused:
    """There is no link of that name at the sender's, or none any more.

    So says a parent without a seat for the child, and each end of a link that it has given up; `reason` is a word.
    """

    link: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Push:
    """Pending rows of the child. `clean`: its whole subtree has trained, pushed and has nothing left.

    `unsent`: rows that never went over this link; `origins`: tokens of each origin new in its model; `room`: rows of
    its own that the parent may add.
    """

    link: bytes
    seq: int
    clean: bool
    pending: int
    unsent: int
    origins: dict[bytes, int]
    delta: RowDelta
    room: int = MAX_ROWS


@dataclass(frozen=True, slots=True)
class Answer:
    """The merged rows of the push `seq`. `final`: these are the swarm's last words; `room`: for the next push."""

    link: bytes
    seq: int
    final: bool
    pending: int
    unsent: int
    origins: dict[bytes, int]
    delta: RowDelta
    room: int = MAX_ROWS


@dataclass(frozen=True, slots=True)
class Leave:
    """The sender goes, in order."""


@dataclass(frozen=True, slots=True)
class Dead:
    """Whom the sender takes for dead, each with the last beat it heard of; who knows a newer one says so."""

    verdicts: list[Verdict]


class Holding(NamedTuple):
    """Whose a task is, or by whom it was `done`: of two, the greater is right. `term`: how often it changed hands.

    `owner`: b"" if it is nobody's.
    """

    done: bool = False
    term: int = 0
    owner: NodeId = b""


@dataclass(frozen=True, slots=True)
class TaskNews:
    """What the sender has learned of the tasks of a shared text, of which `vocabulary` (a digest) is trained."""

    vocabulary: bytes
    tasks: list[tuple[int, Holding]]


@dataclass(frozen=True, slots=True)
class FileListing:
    """The files of the sender's shared text, a line each, in order: two nodes say them when they are not the same."""

    files: bytes


OfLinks: TypeAlias = LinkOpen | LinkOpened | LinkRefused | Push | Answer  # each names its `link`
OfMembers: TypeAlias = Hello | Refuse | StateNews | Leave | Dead
OfTexts: TypeAlias = BlobPull | BlobPart | TaskNews | FileListing
Message: TypeAlias = OfLinks | OfMembers | OfTexts
