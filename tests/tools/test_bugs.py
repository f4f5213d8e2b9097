"""The deliberate bugs of tests/bugs: every patch still fits, and tools/bugs.py tells a caught one from a missed one.

`tools/bugs.py` without arguments tries all of them; here are those that take a second.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BUGS = sorted((REPOSITORY / "tests" / "bugs").glob("*.patch"))

HARMLESS = """There is a file more, and nobody should notice.
Tests: tests/gossip/overlay/test_link.py -k repeated

diff --git a/nothing b/nothing
new file mode 100644
--- /dev/null
+++ b/nothing
@@ -0,0 +1 @@
+nothing
"""


@pytest.fixture(autouse=True)
def clone():
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("this is not a clone")


def tried(*args: str) -> subprocess.CompletedProcess:
    line = [sys.executable, str(REPOSITORY / "tools" / "bugs.py"), *args]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


def test_there_are_ten():
    assert len(BUGS) == 10


@pytest.mark.parametrize("path", BUGS, ids=lambda path: path.stem)
def test_a_patch_fits_and_names_tests_that_exist(path):
    subprocess.run(["git", "apply", "--check", str(path)], cwd=REPOSITORY, check=True)
    (line,) = [line for line in path.read_text().splitlines() if line.startswith("Tests:")]
    files = [word for word in line.split() if word.endswith(".py")]
    assert files
    assert all((REPOSITORY / name).exists() for name in files)


def test_a_bug_that_the_tests_notice_is_caught():
    done = tried("answer-not-repeated")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1 of 1 caught"


def test_a_bug_that_they_do_not_notice_is_missed(tmp_path):
    (tmp_path / "harmless.patch").write_text(HARMLESS)
    done = tried("--folder", str(tmp_path))
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("MISSED  harmless")


def test_an_unknown_bug_is_a_mistake():
    done = tried("none-such")
    assert done.returncode == 1
    assert "answer-not-repeated" in done.stderr
