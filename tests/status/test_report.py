"""The status as people see it, whatever a node or something else has sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stub_node import STATUS

from gossipw2v.status import humanize, report
from gossipw2v.status.humanize import UNKNOWN


def test_a_report_tells_what_the_status_holds():
    assert report.render(STATUS).splitlines() == [
        "node 3fa2c1d0e5b6 of job wiki: training, up 2 min 5 s",
        "gossip on 0.0.0.0:7411, http on 127.0.0.1:7412",
        "100 MB of text, vocabulary 67,867 words 1a2b3c4d5e6f",
        f"text: files read 1, passed over {UNKNOWN}; bytes replaced 0; words too long {UNKNOWN}",
        "",
        "problems",
        "  10.0.0.9:7411 does not answer",
        "  2 messages refused; --json says why",
        "",
        "█████████████░░░░░░░░░░░░░░░░░ 42.0 %, 9 s left",
        "swarm: 21 M of 50.2 M words, 3.4 M words/s",
        "this node: 1.2 M words/s, epoch 2 of 3, alpha 0.0145",
        "loss: 2.31, on held-out text 2.45",
        "",
        "members: 2",
        "  node          state     trained  at",
        "  3fa2c1d0e5b6  training   25.0 %  this node",
        "  b6a7983fa2c1  dead       75.0 %  10.0.0.2:7411",
        "",
        "links: 1",
        "  to            which is  exchanges    sent  received  rows to share",
        "  b6a7983fa2c1  parent           10  2.5 MB     999 B         12,345",
    ]


def test_no_line_is_wider_than_a_terminal_of_80_columns():
    links = [{**STATUS["links"][0], "sent": 123_456_789, "received": 123_456_789, "exchanges": 0.123}]
    probes = [{"name": "wordsim353.tsv", "figure": "spearman", "known": 353, "total": 353, "best_trained_tokens": 5e9}]
    shown = report.render(STATUS | {"probe": {"sets": probes}}) + report.traffic(links)
    assert max(map(len, shown.splitlines())) <= 80


def test_a_node_that_has_only_begun_has_a_report():
    shown = report.render({"state": "counting", "vocabulary": None, "members": [], "links": []})
    assert f": counting, up {UNKNOWN}\n" in shown
    assert "vocabulary not agreed yet" in shown
    assert "problems" not in shown


def test_a_summary_is_one_line():
    assert report.summary(STATUS) == "training 42.0 %, 3.4 M words/s, 9 s left, 2 members"


def test_a_large_swarm_is_cut_and_counted():
    shown = report.render(STATUS | {"members": STATUS["members"] * 50})
    assert "members: 100" in shown
    assert "and 80 more" in shown


def test_what_strangers_chose_cannot_move_the_cursor():
    evil = "\x1b[2J\nforged\r"
    shown = report.render(STATUS | {"job": evil, "problems": [evil], "state": evil})
    assert len(shown.splitlines()) == len(report.render(STATUS).splitlines())
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("ratio", "filled"), [(0, 0), (1, 10), (0.5, 5), (7, 10), (-1, 0), (None, 0), (float("nan"), 0)]
)
def test_a_bar_stays_within_its_width(ratio, filled):
    assert report.bar(ratio, 10) == "█" * filled + "░" * (10 - filled)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(STATUS)), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*STATUS, *STATUS["progress"]]), values))
def test_any_json_has_a_report(status):
    status = json.loads(json.dumps(status))
    assert all(line.isprintable() for line in report.render(status).split("\n"))
    assert report.summary(status)


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (humanize.count(950), "950"),
        (humanize.count(67867), "67,867"),
        (humanize.count(16.7e6), "16.7 M"),
        (humanize.count(2.1e9), "2.1 G"),
        (humanize.count(5.5e12), "5,500 G"),
        (humanize.count(float("inf")), UNKNOWN),
        (humanize.size(999), "999 B"),
        (humanize.size(999_600), "1 MB"),
        (humanize.size(3.14e15), "3,140.0 TB"),
        (humanize.size("x"), UNKNOWN),
        (humanize.percent(0.4204), "42.0 %"),
        (humanize.decimal(0.0241), "0.0241"),
        (humanize.duration(59.6), "1 min 0 s"),
        (humanize.duration(18_120), "5 h 2 min"),
        (humanize.duration(273_600), "3 d 4 h"),
        (humanize.duration(None), UNKNOWN),
    ],
)
def test_numbers_are_written_for_people(shown, wanted):
    assert shown == wanted


def test_a_node_that_has_failed_says_at_length_what_to_do():
    why = "the model diverged again with half of alpha: " + "the settings are too large, " * 12
    shown = report.render(STATUS | {"state": "failed", "failure": why, "degraded": True, "problems": [why]})
    assert ": failed, up" in shown
    assert why in shown


def test_a_node_with_problems_is_called_degraded():
    assert ": training, degraded, up" in report.render(STATUS | {"degraded": True})
    assert report.summary(STATUS | {"degraded": True}).startswith("training, degraded, 42")
    assert "degraded" not in report.render(STATUS | {"degraded": False}) + report.summary(STATUS)
