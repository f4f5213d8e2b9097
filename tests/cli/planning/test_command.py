"""`gossipw2v plan` as it is typed."""

import json

import pytest

from gossipw2v.cli.main import main


def typed(capsys, *line: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["plan", *line])
    told = capsys.readouterr()
    return int(left.value.code or 0), told.out, told.err


def test_a_table_and_sentences_are_printed(capsys):
    code, out, _ = typed(capsys, "--words", "2e9", "--nodes", "6", "--bandwidth", "100")
    assert code == 0
    table = out.partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in table] == ["machines", "1", "3", "6", "12"]
    assert len({len(line) for line in table}) == 1
    assert "6 machines take" in out
    assert "--measure times this machine" in out


def test_programs_get_all_there_is(capsys):
    _, out, _ = typed(capsys, "--words", "5e8", "--vocab", "50000", "--latency", "20", "--json")
    found = json.loads(out)
    assert found["schema"] == "gossipw2v-plan-1"
    assert found["task"]["vocab"] == 50_000
    assert found["fleet"]["latency"] == 0.02
    assert found["together"]["trained"] < found["alone"]["trained"]
    assert found["alone"]["total"] == 0


def test_this_machine_can_be_measured_instead(capsys, monkeypatch):
    monkeypatch.setattr("gossipw2v.cli.planning.command.MEASURED_SECONDS", 0.01)
    _, out, _ = typed(capsys, "--words", "1e9", "--vocab", "2000", "--vector-size", "16", "--measure", "--json")
    rates = json.loads(out)["rates"]
    assert rates["measured"]
    assert rates["word"] > 0
    assert rates["merged_row"] > 0


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ((), "--words"),
        (("--words", "0"), "not a whole number from 1 to 1e+15"),
        (("--words", "nan"), "is not a number from 0"),
        (("--words", "1e9", "--nodes", "1e9"), "not a whole number from 1 to 4096"),
        (("--words", "1e9", "--bandwidth", "-1"), "is not a number from 0"),
        (("--words", "1e9", "--vector-size", "5000"), "4096"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys, line, why):
    code, _, err = typed(capsys, *line)
    assert code == 2
    assert why in err
