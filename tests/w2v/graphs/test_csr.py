"""Edges read into rows, and kept: right or refused with file and line, whatever the file."""

import gzip
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.graphs import read_graph, rows_of, write_edges

from gossipw2v.w2v.graphs import csr
from gossipw2v.w2v.graphs.csr import SUFFIX, Graph, GraphFiles
from gossipw2v.w2v.graphs.edges import BLOCK_BYTES, EDGES, LONGEST_LINE, EdgesReader
from gossipw2v.w2v.text.blocks import Stopped
from gossipw2v.w2v.text.files import CorpusError

NAMES = st.text(st.characters(blacklist_categories=["Cs", "Z", "Cc"], blacklist_characters=",#%"), min_size=1)
WEIGHTS = st.floats(1e-20, 1e20, allow_nan=False)


def chances(graph: Graph) -> dict[str, dict[str, float]]:
    """The chance of each target of each row, from its alias table."""
    rows, found = rows_of(graph), {}
    for name, start in zip(rows, graph.offsets[:-1].tolist(), strict=True):
        row = rows[name]
        cells = (
            graph.cells[start : start + len(row)]
            if graph.cells.size
            else np.full(len(row), 0xFFFFFFFF << 32, np.uint64)
        )
        share = dict.fromkeys(row, 0.0)
        for target, cell in zip(row, cells.tolist(), strict=True):
            stays = (cell >> 32) / 0xFFFFFFFF
            share[target] += stays / len(row)
            share[row[cell & 0xFFFFFFFF]] += (1 - stays) / len(row)
        found[name] = share
    return found


def test_rows_hold_each_target_once_both_ways(tmp_path: Path) -> None:
    path = write_edges(tmp_path / "edges", ["# edges", "a b", "", "b a", "a c", "a c", "d d", "c b", "e e"])
    graph = read_graph(path)
    assert rows_of(graph) == {"a": ["b", "c"], "b": ["a", "c"], "c": ["a", "b"], "d": [], "e": []}
    sizes = graph.sizes
    assert (sizes.nodes, sizes.entries, sizes.edges, sizes.loops, sizes.repeats) == (5, 6, 5, 2, 2)
    assert not sizes.weighted


def test_directed_edges_lead_one_way(tmp_path: Path) -> None:
    graph = read_graph(write_edges(tmp_path / "edges", ["a b", "b c", "a b"]), directed=True)
    assert rows_of(graph) == {"a": ["b"], "b": ["c"], "c": []}
    assert (graph.sizes.entries, graph.sizes.repeats) == (2, 1)


def test_weights_become_chances_and_those_of_repeated_edges_are_added_up(tmp_path: Path) -> None:
    path = write_edges(tmp_path / "edges", ["a b 1", "a c 2.5e0", "c a .5", "a d 4", "a b +1"])
    assert chances(read_graph(path))["a"] == pytest.approx({"b": 2 / 9, "c": 3 / 9, "d": 4 / 9}, abs=1e-6)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("1 2\n2 3 4\n", "line 2: 3 columns, separated by spaces.*the first line has 2.*'2 3 4'"),
        ("1\t2\n2 3\n", "line 2: 1 column, separated by tabs"),
        ("1 2\n3\n", "line 2: 1 column"),
        ("1,2\n\n3,4,5,6\n", "line 3: more than 3 columns"),
        ("New York\tBoston\nBoston\tSalem\n", "line 1: a name with white space in it.*'New York"),
        ("a\tb\nc d\te\n", "line 2: a name with white space"),
        ("a\tb\n\tc\n", "line 2: an empty column"),
        ("a,b\n,c\n", "line 2: an empty column"),
        ("a,b,\nb,c,\n", "line 1: an empty column"),
        ("a b 1\nb c x\n", "line 2: the third column, which is the weight, is no number"),
        ("a b 1\nb c 1.2.3\n", "line 2: the third column"),
        ("a b 1\nb c 1e\n", "line 2: the third column"),
        ("a b 1\nb c nan\n", "line 2: the third column"),
        ("a b 1\nb c inf\n", "line 2: the third column"),
        ("a b 1\nb c 0\n", "line 2: a weight must be between"),
        ("a b 1\nb c -1\n", "line 2: a weight must be between"),
        ("a b 1\nb c 1e99\n", "line 2: a weight must be between"),
        ("#a\tb\nb\tc\n#love\tpeace\n", "line 3: begins like a comment and has the columns of an edge"),
        (f"a b\n{'x' * 1001} b\n", "line 2: a name of more than 1000 bytes"),
        (f"a b\n{'x' * (LONGEST_LINE + BLOCK_BYTES)}", "a line of more than"),
        ("a a\nb b\n", "no edge between two different nodes"),
        ("# nothing\n", "holds no edge"),
    ],
)
def test_a_line_that_is_no_edge_is_refused_by_file_and_number(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "edges"
    path.write_text(content, "utf-8")
    with pytest.raises(CorpusError, match=rf"edges.*{told}"):
        read_graph(path)


@pytest.mark.parametrize("bad", [b"\0", b"\xff", b"\xc3"])
def test_bytes_that_are_no_text_are_refused_by_line_also_behind_the_first_block(bad: bytes, tmp_path: Path) -> None:
    path = tmp_path / "edges"
    lines = [b"%d %d" % (n, n + 1) for n in range(50_000)]
    lines[40_000] += bad
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(CorpusError, match="edges, line 40001: bytes that are no UTF-8"):
        read_graph(path)


def test_a_mistake_far_down_has_its_line_also_below_a_header(tmp_path: Path) -> None:
    lines = ["source target", *(f"{n} {n + 1}" for n in range(60_000)), "1"]
    with pytest.raises(CorpusError, match="line 60002: 1 column"):
        read_graph(write_edges(tmp_path / "edges", lines))


def test_a_header_is_no_edge_and_an_encoding_is_heeded(tmp_path: Path) -> None:
    path = tmp_path / "edges"
    path.write_bytes("from,to\nMünchen,Köln\n".encode("cp1252"))
    assert rows_of(read_graph(path, encoding="cp1252")) == {"München": ["Köln"], "Köln": ["München"]}


def test_packed_edges_are_the_same_graph(tmp_path: Path) -> None:
    content = "".join(f"{n % 97}\t{n % 89}\n" for n in range(80_000)).encode()
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    packed.write_bytes(gzip.compress(content))
    assert rows_of(read_graph(plain)) == rows_of(read_graph(packed))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(st.tuples(NAMES, NAMES, WEIGHTS), min_size=1, max_size=30),
    st.sampled_from(["\t", ",", " "]),
    st.booleans(),
    st.booleans(),
)
def test_any_edges_become_the_rows_of_a_dictionary_or_are_refused(
    tmp_path: Path, edges: list[tuple[str, str, float]], separator: str, weighted: bool, directed: bool
) -> None:
    path = tmp_path / "edges"
    fields = [(a, b, repr(weight)) if weighted else (a, b) for a, b, weight in edges]
    path.write_text("# first\n" + "".join(f"{separator.join(row)}\n" for row in fields), "utf-8")
    wanted: dict[str, dict[str, float]] = defaultdict(dict)
    for a, b, weight in edges:
        for source, target in [(a, b)] if directed else [(a, b), (b, a)]:
            row = wanted[source]
            if a != b:
                row[target] = (row.get(target, 0.0) if weighted else 0.0) + (weight if weighted else 1.0)
    try:
        graph = read_graph(path, directed)
    except CorpusError as error:
        assert not any(a != b for a, b, _ in edges) or "no UTF-8" in str(error) or "name of more" in str(error)  # noqa: PT017
        return
    assert {name: set(row) for name, row in rows_of(graph).items() if row} == {
        n: set(r) for n, r in wanted.items() if r
    }
    for name, row in chances(graph).items():
        total = math.fsum(wanted[name].values())
        assert row == pytest.approx({target: weight / total for target, weight in wanted[name].items()}, abs=1e-5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "edges"
    path.write_bytes(data + b"\n")
    try:
        graph = read_graph(path)
    except CorpusError as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert graph.sizes.edges
    assert all(name and not name.split()[1:] and b"\0" not in name for name in graph.names)


# --- what is kept ------------------------------------------------------------------------------------------


def test_rows_do_not_depend_on_how_many_are_made_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    lines = [f"{a} {b} {w}" for (a, b), w in zip(rng.integers(0, 50, (2000, 2)), rng.integers(1, 9, 2000), strict=True)]
    one = read_graph(write_edges(tmp_path / "one", lines))
    monkeypatch.setattr(csr, "ENTRIES_AT_A_TIME", 100)
    many = read_graph(write_edges(tmp_path / "many", lines))
    assert one.checksum == many.checksum
    assert one.targets.tobytes() == many.targets.tobytes()


def test_a_graph_is_read_once_and_a_damaged_one_again(tmp_path: Path) -> None:
    path = write_edges(tmp_path / "edges", [f"{n} {n + 1} 2" for n in range(1000)])
    first = read_graph(path)
    again = read_graph(path)
    assert (first.reused, again.reused) == (False, True)
    assert (again.checksum, rows_of(again)) == (first.checksum, rows_of(first))
    (kept,) = tmp_path.glob(f"*/*{SUFFIX}")
    data = bytearray(kept.read_bytes())
    for at in (3, 40, csr.HEADER_BYTES + 5, len(data) - 1):
        kept.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        mended = read_graph(path)
        assert (mended.reused, mended.checksum) == (False, first.checksum)
    kept.write_bytes(data[:-1])
    assert not read_graph(path).reused
    assert not read_graph(path, directed=True).reused


def test_nothing_but_graphs_is_left_in_the_folder(tmp_path: Path) -> None:
    path = write_edges(tmp_path / "edges", ["a b", "b"])
    folder = tmp_path / "edges.data"
    with pytest.raises(CorpusError):
        read_graph(path)
    assert list(folder.iterdir()) == []
    reader = EdgesReader(folder, should_stop=lambda: True)
    with pytest.raises(Stopped):
        GraphFiles([write_edges(path, ["a b"])], folder, EDGES, False).graph(reader)
    assert list(folder.iterdir()) == []
