"""The systemd units: accepted by systemd, hardened, and without the three settings that break the service."""

import configparser
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from gossipw2v.config import loader, options
from gossipw2v.system.signals import RELOADING

FOLDER = Path(__file__).parents[2] / "systemd"
UNIT, TEMPLATE = FOLDER / "gossipw2v.service", FOLDER / "gossipw2v@.service"
WORST_EXPOSURE = 1.5  # of 10, as `systemd-analyze security` counts; a bare unit has 9.6


class Repeated(dict):
    """Joins the values of a key that is given several times, as systemd does for lists."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            value = [*self[key], *value]
        super().__setitem__(key, value)


@pytest.fixture(scope="module")
def service():
    parser = configparser.ConfigParser(dict_type=Repeated, strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(UNIT.read_text())
    return {key: value.split("\n") for key, value in parser["Service"].items()}


@pytest.fixture(params=[UNIT.name, TEMPLATE.name])
def copy(tmp_path, request):
    """A unit, of the template an instance, with a program that exists here."""
    text = (FOLDER / request.param).read_text()
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={shutil.which('true')}", text, flags=re.MULTILINE)
    path = tmp_path / request.param.replace("@", "@news")
    path.write_text(text)
    return path


def run(name, *args):
    """What a program of systemd's says and makes of the files in FOLDER; skipped where there is none."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"there is no {name} here")
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=60, check=False)


def analyze(*args):
    return run("systemd-analyze", *args)


def test_systemd_accepts_the_unit_without_a_word(copy):
    result = analyze("verify", copy)
    assert (result.returncode, result.stderr) == (0, "")


def test_systemd_would_say_what_is_wrong(copy):
    """Lest the test above pass because nothing is looked at."""
    copy.write_text(copy.read_text().replace("ProtectHome=yes", "ProtectHouse=yes"))
    assert "ProtectHouse" in analyze("verify", copy).stderr


def test_systemd_accepts_the_unit_with_its_secrets(copy):
    text, lines = re.subn(r"^#(LoadCredential=|Environment=GOSSIPW2V_)", r"\1", copy.read_text(), flags=re.MULTILINE)
    assert lines == 4
    copy.write_text(text)
    result = analyze("verify", copy)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_lines_for_secrets_name_settings_that_exist():
    pairs = re.findall(r"^#LoadCredential=([\w-]+):(\S+)\n#Environment=(\w+)=%d/(\S+)$", UNIT.read_text(), re.MULTILINE)
    known = {option.variable: options.EXAMPLES.get(option.name) for option in options.OPTIONS.values()}
    assert len(pairs) == 2
    for name, path, variable, file in pairs:
        assert (name, path) == (file, known[variable])


def test_the_template_is_the_unit_for_a_job_of_its_own():
    """All that differs is named here, so that what is mended in one is mended in both."""
    same = {
        "Description=gossipw2v job %i,": "Description=gossipw2v,",
        "Environment=GOSSIPW2V_JOB=%i\n": "",
        "start --config /etc/gossipw2v/%i.toml": "start --peers auto --config /etc/gossipw2v/lan.toml",
        "/etc/gossipw2v/%i.": "/etc/gossipw2v/",
        "gossipw2v/%i": "gossipw2v",
    }
    alone = TEMPLATE.read_text().partition("[Unit]")[2]
    for mine, theirs in same.items():
        assert mine in alone
        alone = alone.replace(mine, theirs)
    assert alone == UNIT.read_text().partition("[Unit]")[2]


def test_a_service_is_watched_and_can_be_reloaded(service):
    assert service["WatchdogSec"] == ["2min"]
    assert service["ExecReload"] == [f"kill -{RELOADING.name.removeprefix('SIG')} $MAINPID"]


def test_the_user_and_the_folders_are_made(tmp_path):
    (tmp_path / "etc").mkdir()
    users = run("systemd-sysusers", f"--root={tmp_path}", FOLDER / "gossipw2v.sysusers.conf")
    assert users.returncode == 0, users.stderr
    assert re.search(
        r"^gossipw2v:.*:/var/lib/gossipw2v:\S*nologin$", (tmp_path / "etc/passwd").read_text(), re.MULTILINE
    )
    folders = run("systemd-tmpfiles", "--create", f"--root={tmp_path}", FOLDER / "gossipw2v.tmpfiles.conf")
    assert folders.returncode == 0, folders.stderr
    assert stat.S_IMODE((tmp_path / "srv/gossipw2v").stat().st_mode) == 0o750
    assert (tmp_path / "etc/gossipw2v").is_dir()


def test_the_unit_is_hardened(copy):
    result = analyze("security", "--offline=yes", copy)
    if result.returncode and "offline" in result.stderr:
        pytest.skip("this systemd-analyze is too old to look at a file")
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", result.stdout)
    assert float(exposure[1]) <= WORST_EXPOSURE


def test_what_would_break_the_service_is_not_set(service):
    assert "MemoryDenyWriteExecute" not in service  # compiled kernels need executable memory
    assert "ProcSubset" not in service  # the process_* metrics come from /proc
    (families,) = service["RestrictAddressFamilies"]
    assert set(families.split()) == {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}  # zeroconf lists interfaces


def test_the_service_runs_the_documented_command_as_its_own_user(service):
    (command,) = service["ExecStart"]
    assert command.endswith("/bin/gossipw2v start --peers auto --config /etc/gossipw2v/lan.toml")
    assert service["Type"] == ["notify"]  # what the daemon sends; notify-reload is unknown to systemd 252
    assert service["User"] == ["gossipw2v"]
    assert service["StateDirectory"] == service["CacheDirectory"] == ["gossipw2v"]


def test_the_settings_of_the_service_load(service):
    environ = dict(entry.split("=", 1) for entry in service["Environment"]) | {"STATE_DIRECTORY": "/var/lib/gossipw2v"}
    config = loader.load({"peers": "auto"}, UNIT.parent.parent / "configs" / "lan.toml", environ)
    assert config.corpus
    assert config.data_dir == Path("/var/lib/gossipw2v")


def test_every_group_of_settings_has_a_reason_above_it():
    _, *paragraphs = UNIT.read_text().split("[Service]")[1].split("[Install]")[0].strip().split("\n\n")
    assert len(paragraphs) > 1
    for paragraph in paragraphs:
        assert paragraph.startswith("#"), paragraph
