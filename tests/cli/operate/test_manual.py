"""The manual page: whole, and read by groff without a word."""

import re
import shutil
import subprocess
import sys

import pytest

from gossipw2v.cli.operate.completion import commands
from gossipw2v.cli.operate.manual import page
from gossipw2v.cli.parser import make_parser
from gossipw2v.config.options import OPTIONS


@pytest.fixture(scope="module")
def source():
    command = [sys.executable, "-m", "gossipw2v", "man"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_every_command_and_setting_has_its_place(source):
    text = source.replace("\\-", "-")
    assert set(re.findall(r'^\.SS "([a-z-]+): ', text, re.MULTILINE)) == commands(make_parser()).keys()
    for option in OPTIONS.values():
        assert re.search(rf"^\.B .*{option.flag}\b", text, re.MULTILINE), option.flag


def test_groff_reads_it_without_a_word(source):
    if shutil.which("groff") is None:
        pytest.skip("there is no groff here")
    done = subprocess.run(["groff", "-man", "-ww", "-Tascii"], input=source, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "--vector-size" in re.sub(r".\x08", "", done.stdout)  # bold is printed twice


def test_text_is_no_request(source):
    known = {"TH", "SH", "SS", "TP", "B"}
    assert set(re.findall(r"^[.'](\w+)", source, re.MULTILINE)) <= known
    assert source == "\n".join(page(make_parser())) + "\n"
