"""Files with secrets: whose they must be, what must be in them, and that no message tells what is."""

import os
import stat

import pytest

from gossipw2v.config.secret import LEAST_BYTES, MOST_BYTES, SecretError, read_secret

GOOD = b"c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmx5LTEyMw=="


@pytest.fixture
def write(tmp_path):
    """Make a file with some content and mode."""

    def make(content=GOOD, mode=0o600, name="secret"):
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    return make


def refused(path):
    with pytest.raises(SecretError) as caught:
        read_secret(path)
    return str(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o400])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_one_line_of_its_owner_is_a_secret_without_its_end(write, mode, end):
    assert read_secret(write(GOOD + end, mode)) == GOOD


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610, 0o700, 0o440])
def test_a_file_that_is_open_to_others_is_refused_with_what_to_do(write, mode):
    assert "chmod 600" in refused(write(mode=mode))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", GOOD[: LEAST_BYTES - 1], GOOD[: LEAST_BYTES - 1] + b"\n", b"a" * 64, b"abcdefg" * 10,
        GOOD * 200, b"x" + GOOD * (MOST_BYTES // len(GOOD) + 1), GOOD + b"\n\n", GOOD + b" ", b" " + GOOD,
        GOOD + b"\n" + GOOD, b"\xef\xbb\xbf" + GOOD, bytes(64), GOOD + b"\xff", GOOD + b"\0",
    ],
)  # fmt: skip
def test_what_can_be_guessed_or_is_no_line_of_text_is_refused_and_not_told(write, content):
    told = refused(write(content))
    assert "urandom" in told
    assert GOOD.decode() not in told


def test_the_shortest_and_the_longest(write):
    for size in (LEAST_BYTES, MOST_BYTES):
        line = (GOOD * 200)[:size]
        assert read_secret(write(line + b"\r\n")) == line
        assert refused(write((GOOD * 200)[: MOST_BYTES + 1]))


def test_a_file_that_is_not_there_is_not_named(tmp_path):
    told = refused(tmp_path / GOOD.decode())  # the secret itself, given where its file should be
    assert "No such file" in told
    assert GOOD.decode() not in told


def test_only_regular_files(tmp_path):
    assert "not a regular file" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a regular file" in refused(tmp_path / "pipe")
    assert "not a regular file" in refused("/dev/null")


def test_a_link_leads_to_the_file_that_counts(write, tmp_path):
    (tmp_path / "link").symlink_to(write())
    assert read_secret(tmp_path / "link") == GOOD
    write(mode=0o644)
    assert "chmod" in refused(tmp_path / "link")


def test_another_users_file_is_refused(write, monkeypatch):
    path = write()
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "another user" in refused(path)


def test_a_credential_of_systemd_may_show_its_acl_as_a_right_of_the_group(write, tmp_path, monkeypatch):
    path = write(mode=0o440)
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert "chmod" in refused(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(path) == GOOD
    assert "chmod" in refused(write(mode=0o444))
