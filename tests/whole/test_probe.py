"""Real daemons that score their model on test sets while they train: where the curve is shown, and what is refused."""

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import Daemon, Daemons, write_texts

from gossipw2v.cli.synthetic import World
from gossipw2v.w2v.evaluation.analogies import COS_ADD, score_analogies
from gossipw2v.w2v.evaluation.embedding import Embedding
from gossipw2v.w2v.evaluation.layouts import read_analogies, read_pairs
from gossipw2v.w2v.evaluation.pairs import score_pairs


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Daemons]:
    with Daemons(tmp_path) as daemons:
        yield daemons


@pytest.fixture
def sets(tmp_path: Path) -> list[Path]:
    """Pairs of words, those of one relation being alike, and the planted analogies."""
    planted = World().analogies()
    lines = {f"{a.upper()}\t{b}\t{1 + len(kind)}" for kind, a, b, *_ in planted} | {"nowhere\tparis\t3"}
    (tmp_path / "alike.tsv").write_text("\n".join(sorted(lines)))
    questions = [f"{a} {b} {c} {d}" for _, a, b, c, d in planted]
    (tmp_path / "planted.txt").write_text("\n".join([": all", *questions]))
    return [tmp_path / "alike.tsv", tmp_path / "planted.txt"]


def fetch(node: Daemon, path: str) -> str:
    with urllib.request.urlopen(f"{node.url}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def by_name(status: dict) -> dict:
    return {each["name"]: each for each in status["probe"]["sets"]}


def measured_at_the_end(status: dict) -> bool:
    """Whether the last score is of the model in which all is that was trained, and no measurement is under way."""
    sets, counted = status["probe"]["sets"], status["probe"]["measurements"]
    last = [each["history"][-1] for each in sets if len(each["history"]) == counted]
    return (
        len(last) == 2
        and counted > 0
        and all(point["swarm_trained_tokens"] == status["progress"]["swarm_total_tokens"] for point in last)
    )


def test_a_node_shows_how_its_model_gets_better(swarm: Daemons, tmp_path: Path, sets: list[Path]) -> None:
    options = {"epochs": 20, "checkpoint_interval": 0.2, "until_complete": False}
    text = write_texts(tmp_path, 1, sentences=8000)[0]
    node = swarm.start(text, probe=",".join(map(str, sets)), **options)
    status = node.until(lambda s: s["state"] == "complete" and measured_at_the_end(s))
    probe, told = status["probe"], by_name(status)
    assert probe["measurements"] == len(told["alike"]["history"]) >= 2
    assert probe["failures"] == 0
    assert probe["seconds"] > 0
    assert (told["alike"]["kind"], told["planted"]["kind"]) == ("pairs", "analogies")
    words, vectors = node.serving()
    embedding = Embedding.of([word.decode() for word in words], vectors)
    similar = score_pairs(embedding, read_pairs(sets[0]), "alike")[0]
    solved = score_analogies(embedding, read_analogies(sets[1]), "planted")[0]
    assert told["alike"]["last"] == pytest.approx(similar.figures["spearman"], abs=1e-6)
    assert told["planted"]["last"] == pytest.approx(solved.figures[COS_ADD], abs=1e-6)
    assert (told["alike"]["known"], told["alike"]["total"]) == (similar.known, similar.total)
    for each in told.values():
        scores = [point["score"] for point in each["history"]]
        assert (each["last"], each["best"]) == (scores[-1], max(scores))
        assert [p["trained_tokens"] for p in each["history"]] == sorted(p["trained_tokens"] for p in each["history"])
    assert told["planted"]["best"] > 0.05  # of a model that knows nothing one in 500 comes out
    metrics = fetch(node, "/metrics")
    for name in ("alike", "planted"):
        found = re.search(rf'^gossipw2v_probe_score{{probe="{name}"}} (\S+)$', metrics, re.MULTILINE)
        assert found is not None
        assert float(found[1]) == pytest.approx(told[name]["last"])
    assert re.search(rf"^gossipw2v_probe_measurements_total {probe['measurements']:.1f}$", metrics, re.MULTILINE)
    assert "gossipw2v_probe_failures_total 0.0" in metrics
    node.says(rf"probe .*planted'?: {round(told['planted']['last'], 4)}")
    line = [sys.executable, "-m", "gossipw2v", "status", "--url", node.url]
    shown = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True).stdout
    assert re.search(rf"planted +3cosadd +{told['planted']['last']:.3g} +{told['planted']['best']:.3g} ", shown)


def test_the_last_model_is_scored_before_a_node_leaves(swarm: Daemons, tmp_path: Path, sets: list[Path]) -> None:
    node = swarm.start(write_texts(tmp_path, 1)[0], probe=sets[1], epochs=3, checkpoint_interval=1000)
    assert node.end() == 0
    words, vectors, _ = node.model()
    embedding = Embedding.of([word.decode() for word in words], vectors)
    solved = score_analogies(embedding, read_analogies(sets[1]), "planted")[0].figures[COS_ADD]
    assert re.search(rf"probe .*planted'?: {round(solved, 4)}", node.log())


def test_a_node_without_probes_has_its_metrics_at_zero(swarm: Daemons, tmp_path: Path, sets: list[Path]) -> None:
    text = write_texts(tmp_path, 1)[0]
    silent = swarm.start(text, until_complete=False)
    silent.until(lambda s: s["state"] == "complete")
    assert silent.status()["probe"] == {"measurements": 0, "failures": 0, "seconds": 0, "sets": []}
    assert "gossipw2v_probe_measurements_total 0.0" in fetch(silent, "/metrics")
    waits = swarm.start(text, probe=sets[0], peers="127.0.0.1:9", min_peers=1, until_complete=False)
    waits.until(lambda s: s["probe"]["sets"])
    metrics = fetch(waits, "/metrics")
    assert 'gossipw2v_probe_score{probe="alike"} 0.0' in metrics
    assert 'gossipw2v_probe_best_score{probe="alike"} 0.0' in metrics


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("broken.tsv", "a\tb\t1\nc\td\n", "broken.tsv, line 2: not two words and a score"),
        ("broken.txt", ": s\na b c d\na b c\n", "broken.txt, line 3: neither a section"),
        ("nowhere.txt", None, "nowhere.txt: no such file"),
        ("alike.csv", "a,b,1\n", "another probe is called 'alike'"),
    ],
)
def test_a_broken_probe_is_refused_at_the_start(
    swarm: Daemons, tmp_path: Path, sets: list[Path], name: str, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    node = swarm.start(write_texts(tmp_path, 1)[0], probe=f"{sets[0]},{tmp_path / name}")
    assert node.end() == 2
    assert told in node.log()
    assert "Traceback" not in node.log()


def test_a_probe_among_the_text_is_no_text(swarm: Daemons, tmp_path: Path, sets: list[Path]) -> None:
    folder = tmp_path / "text"
    folder.mkdir()
    write_texts(folder, 1)
    sets[0].rename(folder / "alike.tsv")
    node = swarm.start(folder, probe=folder / "alike.tsv", epochs=1)
    assert node.end() == 0
    assert b"nowhere" not in node.model()[0]
    assert re.search(r"counted.*files=1\b", node.log())
