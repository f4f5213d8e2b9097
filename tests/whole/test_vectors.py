"""What a real daemon sends and leaves, in every format: the same vectors."""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.daemons import STOP_SECONDS, Daemon, Daemons, write_texts

from gossipw2v.node.storage.export import load_model
from gossipw2v.w2v.vectors.files import read_vectors

NAMES = ("v.txt", "v.bin", "v.txt.gz", "v.npy", "v.safetensors", "vectors.tsv")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("service")
    with Daemons(folder) as daemons:
        daemon = daemons.start(write_texts(folder, 1, sentences=3000)[0], epochs=2, until_complete=False)
        daemon.until(lambda s: s["state"] == "complete")
        yield daemon


def command(*args: object, cwd: Path) -> None:
    subprocess.run([sys.executable, "-m", "gossipw2v", *map(str, args)], cwd=cwd, check=True, timeout=60)


def get(url: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def test_a_node_and_its_folder_give_the_same_vectors_in_every_format(service: Daemon, tmp_path: Path) -> None:
    names = [name for name in NAMES if not name.endswith(".txt")]
    for place in ("url", "folder"):
        (tmp_path / place).mkdir()
    for name in names:
        command("export", name, "--url", service.url, "--matrix", "sum", "--top", 50, cwd=tmp_path / "url")
    asked = {query: get(f"{service.url}/export?{query}") for query in ("format=binary&top=3", "matrix=out", "top=x")}
    plain = get(f"{service.url}/export")

    service.process.terminate()
    assert service.process.wait(STOP_SECONDS) == 0
    words, weights, _ = load_model(service.data)
    half = len(weights) // 2
    for name in names:
        command("export", name, "--data-dir", service.data, "--matrix", "sum", "--top", 50, cwd=tmp_path / "folder")
        one, other = (read_vectors(tmp_path / place / name) for place in ("url", "folder"))
        assert list(one.words) == list(other.words) == list(words)[:50]
        assert one.rows.tobytes() == other.rows.tobytes() == (weights[:half] + weights[half:])[:50].tobytes()

    code, kind, body = asked["format=binary&top=3"]
    assert (code, kind) == (200, "application/octet-stream")
    (tmp_path / "sent").write_bytes(body)
    assert read_vectors(tmp_path / "sent").rows.tobytes() == weights[:3].tobytes()
    (tmp_path / "sent").write_bytes(asked["matrix=out"][2])
    assert read_vectors(tmp_path / "sent").rows.tobytes() == weights[half:].tobytes()
    assert asked["top=x"][0] == 400
    (tmp_path / "sent").write_bytes(plain[2])
    assert plain[1] == "text/plain; charset=utf-8"
    assert np.array_equal(read_vectors(tmp_path / "sent").rows, weights[:half])
