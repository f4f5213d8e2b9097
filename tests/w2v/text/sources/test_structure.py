"""What is surely kept in records is refused with the setting that reads it, and real text never is."""

import csv
import gzip
import io
import json
import random
import re
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import repeatable

from gossipw2v.cli.synthetic import World
from gossipw2v.w2v.text.files import CorpusError
from gossipw2v.w2v.text.finding.find import find, find_files
from gossipw2v.w2v.text.sources.form import Form
from gossipw2v.w2v.text.sources.structure import structure

PICK = random.Random(1)
WORDS = re.findall(r"\w+", "The of and to a in is it you that he was for on are with as his they be at one have from")


def sentence(words: int) -> str:
    return " ".join(PICK.choices(WORDS, k=words)).capitalize()


def table(rows: list[list[object]], delimiter: str = ",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue()


def prose(commas: int) -> str:
    return "".join(", ".join(sentence(PICK.randrange(1, 6)) for _ in range(commas + 1)) + ".\n" for _ in range(50))


LINES = range(40)
REAL = {
    "prose": "\n".join(sentence(12) + "." for _ in LINES),
    "one endless line": sentence(20_000),
    "one word a line": "\n".join(WORDS),
    "verses with a comma each": prose(1),
    "lists with two commas each": prose(2),
    "a dialogue": "\n".join(f"{name}: {sentence(5)}, {sentence(3)}?" for name in ["Anna", "Otto"] * 20),
    "words apart by tabs, as many in each line": "\n".join("\t".join(PICK.choices(WORDS, k=5)) for _ in LINES),
    "words apart by commas": "\n".join(",".join(PICK.choices(WORDS, k=4)) for _ in LINES),
    "walks over a graph": "\n".join("\t".join(f"n{PICK.randrange(99)}" for _ in range(10)) for _ in LINES),
    "pairs of sentences": "\n".join(f"{sentence(8)}\t{sentence(9)}" for _ in LINES),
    "words with tags": "\n".join(f"{word}\tNOUN\t{n}" for n, word in enumerate(WORDS)),
    "a log of Python": "\n".join(f"2024-05-01 12:00:{n:02},{n:03} INFO {sentence(5)}" for n in LINES),
    "a log of a web server": "\n".join(f'10.0.0.{n} - - [01/May/2024] "GET /a,{n} HTTP/1.1" 200 {n}' for n in LINES),
    "a log of key=value": "\n".join(f"time=12:00:{n} level=info msg={n}" for n in LINES),
    "numbers in columns": "\n".join(f"{n}, {n * n}, {n * n * n}, {n}" for n in LINES),
    "edges": "\n".join(f"{n} {n + 1}" for n in LINES),
    "a program": "\n".join(f"    values[{n}] = call(first, {n}, 'a, b');" for n in LINES),
    "JavaScript": '{"use strict";\n' + "\n".join(f"var a{n} = {{'b': {n}}};" for n in LINES),
    "JSON over many lines": json.dumps([{"text": sentence(9)} for _ in LINES], indent=1),
    "a template": "\n".join(f'{{"{sentence(3)}"}} {sentence(5)}' for _ in LINES),
    "Markdown": "\n".join(["| name | value |", "| --- | --- |", *(f"| {word} | 1 |" for word in WORDS)]),
    "BibTeX": "\n".join(f"  title = {{{sentence(5)}}}," for _ in LINES),
    "a short table": "name,value\none,1\n",
}
RECORDS = {
    "--jsonl": [
        "".join(json.dumps({"id": n, "text": sentence(9)}) + "\n" for n in LINES),
        json.dumps({"text": sentence(9)}),
        "".join(json.dumps({"text": [sentence(3)]}) + "\n\n" for _ in LINES),
        json.dumps({"text": sentence(50_000)})[: 1 << 16],
    ],
    "--csv": [
        table([["id", "text"], *([n, sentence(9)] for n in LINES)]),
        table([["label", "text"], *(["good", sentence(9)] for _ in LINES)], "\t"),
        table([["name", "price in EUR"], *(["one", n / 7] for n in LINES)], ";"),
        table([["review", "Größe"], *([f"{sentence(9)},\n{sentence(3)}", 1] for _ in LINES)]),
        table([["when", "who"], *([f"2024-05-{n + 1:02}", "somebody"] for n in range(30))]),
    ],
}


@pytest.mark.parametrize("kind", REAL)
def test_real_text_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text(REAL[kind], "utf-8")
    assert find_files([str(path)]) == [path]


@pytest.mark.parametrize(("flag", "number"), [(flag, n) for flag, texts in RECORDS.items() for n in range(len(texts))])
def test_records_are_refused_with_the_setting_that_reads_them(flag: str, number: int, tmp_path: Path) -> None:
    text = RECORDS[flag][number]
    for name, data in (("text", text.encode()), ("text.gz", gzip.compress(text.encode()))):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(CorpusError, match=f"{path}: is .*: say {flag} .*--plain"):
            find_files([str(path)])
        assert find([str(path)], Form(as_is=True)).files == [path]
    path.write_text(text, "utf-16")
    with pytest.raises(CorpusError, match=flag):
        find([str(path)], Form("utf-16"))


def test_the_programs_of_python_are_text() -> None:
    found = {}
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        head = path.read_bytes()[: 1 << 16].decode("utf-8", "replace")
        found[path.name] = structure(head)
    assert len(found) > 100
    assert set(found.values()) == {None}


def test_sentences_of_a_world_are_text() -> None:
    assert structure("\n".join(World().sentences(500, 1))) is None


@given(st.text(max_size=300) | st.text('a1 ,;\t\n"{}:', max_size=100))
@repeatable(300)
def test_whatever_a_text_begins_with_there_is_an_answer(head: str) -> None:
    assert structure(head) in {None, *(told for told in map(structure, (RECORDS["--jsonl"][0], RECORDS["--csv"][0])))}
