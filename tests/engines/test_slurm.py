"""configs/slurm.sbatch on a real Slurm of three hosts: a job, a killed task, its end announced, shared hosts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.engines import LONG, NODES, SETTINGS, agree, asked_for, kill, learned, nodes_below, rows, until
from support.slurm import PATH, Slurm, slurm_available

from gossipw2v.node.storage.export import load_model
from gossipw2v.transport.slurm import hosts_of

SCRIPT = Path(__file__).parents[2] / "configs" / "slurm.sbatch"
OVER = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL"}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if (reason := slurm_available()) is not None:
        pytest.skip(reason)
    asked_for()
    folder = tmp_path_factory.mktemp("slurm")
    texts = folder / "text"
    texts.mkdir()
    for number in range(NODES):
        (texts / str(number)).write_text("".join(f"{row}\n" for row in rows()[number::NODES]), encoding="utf-8")
    with Slurm(folder, NODES) as slurm:
        yield slurm


def submit(slurm: Slurm, state: Path, settings: dict[str, object], *options: str, script: Path = SCRIPT) -> str:
    """The number of a job whose state and output are in `state`."""
    state.mkdir()
    (state / "log").touch()
    given = {
        "TEXT": str(slurm.folder / "text"),
        "STATE": str(state),
        "SETTINGS": " ".join(f"--{name.replace('_', '-')}={value}" for name, value in settings.items()),
        "PATH": f"{Path(sys.executable).parent}:{PATH}",
    }
    return slurm.run("sbatch", "--parsable", f"--output={state}/log", *options, str(script), **given).strip()


def over(slurm: Slurm, job: str, state: Path) -> str:
    """Wait for the end of a job; its state then."""
    until(lambda: slurm.state(job)["JobState"] in OVER, f"the job is over; {state}/log has what it said")
    return slurm.state(job)["JobState"]


def trained(state: Path, numbers: range = range(NODES)) -> bool:
    """Whether all nodes have left a checkpoint."""
    return all(list((state / str(number)).glob("checkpoint-*[0-9]")) for number in numbers)


def together(state: Path, numbers: Iterator[int] | range = range(NODES)) -> None:
    """The nodes were one swarm, have learned the world, and agree."""
    numbers = list(numbers)
    words, weights, about = load_model(state / str(numbers[0]))
    assert about["complete"]
    assert learned([word.decode() for word in words], weights[: len(words)]) > 0.3
    assert agree(state, numbers, "{}")


def test_a_job_trains_on_all_of_its_hosts(slurm: Slurm, tmp_path: Path) -> None:
    state = tmp_path / "state"
    job = submit(slurm, state, SETTINGS, f"--nodes={NODES}")
    assert over(slurm, job, state) == "COMPLETED", (state / "log").read_text()[-3000:]
    together(state)


def test_a_killed_task_ends_no_other_and_the_job_says_that_it_failed(slurm: Slurm, tmp_path: Path) -> None:
    state = tmp_path / "state"
    job = submit(slurm, state, LONG, f"--nodes={NODES}")
    until(lambda: trained(state), "all nodes train")
    kill(*nodes_below(state / "1"))
    assert over(slurm, job, state) == "FAILED"
    together(state, iter((0, 2)))


def test_a_job_that_is_told_of_its_end_leaves_checkpoints_and_goes_on_later(slurm: Slurm, tmp_path: Path) -> None:
    """As it is before the time limit, by the signal that the script asks for."""
    state = tmp_path / "state"
    assert "--signal=B:USR1@120" in SCRIPT.read_text()
    job = submit(slurm, state, LONG, f"--nodes={NODES}")
    until(lambda: trained(state), "all nodes train")
    slurm.run("scancel", "--batch", "--signal=USR1", job)
    until(lambda: slurm.state(job)["Restarts"] == "1", "the job is in the queue again")
    assert (state / "log").read_text().count('"event": "stopped"') == NODES  # none was killed
    assert trained(state)
    assert not any(load_model(state / str(number))[2]["complete"] for number in range(NODES))

    def runs() -> bool:
        with suppress(subprocess.CalledProcessError):  # Slurm lets it wait for two minutes
            slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")
        return slurm.state(job)["JobState"] in {"RUNNING", *OVER}

    until(runs, "the job runs again")
    assert over(slurm, job, state) == "COMPLETED"
    assert (state / "log").read_text().count('"reused": true') >= NODES
    together(state)


def test_tasks_that_share_a_host_have_a_port_each(slurm: Slurm, tmp_path: Path) -> None:
    state = tmp_path / "state"
    job = submit(slurm, state, SETTINGS, "--nodes=2", "--ntasks=3", "--ntasks-per-node=2")
    assert over(slurm, job, state) == "COMPLETED", (state / "log").read_text()[-3000:]
    together(state)


def test_two_tasks_that_want_one_port_are_told_so(slurm: Slurm, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(SCRIPT.read_text().replace("port + SLURM_LOCALID", "port"))
    state = tmp_path / "state"
    job = submit(slurm, state, SETTINGS, "--nodes=1", "--ntasks=2", "--ntasks-per-node=2", script=script)
    until(lambda: "another program listens there" in (state / "log").read_text(), "the second is refused")
    slurm.run("scancel", job)
    assert over(slurm, job, state) == "CANCELLED"  # and not in the queue again


def test_a_list_of_hosts_is_read_as_slurm_reads_it(slurm: Slurm) -> None:
    for text in ("n[0-2]", "a,b[1,3-5,007-011],c", "r[1-2]n[08-10]"):
        assert list(hosts_of(text)) == slurm.run("scontrol", "show", "hostnames", text).split()
