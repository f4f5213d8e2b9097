"""`gossipw2v members` and `top`: figures by hand, and two real daemons."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.daemons import Daemons, addresses, write_texts

from gossipw2v.cli.operate.watching import traffic
from gossipw2v.status import report


def link(peer, sent, received=0, exchanges=0):
    return {"peer": peer, "role": "child", "sent_bytes": sent, "received_bytes": received, "exchanges": exchanges}


def test_rates_are_differences_over_seconds_and_the_busiest_link_is_first():
    before = {"links": [link("a", 1000, 500, 10), link("b", 0)]}
    now = {"links": [link("a", 3000, 500, 20), link("b", 50_000), link("new", 10)]}
    rows = traffic(before, now, 2.0)
    assert [row["peer"] for row in rows] == ["b", "a", "new"]
    assert [row["sent"] for row in rows] == [25_000, 1000, 5]
    assert (rows[1]["received"], rows[1]["exchanges"]) == (0, 5)


def test_a_link_that_began_anew_has_no_negative_rate():
    assert traffic({"links": [link("a", 9000)]}, {"links": [link("a", 100)]}, 1.0)[0]["sent"] == 100


ANY = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(link("a", 0))), inner, max_size=6),
    max_leaves=10,
)


@given(ANY, ANY)
def test_any_answer_can_be_shown(before, now):
    rows = traffic({"links": before}, {"links": now}, 1.0)
    assert report.traffic(rows).isprintable() or "\n" in report.traffic(rows)


def command(name, *flags):
    argv = [sys.executable, "-m", "gossipw2v", name, *map(str, flags)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_members_and_links_of_real_daemons_are_shown(tmp_path):
    first, second = addresses(2)
    texts = write_texts(tmp_path, 2)
    given = {"epochs": 10_000, "min_peers": 1}
    with Daemons(tmp_path) as swarm:
        one = swarm.start(texts[0], listen=first, peers=second, **given)
        other = swarm.start(texts[1], listen=second, peers=first, **given)
        one.until(lambda s: s["links"] and s["links"][0]["exchanges"])
        shown = command("members", "--url", one.url)
        assert shown.stdout.startswith("members: 2\n")
        assert first in shown.stdout or "this node" in shown.stdout
        found = json.loads(command("members", "--url", one.url, "--json").stdout)
        assert {member["node"] for member in found} == {one.where["node"], other.where["node"]}
        rounds = command("top", "--url", one.url, "--json", "--interval", "1", "--rounds", "2").stdout.splitlines()
        assert len(rounds) == 2
        (busy,) = json.loads(rounds[1])["links"]
        assert busy["peer"] == other.where["node"]
        assert busy["sent"] > 0
        assert command("top", "--url", one.url, "--interval", "1", "--rounds", "1").stdout.startswith("links: 1\n")


def test_where_no_node_is_the_exit_code_says_so():
    (place,) = addresses(1)
    assert {command(name, "--url", f"http://{place}").returncode for name in ("members", "top")} == {69}


@pytest.mark.parametrize("flags", [("--interval", "0"), ("--interval", "nan"), ("--rounds", "0"), ("--rounds", "x")])
def test_flags_out_of_bounds_are_refused(flags):
    assert command("top", *flags).returncode == 2
