"""The repository itself: its contracts hold, and its files say the same thing."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gossipw2v import __version__
from gossipw2v.config.options import OPTIONS, PREFIX

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "gossipw2v"
COMMANDS = {"start", "train", "export", "merge", "status", "neighbors", "evaluate", "what-leaves", "demo"}
COMMANDS |= {"plan", "doctor", "config", "members", "top", "leave", "completion", "man"}
PAGES = [REPOSITORY / "README.md", *sorted((PACKAGE / "manual").glob("*.md"))]
MOST_LINES = 500  # of a module; the aim is 150 to 300


def git_files():
    if not (REPOSITORY / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is not a clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [REPOSITORY / name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).exists()]


@pytest.fixture(scope="module")
def texts():
    """Every tracked file as text, by its path."""
    return {path: path.read_text(encoding="utf-8", errors="replace") for path in git_files()}


@pytest.fixture(scope="module")
def readme():
    """What users read: README and the pages of the manual."""
    return "\n".join(page.read_text("utf-8") for page in PAGES)


def test_the_import_contracts_hold():
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed here")
    result = subprocess.run([program, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:]
    assert re.search(r"[1-9]\d* kept, 0 broken", result.stdout)


def test_no_path_of_a_developers_machine_is_tracked(texts):
    private = re.compile(r"(?<![\w.~])/(?:home|Users|root|work|tmp)/[A-Za-z0-9_.-]+/")
    found = {str(path): match[0] for path, text in texts.items() if (match := private.search(text))}
    assert not found


def test_no_tracked_file_is_large(texts):
    assert not [path for path in texts if path.stat().st_size > 200_000]


def test_modules_fit_in_a_head(texts):
    modules = {
        path: len(text.splitlines()) for path, text in texts.items() if path.suffix == ".py" and PACKAGE in path.parents
    }
    assert PACKAGE / "cli" / "main.py" in modules
    assert not {name: lines for name, lines in modules.items() if lines > MOST_LINES}


def test_every_module_says_what_it_is(texts):
    for path, text in texts.items():
        if path.suffix == ".py":
            assert re.match(r'(#.*\n)*"""\S', text), path


def test_the_tools_can_be_run():
    for name in ("tools/demo", "tools/check", ".ci/run"):
        path = REPOSITORY / name
        assert path.stat().st_mode & 0o111, name
        first, *_ = path.read_text().splitlines()
        shell = {"#!/bin/sh": "sh", "#!/usr/bin/env bash": "bash"}[first]
        assert subprocess.run([shell, "-n", path], check=False).returncode == 0, name


def test_continuous_integration_runs_what_a_developer_runs():
    assert "tools/check" in (REPOSITORY / ".ci" / "run").read_text()


def test_every_command_in_the_readme_exists(readme):
    typed = re.findall(r"^ *(?:\$ )?gossipw2v +([a-z-]+)", readme, re.MULTILINE)
    assert {"start", "export", "status"} <= set(typed) <= COMMANDS
    assert "tools/demo" in readme
    assert "tools/check" in readme


def test_every_flag_setting_and_file_in_the_readme_exists(readme):
    known = {option.flag for option in OPTIONS.values()}
    known |= {"--config", "--url", "--json", "--watch", "--nodes", "--help", "--version", "--no-until-complete"}
    known |= {"--check", "--words", "--interval", "--vocab", "--cores", "--bandwidth", "--latency"}
    known |= {"--pairs", "--analogies", "--categories", "--next-item", "--labels", "--compare", "--drop-first"}
    known |= {
        "--format",
        "--top",
        "--words",
        "--normalize",
        "--dtype",
        "--matrix",
        "--method",
        "--weights",
        "--whiten",
        "--data-dir",
    }
    for block in re.findall(r"^ *(?:\$ )?(?:gossipw2v|tools/demo) .*$", readme, re.MULTILINE):
        assert set(re.findall(r"(?<!\S)--[a-z-]+", block)) <= known, block
    assert set(re.findall(rf"{PREFIX}[A-Z_]+", readme)) <= {o.variable for o in OPTIONS.values()} | {f"{PREFIX}CONFIG"}
    for name in re.findall(r"(?<![\w/])(?:configs|systemd|tools|tests|gossipw2v)/[\w./@-]*\w", readme):
        assert (REPOSITORY / name).exists(), name


def test_every_link_of_a_document_leads_somewhere(texts):
    documents = {path: text for path, text in texts.items() if path.suffix == ".md"}
    assert set(PAGES) <= set(documents)
    for path, text in documents.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = link.partition("#")
            if "://" in name:
                continue
            target = (path.parent / name).resolve() if name else path
            assert target.exists(), f"{path}: {link}"
            assert not anchor or anchor in anchors(target), f"{path}: {link}"


def anchors(page):
    """How a page's headings are linked to."""
    heads = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_readme_names_every_page_of_the_manual():
    text = PAGES[0].read_text("utf-8")
    assert len(PAGES) > 1
    assert all(f"(gossipw2v/manual/{page.name})" in text for page in PAGES[1:])


def test_the_package_has_one_version_and_one_command():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    assert project["scripts"] == {"gossipw2v": "gossipw2v.cli.main:main"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_no_module_reads_the_wall_clock(texts):
    """It is set by people and by NTP: whatever waits or times out goes by a monotonic clock.

    Only the doctor looks at it, to say that it is wrong.
    """
    clock = r"\btime\.(time|time_ns|localtime|gmtime|ctime)\b|from time import .*\btime\b"
    wall = re.compile(clock + r"|\b(date|datetime)\.(now|utcnow|today)\b")
    looked_at = PACKAGE / "cli" / "operate" / "clocks.py"
    modules = {path: text for path, text in texts.items() if PACKAGE in path.parents and path != looked_at}
    assert PACKAGE / "transport" / "network.py" in modules
    assert wall.search(texts[looked_at])
    assert not {name: match[0] for name, text in modules.items() if (match := wall.search(text))}
