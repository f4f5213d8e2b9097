#!/usr/bin/env python3
"""How fast text becomes word ids, by what it is kept in: plain lines, gzip, zstd, Parquet, CSV, JSON lines, objects.

`python tools/bench_reading.py TEXT [--line 100] [--turns 5] [--s3] [--epochs 1]`, with the `data` extra. The same
lines in each form are counted and encoded into a shard, by one thread beside the one that reads. Every turn takes each
form once. Told are seconds, of the clock and of processors, and words/s as shares of those of plain lines in the same
turn: of reading alone, up to where training could begin, by the clock and by processors; and of a job, by processors,
which trains the text --epochs times at --trained words a second (that of `tools/bench_train.py` for 128 dimensions).
With --s3 plain lines and Parquet come from a server on this machine, too, a process of its own (moto, of `dev`).
"""

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gossipw2v.w2v.text import scanner
from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.files import open_text
from gossipw2v.w2v.text.finding.find import find
from gossipw2v.w2v.text.shards import encode
from gossipw2v.w2v.text.sources.form import CSV, JSONL, PARQUET, PLAIN, Form
from gossipw2v.w2v.text.vocab import count_words, freeze

Lines = list[str]

SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()
"""
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


def read(path: Path, words: int) -> Lines:
    """The lines of a text, those of more words cut."""
    with open_text(path) as (file, _):
        lines = [line.split() for line in file.read().decode("utf-8", "replace").split("\n")]
    return [" ".join(line[at : at + words]) for line in lines for at in range(0, len(line), words)]


def write_plain(lines: Lines, path: Path) -> None:
    path.write_text("\n".join(lines) + "\n", "utf-8")


def write_gzip(lines: Lines, path: Path) -> None:
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 6))


def write_zstd(lines: Lines, path: Path) -> None:
    path.write_bytes(zstandard.compress(("\n".join(lines) + "\n").encode()))


def write_parquet(lines: Lines, path: Path) -> None:
    pq.write_table(pa.table({"id": range(len(lines)), "text": lines}), path)


def write_words(lines: Lines, path: Path) -> None:
    pq.write_table(pa.table({"id": range(len(lines)), "text": [line.split() for line in lines]}), path)


def write_csv(lines: Lines, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *enumerate(lines)])


def write_jsonl(lines: Lines, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": number, "text": line}) + "\n" for number, line in enumerate(lines))


FORMS: dict[str, tuple[Callable[[Lines, Path], None], Form]] = {
    "plain": (write_plain, PLAIN),
    "gzip": (write_gzip, PLAIN),
    "zstd": (write_zstd, PLAIN),
    "Parquet": (write_parquet, Form(kind=PARQUET, field="text")),
    "Parquet, lists of words": (write_words, Form(kind=PARQUET, field="text")),
    "CSV": (write_csv, Form(kind=CSV, field="text")),
    "JSON lines": (write_jsonl, Form(kind=JSONL, field="text")),
}


class Cost(NamedTuple):
    """What it took to count and encode a text: words of the shard, seconds of the clock, and of processors."""

    words: int
    clock: float
    processors: float

    def shares(self, plain: "Cost", rate: float) -> tuple[float, float, float]:
        """Words a second as shares of those of plain lines: by the clock, by processors, of a job with training."""
        training = self.words / rate
        job = (plain.processors + training) / (self.processors + training)
        return plain.clock / self.clock, plain.processors / self.processors, job


def measured(name: str, form: Form) -> Cost:
    """Find, count and encode what `name`, a path or a URL, stands for."""
    reader = TextReader(threads=1, form=form)
    with tempfile.TemporaryDirectory() as folder:
        clock, processors = time.perf_counter(), time.process_time()
        files = find([name], form).files
        shard = encode(files, freeze(count_words(files, reader)), Path(folder), bytes(16), reader)
        return Cost(shard.words, time.perf_counter() - clock, time.process_time() - processors)


@contextmanager
def served(paths: list[Path]) -> Iterator[str]:
    """The files in a bucket of a server; where they are."""
    import boto3  # noqa: PLC0415 - with --s3 alone

    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", SERVER], text=True, **pipes) as server:
        host, port = server.stdout.readline().split()
        os.environ.update(KEYS, AWS_ENDPOINT_URL=f"http://{host}:{port}")
        client = boto3.client("s3")
        client.create_bucket(Bucket="texts")
        for path in paths:
            client.put_object(Bucket="texts", Key=path.name, Body=path.read_bytes())
        yield "s3://texts"
        server.stdin.close()


def turns(places: dict[str, tuple[str, Form]], number: int, rate: float) -> None:
    """Each form in each turn, then what came of all."""
    shares: dict[str, list[tuple[float, float, float]]] = {name: [] for name in places}
    for _ in range(number):
        costs = {name: measured(*place) for name, place in places.items()}
        for name, cost in costs.items():
            shares[name].append(cost.shares(costs["plain"], rate))
            print(
                f"{name:24} {cost.words:,} words, {cost.clock:.2f} s, {cost.processors:.2f} of processors", flush=True
            )
    for name, found in shares.items():
        told = "; ".join(f"{median(column):4.0%} ({min(column):.0%} at least)" for column in zip(*found, strict=True))
        print(f"{name:24} clock, processors, job: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--line", type=int, default=100, help="words of a line at most")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--trained", type=float, default=7.7e6, help="words a second that a core trains")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), help="of: " + ", ".join(FORMS))
    parser.add_argument("--s3", action="store_true", help="plain lines and Parquet as objects, too")
    args = parser.parse_args()
    scanner.warm_up()
    with tempfile.TemporaryDirectory() as folder:
        lines, forms = read(args.text, args.line), {name: FORMS[name] for name in ("plain", *args.forms)}
        for name, (write, _) in forms.items():
            write(lines, Path(folder, name))
        places = {name: (str(Path(folder, name)), form) for name, (_, form) in forms.items()}
        if not args.s3:
            turns(places, args.turns, args.trained / args.epochs)
            return
        objects = [name for name in ("plain", "Parquet") if name in forms]
        with served([Path(folder, name) for name in objects]) as url:
            places |= {f"{name}, S3": (f"{url}/{name}", forms[name][1]) for name in objects}
            turns(places, args.turns, args.trained / args.epochs)


if __name__ == "__main__":
    main()
