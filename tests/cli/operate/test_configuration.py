"""`gossipw2v config`: prints the file in the repository, which is right; a wrong one is told line by line."""

import subprocess
import sys
from pathlib import Path

REFERENCE = Path(__file__).parents[3] / "configs" / "lan.toml"


def config(*flags):
    command = [sys.executable, "-m", "gossipw2v", "config", *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_reference_is_the_file_in_the_repository():
    done = config()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == REFERENCE.read_text()


def test_what_it_prints_is_right(tmp_path):
    path = tmp_path / "lan.toml"
    path.write_text(config().stdout)
    done = config("--check", path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "all settings are right, job default; it names no corpus" in done.stderr


def test_every_mistake_is_told_with_its_line(tmp_path, monkeypatch):
    monkeypatch.setenv("GOSSIPW2V_WINDOW", "0")  # is not in the file
    path = tmp_path / "news.toml"
    path.write_text('corpus = ["/srv"]\nwindw = 3\nalpha = 7\n')
    done = config("--check", path)
    assert done.returncode == 2
    assert f"{path}, line 2, windw: no such setting; did you mean 'window'?" in done.stderr
    assert f"{path}, line 3, alpha: " in done.stderr
    assert "WINDOW" not in done.stderr
    assert config("--check", tmp_path / "none.toml").returncode == 2
