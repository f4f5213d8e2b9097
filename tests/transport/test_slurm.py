"""What a Slurm job says of its nodes: lists as Slurm writes them, and whatever else may stand in a variable."""

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipw2v.config.address import Address
from gossipw2v.transport.slurm import MOST_BRACKETS, MOST_TASKS, MOST_TEXT, hosts_of, places, tasks_of


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("one", ["one"]),
        ("node[1-3,07,09-10]", ["node1", "node2", "node3", "node07", "node09", "node10"]),
        ("a,b-1.example,c[2]", ["a", "b-1.example", "c2"]),
        ("rack[1-2]n[01-02]x", ["rack1n01x", "rack1n02x", "rack2n01x", "rack2n02x"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
    ],
)
def test_a_list_of_hosts_is_expanded_in_order(text, hosts):
    assert list(hosts_of(text)) == hosts


@pytest.mark.parametrize(
    "text",
    ["", "a,", ",a", "a,,b", "a[", "a]", "a[1", "a[]", "a[1-]", "a[-1]", "a[3-1]", "a[1-2-3]", "a[1,,2]", "a b",
     "a[[1]]", "-a", "a\0", "[1-2]" * (MOST_BRACKETS + 1), "n" * (MOST_TEXT + 1), "a[9999999999]"],
)  # fmt: skip
def test_what_is_no_list_of_hosts_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        list(hosts_of(text))


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9), st.integers(1, 4)), min_size=1, max_size=6))
def test_what_was_folded_comes_out_again(ranges):
    folded = ",".join(f"{low:0{width}}-{low + more:0{width}}" for low, more, width in ranges)
    numbers = [f"{n:0{len(f'{low:0{width}}')}}" for low, more, width in ranges for n in range(low, low + more + 1)]
    assert list(hosts_of(f"n[{folded}]")) == [f"n{number}" for number in numbers]


@given(st.text("n1,-[]x(", max_size=30))
def test_any_text_is_a_list_or_refused(text):
    try:
        assert all(re.fullmatch(r"[\w.-]+", host) for host in islice(hosts_of(text), 300))
    except ValueError:
        assert not re.fullmatch(r"n(,n)*", text)


def test_a_list_of_any_size_costs_no_more_than_what_is_taken_of_it():
    assert len(list(islice(hosts_of("n[1-999999999]" + "x[1-999999999]" * (MOST_BRACKETS - 1)), 1000))) == 1000


@pytest.mark.parametrize(
    ("text", "hosts", "tasks"),
    [
        ("1", 3, [1, 1, 1]),
        ("2(x2),1", 3, [2, 2, 1]),
        ("1,3", 2, [1, 3]),
        ("2(x3),1", 2, [2, 2]),
        ("4(x99999999)", 2, [4, 4]),
    ],
)
def test_tasks_are_counted_for_each_host(text, hosts, tasks):
    assert tasks_of(text, hosts) == tasks


@pytest.mark.parametrize("text", ["", "0", "x", "1(x2", "1,,2", f"{MOST_TASKS + 1}"])
def test_counts_that_make_no_sense_are_refused(text):
    with pytest.raises(ValueError, match="SLURM_TASKS_PER_NODE"):
        tasks_of(text, 2)


def test_tasks_of_a_host_follow_each_other_from_the_port_of_its_first():
    said = {"SLURM_JOB_NODELIST": "a,b", "SLURM_TASKS_PER_NODE": "2,1", "SLURM_LOCALID": "1"}
    assert places(said, 7001, 256) == [Address("a", 7000), Address("a", 7001), Address("b", 7000)]
    assert places(said, 7001, 2) == [Address("a", 7000), Address("a", 7001)]
    assert places({"SLURM_JOB_NODELIST": "n[1-999999999]"}, 7000, 256)[-1] == Address("n256", 7000)


def test_where_there_is_no_job_it_is_said_what_to_do():
    with pytest.raises(ValueError, match="start the node by sbatch or srun"):
        places({}, 7411, 256)
