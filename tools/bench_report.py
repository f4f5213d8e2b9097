"""What `bench_train` shows of its runs: Markdown tables, and heat maps over the noise words and the window."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any

NAMES = {"sg": "kind", "size": "dimensions"}  # of settings, where a person reads them
PANELS = 40  # rows of a picture, at most

Setting = dict[str, Any]
Result = dict[str, Any]
Key = tuple[int, int]  # window, negative


@dataclass(frozen=True)
class Row:
    """The runs of one setting, a seed each: this project's and gensim's, which may be none."""

    setting: Setting
    ours: list[Result]
    theirs: list[Result]

    @property
    def finite(self) -> bool:
        """Whether every value of every run is a number."""
        return all(result["finite"] for result in (*self.ours, *self.theirs))

    @property
    def ratio(self) -> float:
        """How many times as fast as gensim; nan without it."""
        return median_of(self.ours, "speed") / median_of(self.theirs, "speed") if self.theirs else math.nan

    def gain(self, scores: Sequence[str]) -> float:
        """The mean over the test sets of the difference to gensim; nan where one has no score."""
        both = [(mean_score(self.ours, name), mean_score(self.theirs, name)) for name in scores]
        return mean(ours - theirs for ours, theirs in both) if both else math.nan

    @property
    def growth(self) -> float:
        """The longest row against gensim's; nan if one of them is not finite."""
        if not (self.finite and self.theirs):
            return math.nan
        return median_of(self.ours, "longest") / median_of(self.theirs, "longest")


def median_of(results: list[Result], name: str) -> float:
    """Over the seeds."""
    return median(result[name] for result in results)


def mean_score(results: list[Result], name: str) -> float:
    """Over the seeds; nan if there is none or one has no score."""
    values = [result["scores"][name] for result in results]
    return math.nan if not values or None in values else mean(values)


# --- tables --------------------------------------------------------------------------------------------------------


def varying(settings: Sequence[Setting]) -> list[str]:
    """The names of the settings that have several values."""
    return [name for name in settings[0] if len({setting[name] for setting in settings}) > 1]


def describe(setting: Setting, names: Sequence[str]) -> str:
    """Some settings in words: skip-gram, dimensions 128, window 5."""
    return ", ".join(f"{label} {text}" if name != "sg" else text for name, label, text in shown(setting, names))


def shown(setting: Setting, names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Some settings by name, what a person calls them, and their values."""
    for name in names:
        text = ("CBOW", "skip-gram")[setting[name]] if name == "sg" else f"{setting[name]:g}"
        yield name, NAMES.get(name, name.replace("_", "-")), text


def table_head(settings: Sequence[Setting], scores: Sequence[str]) -> str:
    """What all rows have in common, and the names of the columns."""
    free = varying(settings)
    constant = describe(settings[0], [name for name in settings[0] if name not in free])
    columns = [label for _, label, _ in shown(settings[0], free)]
    columns += ["gossipw2v, k words/s", "gensim", "ratio"]
    columns += [column for score in scores for column in (f"{score}, gossipw2v", "gensim")]
    columns += ["longest row, gossipw2v", "gensim", "finite"]
    return f"{constant}\n\n{join(columns)}\n{join(['---'] * len(columns), '')}"


def table_row(row: Row, free: Sequence[str], scores: Sequence[str]) -> str:
    """Medians of speed and of the longest row, means of scores, each with the least and the most of the seeds."""
    cells = [text for _, _, text in shown(row.setting, free)]
    cells += [spread([r["speed"] / 1e3 for r in runs], median, 0) for runs in (row.ours, row.theirs)]
    cells.append("-" if math.isnan(row.ratio) else f"{row.ratio:.1f}")
    for score in scores:
        cells += [spread([r["scores"][score] for r in runs], mean, 1) for runs in (row.ours, row.theirs)]
    cells += [spread([r["longest"] for r in runs], median, 1) for runs in (row.ours, row.theirs)]
    return join([*cells, finiteness(row)])


def spread(values: list[float | None], middle: Callable[[list[float]], float], digits: int) -> str:
    """The middle of the seeds and their range, or a dash where a run has no value."""
    numbers = [value for value in values if value is not None]
    if not numbers or len(numbers) < len(values):
        return "-"
    low, high = min(numbers), max(numbers)
    beside = f" ({low:.{digits}f}-{high:.{digits}f})" if len(numbers) > 1 else ""
    return f"{middle(numbers):.{digits}f}{beside}"


def finiteness(row: Row) -> str:
    """Yes, or whose runs hold values that are not finite."""
    broken = [
        f"{name}: {bad} of {len(runs)} not finite"
        for name, runs in (("gossipw2v", row.ours), ("gensim", row.theirs))
        if (bad := sum(not result["finite"] for result in runs))
    ]
    return ", ".join(broken) or "yes"


def join(cells: Sequence[str], space: str = " ") -> str:
    """A line of a Markdown table."""
    return f"|{space}" + f"{space}|{space}".join(cells) + f"{space}|"


def scaling(rows: Sequence[Row]) -> str:
    """How much faster several threads are than the fewest, for each setting; empty where there is one number only."""
    names = [name for name in varying([row.setting for row in rows]) if name != "threads"]
    lines = []
    for group in grouped(rows, ("threads",)):
        base, *more = sorted(group, key=lambda row: int(row.setting["threads"]))
        for row in more:
            cells = [text for _, _, text in shown(row.setting, names)]
            cells.append(f"{row.setting['threads']} against {base.setting['threads']}")
            lines.append(join([*cells, faster(row.ours, base.ours), faster(row.theirs, base.theirs)]))
    columns = [*(label for _, label, _ in shown(rows[0].setting, names)), "threads", "gossipw2v", "gensim"]
    return "\n".join([join(columns), join(["---"] * len(columns), ""), *lines]) if lines else ""


def grouped(rows: Sequence[Row], free: Sequence[str]) -> list[list[Row]]:
    """Rows whose settings differ in `free` only."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(repr([value for name, value in row.setting.items() if name not in free]), []).append(row)
    return list(groups.values())


def faster(runs: list[Result], base: list[Result]) -> str:
    """The ratio of two speeds."""
    return f"{median_of(runs, 'speed') / median_of(base, 'speed'):.2f}" if runs and base else "-"


# --- the picture ---------------------------------------------------------------------------------------------------


def draw_heat_maps(rows: Sequence[Row], scores: Sequence[str], path: Path) -> None:
    """An SVG, the same bytes for the same rows: speed, quality and longest row against gensim's.

    A line of panels for each combination of the settings that are neither window nor negative; ValueError if those are
    more than 40.
    """
    import matplotlib as mpl  # noqa: PLC0415 - only the picture needs it
    from matplotlib.figure import Figure  # noqa: PLC0415

    groups = grouped(rows, ("window", "negative"))
    if len(groups) > PANELS:
        raise ValueError(f"{len(groups)} lines of panels do not fit in a picture: give fewer values, {PANELS} at most")
    measures = measures_of(rows, scores)
    with mpl.rc_context({"svg.hashsalt": "gossipw2v", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(3.6 * len(measures), 2.6 * len(groups)), layout="constrained")
        panels = figure.subplots(len(groups), len(measures), squeeze=False)
        free = [name for name in varying([row.setting for row in rows]) if name not in {"window", "negative"}]
        for line, group in zip(panels, groups, strict=True):
            for panel, measure in zip(line, measures, strict=True):
                fill(panel, group, measure)
            line[0].set_ylabel("\n".join(filter(None, [describe(group[0].setting, free), "window"])))
        for panel, measure in zip(panels[0], measures, strict=True):
            panel.set_title(measure.title)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


@dataclass(frozen=True)
class Measure:
    """A column of panels: its title, a row's value, how to write it, and its colours for the picture's whole range."""

    title: str
    value: Callable[[Row], float]
    text: str
    colours: str
    norm: Any


def measures_of(rows: Sequence[Row], scores: Sequence[str]) -> list[Measure]:
    """Speed, quality if something is scored, and the longest row."""
    from matplotlib.colors import LogNorm, Normalize  # noqa: PLC0415 - only the picture needs it

    def most(value: Callable[[Row], float], least: float) -> float:
        return max([least, *(abs(v) for row in rows if math.isfinite(v := value(row)))])

    quality = Measure(
        f"quality: gossipw2v - gensim\nmean of {', '.join(scores)}", lambda row: row.gain(scores), "{:+.1f}", "RdBu",
        Normalize(-(high := most(lambda row: row.gain(scores), 1)), high),
    )  # fmt: skip
    high = math.exp(most(lambda row: math.log(row.growth), math.log(2)))
    return [
        Measure("speed: gossipw2v / gensim", lambda row: row.ratio, "{:.1f}", "viridis",
                Normalize(0, most(lambda row: row.ratio, 1))),
        *([quality] if scores else []),
        Measure("longest row: gossipw2v / gensim", lambda row: row.growth, "{:.2f}", "PuOr_r", LogNorm(1 / high, high)),
    ]  # fmt: skip


def fill(panel: Any, rows: Sequence[Row], measure: Measure) -> None:
    """A heat map with its numbers; a cross where there is none."""
    windows, negatives = (sorted({row.setting[name] for row in rows}) for name in ("window", "negative"))
    grid = [[math.nan] * len(negatives) for _ in windows]
    for row in rows:
        grid[windows.index(row.setting["window"])][negatives.index(row.setting["negative"])] = measure.value(row)
    mesh = panel.pcolormesh(grid, cmap=measure.colours, norm=measure.norm, edgecolors="white")
    for x, y in product(range(len(negatives)), range(len(windows))):
        value = grid[y][x]
        text = measure.text.format(value) if math.isfinite(value) else "\u00d7"
        panel.text(x + 0.5, y + 0.5, text, ha="center", va="center", color=ink(mesh.to_rgba(value)))
    panel.set(xticks=[x + 0.5 for x in range(len(negatives))], xticklabels=negatives, xlabel="negative")
    panel.set(yticks=[y + 0.5 for y in range(len(windows))], yticklabels=windows)


def ink(ground: Sequence[float]) -> str:
    """Black or white, whichever is read more easily on red, green, blue and opacity."""
    red, green, blue, opacity = ground
    return "white" if opacity and 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else "black"
