"""The history of figures: bounded, even, and from the first moment to the last, whatever the status holds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gossipw2v.status.history import MOST_POINTS, History, point
from gossipw2v.status.responses import encoded


@given(st.integers(1, 8000), st.sampled_from([0.5, 1.0, 1.3, 7.0]))
def test_the_whole_run_is_there_in_a_bounded_number_of_even_points(looks: int, step: float) -> None:
    history, now = History(), 0.0
    for number in range(looks):
        now = number * step
        if history.due(now):
            history.add({"uptime_seconds": now}, now)
    times = [float(each["seconds"] or 0) for each in history.points]
    assert times[0] == 0
    assert len(times) <= MOST_POINTS
    assert now - times[-1] <= 2 * history.every_seconds + step
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert all(0.98 * history.every_seconds <= each <= 2.1 * max(history.every_seconds, step) for each in steps)


def test_a_point_is_what_the_status_says() -> None:
    status: dict[str, Any] = {
        "uptime_seconds": 3.0,
        "progress": {"ratio": 0.5, "words_per_second": 10, "swarm_words_per_second": 30, "loss": 2.0},
        "held_out": {"loss": 2.5},
        "vocabulary": {"words": 100},
        "links": [{"pending_rows": 20}, {"pending_rows": 50}],
        "traffic": {"sent_bytes": 6, "received_bytes": 8},
        "load": {"process_cpu_seconds": 4.0, "resident_bytes": 1000, "loop_lag_p99_seconds": 0.01},
    }
    assert point(status) == {
        "seconds": 3.0, "ratio": 0.5, "words_per_second": 10, "swarm_words_per_second": 30, "loss": 2.0,
        "held_out_loss": 2.5, "sent_bytes": 6, "received_bytes": 8, "unshared_ratio": 0.25, "cpu_seconds": 4.0,
        "resident_bytes": 1000, "loop_lag_p99_seconds": 0.01,
    }  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["links", "progress", "words", "load", "sent_bytes"]), inner, max_size=3)
    ),
)


@given(JSON, JSON, JSON)
@example(None, 7, {})
@example(None, {"words": 1}, {"words": 10})
def test_a_status_of_any_kind_makes_a_point(progress: Any, links: Any, vocabulary: Any) -> None:
    assert encoded(point({"progress": progress, "links": links, "vocabulary": vocabulary}))
