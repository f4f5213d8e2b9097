"""configs/kubernetes.yaml: what Kubernetes' schemas say of it, and whether its parts fit each other and the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from gossipw2v.config import loader, options
from gossipw2v.config.address import Address, is_source
from gossipw2v.status.server import PROBES

FILE = Path(__file__).parents[2] / "configs" / "kubernetes.yaml"
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(FILE.read_text("utf-8")))
KINDS = {each["kind"]: each for each in OBJECTS}
LABELS = {"app": "gossipw2v"}
SWARMS = pytest.mark.parametrize("kind", ["StatefulSet", "Job"])
COUNTS = {"StatefulSet": "replicas", "Job": "completions"}


def pod(kind: str) -> dict[str, Any]:
    return dict(KINDS[kind]["spec"]["template"]["spec"])


def node(kind: str) -> dict[str, Any]:
    (container,) = pod(kind)["containers"]
    return dict(container)


def flags(kind: str) -> dict[str, object]:
    """The settings that a node is started with, and nothing that the shell would have to say."""
    _, _, text = node(kind)["command"]
    (command,) = re.findall(r"gossipw2v start ([^|;]*)", text)
    words = shlex.split(command)
    given: dict[str, object] = {}
    while words:
        name = words.pop(0).removeprefix("--").replace("-", "_")
        given[name] = True if not words or words[0].startswith("--") else words.pop(0)
    return given


@pytest.mark.parametrize("item", OBJECTS, ids=lambda item: item["kind"])
def test_every_object_is_what_its_schema_says(item: dict[str, Any]) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="no kubernetes_validate here (kubernetes-validate)")
    if item["kind"] == "PodMonitor":
        pytest.skip("it is no kind of Kubernetes itself")
    validator.validate(item, "1.30", strict=True)


@SWARMS
def test_nodes_are_started_with_settings_that_exist(kind: str, tmp_path: Path) -> None:
    given = flags(kind)
    assert given.keys() <= options.OPTIONS.keys()
    for name in ("secret_file", "http_token_file"):
        path = tmp_path / name
        path.touch(0o600)
        path.write_text(f"{name} 0123456789 abcdefghijklmnopqrstuvwxyz".replace(" ", "-"))
        assert Path(str(given[name])).parent == Path("/run/gossipw2v")
        given[name] = str(path)
    config = loader.load(given, None, {})
    assert config.min_peers == KINDS[kind]["spec"][COUNTS[kind]] - 1
    assert config.until_complete == (kind == "Job")
    assert all(is_source(peer) for peer in config.peers)
    assert config.peers == (f"dns:{KINDS['Service']['metadata']['name']}",)


@SWARMS
def test_ports_and_probes_are_those_of_the_node(kind: str) -> None:
    given, container = flags(kind), node(kind)
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {n: Address.parse(str(given[s])).port for n, s in (("gossip", "listen"), ("http", "http"))}
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {probe["path"] for probe in probes.values()} <= PROBES
    assert {probe["port"] for probe in probes.values()} == {"http"}


@SWARMS
def test_pods_meet_before_any_of_them_is_ready(kind: str) -> None:
    service, swarm = KINDS["Service"]["spec"], KINDS[kind]["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    assert service["selector"] == swarm["template"]["metadata"]["labels"] == LABELS
    if kind == "StatefulSet":
        assert swarm["podManagementPolicy"] == "Parallel"
        assert swarm["serviceName"] == KINDS["Service"]["metadata"]["name"]
        assert swarm["selector"]["matchLabels"] == LABELS
    else:
        assert swarm["completionMode"] == "Indexed"
        assert swarm["parallelism"] == swarm["completions"]
        assert swarm["template"]["spec"]["subdomain"] == KINDS["Service"]["metadata"]["name"]


@SWARMS
def test_every_volume_that_is_mounted_is_there_and_what_is_written_to_is_mounted(kind: str) -> None:
    claims = KINDS[kind]["spec"].get("volumeClaimTemplates", [])
    there = {each["name"] for each in pod(kind)["volumes"]} | {each["metadata"]["name"] for each in claims}
    for container in (*pod(kind)["initContainers"], node(kind)):
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        assert set(mounts.values()) <= there
        assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {"/state", "/tmp", "/text", "/run/gossipw2v"} <= mounts.keys()
    written = [str(flags(kind)["data_dir"]), node(kind)["env"][0]["value"]]
    assert all(path.startswith(("/state", "/tmp/")) for path in written)


def test_the_network_lets_nodes_and_prometheus_in_and_nobody_else() -> None:
    rules, ports = KINDS["NetworkPolicy"]["spec"], {e["name"]: e["containerPort"] for e in node("Job")["ports"]}
    assert rules["podSelector"]["matchLabels"] == LABELS
    assert {port["port"] for rule in rules["ingress"] for port in rule["ports"]} == set(ports.values())
    assert {port["port"] for rule in rules["egress"] for port in rule["ports"]} == {ports["gossip"], 53}
    assert all(rule.get("from") for rule in rules["ingress"])
    assert all(rule.get("to") for rule in rules["egress"])


def test_prometheus_asks_where_nodes_answer_and_with_the_token() -> None:
    monitor = KINDS["PodMonitor"]["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert monitor["selector"]["matchLabels"] == LABELS
    assert endpoint["port"] == "http"
    secrets = [each["secret"] for each in pod("StatefulSet")["volumes"] if "secret" in each]
    assert endpoint["authorization"]["credentials"]["name"] == secrets[0]["secretName"]
