#!/usr/bin/env python3
"""How fast text becomes word ids, by what it is kept in: plain lines, zstd, Parquet, CSV and JSON lines.

`python tools/bench_reading.py TEXT [--line 100] [--turns 3]`, with the `data` extra. The same lines in each form are
encoded into a shard; seconds are processor time of all threads, of which one works. Every turn takes each form once;
the fastest of a form's turns is told, as whatever else the machine does makes none faster.
"""

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gossipw2v.w2v.text import scanner
from gossipw2v.w2v.text.blocks import TextReader
from gossipw2v.w2v.text.files import open_text
from gossipw2v.w2v.text.shards import encode
from gossipw2v.w2v.text.sources.form import CSV, JSONL, PARQUET, PLAIN, Form
from gossipw2v.w2v.text.vocab import Vocab, count_words, freeze

Lines = list[str]


def read(path: Path, words: int) -> Lines:
    """The lines of a text, those of more words cut."""
    with open_text(path) as (file, _):
        lines = [line.split() for line in file.read().decode("utf-8", "replace").split("\n")]
    return [" ".join(line[at : at + words]) for line in lines for at in range(0, len(line), words)]


def write_plain(lines: Lines, path: Path) -> None:
    path.write_text("\n".join(lines) + "\n", "utf-8")


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
    "zstd": (write_zstd, PLAIN),
    "Parquet": (write_parquet, Form(kind=PARQUET, field="text")),
    "Parquet, lists of words": (write_words, Form(kind=PARQUET, field="text")),
    "CSV": (write_csv, Form(kind=CSV, field="text")),
    "JSON lines": (write_jsonl, Form(kind=JSONL, field="text")),
}


def measured(path: Path, form: Form, vocab: Vocab) -> tuple[int, float]:
    """Words that came into the shard, and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        at = time.process_time()
        shard = encode([path], vocab, Path(folder), bytes(16), TextReader(threads=1, form=form))
        return shard.words, time.process_time() - at


def turns(folder: Path, number: int) -> Iterator[tuple[str, int, float]]:
    """Each form in each turn: its name, words and seconds."""
    vocab = freeze(count_words([folder / "plain"]))
    for _ in range(number):
        for name, (_, form) in FORMS.items():
            yield name, *measured(folder / name, form, vocab)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--line", type=int, default=100, help="words of a line at most")
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    scanner.warm_up()
    speeds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        lines = read(args.text, args.line)
        for name, (write, _) in FORMS.items():
            write(lines, Path(folder, name))
        for name, words, seconds in turns(Path(folder), args.turns):
            speeds[name] = max(speeds.get(name, 0.0), words / seconds / 1e6)
            print(f"{name:24} {words:,} words, {seconds:.2f} s", flush=True)
    for name, speed in speeds.items():
        print(f"{name:24} {speed:6.2f} M words/s, {speed / speeds['plain']:.0%} of plain lines")


if __name__ == "__main__":
    main()
