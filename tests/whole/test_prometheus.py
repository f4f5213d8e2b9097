"""The dashboard and the alerts on a Prometheus that scrapes a swarm: each query has an answer, and nothing is amiss."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from support.daemons import Daemons, addresses, write_texts

from gossipw2v.cli.synthetic import World

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs"
PROMETHEUS = os.environ.get("PROMETHEUS_FOR_TESTS") or shutil.which("prometheus")
PATIENCE = 120.0  # s: only a test that fails waits as long
VARIABLES = {"$job": ".*", "$instance": ".*", "$__rate_interval": "15s"}  # as Grafana would fill them in
NAME = r"\b(?:gossipw2v_[a-z0-9_]+|up\b)"
SCRAPING = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%(rules)s]
scrape_configs: [{job_name: gossipw2v, static_configs: [{targets: [%(nodes)s]}]}]
"""


class Prometheus:
    """What a running one answers."""

    def __init__(self, place: str) -> None:
        self._url = f"http://{place}/api/v1"

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer. URLError."""
        with urlopen(f"{self._url}/{path}?{urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def series(self, query: str) -> list[Any]:
        """What a query finds now."""
        return list(self.ask("query", query=query)["result"])

    def ready(self) -> bool:
        """Whether it answers at all."""
        try:
            return bool(self.series("vector(1)"))
        except URLError:
            return False


@contextlib.contextmanager
def scraping(folder: Path, nodes: list[str]) -> Iterator[Prometheus]:
    """Prometheus with the alerts of `configs/`, until the block ends."""
    assert PROMETHEUS is not None
    (place,), settings = addresses(1), folder / "prometheus.yml"
    rules = CONFIGS / "prometheus-alerts.yml"
    settings.write_text(SCRAPING % {"rules": json.dumps(str(rules)), "nodes": json.dumps(nodes)[1:-1]})
    flags = [f"--config.file={settings}", f"--storage.tsdb.path={folder / 'series'}", f"--web.listen-address={place}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([PROMETHEUS, *flags], stdout=log, stderr=log)
    try:
        told = Prometheus(place)
        until(told.ready, lambda: (folder / "prometheus.log").read_text("utf-8")[-2000:])
        yield told
    finally:
        process.terminate()
        process.wait(30)


def until(condition: Any, why: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.2)


def queries() -> dict[str, str]:
    """Each query of the dashboard, by its panel; what it leaves out at zero counts as an answer."""
    told = json.loads((CONFIGS / "grafana-dashboard.json").read_text("utf-8"))
    asked = {f"{each['title']} {line['refId']}": line["expr"] for each in told["panels"] for line in each["targets"]}
    return {title: filled(query).removesuffix(" > 0") for title, query in asked.items()}


def filled(query: str) -> str:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query


@pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus here (apt-get install prometheus)")
def test_every_query_of_dashboard_and_alerts_has_an_answer_of_a_swarm(tmp_path: Path) -> None:
    texts, places = write_texts(tmp_path, 3), addresses(3)
    pairs = tmp_path / "alike.tsv"
    pairs.write_text("".join(f"{a}\t{b}\t{len(kind)}\n" for kind, a, b, *_ in World().analogies()[:20]))
    given = {"until_complete": False, "epochs": 1000, "held_out": 0.1, "checkpoint_interval": 1, "probe": pairs}
    with Daemons(tmp_path) as swarm:
        for text, place in zip(texts, places, strict=True):
            swarm.start(text, listen=place, peers=",".join(places), min_peers=2, **given)
        nodes = [node.url.removeprefix("http://") for node in swarm.all]
        with scraping(tmp_path, nodes) as told:
            until(lambda: len(told.series("up == 1")) == 3, lambda: told.series("up"))
            empty = lambda: [title for title, query in queries().items() if not told.series(query)]  # noqa: E731
            until(lambda: not empty(), empty)
            assert len(told.ask("label/instance/values", **{"match[]": 'gossipw2v_build_info{job=~".*"}'})) == 3
            alerts_are_calm(told)


def alerts_are_calm(told: Prometheus) -> None:
    """Each rule is evaluated, of metrics that are there, and none of them fires."""
    until(lambda: all(rule["health"] != "unknown" for rule in rules(told)), lambda: rules(told))
    for rule in rules(told):
        assert rule["health"] == "ok", rule
        assert rule["state"] != "firing", rule
        for name in re.findall(NAME, rule["query"]):
            assert told.series(name), f"{rule['name']}: {name}"


def rules(told: Prometheus) -> list[Any]:
    return [rule for group in told.ask("rules")["groups"] for rule in group["rules"]]
