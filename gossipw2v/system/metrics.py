"""What a node counts, as Prometheus reads it; the only module that knows prometheus_client.

Events (refusals, exchanges) are counted as they happen, from any thread. Everything that is a state is taken
from the dict that `/status` serves, so that the two never disagree. No label holds anything a peer has sent.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

# A start time for each counter would double the answer.
disable_created_metrics()  # type: ignore[no-untyped-call,unused-ignore]  # typed in some versions

REFUSALS = (
    "magic",  # not our protocol at all: a port scan, a browser
    "size",  # a length above its cap
    "malformed",  # bytes that are no message
    "handshake",  # a message before Hello
    "protocol",  # a message out of place, or another generation of the protocol
    "secret",  # no proof of the swarm's secret, or plain text and TLS have met
    "identity",  # a Hello that names another node than the certificate
    "self",  # our own address, found by discovery
    "job",  # another job's name or hyper-parameters
    "vocabulary",  # another frozen vocabulary
    "busy",  # as many connections as we take
    "timeout",  # too slow to be waited for
    "tree",  # a request that its place in the tree does not allow
    "sequence",  # a batch number that does not follow
    "rows",  # row ids out of range, unsorted, twice or missing
    "values",  # not finite, or longer than any row can be
    "influence",  # an answer that moves rows further than is allowed
    "barred",  # banned by configuration, or cut off for what it did before
    "blob",  # a part of a vocabulary that was not asked for, or is not what was offered
    "peer",  # we were refused
    "internal",  # our own failure to use what was sent
    "other",
)
EVENTS = (
    "link_opened",
    "reset",  # two trained nodes without a common reference exchanged rows whole
    "adasum",  # provenance overlapped: progress was merged as parallel, not as successive
    "other",
)
STATES = (
    *("starting", "compiling", "counting", "gathering", "encoding", "joining", "training", "draining", "complete"),
    *("stopping", "failed"),
)
EXCHANGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LISTED = 1000  # members and links looked at in one scrape


class Reading(NamedTuple):
    """One number of the status dict: the metric's name without prefix, its help, the path to the number."""

    name: str
    help: str
    path: tuple[str, ...]


GAUGES = (
    Reading("progress_ratio", "Trained share of the swarm's text, 0 to 1.", ("progress", "ratio")),
    Reading("epoch", "Pass over this node's own text.", ("progress", "epoch")),
    Reading("epochs", "Passes that were asked for.", ("progress", "epochs")),
    Reading("learning_rate", "alpha in use.", ("progress", "alpha")),
    Reading("loss", "Mean loss of a recent training pair.", ("progress", "loss")),
    Reading("held_out_loss", "Mean loss of a pair of held-out text.", ("held_out", "loss")),
    Reading("held_out_words", "Tokens that are kept out of training.", ("held_out", "words")),
    Reading("words_per_second", "Tokens this node trains in a second.", ("progress", "words_per_second")),
    Reading(
        "swarm_words_per_second",
        "Tokens all nodes train in a second.",
        ("progress", "swarm_words_per_second"),
    ),
    Reading("remaining_seconds", "Estimated time until the swarm is done.", ("progress", "eta_seconds")),
    Reading("planned_words", "Tokens this node will train in all.", ("progress", "total_tokens")),
    Reading("swarm_planned_words", "Tokens all nodes will train in all.", ("progress", "swarm_total_tokens")),
    Reading("vocabulary_words", "Words of the frozen vocabulary.", ("vocabulary", "words")),
    Reading("vocabulary_tokens", "Tokens of all nodes that the vocabulary covers.", ("vocabulary", "tokens")),
    Reading("vocabulary_version", "How often the vocabulary has grown.", ("vocabulary", "version")),
    Reading("vocabulary_waiting_words", "Words of later text that are in no version.", ("vocabulary", "waiting")),
    Reading("tasks_in_hand", "Tasks of a shared text that this node's threads train.", ("tasks", "in_hand")),
    Reading("tasks_left", "Tasks of a shared text that nobody has done yet.", ("tasks", "left")),
    Reading("corpus_files", "Files of this node's text.", ("corpus", "files")),
    Reading("corpus_bytes", "Size of this node's text.", ("corpus", "bytes")),
    Reading("corpus_tokens", "Tokens of this node's text.", ("corpus", "tokens")),
    Reading("checkpoint_generation", "The newest checkpoint's number.", ("checkpoint", "generation")),
    Reading("checkpoint_age_seconds", "Time since a checkpoint was written.", ("checkpoint", "age_seconds")),
    Reading("checkpoint_bytes", "Size of the newest checkpoint.", ("checkpoint", "bytes")),
    Reading("checkpoint_seconds", "What writing the newest checkpoint took.", ("checkpoint", "seconds")),
    Reading("degraded", "1 if the status page lists a problem.", ("degraded",)),
    Reading("loop_lag_p99_seconds", "How late the event loop runs, 99th percentile.", ("load", "loop_lag_p99_seconds")),
    Reading("uptime_seconds", "Time since this node started.", ("uptime_seconds",)),
)
COUNTERS = (
    Reading("trained_words", "Tokens this node has trained.", ("progress", "trained_tokens")),
    Reading(
        "swarm_trained_words",
        "Tokens all nodes have trained, as far as known.",
        ("progress", "swarm_trained_tokens"),
    ),
    Reading("training_cpu_seconds", "CPU time of the training threads.", ("load", "training_cpu_seconds")),
    Reading("merging_cpu_seconds", "CPU time of the merging thread.", ("load", "merging_cpu_seconds")),
    Reading("loop_cpu_seconds", "CPU time of the event loop.", ("load", "loop_cpu_seconds")),
    Reading("checkpoints_written", "Checkpoints written.", ("checkpoint", "written")),
    Reading("checkpoint_failures", "Checkpoints that could not be written.", ("checkpoint", "failures")),
    Reading("checkpoints_damaged", "Checkpoints found damaged at the start.", ("checkpoint", "damaged")),
    Reading("probe_measurements", "Times that the model was scored by --probe.", ("probe", "measurements")),
    Reading("probe_failures", "Times that scoring by --probe ended in an error.", ("probe", "failures")),
    Reading("divergences", "How often the model has diverged here.", ("divergences",)),
    Reading("tasks_done", "Tasks of a shared text that have been done.", ("tasks", "done")),
    Reading("vocabulary_forgotten_words", "Waiting words forgotten: too many.", ("vocabulary", "forgotten")),
    Reading("vocabulary_dropped_words", "Words given up with a version.", ("vocabulary", "dropped")),
    Reading("corpus_replaced_bytes", "Bytes of invalid UTF-8 that were replaced.", ("corpus", "replaced_bytes")),
)

PROBES = (
    ("score", "Last score on a test set of --probe, -1 to 1; 0 before the first.", "last"),
    ("best_score", "Best score on a test set of --probe; 0 before the first.", "best"),
    ("known", "Entries of a test set of --probe whose words are all known.", "known"),
)  # one per test set: name, help, key


class Metrics:
    """The counters of one node, in a registry of its own: many nodes can run in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._status = _StatusCollector()
        self._registry.register(self._status)
        self._refusals = self._labelled("refusals", "Frames and connections refused.", "reason", REFUSALS)
        self._events = self._labelled("gossip_events", "What happened on the links.", "event", EVENTS)
        self._exchanges = self._counter("gossip_exchanges", "Exchanges completed.")
        self._sent_bytes = self._counter("gossip_sent_bytes", "Bytes of exchanges sent.")
        self._received_bytes = self._counter("gossip_received_bytes", "Bytes of exchanges received.")
        self._sent_rows = self._counter("delta_rows_sent", "Row deltas sent.")
        self._received_rows = self._counter("delta_rows_received", "Row deltas received.")
        self._clipped = self._counter("clipped_rows", "Rows that other nodes wanted to move too far, cut back.")
        self._seconds = Histogram(
            "gossipw2v_gossip_exchange_duration_seconds", "From gathering a push to its answer merged.",
            buckets=EXCHANGE_SECONDS, registry=self._registry,
        )  # fmt: skip
        ProcessCollector(registry=self._registry)  # empty where there is no /proc
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def refused(self, reason: str) -> None:
        """Count a refusal; a reason outside `REFUSALS` counts as "other": no stranger can name a series."""
        self._refusals.labels(reason if reason in REFUSALS else "other").inc()

    def refusals(self) -> dict[str, int]:
        """Refusals so far, every reason of `REFUSALS` present."""
        return _counts(self._refusals)

    def happened(self, event: str) -> None:
        """Count an event of `EVENTS`; another name counts as "other"."""
        self._events.labels(event if event in EVENTS else "other").inc()

    def events(self) -> dict[str, int]:
        """Events so far, every one of `EVENTS` present."""
        return _counts(self._events)

    def traffic(self) -> dict[str, int]:
        """Bytes of exchanges so far, over all links that there have been."""
        return {"sent_bytes": _count(self._sent_bytes), "received_bytes": _count(self._received_bytes)}

    def sent(self, size: int, rows: int) -> None:
        """Count a push or an answer of `size` bytes that went out."""
        self._sent_bytes.inc(size)
        self._sent_rows.inc(rows)

    def received(self, size: int, rows: int) -> None:
        """Count a push or an answer of `size` bytes that came in."""
        self._received_bytes.inc(size)
        self._received_rows.inc(rows)

    def clipped(self, rows: int) -> None:
        """Count rows of a push that were cut back to what a row may move."""
        self._clipped.inc(rows)

    def exchanged(self, seconds: float | None = None) -> None:
        """Count a completed exchange, whichever end began it; the end that began knows how long it took."""
        self._exchanges.inc()
        if seconds is not None:
            self._seconds.observe(seconds)

    def observe(self, snapshot: Mapping[str, Any]) -> None:
        """Take the dict of `/status` as the state that the next `render` shows; what it lacks is left out."""
        self._status.snapshot = snapshot

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics as (body, content type): OpenMetrics where `accept` asks for it, else text."""
        # Only this much of a stranger's header reaches the library: its parser raises on "version=x".
        openmetrics = "application/openmetrics-text"
        encoder, content_type = choose_encoder(openmetrics if openmetrics in accept else "")
        return encoder(self._registry), content_type

    def families(self) -> list[Metric]:
        """All that a scrape shows of this program, of the process and of Python, each with its samples."""
        return list(self._registry.collect())

    def _counter(self, name: str, documentation: str) -> Counter:
        return Counter(f"gossipw2v_{name}", documentation, registry=self._registry)

    def _labelled(self, name: str, documentation: str, label: str, values: tuple[str, ...]) -> Counter:
        parent = Counter(f"gossipw2v_{name}", documentation, [label], registry=self._registry)
        for value in values:
            parent.labels(value)  # present at zero: an alert on a missing series never fires
        return parent


class _StatusCollector(Collector):
    """Turns the latest status dict into metrics at the moment of the scrape."""

    def __init__(self) -> None:
        self.snapshot: Mapping[str, Any] = {}

    def collect(self) -> Iterator[Metric]:
        status = self.snapshot
        yield InfoMetricFamily("gossipw2v_build", "This node's program.", {"version": str(status.get("version", ""))})
        yield _one_per_value("state", "1 for the state this node is in.", "state", _states(status))
        yield _one_per_value("members", "Nodes known, this one included.", "condition", _members(status))
        yield _one_per_value("links", "Open links, by what the other end is to us.", "role", _roles(status))
        yield _gauge("pending_rows", "Rows that wait to be sent, all links.", _pending(status))
        yield _gauge("problems", "Problems that the status page lists.", len(_list(status, "problems")))
        for name, help_, key in PROBES:
            yield _one_per_value(f"probe_{name}", help_, "probe", _probes(status, key))
        for name, help_, path in COUNTERS:
            yield CounterMetricFamily(f"gossipw2v_{name}", help_, _number(status, path) or 0.0)
        for name, help_, path in GAUGES:
            value = _number(status, path)
            if value is not None:
                yield _gauge(name, help_, value)


def _gauge(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gossipw2v_{name}", documentation, value)


def _one_per_value(name: str, documentation: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"gossipw2v_{name}", documentation, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _number(status: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    """The finite number at `path`, or None where any part of the path is missing or null."""
    value: Any = status
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _list(status: Mapping[str, Any], key: str) -> list[Any]:
    value = status.get(key)
    return value[:LISTED] if isinstance(value, list) else []


def _states(status: Mapping[str, Any]) -> dict[str, int]:
    return {state: int(status.get("state") == state) for state in STATES}


def _members(status: Mapping[str, Any]) -> dict[str, int]:
    members = _list(status, "members")
    alive = sum(bool(member.get("alive")) for member in members)
    return {"alive": alive, "lost": len(members) - alive}


def _probes(status: Mapping[str, Any], key: str) -> dict[str, float]:
    """A number of each test set, by its name, which is that of a file of this machine; 0 as long as there is none."""
    probe = status.get("probe")
    return {str(each["name"]): _number(each, (key,)) or 0.0 for each in _list(probe or {}, "sets")}


def _roles(status: Mapping[str, Any]) -> dict[str, int]:
    links = _list(status, "links")
    return {role: sum(link.get("role") == role for link in links) for role in ("parent", "child")}


def _pending(status: Mapping[str, Any]) -> int:
    return sum(int(link.get("pending_rows") or 0) for link in _list(status, "links"))


def _count(counter: Counter) -> int:
    """What a counter without labels has come to."""
    samples = (sample for family in counter.collect() for sample in family.samples)
    return next(int(sample.value) for sample in samples if sample.name.endswith("_total"))


def _counts(counter: Counter) -> dict[str, int]:
    samples = [sample for metric in counter.collect() for sample in metric.samples]
    return {next(iter(sample.labels.values())): int(sample.value) for sample in samples}


# -- what there is, for people ------------------------------------------------------------------------------


def reference() -> str:
    """Every metric of this program as a table in Markdown: its name in a scrape, its type, its labels, its help."""
    metrics = Metrics()
    metrics.observe(complete_status())
    rows = [_row(each) for each in metrics.families() if each.name.startswith("gossipw2v_")]
    head = "# What `/metrics` shows\n\nWritten by `gossipw2v.system.metrics.reference()`; a test compares it.\n"
    return "\n".join([head, "| metric | type | labels | what it is |", "|---|---|---|---|", *sorted(rows), ""])


def complete_status() -> dict[str, Any]:
    """A status in which every number that is read is there, 0, and one probe: so that a scrape leaves nothing out."""
    status: dict[str, Any] = {}
    for reading in (*GAUGES, *COUNTERS):
        at = status
        for key in reading.path[:-1]:
            at = at.setdefault(key, {})
        at[reading.path[-1]] = 0
    status["probe"]["sets"] = [{"name": "name of the test set"}]
    return status


def _row(family: Metric) -> str:
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    labels: dict[str, list[str]] = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            labels.setdefault(label, []).append(value)
    labels.pop("le", None)  # of a histogram: its bounds
    told = "; ".join(f"{label}: {', '.join(values)}" if any(values) else label for label, values in labels.items())
    return f"| `{family.name}{suffix}` | {family.type} | {told} | {family.documentation} |"
