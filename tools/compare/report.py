"""The page: one HTML file that needs nothing beside it, light or dark as the reader has it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

from compare.network import BANDWIDTHS
from compare.pictures import Series, axis, bars, draw
from compare.registry import BASELINES
from compare.runs import EVENTS, Line, Run
from compare.systems import SYSTEMS, System

STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --paper: #fff; --grid: #8884; --ceiling: #777; --gossip: #c2410c;
  --server: #2563eb; --average: #15803d; --once: #9333ea; --moved: #0e7490; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --paper: #14171c; --ceiling: #aaa; --gossip: #fb923c;
  --server: #7db0ff; --average: #5fd08a; --once: #d0a2ff; --moved: #5ccbe0; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
td, th { padding: 2px 8px; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
td:first-child, th:first-child { text-align: left; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .grid { stroke: var(--grid); } svg polyline, svg .lead { fill: none; }
svg polyline { stroke-width: 1.6; } svg .lead { stroke-width: .6; opacity: .55; } code { font-size: 13px; }
"""
PICTURE = """svg { font: 11px system-ui, sans-serif; background: var(--paper); } svg text { fill: var(--ink); }
svg .grid { stroke: var(--grid); } svg polyline, svg .lead { fill: none; } svg .lead { stroke-width: .6; }"""
SCORES = ("wordsim", "simlex", "topics", "relations", "communities", "edges", "analogy")
NOTHING = "<p>Nothing to draw yet.</p>"
FAMILIES = ("ceiling", "gossip", "server", "average", "once", "moved")
CLAIMS = """Seconds are simulated: a node trains {speed:,.0f} words in one, and has one cable for all that it sends
and receives. What matters is the ratio of the two: a machine of 100 times that speed meets a cable of 100 times that
bandwidth as these nodes do. Bytes are of messages, without what TCP adds. Words per CPU second are of this machine,
kernels only, and whatever else ran on it. The baselines are the mathematics of their fields on the kernels of
gossipw2v, without the programs that are known for them: nothing here says how fast or how well written those are.
Servers and ranks are given what a good implementation may have: only rows that are needed travel, a ring that goes on
without a dead rank, a server that comes back from a checkpoint. In rounds nobody trains while rows travel; without
rounds a node trains on while its last exchange is under way. A row of few seeds is as good as the spread of seeds,
about a point."""


REAL_CLAIMS = """Each on a network namespace of its own with one cable; seconds are real, on one machine whose cores all
share, and begin with the first trained word. Bytes are what the cables carried, TCP and all. A killed server is started
again at once and comes back with its last checkpoint. After a death, the time is the longest in which no survivor had
trained its next words; what died is a process, whose machine closes its connections at once, so that nobody has to wait
for a silence. Points lost are against the same run without a death."""


def write_page(path: Path, lines: Sequence[Line], base: Run, command: str) -> None:
    """All results of one text as a page; `command` is what makes it."""
    found = Findings([line for line in lines if not line.run.real], base)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>gossipw2v against its field</title><style>{STYLE}{_colours()}</style>",
        "<h1>gossipw2v against its field</h1>",
        f"<p>{_settings(base)}</p><p>{_once(CLAIMS.format(speed=base.speed))}</p>",
        *_tables(found),
        *_pictures(found, command),
        *_conditions(found),
        *_systems(found),
        *_real([line for line in lines if line.run.real]),
        *_everything(found),
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def write_picture(path: Path, lines: Sequence[Line], base: Run) -> None:
    """Quality against bytes as a picture of its own, in light colours."""
    found = Findings([line for line in lines if not line.run.real], base)
    setting, nodes = found.settings()[0] if found.lines else (5, 5), found.busiest_count()
    picture = _against_bytes(found, found.all_best(nodes, setting))
    style = f"<style>{STYLE.partition('@media')[0].replace('light dark', 'light')} {PICTURE} {_colours()}</style>"
    path.write_text(
        picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(">", f">{style}", 1)
    )


def _once(text: str) -> str:
    return " ".join(text.split())


def _colours() -> str:
    lines = (f"svg .{name} {{ stroke: var(--{name}); }}" for name in FAMILIES)
    filled = (
        f"svg circle.{name}, svg rect.{name}, svg text.{name} {{ fill: var(--{name}); stroke: none; }}"
        for name in FAMILIES
    )
    return " ".join([*lines, *filled])


def _settings(base: Run) -> str:
    return (
        f"Text {base.corpus}, {base.epochs} epochs, {base.vector_size} dimensions, step sizes in multiples of "
        f"{base.alpha:g}. Points are the mean of all scores."
    )


class Findings:
    """What there is, by what it is asked for."""

    def __init__(self, lines: Sequence[Line], base: Run) -> None:
        self.lines, self.base = lines, base

    def tries(self, name: str, nodes: int, negative: int, window: int) -> list[Line]:
        """The runs of a baseline under no special conditions, with the first seed."""
        wanted = {
            "baseline": name, "nodes": nodes, "negative": negative, "window": window, "text": "equal",
            "event": "none", "bandwidth": 0.0, "seed": self.base.seed, "real": False,
        }  # fmt: skip
        return [each for each in self.lines if all(getattr(each.run, k) == v for k, v in wanted.items())]

    def best(self, name: str, nodes: int, setting: tuple[int, int]) -> Line | None:
        """The best of them; one that failed if all did."""
        nodes = 1 if BASELINES[name].family == "ceiling" else nodes
        return max(self.tries(name, nodes, *setting), key=lambda line: line.points, default=None)

    def under(self, best: Line, **changes: object) -> Line | None:
        """The same run with some settings changed."""
        wanted = replace(best.run, **changes).key  # type: ignore[arg-type]
        return next((line for line in self.lines if line.run.key == wanted), None)

    def seeds(self, best: Line) -> list[float]:
        """Its points with all seeds."""
        same = [each for each in self.lines if replace(each.run, seed=best.run.seed) == best.run and not each.failed]
        return [each.points for each in same]

    def mean(self, best: Line) -> float:
        """Of all seeds; nan for one that failed."""
        points = self.seeds(best)
        return sum(points) / len(points) if points else math.nan

    def settings(self) -> list[tuple[int, int]]:
        """Negative and window."""
        return sorted({(each.run.negative, each.run.window) for each in self.lines})

    def counts(self, setting: tuple[int, int]) -> list[int]:
        """Numbers of nodes, more than one."""
        same = (each.run for each in self.lines if (each.run.negative, each.run.window) == setting)
        return sorted({run.nodes for run in same if run.nodes > 1})

    def busiest_count(self) -> int:
        """The number of nodes that most conditions were run at."""
        counts = [each.run.nodes for each in self.lines if each.run.event != "none"]
        return max(set(counts), key=counts.count) if counts else max([r.run.nodes for r in self.lines], default=1)

    def all_best(self, nodes: int, setting: tuple[int, int]) -> dict[str, Line]:
        """The best of every baseline that came to something."""
        found = {name: self.best(name, nodes, setting) for name in BASELINES}
        return {name: line for name, line in found.items() if line is not None and not line.failed}


# --- tables --------------------------------------------------------------------------------------------------------


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _tables(found: Findings) -> list[str]:
    parts = []
    for setting in found.settings():
        for nodes in found.counts(setting):
            negative, window = setting
            parts.append(f"<h2>{nodes} nodes, negative {negative}, window {window}</h2>")
            parts.append(_best_table(found, nodes, setting))
    return parts


def _best_table(found: Findings, nodes: int, setting: tuple[int, int]) -> str:
    lines = {name: line for name in BASELINES if (line := found.best(name, nodes, setting)) is not None}
    good = next((line for line in lines.values() if not line.failed), None)
    scores = [name for name in SCORES if good and name in good.result]
    one = found.best("one", 1, setting)
    goal = 0.99 * one.result["curve"][-1][1] if one and not one.failed and one.result["curve"] else math.inf
    head = ["", *scores, "points", "seeds", "alpha", "exchanges", "bytes a word", "busiest cable, MB", "apart",
            "simulated s", "s to 99 % of one", "CPU s", "words a CPU s", "what"]  # fmt: skip
    return _table(head, [_best_row(found, line, scores, goal) for line in lines.values()])


def _best_row(found: Findings, line: Line, scores: Sequence[str], goal: float) -> list[str]:
    run, result, entry = line.run, line.result, BASELINES[line.run.baseline]
    if line.failed:
        return [run.baseline, *["" for _ in scores], "", "", f"{run.alpha:g}", *[""] * 8, line.failed]
    best = f" (best {result['best_points']:.1f})" if "best_points" in result else ""
    speed = f"; {result['words_per_second']:,.0f} words a real second" if "words_per_second" in result else ""
    reached = next((f"{seconds:.1f}" for seconds, points in result["curve"] if points >= goal), "")
    return [
        run.baseline, *[f"{result[name]:.1f}" for name in scores], f"{line.points:.1f}{best}",
        _spread(found.seeds(line)), f"{run.alpha:g}", str(run.rounds) if entry.exchanges else "",
        f"{result['bytes'] / max(1, result['trained']):.1f}", f"{result['busiest'] / 1e6:.1f}",
        f"{result['apart']:.1e}", f"{result['seconds']:.1f}", reached, f"{result['cpu_seconds']:.1f}",
        f"{result['words_per_cpu_second']:,.0f}", entry.says + speed,
    ]  # fmt: skip


def _spread(points: Sequence[float]) -> str:
    if len(points) < 2:
        return "1"
    return f"{len(points)}: {sum(points) / len(points):.1f}, {min(points):.1f} to {max(points):.1f}"


# --- pictures ------------------------------------------------------------------------------------------------------


def _pictures(found: Findings, command: str) -> list[str]:
    setting, nodes = found.settings()[0] if found.lines else (5, 5), found.busiest_count()
    best = found.all_best(nodes, setting)
    one = best["one"].points if "one" in best else math.nan
    told = f"Made by <code>{escape(command)}</code>."
    return [
        f"<h2>Quality against bytes, {nodes} nodes</h2>", _against_bytes(found, best),
        f"<p>{told} A line is one way of training with all intervals that were tried, at its best step size; a dot "
        f"is the mean of its seeds. One machine has {one:.1f} points. What sends nothing is not in the picture. It "
        "does not claim that another rule could not do with fewer bytes.</p>",
        "<h2>Quality against the number of nodes</h2>", _against_nodes(found, setting),
        f"<p>{told} The same text, cut into more and smaller parts. It does not claim anything for larger texts, of "
        "which each part would be larger.</p>",
        f"<h2>Time to quality, {nodes} nodes</h2>", _over_time(best),
        f"<p>{told} Cables without limit; scores on a quarter of the analogies. It does not claim seconds of any real "
        "machine.</p>",
        f"<h2>Traffic over time, {nodes} nodes</h2>", _sent_over_time(best),
        f"<p>{told} Bytes on all cables together. It does not claim how even the traffic is within an exchange.</p>",
        f"<h2>CPU time, {nodes} nodes</h2>", _cpu(found, best),
        f"<p>{told} Seconds of one core for a million words of all nodes together: training, merging, protocol and the "
        "simulation itself, without scores, on a machine that others may have used. It does not claim that "
        "exchanges of the baselines could not be made faster; what the kernels alone take stands in the table.</p>",
        f"<h2>A death at half time, {nodes} nodes</h2>", _deaths(found, best),
        f"<p>{told} Of servers the server dies and comes back from its last checkpoint, of rings the first rank, of "
        "gossip the root of the tree or a node; what text a dead node had left is lost. Points lost against the same "
        "run without a death; negative ones are chance. It does not claim that a death is noticed as fast in other "
        "programs: all are given the same 8 s.</p>",
    ]  # fmt: skip


def _series(best: dict[str, Line], points: Callable[[Line], Sequence[tuple[float, float]]]) -> list[Series]:
    found = [Series(name, BASELINES[name].family, points(line)) for name, line in best.items()]
    return [each for each in found if each.points]


def _drawn(series: list[Series], x: str, y: str, is_log: bool, is_log_y: bool = False) -> str:
    if not series:
        return NOTHING
    every = [point for each in series for point in each.points if point[0] > 0 or not is_log]
    return draw(series, axis(x, [p[0] for p in every], is_log), axis(y, [p[1] for p in every], is_log_y))


def _against_bytes(found: Findings, best: dict[str, Line]) -> str:
    def points(line: Line) -> list[tuple[float, float]]:
        run = line.run
        if not line.result["bytes"] or line.result.get("by_formula"):
            return []
        tries = found.tries(run.baseline, run.nodes, run.negative, run.window)
        same = [each for each in tries if each.run.alpha == run.alpha and not each.failed]
        return sorted((each.result["bytes"] / max(1, each.result["trained"]), found.mean(each)) for each in same)

    return _drawn(_series(best, points), "bytes on all cables for each trained word", "points", is_log=True)


def _against_nodes(found: Findings, setting: tuple[int, int]) -> str:
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for nodes in found.counts(setting):
        for name, line in found.all_best(nodes, setting).items():
            if BASELINES[name].family != "moved":
                lines[name].append((nodes, found.mean(line)))
    series = [Series(name, BASELINES[name].family, points) for name, points in lines.items()]
    if not series:
        return NOTHING
    every = [point for each in series for point in each.points]
    counts = axis("nodes", [p[0] for p in every], is_log=True)._replace(marks=tuple(found.counts(setting)))
    return draw(series, counts, axis("points", [p[1] for p in every]))


def _over_time(best: dict[str, Line]) -> str:
    return _drawn(_series(best, lambda line: line.result["curve"]), "simulated seconds", "points", is_log=True)


def _sent_over_time(best: dict[str, Line]) -> str:
    def points(line: Line) -> list[tuple[float, float]]:
        return [(seconds, sent / 1e6) for seconds, sent in line.result.get("sent_at", []) if sent]

    return _drawn(_series(best, points), "simulated seconds", "MB", is_log=False, is_log_y=True)


def _cpu(found: Findings, best: dict[str, Line]) -> str:
    def per_million(line: Line) -> float:
        return float(line.result["cpu_seconds"] / max(1, line.result["trained"]) * 1e6)

    one = found.best("one", 1, (found.base.negative, found.base.window))
    lines = {name: line for name, line in best.items() if BASELINES[name].exchanges}
    lines |= {"one": one} if one is not None and not one.failed else {}
    values = [(name, BASELINES[name].family, per_million(line)) for name, line in lines.items()]
    return bars(values, "CPU seconds for a million words") if values else NOTHING


def _deaths(found: Findings, best: dict[str, Line]) -> str:
    def points(line: Line) -> list[tuple[float, float]]:
        after = found.under(line, event="death")
        if after is None or after.failed:
            return []
        return [(after.result["stall"], found.mean(line) - found.mean(after))]

    return _drawn(_series(best, points), "seconds in which no node trained", "points lost", is_log=False)


def _systems(found: Findings) -> list[str]:
    setting, nodes = found.settings()[0] if found.lines else (5, 5), found.busiest_count()
    best = found.all_best(nodes, setting)
    rows = [[system.name, *_rows_of(system, best, found), system.why] for system in SYSTEMS]
    head = ["", "its row", f"points, {nodes} nodes", ""]
    return ["<h2>Systems and papers, and the rows that train as they do</h2>", _table(head, rows)]


def _rows_of(system: System, best: dict[str, Line], found: Findings) -> tuple[str, str]:
    points = (f"{found.mean(best[name]):.1f}" if name in best else "not run" for name in system.rows)
    return ", ".join(system.rows) or "none", ", ".join(points)


# --- conditions, and all the rest ----------------------------------------------------------------------------------


def _conditions(found: Findings) -> list[str]:
    setting, nodes = found.settings()[0] if found.lines else (5, 5), found.busiest_count()
    best = found.all_best(nodes, setting)
    changed = [("skewed text", {"text": "skewed"}), *[(name, {"event": name}) for name in EVENTS[1:]]]
    rows = [[name, _cell(line), *[_cell(found.under(line, **c)) for _, c in changed]] for name, line in best.items()]
    head = ["", "as it is", *[name for name, _ in changed]]
    cables = ["no limit", *[f"{bandwidth:g} Mbit/s" for bandwidth in BANDWIDTHS[1:]]]
    return [
        f"<h2>Other conditions, {nodes} nodes</h2><p>Points, and simulated seconds. Slow: one node takes three times "
        "as long. Pause: one stands still for 10 s. Join: half of the nodes come at half time. Death: as above.</p>",
        _table(head, rows),
        f"<h2>Cables, {nodes} nodes</h2><p>Simulated seconds, and points where they are others. In rounds, bandwidth "
        "changes nothing but the time.</p>",
        _table(["", *cables], [[name, *_cable_cells(found, line)] for name, line in best.items()]),
    ]


def _real(lines: Sequence[Line]) -> list[str]:
    """Runs by processes; nothing where there are none."""
    if not lines:
        return []
    head = ["", "", "nodes", "Mbit/s", "event", "epochs", "points", "lost", "MB", "busiest cable, MB", "s",
            "s without training after a death", "words a s", "CPU s", "largest process, MB"]  # fmt: skip
    usual = {line.run.key: line for line in lines}
    return [
        f"<h2>Real processes</h2><p>{_once(REAL_CLAIMS)}</p>",
        _table(head, [_real_row(line, usual) for line in sorted(lines, key=lambda line: line.run.key)]),
    ]  # fmt: skip


def _real_row(line: Line, usual: dict[str, Line]) -> list[str]:
    run, result = line.run, line.result
    told = [run.baseline, "real", str(run.nodes), f"{run.bandwidth:g}", run.event, str(run.epochs)]
    if line.failed:
        return [*told, f"failed: {line.failed}", *[""] * 8]
    same = usual.get(replace(run, event="none").key)
    lost = f"{same.points - line.points:.1f}" if run.event != "none" and same and not same.failed else ""
    stall = f"{result['stall']:.1f}" if run.event != "none" else ""
    return [
        *told, f"{line.points:.1f}", lost, f"{result['bytes'] / 1e6:.1f}", f"{result['busiest'] / 1e6:.1f}",
        f"{result['seconds']:.1f}", stall, f"{result['trained'] / max(result['seconds'], 1e-9):,.0f}",
        f"{result['processes_cpu']:.1f}", f"{result['largest_process'] / 1e6:.0f}",
    ]  # fmt: skip


def _cell(line: Line | None) -> str:
    if line is None:
        return ""
    return line.failed or f"{line.points:.1f} / {line.result['seconds']:.0f} s"


def _cable_cells(found: Findings, line: Line) -> Iterable[str]:
    seconds_at = line.result.get("seconds_at", {})
    for bandwidth in BANDWIDTHS:
        run = found.under(line, bandwidth=bandwidth)
        if bandwidth and run is not None:
            yield _cell(run)
        elif bandwidth and f"{bandwidth:g}" in seconds_at:
            yield f"{seconds_at[f'{bandwidth:g}']:.0f} s"
        else:
            yield "" if bandwidth else f"{line.result['seconds']:.0f} s"


def _everything(found: Findings) -> list[str]:
    setting, nodes = found.settings()[0] if found.lines else (5, 5), found.busiest_count()
    messages = [
        [name, kind, f"{size / 1e6:.2f}"]
        for name, line in found.all_best(nodes, setting).items()
        for kind, size in line.result.get("messages", {}).items()
    ]
    return [
        f"<h2>Bytes by message and direction, {nodes} nodes</h2>", _table(["", "message", "MB"], messages),
        "<h2>All that was tried</h2>",
        _table(["", "nodes", "negative/window", "alpha", "exchanges", "seed", "text", "event", "Mbit/s", "points", "MB",
                "simulated s"], [_try_row(line) for line in found.lines]),
    ]  # fmt: skip


def _try_row(line: Line) -> list[str]:
    run, result = line.run, line.result
    told = [run.baseline, str(run.nodes), f"{run.negative}/{run.window}", f"{run.alpha:g}", str(run.rounds),
            str(run.seed), run.text, run.event, f"{run.bandwidth:g}"]  # fmt: skip
    if line.failed:
        return [*told, f"failed: {line.failed}", "", ""]
    return [*told, f"{line.points:.1f}", f"{result['bytes'] / 1e6:.1f}", f"{result['seconds']:.1f}"]
