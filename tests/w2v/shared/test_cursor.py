"""Threads in a shared text: each task is trained once, by whatever thread; what others have is given up."""

import threading
from pathlib import Path

import numpy as np
import pytest

from gossipw2v.w2v.shared import pieces
from gossipw2v.w2v.shared.cursor import SharedCursor
from gossipw2v.w2v.shared.pieces import cut_text
from gossipw2v.w2v.shared.text import SharedText
from gossipw2v.w2v.text.sources.form import PLAIN
from gossipw2v.w2v.text.vocab import count_words, freeze
from gossipw2v.w2v.training.cursor import Course, TokenSpan

PIECES = 10


@pytest.fixture
def cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharedCursor:
    monkeypatch.setattr(pieces, "LEAST_BYTES", 4000)
    path = tmp_path / "text"
    path.write_text("".join(f"w{n % 50:02} a b c\n" for n in range(4000 * PIECES // 10)))
    vocab = freeze(count_words([path]), 1)
    text = SharedText(cut_text([path], PLAIN, 2, 0.0), PLAIN, vocab)
    assert len(text.pieces.pieces) == PIECES
    return SharedCursor(text, vocab.tokens, [1, 2])


def train(cursor: SharedCursor, thread: int, size: int = 300) -> int:
    """All that there is to do for a thread now; how many words that was."""
    words = 0
    while (span := cursor.next(thread)) is not None and span.start < span.stop:
        end = min(span.stop, span.start + size)
        assert len(cursor.ids(thread, span, end)) == end - span.start
        words += cursor.count(thread, span, end)
        cursor.advance(thread, span, end, cursor.state(thread) + 1)
    return words


def test_it_is_a_course(cursor: SharedCursor) -> None:
    assert isinstance(cursor, Course)


def test_tasks_are_trained_in_order_and_told_once(cursor: SharedCursor) -> None:
    assert cursor.idle
    for task in (0, PIECES + 3):
        cursor.queue.give(task)
    assert not cursor.idle
    assert cursor.next(0) == TokenSpan(0, 0, len(next(cursor.shared.piece(0))))
    assert train(cursor, 0) == pytest.approx(2 * cursor.words / PIECES, rel=0.02)
    assert (cursor.queue.done(), cursor.queue.done(), cursor.idle) == ([0, PIECES + 3], [], True)
    assert cursor.state(0) > 1


def test_a_thread_without_a_task_waits_and_ends_when_all_is_done(cursor: SharedCursor) -> None:
    assert cursor.next(1) == TokenSpan(0, 0, 0)
    cursor.queue.close()
    assert cursor.next(1) is None
    assert not cursor.wants(1e6)


def test_what_others_have_is_given_up_in_hand_and_before(cursor: SharedCursor) -> None:
    for task in range(3):
        cursor.queue.give(task)
    span = cursor.next(0)
    assert span is not None
    cursor.advance(0, span, 300, 5)
    cursor.queue.lose([0, 2])
    assert train(cursor, 0) == pytest.approx(cursor.words / PIECES, rel=0.02)
    assert cursor.queue.done() == [1]


def test_a_task_that_comes_back_before_it_was_given_up_goes_on(cursor: SharedCursor) -> None:
    cursor.queue.give(0)
    cursor.queue.lose([0])
    cursor.queue.give(0)
    train(cursor, 0)
    assert cursor.queue.done() == [0]


def test_enough_is_wanted_for_half_a_second(cursor: SharedCursor) -> None:
    given = 0
    while cursor.wants(4 * cursor.words / PIECES):
        cursor.queue.give(given)
        given += 1
    assert given == 4


def test_many_threads_train_every_piece_once(cursor: SharedCursor) -> None:
    for task in range(2 * PIECES):
        cursor.queue.give(task)
    cursor.queue.close()
    words = [0, 0]

    def run(thread: int) -> None:
        words[thread] = train(cursor, thread, 100)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert sorted(cursor.queue.done()) == list(range(2 * PIECES))
    assert sum(words) == 2 * cursor.words


def test_there_are_no_places_to_go_on_from(cursor: SharedCursor) -> None:
    assert cursor.positions == ()
    cursor.resume(())
    with pytest.raises(ValueError, match="shared"):
        cursor.resume((object(),))  # type: ignore[arg-type]
    assert np.sum(cursor.tokens) == pytest.approx(cursor.words, rel=1e-3)
