"""What a run depends on, and the file that remembers what came of it: a line of JSON each, keyed by its settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

EVENTS = ("none", "slow", "pause", "join", "death")
TEXTS = ("equal", "skewed")


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that a result depends on. `rounds`: exchanges of a node while it trains; `bandwidth`: Mbit/s each way of a
    node's only cable, 0 without limit; `speed`: words that a node trains in a virtual second; `corpus`: a digest;
    `real`: by processes in real seconds, whatever `speed` says."""

    baseline: str
    nodes: int
    alpha: float
    rounds: int
    seed: int = 1
    negative: int = 5
    window: int = 5
    text: str = "equal"
    bandwidth: float = 0.0
    event: str = "none"
    epochs: int = 3
    vector_size: int = 128
    speed: float = 25_000.0
    corpus: str = ""
    real: bool = False

    @property
    def key(self) -> str:
        """The settings as one string, the same for the same run."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Line:
    """A run and its result; `failed` in it says why there is none."""

    run: Run
    result: dict[str, Any]

    @property
    def failed(self) -> str | None:
        """Why the run came to nothing; None: it did not."""
        return self.result.get("failed")

    @property
    def points(self) -> float:
        """The mean of its scores; -inf for a run that failed."""
        return float("-inf") if self.failed else float(self.result["points"])


class Results:
    """Lines of JSON in a file, each a run and its result; a new one is there as soon as it is known."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = {line.run.key: line for line in _read(path)}

    def __contains__(self, run: Run) -> bool:
        return run.key in self.lines

    def __getitem__(self, run: Run) -> Line:
        return self.lines[run.key]

    def add(self, run: Run, result: dict[str, Any]) -> Line:
        """Remember a result."""
        line = self.lines[run.key] = Line(run, result)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"run": asdict(run), "result": result}) + "\n")
        return line


def _read(path: Path) -> Iterator[Line]:
    """The lines of a file, none if there is none. The last may be half a line, if a run was stopped in writing it:
    it is cut off, so that what comes next begins a new one. ValueError names any other line that is not a result."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    for number, text in enumerate(whole.decode("utf-8").splitlines(), 1):
        try:
            line = json.loads(text)
            yield Line(Run(**line["run"]), line["result"])
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number} is not a result of this tool ({error}); name another --out"
            ) from error
