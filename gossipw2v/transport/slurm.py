"""Where the nodes of a Slurm job are, as its environment says: `--peers slurm:`.

All tasks of a job run one command, so they listen at one port: that of this node is that of all. Tasks that share a
host listen at ports one after the other, in the order of SLURM_LOCALID; configs/slurm.sbatch has the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice, product

from gossipw2v.config.address import HOST_NAME, Address

MOST_TEXT = 64 << 10  # characters of a variable
MOST_BRACKETS = 8  # of one name: each multiplies
MOST_TASKS = 1024  # on one host
_PART = re.compile(r"(?:[^,\[\]]|\[[0-9,-]+\])+")  # a name, or several that differ in the numbers between brackets
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_TASKS = re.compile(r"([0-9]{1,9})(?:\(x([0-9]{1,9})\))?")


def places(environ: Mapping[str, str], port: int, most: int) -> list[Address]:
    """The addresses of all tasks of this job, at most so many, of which this one listens at `port`.

    ValueError says what is missing, or cannot be read.
    """
    text = environ.get("SLURM_JOB_NODELIST", "")
    if not text:
        raise ValueError("there is no SLURM_JOB_NODELIST: start the node by sbatch or srun, or name the peers")
    hosts = list(islice(hosts_of(text), most))
    tasks = tasks_of(environ.get("SLURM_TASKS_PER_NODE") or "1", len(hosts))
    first = port - int(environ.get("SLURM_LOCALID") or 0)
    found = (Address(host, first + task) for host, count in zip(hosts, tasks, strict=True) for task in range(count))
    return [address for address in islice(found, most) if 0 < address.port < 65536]


def hosts_of(text: str) -> Iterator[str]:
    """The names in a list of hosts such as `rack[1-2]n[01-03,7],login`, in its order. ValueError if it is none."""
    if len(text) > MOST_TEXT:
        raise ValueError(f"SLURM_JOB_NODELIST has {len(text)} characters; {MOST_TEXT} are the most")
    end = -1
    for match in _PART.finditer(text):
        if match.start() != end + 1 or text[end : end + 1] not in ("", ","):
            break
        end = match.end()
        yield from _expanded(match[0])
    if end != len(text):
        raise ValueError(f"{text[:80]!r} is no list of hosts, as in node[1-3,7]")


def _expanded(part: str) -> Iterator[str]:
    """Of a name with numbers between brackets, one for each number."""
    plain, numbers = re.split(r"\[[0-9,-]+\]", part), re.findall(r"\[([0-9,-]+)\]", part)
    if len(numbers) > MOST_BRACKETS:
        raise ValueError(f"{part[:80]!r} has more than {MOST_BRACKETS} brackets")
    # product would hold each list as a whole: the first alone may be long, and is gone through one by one
    head, *rest = [_numbers(each) for each in numbers] or [iter(("",))]
    lists = [list(islice(each, MOST_TASKS)) for each in rest]
    for first in head:
        for chosen in product([first], *lists):
            name = "".join(text for pair in zip(plain, (*chosen, ""), strict=False) for text in pair)
            if not HOST_NAME.fullmatch(name):
                raise ValueError(f"{name[:80]!r} is no host name")
            yield name


def _numbers(text: str) -> Iterator[str]:
    """The numbers of `01-03,7`, as wide as the first of their range is written."""
    for part in text.split(","):
        found = _RANGE.fullmatch(part)
        if not found or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(f"{part[:80]!r} is no number, and no range of them")
        for number in range(int(found[1]), int(found[2] or found[1]) + 1):
            yield f"{number:0{len(found[1])}}"


def tasks_of(text: str, hosts: int) -> list[int]:
    """How many tasks each of so many hosts has, by `2(x3),1`. ValueError.

    A step may have fewer hosts than its job: then each is taken to have the most that is said of any.
    """
    counts: list[int] = []
    for part in text[:MOST_TEXT].split(","):
        found = _TASKS.fullmatch(part)
        if not found or not 0 < int(found[1]) <= MOST_TASKS:
            raise ValueError(f"SLURM_TASKS_PER_NODE: {text[:80]!r} is no list of counts, as in 2(x3),1")
        counts += [int(found[1])] * min(int(found[2] or 1), hosts + 1)
    return counts if len(counts) == hosts else [max(counts)] * hosts
