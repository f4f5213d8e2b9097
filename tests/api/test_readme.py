"""What README shows of Python runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.daemons import Daemons, write_texts

import gossipw2v

README = Path(__file__).parents[2] / "README.md"


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    text = write_texts(tmp_path, 1)[0].rename("text.txt").absolute()
    with text.open("a") as file:
        file.writelines("one two three\n" for _ in range(50))
    with Daemons(tmp_path) as swarm:
        daemon = swarm.start(text, until_complete=False)
        gossipw2v.connect(daemon.url).wait(90)
        command = [sys.executable, "-m", "gossipw2v", "export", "vectors.bin.gz", "--url", daemon.url]
        subprocess.run(command, check=True)
        exec(example.replace("http://127.0.0.1:7412", daemon.url), {})
    assert "complete" in capsys.readouterr().out
