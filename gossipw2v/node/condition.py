"""How a node is, for people and probes: where it is in its start, what does not work, and whether it has failed."""

from __future__ import annotations

from dataclasses import dataclass, field

from gossipw2v.system.logs import get_logger
from gossipw2v.system.pulse import Pulse

log = get_logger("node")


@dataclass(slots=True)
class Condition:
    """What `/status` and the probes tell beside numbers."""

    stage: str | None = "starting"  # what the node does before it counts; None from then on
    born: float = 0.0  # when the node was made, in the loop's seconds
    begun: bool = False  # whether there are a core and a network
    entered: float = 0.0  # when it came to its state, in the loop's seconds
    stuck: str | None = None  # why it seems not to get on; None if it does
    divergences: int = 0  # how often the model has diverged
    failure: str | None = None  # why the node is about to end; None as long as it has not failed
    where: dict[str, str] = field(default_factory=dict)  # the addresses that were really bound
    pulse: Pulse = field(default_factory=Pulse)  # how late the event loop runs
    problems: dict[str, str] = field(default_factory=dict)  # what does not work, by the part that says so

    def problem(self, part: str, text: str | None) -> None:
        """Show what does not work, or that it works again."""
        if text is None:
            self.problems.pop(part, None)
        elif self.problems.get(part) != text:
            self.problems[part] = text
            log.warning("problem", part=part, text=text)

    def fail(self, why: str) -> None:
        """This node is of no use any more: say so, once."""
        self.failure = self.problems["model"] = why
        log.critical("failed", problem=why)
