"""`configs/` for Prometheus and Grafana: what is asked for is there, and each alert fires when it should."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gossipw2v.system.metrics import Metrics, complete_status, reference

CONFIGS = Path(__file__).parents[2] / "configs"
ALERTS, DASHBOARD = CONFIGS / "prometheus-alerts.yml", CONFIGS / "grafana-dashboard.json"
PROMTOOL = os.environ.get("PROMTOOL_FOR_TESTS") or shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool here (apt-get install prometheus)")
NAME = r"\b(?:gossipw2v|process|python)_[a-z0-9_]+"


def scraped() -> dict[str, dict[str, set[str]]]:
    """The names of all samples of a live registry, each with its labels and their values."""
    metrics, found = Metrics(), dict[str, dict[str, set[str]]]()
    metrics.observe(complete_status())
    for family in metrics.families():
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def queries() -> dict[str, str]:
    """Each query of the dashboard, by its panel or variable."""
    told = json.loads(DASHBOARD.read_text("utf-8"))
    asked = {f"{each['title']} {line['refId']}": line["expr"] for each in told["panels"] for line in each["targets"]}
    variables = [each for each in told["templating"]["list"] if each["type"] == "query"]
    return asked | {each["name"]: each["query"] for each in variables}


TEXTS = {**queries(), "alerts": ALERTS.read_text("utf-8")}


@pytest.mark.parametrize("title", TEXTS)
def test_every_metric_and_label_that_is_asked_for_is_there(title: str) -> None:
    known, text = scraped(), TEXTS[title]
    named = set(re.findall(NAME, text))
    assert named
    assert named <= known.keys()
    for name, labels in re.findall(rf"({NAME})\{{([^}}]*)\}}", text):
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', labels):
            if label not in ("job", "instance"):  # Prometheus adds these
                assert set(values.split("|")) <= known[name].get(label, set()), f"{name}: {label}"


def test_the_reference_of_metrics_is_what_the_code_says() -> None:
    assert (CONFIGS / "metrics.md").read_text("utf-8") == reference(), (
        "write it anew: python -c 'from gossipw2v.system.metrics import *; print(reference(), end=\"\")'"
    )


def test_the_reference_has_every_metric_of_a_scrape() -> None:
    told = set(re.findall(r"^\| `(\w+)`", reference(), re.MULTILINE))
    ours = {name for name in scraped() if name.startswith("gossipw2v_")}
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in ours} == told


# --- the alerts, by Prometheus' own program


HEALTHY = {
    'up{job="gossipw2v"}': "1x60",
    'gossipw2v_state{state="training"}': "1x60",
    'gossipw2v_state{state="gathering"}': "0x60",
    'gossipw2v_state{state="failed"}': "0x60",
    "gossipw2v_degraded": "0x60",
    "gossipw2v_divergences_total": "0x60",
    "gossipw2v_trained_words_total": "0+1000x60",
    'gossipw2v_links{role="parent"}': "0x60",
    'gossipw2v_links{role="child"}': "1x60",
    'gossipw2v_members{condition="alive"}': "3x60",
    "gossipw2v_checkpoint_failures_total": "0x60",
    "gossipw2v_checkpoint_age_seconds": "50x60",
    "gossipw2v_loop_lag_p99_seconds": "0.01x60",
    'gossipw2v_refusals_total{reason="secret"}': "0x60",
    'gossipw2v_refusals_total{reason="magic"}': "0+9x60",  # a browser: nobody need come
}  # from minute to minute
FIRING = {
    "GossipNodeDown": {'up{job="gossipw2v"}': "0x60"},
    "GossipNodeFailed": {'gossipw2v_state{state="failed"}': "1x60"},
    "GossipNodeDegraded": {"gossipw2v_degraded": "1x60"},
    "GossipModelDiverged": {"gossipw2v_divergences_total": "0x50 1x8"},
    "GossipTrainingStalled": {"gossipw2v_trained_words_total": "1000x60"},
    "GossipWaiting": {'gossipw2v_state{state="gathering"}': "1x60"},
    "GossipNodeAlone": {'gossipw2v_links{role="child"}': "0x60"},
    "GossipCheckpointsFail": {"gossipw2v_checkpoint_failures_total": "0x50 1x8"},
    "GossipCheckpointOld": {"gossipw2v_checkpoint_age_seconds": "3700x60"},
    "GossipLoopLate": {"gossipw2v_loop_lag_p99_seconds": "2x60"},
    "GossipRefusals": {'gossipw2v_refusals_total{reason="secret"}': "0+9x60"},
}


def a_test(name: str, series: dict[str, str], firing: bool) -> dict[str, Any]:
    """What `promtool test rules` is to look at: the summary tells whether the alert fires at the end of an hour."""
    given = [{"series": key, "values": values} for key, values in (HEALTHY | series).items()]
    count = f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)'
    asked = {"expr": count, "eval_time": "59m", "exp_samples": [{"labels": "{}", "value": int(firing)}]}
    return {"interval": "1m", "input_series": given, "promql_expr_test": [asked]}


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_otherwise(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    alerts = set(re.findall(r"- alert: (\w+)", TEXTS["alerts"]))
    assert alerts == FIRING.keys()
    tests = [a_test(name, {}, False) for name in FIRING] + [a_test(name, FIRING[name], True) for name in FIRING]
    (tmp_path / "tests.json").write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": tests}))
    for line in (["check", "rules", ALERTS], ["test", "rules", tmp_path / "tests.json"]):
        done = subprocess.run([PROMTOOL, *line], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
