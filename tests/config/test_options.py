"""The table of all fields, the values that they take, and the file that lists them."""

import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from gossipw2v.config.job import Job, Walks
from gossipw2v.config.node import Config
from gossipw2v.config.options import JOB_OPTIONS, NODE_OPTIONS, OPTIONS, known, reference_toml

REPOSITORY = Path(__file__).parents[2]
KINDS = (str, int, float, bool, Path, tuple[str, ...])


@pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))
def test_every_field_says_what_it_does_its_unit_and_why(option):
    assert all(len(text) > 2 for text in (option.unit, option.does, option.reason))
    assert option.kind in KINDS
    items = option.default if isinstance(option.default, tuple) else [option.default]
    for item in [] if option.default is None else items:
        option.check(item)


def test_every_field_is_in_the_table_and_no_name_is_there_twice():
    fields = [field for owner in (Config, Job, Walks) for field in dataclasses.fields(owner)]
    names = {field.metadata.get("called", field.name) for field in fields}
    assert set(OPTIONS) == names  # "job" and "walks", classes in Config, are also names in Job and Walks
    assert len(OPTIONS) == len(NODE_OPTIONS) + len(JOB_OPTIONS)


def test_lan_toml_is_the_table_written_out():
    """After a change:

    gossipw2v config >configs/lan.toml
    """
    assert (REPOSITORY / "configs" / "lan.toml").read_text() == reference_toml()


def test_lan_toml_holds_every_default_with_unit_and_reason():
    text = (REPOSITORY / "configs" / "lan.toml").read_text()
    values = tomllib.loads(text)
    for option in OPTIONS.values():
        entry = rf"# .+\n# unit: {re.escape(option.unit)}.*\n# reason: .+\n(# )?{option.name} = "
        assert re.search(entry, text), option.name
        default = list(option.default) if isinstance(option.default, tuple) else option.default
        assert values.get(option.name) == default, option.name


def test_what_is_typed_becomes_a_value_of_the_fields_own_kind():
    assert (OPTIONS["window"].read("7"), OPTIONS["alpha"].read("1"), OPTIONS["fresh"].read("ON")) == (7, 1.0, True)
    assert (OPTIONS["peers"].read("auto, h:1"), OPTIONS["data_dir"].read("d")) == (("auto", "h:1"), Path("d"))


def test_a_value_is_refused_with_what_the_field_takes():
    with pytest.raises(ValueError, match="256 is out of bounds: 1 to 255"):
        OPTIONS["window"].read("256")
    assert OPTIONS["window"].limits == "1 to 255"
    assert OPTIONS["listen"].limits == ""


def test_an_unknown_name_is_refused_with_the_nearest():
    assert known("window").flag == "--window"
    with pytest.raises(ValueError, match="no such setting; did you mean 'window'"):
        known("windw")
