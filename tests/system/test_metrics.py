"""Metrics: what a scrape shows, for every state a node can be in and for every header a stranger can send."""

import math
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from gossipw2v.system import metrics as metrics_module
from gossipw2v.system.metrics import EVENTS, REFUSALS, STATES, Metrics

STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "state": "training",
    "uptime_seconds": 12.5,
    "vocabulary": {"words": 100, "tokens": 5000},
    "progress": {
        "ratio": 0.5,
        "trained_tokens": 250,
        "swarm_trained_tokens": 700,
        "loss": 2.25,
        "alpha": 0.02,
    },
    "members": [{"alive": True}, {"alive": True}, {"alive": False}],
    "links": [{"role": "parent", "pending_rows": 5}, {"role": "child", "pending_rows": 2}],
    "corpus": {"files": 1, "bytes": 10, "replaced_bytes": 3, "tokens": 300},
    "problems": ["a", "b"],
}


def samples(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Every sample of a text scrape by (name, value of its only label or "")."""
    families = parse_text(metrics.render()[0].decode())
    found = [sample for family in families for sample in family.samples]
    return {(sample.name, next(iter(sample.labels.values()), "")): sample.value for sample in found}


def test_every_counter_is_there_at_zero_before_anything_happened() -> None:
    found = samples(Metrics())
    assert {reason: found["gossipw2v_refusals_total", reason] for reason in REFUSALS} == dict.fromkeys(REFUSALS, 0)
    assert {event: found["gossipw2v_gossip_events_total", event] for event in EVENTS} == dict.fromkeys(EVENTS, 0)
    for name in ("gossip_exchanges", "gossip_sent_bytes", "gossip_received_bytes", "delta_rows_sent",
                 "delta_rows_received", "trained_words"):  # fmt: skip
        assert found[f"gossipw2v_{name}_total", ""] == 0
    assert found["gossipw2v_gossip_exchange_duration_seconds_count", ""] == 0


def test_an_exchange_adds_to_each_of_its_counters() -> None:
    metrics = Metrics()
    for size, rows in ((10, 3), (1, 0)):
        metrics.sent(size, rows)
    for size, rows in ((20, 4), (2, 1)):
        metrics.received(size, rows)
    metrics.exchanged(0.2)
    metrics.exchanged(40.0)
    metrics.exchanged()  # as a parent
    found = samples(metrics)
    assert found["gossipw2v_gossip_exchanges_total", ""] == 3
    assert found["gossipw2v_gossip_sent_bytes_total", ""] == 11
    assert found["gossipw2v_gossip_received_bytes_total", ""] == 22
    assert found["gossipw2v_delta_rows_sent_total", ""] == 3
    assert found["gossipw2v_delta_rows_received_total", ""] == 5
    assert found["gossipw2v_gossip_exchange_duration_seconds_bucket", "0.25"] == 1
    assert found["gossipw2v_gossip_exchange_duration_seconds_sum", ""] == pytest.approx(40.2)


@given(st.text())
def test_a_reason_of_a_strangers_making_opens_no_series(reason: str) -> None:
    metrics = Metrics()
    metrics.refused(reason)
    metrics.happened(reason)
    assert metrics.refusals() == dict.fromkeys(REFUSALS, 0) | {reason if reason in REFUSALS else "other": 1}
    assert metrics.events() == dict.fromkeys(EVENTS, 0) | {reason if reason in EVENTS else "other": 1}


def test_every_reason_that_the_program_gives_is_counted_under_its_own_name() -> None:
    program = "".join(
        path.read_text(encoding="utf-8") for path in Path(metrics_module.__file__).parents[1].glob("**/*.py")
    )
    reasons = set(re.findall(r"(?:ProtocolError|Refused|refused)\(\s*\"(\w+)\"", program))
    events = set(re.findall(r"happened\(\s*\"(\w+)\"", program))
    assert "magic" in reasons
    assert reasons <= set(REFUSALS)
    assert events <= set(EVENTS)


def test_two_nodes_of_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.refused("magic")
    assert (one.refusals()["magic"], other.refusals()["magic"]) == (1, 0)


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: metrics.refused("size"), range(4000)))
    assert metrics.refusals()["size"] == 4000


def test_the_status_dict_is_what_the_scrape_shows() -> None:
    metrics = Metrics()
    metrics.observe(STATUS)
    found = samples(metrics)
    assert {state: found["gossipw2v_state", state] for state in STATES} == dict.fromkeys(STATES, 0) | {"training": 1}
    assert found["gossipw2v_build_info", "0.1.0"] == 1
    assert (found["gossipw2v_members", "alive"], found["gossipw2v_members", "lost"]) == (2, 1)
    assert (found["gossipw2v_links", "parent"], found["gossipw2v_links", "child"]) == (1, 1)
    assert found["gossipw2v_pending_rows", ""] == 7
    assert found["gossipw2v_progress_ratio", ""] == 0.5
    assert found["gossipw2v_trained_words_total", ""] == 250
    assert found["gossipw2v_corpus_replaced_bytes_total", ""] == 3
    assert found["gossipw2v_problems", ""] == 2


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf, "soon", {}])
def test_what_is_not_known_is_left_out_rather_than_shown_as_zero(unknown: object) -> None:
    metrics = Metrics()
    metrics.observe(STATUS | {"vocabulary": None, "progress": {"loss": unknown, "ratio": 0.0}})
    found = samples(metrics)
    assert ("gossipw2v_loss", "") not in found
    assert ("gossipw2v_vocabulary_words", "") not in found
    assert found["gossipw2v_progress_ratio", ""] == 0.0


def test_openmetrics_is_spoken_where_it_is_asked_for() -> None:
    metrics = Metrics()
    metrics.observe(STATUS)
    body, content_type = metrics.render("application/openmetrics-text; version=1.0.0, text/plain; q=0.5")
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(body.decode())}
    assert {"gossipw2v_refusals", "gossipw2v_state", "gossipw2v_build"} <= names


@given(st.text() | st.sampled_from(["application/openmetrics-text; version=x", "text/plain;;version=;="]))
def test_any_accept_header_gets_an_answer(accept: str) -> None:
    body, content_type = Metrics().render(accept)
    assert b"gossipw2v_refusals_total" in body
    assert content_type.startswith(("text/plain", "application/openmetrics-text"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="process metrics come from /proc")
def test_the_process_is_measured_too() -> None:
    found = samples(Metrics())
    assert found["process_resident_memory_bytes", ""] > 0
    assert found["process_open_fds", ""] > 0


def test_traffic_is_the_sum_of_what_was_counted() -> None:
    metrics = Metrics()
    assert metrics.traffic() == {"sent_bytes": 0, "received_bytes": 0}
    metrics.sent(10, 1)
    metrics.sent(5, 1)
    metrics.received(7, 1)
    assert metrics.traffic() == {"sent_bytes": 15, "received_bytes": 7}
