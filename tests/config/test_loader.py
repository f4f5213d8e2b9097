"""The three sources of settings, their precedence, and how mistakes are told."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.config.fields import Between
from gossipw2v.config.job import Job, job_fields
from gossipw2v.config.loader import ConfigError, default_data_dir, find, load
from gossipw2v.config.node import Config
from gossipw2v.config.options import OPTIONS

REPOSITORY = Path(__file__).parents[2]
CORPUS = {"corpus": ["text.txt"]}


def problems(flags=CORPUS, toml=None, environ=None, folder=None):
    path = None
    if toml is not None:
        path = folder / "lan.toml"
        path.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    with pytest.raises(ConfigError) as caught:
        load(flags, path, environ or {})
    return caught.value.problems


def test_lan_toml_changes_nothing():
    assert load(CORPUS, REPOSITORY / "configs" / "lan.toml", {}) == load(CORPUS, None, {})


def test_graph_toml_sets_what_suits_walks():
    config = load({"graph": ["edges"]}, REPOSITORY / "configs" / "graph.toml", {})
    assert (config.job.sample, config.job.min_count, config.job.window) == (0.0, 1, 10)
    assert (config.corpus, config.graph, config.graph_share) == ((), ("edges",), "1/1")


def test_a_node_trains_text_or_a_graph():
    assert any("give --corpus PATH, or --graph EDGES" in p for p in problems({}))
    assert any("the one or the other" in p for p in problems({**CORPUS, "graph": ["edges"]}))
    assert any("needs graph" in p for p in problems({**CORPUS, "graph_share": "1/2"}))
    home = load({}, None, {"GOSSIPW2V_GRAPH": "~/a:b"})
    assert home.graph == (str(Path.home() / "a"), "b")


# --- the sources and their precedence --------------------------------------------------------------------


def test_flags_win_over_the_file_and_the_file_over_the_environment(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("window = 2\nepochs = 2\n")
    environ = {"GOSSIPW2V_WINDOW": "1", "GOSSIPW2V_EPOCHS": "1", "GOSSIPW2V_NEGATIVE": "1"}
    job = load({**CORPUS, "window": "3", "epochs": None}, path, environ).job
    assert (job.window, job.epochs, job.negative, job.min_count) == (3, 2, 1, 5)


@pytest.mark.parametrize("source", ["flags", "toml", "environ"])
def test_every_source_sets_every_kind_of_field(source, tmp_path):
    wanted = Config(
        corpus=("a", "b"), peers=("auto", "h:1"), data_dir=Path("d"), until_complete=True, threads=2,
        settle_seconds=1.0, job=Job(job="j", alpha=0.5),
    )  # fmt: skip
    texts = {"peers": "auto,h:1", "data_dir": "d", "threads": "2", "settle_seconds": "1", "job": "j", "alpha": ".5"}
    path = tmp_path / "x.toml"
    path.write_text(
        'corpus = ["a", "b"]\npeers = ["auto", "h:1"]\ndata_dir = "d"\nuntil_complete = true\nthreads = 2\n'
        'settle_seconds = 1\njob = "j"\nalpha = 0.5\n'
    )
    environ = {f"GOSSIPW2V_{name.upper()}": text for name, text in texts.items()}
    environ |= {"GOSSIPW2V_CORPUS": os.pathsep.join("ab"), "GOSSIPW2V_UNTIL_COMPLETE": "yes"}
    flags = texts | {"corpus": ["a", "b"], "until_complete": True}
    given = {"flags": (flags, None, {}), "toml": ({}, path, {}), "environ": ({}, None, environ)}[source]
    assert load(*given) == wanted


def test_a_flag_turns_off_what_the_file_turned_on(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("until_complete = true")
    assert load(CORPUS, path, {}).until_complete
    assert not load({**CORPUS, "until_complete": False}, path, {}).until_complete


def test_byte_order_mark_and_carriage_returns_do_no_harm(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfwindow = 7\r\nseed = 3\r\n")
    assert load(CORPUS, path, {}).job == Job(window=7, seed=3)


def test_an_empty_variable_and_those_of_kubernetes_are_not_ours():
    environ = {"GOSSIPW2V_WINDOW": "", "GOSSIPW2V_SERVICE_HOST": "10.0.0.1", "GOSSIPW2V_PORT": "tcp://10.0.0.1:7411"}
    environ |= {"GOSSIPW2V_PORT_7411_TCP_ADDR": "10.0.0.1", "GOSSIPW2V_CONFIG": "x.toml"}
    assert load(CORPUS, None, environ) == load(CORPUS, None, {})


def test_a_home_is_meant_where_no_shell_has_read_the_text():
    config = load({}, None, {"GOSSIPW2V_CORPUS": "~/text", "GOSSIPW2V_DATA_DIR": "~/data"})
    assert (config.corpus, config.data_dir) == ((str(Path.home() / "text"),), Path.home() / "data")


def test_the_data_folder_is_systemds_or_by_the_xdg_rules():
    assert default_data_dir("j", {"STATE_DIRECTORY": "/a:/b", "XDG_DATA_HOME": "/x"}) == Path("/a")
    assert default_data_dir("j", {"XDG_DATA_HOME": "/x"}) == Path("/x/gossipw2v/j")
    assert default_data_dir("j", {"XDG_DATA_HOME": "x"}) == Path.home() / ".local/share/gossipw2v/j"
    assert load({**CORPUS, "job": "j"}, None, {"XDG_DATA_HOME": "/x"}).data_dir == Path("/x/gossipw2v/j")


def test_equal_jobs_are_told_alike_however_they_were_written(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("sample = 0\nns_exponent = 1")
    flags = load({**CORPUS, "sample": "-0.0", "ns_exponent": "1.0"}, None, {}).job
    assert str(job_fields(load(CORPUS, path, {}).job)) == str(job_fields(flags))  # as the handshake writes them


# --- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))
def test_every_field_is_checked_in_every_source(option, tmp_path):
    """A value that is wrong for the kind of field, then one that is out of its bounds."""
    bad = {str: "", int: "1.5", float: "nan", bool: "perhaps", Path: "", tuple[str, ...]: " "}[option.kind]
    outside = [str(option.check.low - 1), str(option.check.high + 1)] if isinstance(option.check, Between) else []
    for text in [bad, *outside]:
        assert any(p.startswith(f"{option.flag}: ") for p in problems({**CORPUS, option.name: text}))
        if text:  # an empty variable counts as none
            assert any(p.startswith(f"{option.variable}: ") for p in problems(environ={option.variable: text}))
    wrong = "[[]]" if option.kind == tuple[str, ...] else "[1]"
    (told,) = problems({} if option.name == "corpus" else CORPUS, f"\n{option.name} = {wrong}", folder=tmp_path)
    assert told.startswith(f"{tmp_path / 'lan.toml'}, line 2, {option.name}: ")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("window = true", "True is not a whole number"),
        ("window = 5.0", "5.0 is not a whole number"),
        ('window = "five"', "'five' is not a whole number"),
        ("alpha = true", "True is not a finite number"),
        ("alpha = nan", "nan is not a finite number"),
        ("alpha = 1e999", "inf is not a finite number"),
        ("alpha = 1" + "0" * 400, "is not a finite number"),
        ("until_complete = 1", "1 is not true or false"),
        ("job = 3", "3 is not text"),
        ('job = "../x"', "'../x' is not a job's name"),
        ('log_level = "loud"', "'loud' is none of debug, info, warning, error"),
        ("peers = []", "[] is not a list of texts"),
        ('peers = ["h:0"]', "'h:0': a peer's port cannot be 0"),
        ('data_dir = "a\\u0000b"', "is not a path"),
        ("[window]\nx = 1", "{'x': 1} is not a whole number"),
        ("windw = 3", "no such setting; did you mean 'window'?"),
        ("[log]\nlevel = 1", "no such setting"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(line, told, tmp_path):
    (problem,) = problems(toml=f"# a comment\n{line}\n", folder=tmp_path)
    assert told in problem
    assert ", line 2, " in problem


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("window = 1\nwindow = 2\n", "line 2"),
        ("window = \n", "line 1"),
        (b"job = '\xff'", "utf-8"),
        ("#" * ((1 << 20) + 1), "is it a configuration file?"),
    ],
)
def test_a_file_that_is_no_toml_is_told(content, told, tmp_path):
    (problem,) = problems(toml=content, folder=tmp_path)
    assert problem.startswith(str(tmp_path / "lan.toml"))
    assert told in problem


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    for path, told in ((tmp_path / "none.toml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=told):
            load(CORPUS, path, {})


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"min_alpha": "0.5"}, r"min_alpha = 0.5 \(--min-alpha\) is above alpha = 0.025 \(default\)"),
        ({"peers": "none,auto"}, "'none' stands alone"),
        ({"peers": "none", "min_peers": "2"}, "would wait for ever"),
        ({"max_vocab": "1"}, "one word"),
        ({"listen": "0.0.0.0:7412"}, "take the same port"),
        ({"listen": "h:5", "http": "h:5"}, "take the same port"),
        ({"corpus": None}, "give --corpus PATH"),
        ({"jsonl": "a", "csv": "b"}, r"jsonl = 'a' \(--jsonl\), csv = 'b' \(--csv\): a node's text has one form"),
        ({"parquet": "a", "plain": True}, "one form"),
        ({"follow": True, "until_complete": True}, "until_complete = True .* would wait for ever with follow"),
        ({"follow": True, "corpus": None, "graph": "e"}, "follow = True .* is about text; leave it out with graph"),
        ({"follow": True, "corpus": ["a", "https://x/y"]}, "files and folders here, not at 'https://x/y'"),
        ({"follow": True, "shared_corpus": True}, "follow = True .* cannot know which node"),
        (
            {"vocab": "words", "phrases": "1"},
            r"phrases = 1 \(--phrases\) would make words that vocab = .*leave one out",
        ),
        ({"corpus": None, "graph": "e", "shared_corpus": True}, "take parts of it by graph_share"),
        ({"corpus": "-", "shared_corpus": True}, "standard input is this node's alone"),
        ({"lines": "whole", "shared_corpus": True}, r"shared_corpus = True \(--shared-corpus\), lines = 'whole'"),
    ],
)
def test_values_that_contradict_each_other_are_refused(flags, told):
    with pytest.raises(ConfigError, match=told):
        load({**CORPUS, **flags}, None, {})


@pytest.mark.parametrize(
    "flags",
    [
        {"listen": "127.0.0.1:0", "http": "127.0.0.1:0"},
        {"listen": "10.0.0.1:5", "http": "127.0.0.1:5"},
        {"peers": "none"},
    ],
)
def test_values_that_only_look_contradictory_are_accepted(flags):
    assert load({**CORPUS, **flags}, None, {})


def test_all_problems_of_all_sources_are_told_at_once(tmp_path):
    told = problems(
        {"epochs": "0", "min_alpha": "0.9"}, "windw = 1\nseed = -1", {"GOSSIPW2V_THREADS": "many"}, folder=tmp_path
    )
    assert len(told) == 6
    assert [p.split(":")[0].split(", ")[-1] for p in told[:4]] == ["GOSSIPW2V_THREADS", "windw", "seed", "--epochs"]
    assert str(ConfigError(list(told))).count("\n  - ") == 6


def test_a_wrong_value_is_not_also_called_a_contradiction():
    assert len(problems({**CORPUS, "alpha": "x", "min_alpha": "0.9"})) == 1


def test_a_list_of_places_may_hold_urls():
    places = ["/a", "s3://bucket/b", "-", "https://host:8080/c", "gs://bucket:/d"]
    (given,) = [load({}, None, {"GOSSIPW2V_CORPUS": os.pathsep.join(places)}).corpus]
    assert given == ("/a", "s3://bucket/b", "-", "https://host:8080/c", "gs://bucket", "/d")


def test_a_long_wrong_value_is_cut():
    assert all(len(problem) < 300 for problem in problems({**CORPUS, "window": "x" * 10_000, "job": "y" * 10_000}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*OPTIONS, "other"]), json_values, max_size=6))
def test_any_values_give_a_configuration_within_bounds_or_a_config_error(flags):
    try:
        config = load(flags, None, {})
    except ConfigError as error:
        assert error.problems  # noqa: PT017
        return
    values = vars(config) | vars(config.job)
    for name, option in OPTIONS.items():
        if option.limits:
            option.check(values[name])


# --- secrets ---------------------------------------------------------------------------------------------

LINES = {"secret": "c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmx5", "token": "dG9rZW4tb2YtdGhpcy10ZXN0LW9ubHkx"}


@pytest.fixture
def files(tmp_path):
    """A secret and a token, each in a file of its own."""
    for name, line in LINES.items():
        (tmp_path / name).write_text(line)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def test_files_with_secrets_are_checked_in_every_source(files):
    (files / "secret").chmod(0o644)
    text = str(files / "secret")
    for source in ({"flags": {**CORPUS, "secret_file": text}}, {"environ": {"GOSSIPW2V_SECRET_FILE": text}}):
        (told,) = problems(**source)
        assert "chmod 600" in told
        assert LINES["secret"] not in told
    (told,) = problems(toml=f'http_token_file = "{text}"', folder=files)
    assert re.search(r"x?lan.toml, line 1, http_token_file: .*chmod 600", told)


def test_the_paths_are_kept_and_not_what_they_hold(files):
    config = load({**CORPUS, "secret_file": str(files / "secret"), "http_token_file": str(files / "token")}, None, {})
    assert (config.secret_file, config.http_token_file) == (files / "secret", files / "token")
    assert not [line for line in LINES.values() if line in repr(config)]


@pytest.mark.parametrize("http", ["0.0.0.0:7412", "10.0.0.1:0", "[::]:7412", "a-name:7412", "[::ffff:7f00:1]:1"])
def test_http_for_other_machines_needs_a_token(http, files):
    (told,) = problems({**CORPUS, "http": http})
    assert "http_token_file" in told
    assert load({**CORPUS, "http": http, "http_token_file": str(files / "token")}, None, {}).http == http


@pytest.mark.parametrize("http", ["127.0.0.1:7412", "127.1.2.3:0", "[::1]:7412", "localhost:7412"])
def test_http_for_this_machine_needs_none(http):
    assert load({**CORPUS, "http": http}, None, {}).http_token_file is None


def test_the_token_is_not_the_secret(files):
    (files / "token").write_text(LINES["secret"] + "\n")
    (told,) = problems(
        {**CORPUS, "secret_file": str(files / "secret"), "http_token_file": str(files / "token")},
    )
    assert "must not be the secret" in told
    (told,) = problems(
        {
            **CORPUS,
            "secret_file": str(new_secret(files)),
            "other_secret_file": str(files / "secret"),
            "http_token_file": str(files / "token"),
        }
    )
    assert "other_secret_file, http_token_file: the token" in told


def new_secret(folder):
    path = folder / "new"
    path.touch(0o600)
    path.write_text(LINES["secret"][::-1])
    return path


def test_another_secret_needs_one(files):
    (told,) = problems({**CORPUS, "other_secret_file": str(files / "secret")})
    assert "needs secret_file" in told
    config = load(
        {**CORPUS, "secret_file": str(files / "secret"), "other_secret_file": str(new_secret(files))}, None, {}
    )
    assert config.other_secret_file == files / "new"


def test_one_field_is_found_whatever_is_wrong_with_others(files):
    path = files / "lan.toml"
    path.write_text(f'http_token_file = "{files / "token"}"\nwindw = 3\nwindow = "five"')
    assert find("http_token_file", None, path, {}) == files / "token"
    assert find("http_token_file", str(files / "secret"), path, {"GOSSIPW2V_WINDOW": "x"}) == files / "secret"
    assert find("http_token_file", None, None, {}) is None
    with pytest.raises(ConfigError, match="No such file"):
        find("http_token_file", None, None, {"GOSSIPW2V_HTTP_TOKEN_FILE": "none"})
    with pytest.raises(ConfigError, match=r"none\.toml"):
        find("http_token_file", None, files / "none.toml", {})


def test_names_are_given_as_a_list_or_with_commas(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("http_names = []")
    assert load(CORPUS, path, {}).http_names == ()
    assert load({**CORPUS, "http_names": "a.example, b"}, path, {}).http_names == ("a.example", "b")
    assert "not a host name" in problems({**CORPUS, "http_names": "a b"})[0]


# --- files that are no configuration ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("a = " + "[" * 3000, "recursion"),
        ("a" + ".a" * 3000 + " = 1", "line 1 is nested deeper than any setting"),
        ("\n" * 3 + "a" + " . a" * 3000 + " = 1", "line 4 is nested deeper than any setting"),
        ("\n".join(f"k{n} = 1" for n in range(500)), "500 settings, but there are only"),
        ('corpus = "~nobody.at-all/text"', "there is no such home folder"),
    ],
)
def test_a_file_that_would_cost_much_or_has_no_meaning_is_refused(toml, said, tmp_path):
    (problem,) = problems(toml=toml, folder=tmp_path)
    assert said in problem


def test_dots_in_texts_and_comments_are_no_nesting(tmp_path):
    path = tmp_path / "lan.toml"
    bans = '["10.0.0.1", "10.0.0.2", \'10.0.0.3\', "10.0.0.4"]  # a.b.c.d.e.f.g.h.i.j.k'
    path.write_text(f"# a.b.c.d.e.f.g.h.i.j.k don't \"\nban = {bans}\n")
    assert load(CORPUS, path, {}).ban == ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
