"""Tables for people and JSON for programs."""

import json

import pytest

from gossipw2v.w2v.evaluation.report import SCHEMA, Result, as_json, as_text

NAN = float("nan")
RESULTS = [
    Result("pairs", "sim", {"spearman": 0.6543, "pearson": NAN}, 3, 4, zeroed={"spearman": 0.5, "pearson": 0.25},
           unknown=tuple(f"w{n}" for n in range(12))),
    Result("pairs", "sim", {"spearman": 1.0, "pearson": 1.0}, 2, 2, band="words 1 to 1,000"),
    Result("analogies", "ask\x1b[2J", {"3cosadd": 0.25}, 1, 1, section="capitals", zeroed={"3cosadd": 0.25}),
    Result("compare", "other.txt", {"difference": 0.000123}, 5, 7),
]  # fmt: skip


def test_the_table_shows_figures_and_coverage() -> None:
    text = as_text("v.txt", (1234, 50), RESULTS)
    assert text.startswith("v.txt: 1,234 words of 50 dimensions\n\npairs: ")
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert lines["sim"] == ["sim", "65.4", "-", "3", "of", "4", "75.0", "%", "50.0"]
    assert lines["words"] == ["words", "1", "to", "1,000", "100.0", "100.0", "2", "of", "2", "100.0", "%"]
    assert lines["capitals"] == ["capitals", "25.0", "1", "of", "1", "100.0", "%", "25.0"]
    assert lines["other.txt"] == ["other.txt", "0.0123", "5", "of", "7", "71.4", "%"]
    assert "  ask?[2J\n    capitals" in text
    assert "unknown: w0, w1, w2, w3, w4, w5, w6, w7, w8, w9 and 2 more" in text
    assert "pairs known  spearman, unknown as 0" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    assert max(map(len, text.splitlines())) <= 100


def test_the_json_has_all_and_null_for_what_is_no_number() -> None:
    told = json.loads(json.dumps(as_json("v.txt", (1234, 50), RESULTS), allow_nan=False))
    assert {key: told[key] for key in told if key != "results"} == {
        "schema": SCHEMA, "source": "v.txt", "words": 1234, "dimensions": 50,
    }  # fmt: skip
    first, band, section, _ = told["results"]
    assert first == {
        "kind": "pairs", "name": "sim", "section": None, "band": None, "known": 3, "total": 4,
        "figures": {"spearman": 0.6543, "pearson": None},
        "figures_with_unknown_as_zero": {"spearman": 0.5, "pearson": 0.25},
        "unknown_words": 12, "unknown": [f"w{n}" for n in range(10)],
    }  # fmt: skip
    assert (band["band"], band["figures_with_unknown_as_zero"]) == ("words 1 to 1,000", {})
    assert section["section"] == "capitals"


@pytest.mark.parametrize("known", [0, 4])
def test_coverage(known: int) -> None:
    assert Result("pairs", "x", {}, known, 4).coverage == known / 4
    assert Result("pairs", "x", {}, 0, 0).coverage == 0
