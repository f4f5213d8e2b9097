"""A Slurm cluster for tests: a real slurmctld, a slurmd on each of some hosts, munge between them.

Hosts are network namespaces that have names and addresses of their own, as machines have. Nothing of the machine's own
Slurm is touched, and all ends with the block.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from support.netns import Netns, netns_available

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "unshare")
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
PATIENCE = 60.0
CONF = """
ClusterName=test
SlurmctldHost=n0({first})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SlurmdTimeout=300
"""


def slurm_available() -> str | None:
    """Why there can be no such cluster here, or None if there can."""
    if missing := [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]:
        return f"no {missing[0]} here (apt-get install munge slurmctld slurmd slurm-client)"
    return netns_available()


class Slurm:
    """`with Slurm(folder, 3) as slurm:` has hosts n0, n1 and n2 in a partition; `run` runs Slurm's commands on n0."""

    def __init__(self, folder: Path, hosts: int) -> None:
        self.folder, self.hosts = folder, hosts
        self.net = Netns(hosts)
        self._names: list[Path] = []  # folders in which namespaces look for their hosts files

    def run(self, *command: str, host: int = 0, **more: str) -> str:
        """Run a command on a host to its end and return what it wrote; CalledProcessError if it failed."""
        told = [f"{name}={value}" for name, value in {"SLURM_CONF": str(self.conf), "PATH": PATH, **more}.items()]
        try:
            return self.net.run(host, ["env", *told, *command])
        except subprocess.CalledProcessError as error:
            error.add_note(error.stderr)
            raise

    @property
    def conf(self) -> Path:
        """The cluster's configuration."""
        return self.folder / "slurm.conf"

    def state(self, job: str) -> dict[str, str]:
        """What `scontrol show job` says of a job, by name."""
        words = self.run("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def __enter__(self) -> Slurm:
        self.net.__enter__()
        try:
            self._begin()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.net.__exit__(kind, error, trace)
        for folder in self._names:
            shutil.rmtree(folder, ignore_errors=True)

    def _begin(self) -> None:
        names = [f"n{host}" for host in range(self.hosts)]
        lines = [f"NodeName={name} NodeAddr={self.net.address(n)} CPUs=2 State=UNKNOWN" for n, name in enumerate(names)]
        lines.append("PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP")
        first = self.net.address(0)
        self.conf.write_text(CONF.format(folder=self.folder, first=first) + "\n".join(lines) + "\n")
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        for name in ("state", *(f"spool-{name}" for name in names)):
            (self.folder / name).mkdir()
        self._name_hosts()
        self._munge()
        self._daemon(0, "slurmctld", "-D")
        for host in range(self.hosts):
            self._daemon(host, "slurmd", "-D")
        self._until_idle()

    def _name_hosts(self) -> None:
        """`ip netns exec` lays a file of this folder over /etc/hosts."""
        text = "127.0.0.1 localhost\n" + "".join(f"{self.net.address(n)} n{n}\n" for n in range(self.hosts))
        for host in range(self.hosts):
            folder = Path("/etc/netns", self.net.name(host))
            folder.mkdir(parents=True)
            self._names.append(folder)
            (folder / "hosts").write_text(text)

    def _munge(self) -> None:
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(os.urandom(128))
        places = [
            f"--{name}={self.folder}/munge.{name.partition('-')[0]}" for name in ("socket", "pid-file", "log-file")
        ]
        places += [f"--seed-file={self.folder}/munge.seed", f"--key-file={key}"]
        self._daemon(0, "munged", "--foreground", "--force", *places)
        self._until((self.folder / "munge.socket").exists, "munge is there")

    def _daemon(self, host: int, *command: str) -> None:
        """A host has a name of its own, by which slurmd knows which it is."""
        inside = f'hostname n{host} && exec "$@"'
        argv: Sequence[str] = ["unshare", "--uts", "sh", "-c", inside, "sh", *command]
        environ = {**os.environ, "SLURM_CONF": str(self.conf), "PATH": PATH}
        with (self.folder / f"{command[0]}-{host}.log").open("wb") as log:
            self.net.popen(host, argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ)

    def _until_idle(self) -> None:
        def idle() -> bool:
            try:
                return self.run("sinfo", "-h", "-o", "%T").split() == ["idle"]
            except subprocess.CalledProcessError:
                return False

        self._until(idle, "all hosts are idle")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            logs = "\n".join(path.read_text("utf-8", "replace")[-2000:] for path in self.folder.glob("*.log"))
            assert time.monotonic() < deadline, f"{PATIENCE:.0f} s have passed before {what}\n{logs}"
            time.sleep(0.1)
