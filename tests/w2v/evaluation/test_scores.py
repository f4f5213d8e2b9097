"""Scores against gensim's, scikit-learn's, SciPy's and slow, obvious twins."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gossipw2v.w2v.evaluation import analogies, learners
from gossipw2v.w2v.evaluation.analogies import COS_ADD, COS_MUL, predict, score_analogies
from gossipw2v.w2v.evaluation.categories import score_categories
from gossipw2v.w2v.evaluation.embedding import BANDS, Embedding
from gossipw2v.w2v.evaluation.labels import SHARES, score_labels
from gossipw2v.w2v.evaluation.layouts import Question, RatedPair, read_analogies, read_pairs
from gossipw2v.w2v.evaluation.next_item import CUTOFFS, score_next_items
from gossipw2v.w2v.evaluation.pairs import pearson, score_pairs, spearman

SIZE = 3000
SAME = {"abs": 1e-6}


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Clusters of ten, so that neighbours are near, and words as frequent as their numbers are low."""
    rng = np.random.default_rng(3)
    middles = np.repeat(rng.normal(size=(SIZE // 10, 24)), 10, axis=0)
    return (middles + 0.5 * rng.normal(size=(SIZE, 24))).astype(np.float32)


@pytest.fixture(scope="module")
def words() -> list[str]:
    return [f"w{row}" for row in range(SIZE)]


@pytest.fixture(scope="module")
def embedding(words, vectors) -> Embedding:
    return Embedding.of(words, vectors)


def keyed(words, vectors):
    """The same vectors in gensim."""
    models = pytest.importorskip("gensim.models", exc_type=ImportError)
    made = models.KeyedVectors(vectors.shape[1])
    made.add_vectors(words, vectors)
    return made


def whole(results):
    return next(result for result in results if result.section is None and result.band is None)


# --- words ------------------------------------------------------------------------------------------------


def test_words_are_looked_up_as_they_are_and_then_in_lower_case() -> None:
    rows = np.eye(4, dtype=np.float32)
    either = Embedding.of(["Paris", "paris", "us", "us"], rows)
    exact = Embedding.of(["Paris", "paris", "us", "us"], rows, case_sensitive=True)
    assert [either.row(word) for word in ("Paris", "PARIS", "US", "us", "Us")] == [0, 1, 2, 2, 2]
    assert [exact.row(word) for word in ("Paris", "PARIS", "US", "us")] == [0, None, None, 2]
    assert either.unknown(["a", "us", "b", "a"]) == ("a", "b")
    assert either.restricted(1).row("paris") is None
    with pytest.raises(ValueError, match="2 words"):
        Embedding.of(["a", "b"], rows)


# --- pairs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    """Of near words and others, ratings with ties, in any case, some words unknown."""
    rng = np.random.default_rng(5)
    ones = rng.integers(SIZE, size=400)
    others = np.where(rng.random(400) < 0.4, ones // 10 * 10 + rng.integers(10, size=400), rng.integers(SIZE, size=400))
    rows = [
        f"W{a}\tw{b}\t{rng.integers(10) + 3 * (a // 10 == b // 10)}"
        for a, b in zip(ones, others, strict=True)
        if a != b
    ]
    path = tmp_path_factory.mktemp("sets") / "pairs.tsv"
    path.write_text("\n".join([*rows, "w1\tnowhere\t5", "nowhere\tnobody\t7"]))
    return path


@pytest.mark.parametrize("restrict", [SIZE, 700])
def test_pairs_score_as_in_gensim(words, vectors, embedding, pairs: Path, restrict: int) -> None:
    theirs = keyed(words, vectors)
    result = whole(score_pairs(embedding.restricted(restrict), read_pairs(pairs), "pairs"))
    r, rho, unknown = theirs.evaluate_word_pairs(str(pairs), restrict_vocab=restrict)
    assert result.figures == {"spearman": pytest.approx(rho[0], **SAME), "pearson": pytest.approx(r[0], **SAME)}
    assert 100 * (1 - result.coverage) == pytest.approx(unknown)
    r, rho, _ = theirs.evaluate_word_pairs(str(pairs), restrict_vocab=restrict, dummy4unknown=True)
    assert result.zeroed == {"spearman": pytest.approx(rho[0], **SAME), "pearson": pytest.approx(r[0], **SAME)}
    assert {"nowhere", "nobody"} <= set(result.unknown)
    assert 0.1 < result.figures["spearman"] < 0.95


def test_case_may_matter_as_in_gensim(words, vectors, pairs: Path, tmp_path: Path) -> None:
    mixed = [word.upper() if row % 3 else word for row, word in enumerate(words)]
    exact = Embedding.of(mixed, vectors, case_sensitive=True)
    result = whole(score_pairs(exact, read_pairs(pairs), "pairs"))
    _, rho, unknown = keyed(mixed, vectors).evaluate_word_pairs(str(pairs), case_insensitive=False)
    assert result.figures["spearman"] == pytest.approx(rho[0], **SAME)
    assert 100 * (1 - result.coverage) == pytest.approx(unknown)
    assert 0 < result.known < 402


def test_words_that_are_the_same_are_equally_similar(embedding) -> None:
    """Rounding makes some of them 1 and some less, by which gensim ranks them."""
    same = [RatedPair(f"w{n}", f"w{n}", 10.0) for n in range(30)]
    other = [RatedPair(f"w{n}", f"w{n + 500}", 1.0 + n % 2) for n in range(2)]
    both = whole(score_pairs(embedding, [*same, *other], "set")).figures["spearman"]
    assert both == pytest.approx(
        spearman(np.array([1.0] * 30 + [0.0, 0.5]), np.array([10.0] * 30 + [1.0, 2.0])), abs=1e-2
    )
    assert np.isnan(whole(score_pairs(embedding, same, "set")).figures["spearman"])


def test_bands_are_by_the_rank_of_the_rarer_word(embedding) -> None:
    common = [RatedPair(f"w{n}", f"w{999 - n}", n) for n in range(9)]
    rare = [RatedPair(f"w{n}", f"w{1000 + n}", n) for n in range(7)]
    results = score_pairs(embedding, [*common, *rare, RatedPair("w1", "nowhere", 1)], "set")
    first, second = BANDS[0][0], BANDS[1][0]
    assert [(result.band, result.known, result.total) for result in results] == [
        (None, 16, 17), (first, 9, 9), (second, 7, 7)
    ]  # fmt: skip
    assert results[1].figures == whole(score_pairs(embedding, common, "set")).figures


def test_too_few_pairs_have_no_correlation(embedding) -> None:
    result = whole(score_pairs(embedding, [RatedPair("w1", "w2", 1.0), RatedPair("x", "y", 2.0)], "set"))
    assert np.isnan(list(result.figures.values())).all()
    assert (result.known, result.total, result.unknown) == (1, 2, ("x", "y"))


numbers = arrays(np.float64, 12, elements=st.integers(-4, 4).map(float))


@settings(deadline=None)
@given(numbers, numbers)
def test_correlations_are_those_of_scipy(one: np.ndarray, other: np.ndarray) -> None:
    stats = pytest.importorskip("scipy.stats")
    if len(set(one)) < 2 or len(set(other)) < 2:
        assert np.isnan(spearman(one, other))
        assert np.isnan(pearson(one, other))
    else:
        assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other)[0], abs=1e-9)
        assert pearson(one, other) == pytest.approx(stats.pearsonr(one, other)[0], abs=1e-9)


# --- analogies --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shifted() -> tuple[list[str], np.ndarray]:
    """Words and their other sides, roughly a common step away: some analogies come out, some do not."""
    rng = np.random.default_rng(7)
    left = rng.normal(size=(400, 16))
    right = left + rng.normal(size=16) + 0.7 * rng.normal(size=(400, 16))
    return [f"{side}{n}" for n in range(400) for side in "lr"], np.stack([left, right], 1).reshape(-1, 16).astype("f4")


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    rng, lines = np.random.default_rng(8), []
    for section in ("one", "two", "nobody knows", "three"):
        lines.append(f": {section}")
        lines += [f"L{a} r{a} l{b} R{b}" for a, b in rng.integers(401, size=(150, 2)) if a != b]
        if section == "nobody knows":
            lines[-140:] = ["x y z l1", "l1 r1 l2 z"]
    lines += ["l1 r1 l1 r1", "l1 l1 l2 l2"]  # words that are given twice, or asked for
    path = tmp_path_factory.mktemp("sets") / "questions.txt"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("restrict", [800, 333])
def test_analogies_score_as_in_gensim(shifted, questions: Path, restrict: int) -> None:
    theirs = keyed(*shifted)
    ours = Embedding.of(*shifted).restricted(restrict)
    results = score_analogies(ours, read_analogies(questions), "set", threads=2)
    score, sections = theirs.evaluate_word_analogies(str(questions), restrict_vocab=restrict)
    total = whole(results)
    assert 0.1 < score < 0.9
    assert total.figures[COS_ADD] == pytest.approx(score, **SAME)
    told = {result.section: (round(result.figures[COS_ADD] * result.known) if result.known else 0, result.known)
            for result in results if result.section}  # fmt: skip
    assert told == {
        each["section"]: (len(each["correct"]), len(each["correct"]) + len(each["incorrect"])) for each in sections[:-1]
    }
    zeroed, _ = theirs.evaluate_word_analogies(str(questions), restrict_vocab=restrict, dummy4unknown=True)
    assert total.zeroed[COS_ADD] == pytest.approx(zeroed, **SAME)
    assert total.known < total.total


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`")  # which gensim calls itself
def test_the_products_are_gensims(shifted, questions: Path) -> None:
    theirs, ours = keyed(*shifted), Embedding.of(*shifted)
    asked = [q for q in read_analogies(questions) if len({q.a.lower(), q.b, q.c}) == 3]
    rows = np.array([found for q in asked if (found := ours.rows((q.a, q.b, q.c)))])[:200]
    found = predict(ours, rows, (COS_MUL, COS_ADD))
    names = shifted[0]
    for method, ask in ((COS_MUL, theirs.most_similar_cosmul), (COS_ADD, theirs.most_similar)):
        expected = [ask(positive=[names[b], names[c]], negative=[names[a]], topn=1)[0][0] for a, b, c in rows]
        assert [names[row] for row in found[method]] == expected
    assert (found[COS_MUL] != found[COS_ADD]).any()


def test_answers_are_those_of_a_plain_loop_whatever_the_blocks(embedding, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).integers(SIZE, size=(100, 3))
    unit = embedding.vectors / np.linalg.norm(embedding.vectors, axis=1, keepdims=True)
    plain = []
    for a, b, c in rows:
        scores = unit @ (unit[b] - unit[a] + unit[c])
        scores[[a, b, c]] = -np.inf
        plain.append(scores.argmax())
    monkeypatch.setattr(analogies, "PART", 33)
    monkeypatch.setattr(analogies, "ROWS", (1, 77))
    monkeypatch.setattr(analogies, "TOGETHER", 5)
    for threads in (1, 3):
        assert predict(embedding, rows, (COS_ADD,), threads)[COS_ADD].tolist() == plain


def test_any_of_several_answers_is_right_and_of_nothing_there_is_no_score(shifted) -> None:
    embedding = Embedding.of(*shifted)
    known = [question for question in (Question("s", "l0", "r0", f"l{n}", (f"r{n}",)) for n in range(1, 40))
             if whole(score_analogies(embedding, [question], "set")).figures[COS_ADD] == 1]  # fmt: skip
    assert known
    section, a, b, c, answers = known[0]
    several = Question(section, a, b, c, ("nowhere", "l9", *answers))
    assert whole(score_analogies(embedding, [several], "set")).figures[COS_ADD] == 1
    assert whole(score_analogies(embedding, [several._replace(answers=("l9", "nowhere"))], "set")).figures[COS_ADD] == 0
    nothing = whole(score_analogies(embedding, [several._replace(a="nowhere")], "set"))
    assert np.isnan(nothing.figures[COS_ADD])
    assert (nothing.known, nothing.zeroed[COS_ADD], nothing.unknown) == (0, 0.0, ("nowhere",))


def test_a_zero_vector_raises_no_warning() -> None:
    embedding = Embedding.of(["a", "b", "c", "d"], np.array([[0, 0], [1, 0], [2, 1], [1, 1]], np.float32))
    assert predict(embedding, np.array([[0, 1, 2]]))[COS_ADD].tolist() == [3]
    assert score_pairs(embedding, [RatedPair("a", "b", 1), RatedPair("c", "d", 2)], "set")[0].known == 2


# --- categories and labels ---------------------------------------------------------------------------------


def test_clusters_that_are_classes_are_pure(embedding) -> None:
    pytest.importorskip("sklearn")
    classes = {f"w{row}": f"class {row // 10}" for row in range(980, 1080)} | {"nowhere": "class 99"}
    results = score_categories(embedding, classes, "set")
    purity = whole(results).figures["purity"]
    assert purity > 0.9
    assert whole(results).unknown == ("nowhere",)
    assert whole(results).zeroed["purity"] == pytest.approx(purity * 100 / 101)
    assert [(result.band, result.known) for result in results[1:]] == [(BANDS[0][0], 20), (BANDS[1][0], 80)]
    assert score_categories(embedding, classes, "set") == results


def test_purity_is_that_of_scikit_learns_clusters(embedding) -> None:
    cluster = pytest.importorskip("sklearn.cluster")
    contingency = pytest.importorskip("sklearn.metrics.cluster").contingency_matrix
    rng = np.random.default_rng(2)
    classes = {f"w{row}": f"class {rng.integers(7)}" for row in range(0, SIZE, 15)}
    unit = embedding.unit(np.array([embedding.row(word) for word in classes]))
    found = cluster.KMeans(7, n_init=10, random_state=4).fit_predict(unit)
    expected = contingency(list(classes.values()), found).max(axis=0).sum() / len(classes)
    assert whole(score_categories(embedding, classes, "set", seed=4)).figures["purity"] == pytest.approx(
        expected, **SAME
    )


def test_labels_are_learned_as_by_scikit_learn(embedding) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    select = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(2)
    labels = {f"w{row}": (f"label {row % 300 // 100 if rng.random() < 0.8 else 1}",) for row in range(300)}
    results = score_labels(embedding, labels, "set", seeds=(3, 4))
    assert [result.section for result in results] == [f"{share:.0%} of the labels known" for share in SHARES]
    names = np.array([label for (label,) in labels.values()])
    scores, learner = [], linear.LogisticRegression(max_iter=1000)
    for seed in (3, 4):  # of one label each, what is likeliest of one-vs-rest
        train, test = select.train_test_split(np.arange(300), train_size=0.3, random_state=seed)
        rows, kinds = embedding.vectors[:300], np.unique(names)
        chances = np.stack([
            learner.fit(rows[train], names[train] == kind).predict_proba(rows[test])[:, 1]
            for kind in kinds
        ])  # fmt: skip
        given = kinds[chances.argmax(axis=0)]
        scores.append([metrics.f1_score(names[test], given, average=kind) for kind in ("micro", "macro")])
    assert list(results[2].figures.values()) == pytest.approx(np.mean(scores, axis=0).tolist(), **SAME)


def test_nodes_may_have_several_labels_and_some_be_unknown() -> None:
    pytest.importorskip("sklearn")
    embedding = Embedding.of([f"n{n}" for n in range(80)], 5 * np.repeat(np.eye(4, dtype=np.float32), 20, axis=0))
    labels = {f"n{n}": [["a"], ["b"], ["a", "b"], ["c"]][n // 20] for n in range(90) if n < 80} | {"x": ["a"]}
    half = score_labels(embedding, labels, "set", shares=(0.5,))[0]
    assert half.figures == {"micro_f1": 1, "macro_f1": 1}
    assert (half.known, half.total, half.unknown) == (80, 81, ("x",))
    few = score_labels(embedding, {"n1": ["a"], "n30": ["b"]}, "set", shares=(0.5,))[0]
    assert np.isnan(list(few.figures.values())).all()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(learners.MissingExtraError, match=r"need scikit-learn: pip install 'gossipw2v\[evaluate\]'"):
        learners.check_installed()


# --- the next item -----------------------------------------------------------------------------------------


def plain_rank(scores: np.ndarray, former: list[int], target: int) -> int:
    others = [row for row in range(len(scores)) if row != target and row not in former]
    return 1 + sum(scores[row] >= scores[target] for row in others)


def test_next_items_are_those_of_a_plain_loop(embedding) -> None:
    rng = np.random.default_rng(6)
    asked = [(rng.integers(SIZE, size=rng.integers(1, 6)).tolist(), int(rng.integers(SIZE))) for _ in range(60)]
    asked += [([20 + n, 25, 25], 21 + n % 3) for n in range(8)]  # near ones, twice, or the same again
    sequences = [["nowhere", *(f"w{row}" for row in (*former, target))] for former, target in asked]
    results = score_next_items(embedding, [*sequences, ["w1", "nowhere"], ["nowhere", "w1"]], "set")
    unit = embedding.vectors / np.linalg.norm(embedding.vectors, axis=1, keepdims=True)
    counts = np.bincount([row for former, _ in asked for row in former], minlength=SIZE)
    popular = counts - np.arange(SIZE) / SIZE
    ranks = {
        "mean": [plain_rank(unit @ embedding.vectors[former].mean(axis=0), former, target) for former, target in asked],
        "last": [plain_rank(unit @ embedding.vectors[former[-1]], former, target) for former, target in asked],
        "popularity": [plain_rank(popular, former, target) for former, target in asked],
    }
    by_section = {result.section: result for result in results if result.band is None}
    for method, cutoff in ((method, cutoff) for method in ranks for cutoff in CUTOFFS):
        found, rank = by_section[f"{method} at {cutoff}"], np.array(ranks[method])
        inside = rank <= cutoff
        assert found.figures == {
            "hit": pytest.approx(inside.mean()),
            "ndcg": pytest.approx((inside / np.log2(rank + 1)).mean()),
            "mrr": pytest.approx((inside / rank).mean()),
        }
        assert (found.known, found.total) == (68, 70)
        assert found.zeroed["hit"] == pytest.approx(inside.sum() / 70)
    assert by_section["mean at 10"].figures["hit"] > by_section["popularity at 10"].figures["hit"]
    assert results[0].unknown == ("nowhere",)


def test_a_draw_is_no_hit() -> None:
    embedding = Embedding.of([f"i{n}" for n in range(100)], np.ones((100, 3), np.float32))
    results = score_next_items(embedding, [["i1", "i2"]], "set", (50,))
    assert results[0].figures == {"hit": 0, "ndcg": 0, "mrr": 0}


def test_scores_of_nothing_known_are_none(embedding) -> None:
    result = score_next_items(embedding, [["x", "y"]], "set")[0]
    assert (result.known, result.total, result.zeroed["hit"]) == (0, 1, 0)
    assert np.isnan(result.figures["hit"])


def test_the_bands_of_frequency_cover_all_ranks() -> None:
    assert all(one < other for (_, one), (_, other) in pairwise(BANDS))
    assert BANDS[-1][1] > 1 << 60
