"""A swarm on this machine for a person to watch: real daemons, real sockets, real multicast discovery.

Writes a part of a text for each node, starts the nodes, shows their progress, and then what they have learned and
whether they agree. Everything is in a temporary folder that is removed at the end.
"""

import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from gossipw2v.api import process
from gossipw2v.cli import streams
from gossipw2v.cli.screen import Screen
from gossipw2v.cli.showcase import LinkTraffic, Outcome, Progress, account, examine, held_out
from gossipw2v.cli.synthetic import World
from gossipw2v.node.storage.checkpoint import CheckpointError
from gossipw2v.node.storage.export import export_model, load_model
from gossipw2v.status import client
from gossipw2v.w2v.text.blocks import read_blocks
from gossipw2v.w2v.text.files import CorpusError, total_bytes
from gossipw2v.w2v.text.finding.find import find_files

# Enough text for most analogies, not for all, to come out: a merge that loses something shows in the score.
SENTENCES = 240_000
SMALL_WORLD = {"vector_size": 64, "sample": 1e-3, "epochs": 6}
PLENTY_BYTES = 100_000_000  # of a user's text, from which on the usual settings do
MOST_EPOCHS = 15
POLL_SECONDS = 0.25
MEETING_SECONDS = 60.0  # for all nodes to find each other once they have counted
BLOCK_BYTES = 1 << 20
PATIENCE = 0.05  # of a part, to wait for a line end to cut at
COMPILE = """
from gossipw2v.w2v.warmup import warm_up
warm_up(vector_size=8)
"""


class DemoError(Exception):
    """The demo cannot go on; the text says why and what to look at."""


@dataclass(frozen=True)
class DemoPlan:
    """How many nodes, on what text (None: the small world, so many sentences), with which settings of `start`."""

    nodes: int
    corpus: str | None = None
    sentences: int = SENTENCES
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass
class LocalNode:
    """One daemon and what was last heard of it."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]
    status: dict[str, Any] = field(default_factory=dict)
    links: dict[str, LinkTraffic] = field(default_factory=dict)  # by peer, as last seen: a link ends with either end

    @property
    def data(self) -> Path:
        """The daemon's data directory."""
        return self.folder / "data"

    def poll(self) -> None:
        """Ask the daemon how it is; without an answer the last one stays. DemoError if it died."""
        if self.process.poll():
            raise DemoError(process.last_words(self.name, self.folder, self.process.returncode))
        if (found := process.where(self.data)) is None:
            return
        with suppress(OSError, ValueError, client.NoNodeError, client.AnswerError):
            self.status = client.status(f"http://{found['http']}")
            for row in self.status["links"]:
                link = LinkTraffic(self.status["node"], row["peer"], row["sent_bytes"], row["exchanges"])
                self.links[link.peer] = link


def run_demo(nodes: int, corpus: str | Path | None) -> int:
    """The `demo` command: exit code 0 if the swarm completed and its nodes agree, else 1."""
    try:
        if corpus is None:
            plan = DemoPlan(nodes, settings=SMALL_WORLD)
        else:
            plan = DemoPlan(nodes, str(corpus), settings=_suited(total_bytes(find_files([str(corpus)]))))
        with tempfile.TemporaryDirectory(prefix="gossipw2v-demo-") as folder:
            outcome = run(plan, Path(folder), sys.stdout)
    except (DemoError, CorpusError, CheckpointError) as error:
        streams.tell(f"gossipw2v: {error}")
        return 1
    return 0 if outcome.agrees else 1


def _suited(size: int) -> dict[str, object]:
    """Settings for `size` bytes of text: a small one is read more often and thinned less, or little is learned."""
    if size >= PLENTY_BYTES:
        return {}
    return {"sample": 1e-3, "epochs": max(3, min(MOST_EPOCHS, PLENTY_BYTES // max(1, size)))}


def run(plan: DemoPlan, folder: Path, screen: TextIO) -> Outcome:
    """Carry out the plan in the empty `folder`, telling `screen`; no daemon outlives the call. DemoError."""
    began = time.monotonic()
    world = World() if plan.corpus is None else None
    folders = [folder / f"node{number}" for number in range(1, plan.nodes + 1)]
    for place in folders:
        place.mkdir()
    _say(screen, f"writing a text for each of {plan.nodes} nodes")
    write_parts(plan, world, [place / "text" for place in folders])
    _say(screen, "compiling, once for this machine")
    subprocess.run([sys.executable, "-c", COMPILE], check=True)
    with Screen(screen) as drawn:
        progress = Progress(drawn)
        nodes = _train(plan, folders, progress)
    models = []
    for node in nodes:
        export_model(node.data, node.folder / "vectors.txt")
        words, weights, _ = load_model(node.data)
        models.append((words, weights[: len(words)]))
    outcome = examine(models, world)
    links = [link for node in nodes for link in node.links.values()]
    losses = held_out({node.name: node.status for node in nodes})
    _say(screen, "\n".join(filter(None, (outcome.text, losses, account(links, progress, time.monotonic() - began)))))
    return outcome


def _say(screen: TextIO, text: str) -> None:
    print(text, file=screen, flush=True)


# --- text -----------------------------------------------------------------------------------------------


def write_parts(plan: DemoPlan, world: World | None, parts: Sequence[Path]) -> None:
    """Give each part its share of the text: sentences of the world, or a piece of the user's."""
    if world is None:
        assert plan.corpus is not None
        split_text(plan.corpus, parts)
        return
    for seed, part in enumerate(parts, 1):
        with part.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in world.sentences(plan.sentences // len(parts), seed))


def split_text(corpus: str, parts: Sequence[Path]) -> None:
    """Cut the text that `corpus` (a file, a folder, a glob) stands for into parts of about the same size.

    Cuts are at line ends, or between words where a line has no end. CorpusError if there is too little of it.
    """
    files = find_files([corpus])
    total = total_bytes(files)
    size = max(256, min(BLOCK_BYTES, total // (64 * len(parts))))
    with ExitStack() as stack:
        outputs = [stack.enter_context(part.open("wb")) for part in parts]
        current = 0
        for before, block in _blocks(files, size):
            share = before * len(parts) / total
            due = min(len(parts) - 1, int(share))
            line = block.find(b"\n") + 1  # what is left of a line goes with its start
            if due > current and (line or share >= due + PATIENCE):
                outputs[current].write(block[:line])
                current = due
            else:
                line = 0
            outputs[current].write(block[line:])
    if not all(map(_has_words, parts)):
        raise CorpusError(f"{corpus}: too little text for {len(parts)} nodes: take fewer nodes or more text")


def _has_words(part: Path) -> bool:
    with part.open("rb") as file:
        return bool(file.read(BLOCK_BYTES).strip())


def _blocks(files: Sequence[Path], size: int) -> Iterator[tuple[int, bytes]]:
    """Blocks of all files, each with the bytes on disk that were read before it."""
    done = 0
    for path in files:
        before = done
        for block in read_blocks(path, size):
            yield before, block.data
            before = done + block.position
        done = before


# --- nodes ----------------------------------------------------------------------------------------------


def _train(plan: DemoPlan, folders: Sequence[Path], progress: Progress) -> list[LocalNode]:
    """Start a daemon in each folder, watch them until all have left of their own accord."""
    job = f"demo-{secrets.token_hex(4)}"
    nodes: list[LocalNode] = []
    try:
        for number, folder in enumerate(folders, 1):
            nodes.append(LocalNode(f"node {number}", folder, _start(folder, job, plan)))
        _watch(nodes, progress)
    finally:
        process.stop(node.process for node in nodes)
    return nodes


def _start(folder: Path, job: str, plan: DemoPlan) -> subprocess.Popen[bytes]:
    settings = {
        "peers": "auto",
        "listen": "127.0.0.1:0",
        "http": "127.0.0.1:0",
        "job": job,
        "min_peers": plan.nodes - 1,
        "threads": 1,
        "until_complete": True,
        **plan.settings,
        "corpus": [str(folder / "text")],
    }
    return process.start(folder, settings)


def _watch(nodes: Sequence[LocalNode], progress: Progress) -> None:
    meeting = time.monotonic() + MEETING_SECONDS
    while any(node.process.poll() is None for node in nodes):
        for node in nodes:
            node.poll()
        now = time.monotonic()
        progress.show({node.name: node.status for node in nodes}, now)
        states = {node.status.get("state", "counting") for node in nodes}
        if states != {"gathering"}:
            meeting = now + MEETING_SECONDS
        elif now > meeting:
            raise DemoError("the nodes do not find each other: is multicast (mDNS, UDP port 5353) possible here?")
        time.sleep(POLL_SECONDS)
    for node in nodes:
        node.poll()
    progress.show({node.name: {**node.status, "state": "left"} for node in nodes}, time.monotonic())
