"""Whether a resumed node yields to the others, and what of its text it then leaves out or trains again."""

import pytest

from gossipw2v.gossip.overlay.reconcile import Earlier, lead

ME, OTHER, THIRD, STRANGER = b"m" * 16, b"o" * 16, b"t" * 16, b"s" * 16


def earlier() -> Earlier:
    """Of a node that had trained 100 tokens, and had 50 of another and 40 of a third."""
    return Earlier({ME: 100, OTHER: 50, THIRD: 40}, {ME: 100})


@pytest.mark.parametrize(
    ("theirs", "above", "yields"),
    [
        ({ME: 100, OTHER: 60, THIRD: 40}, False, True),  # all that it has, and more
        ({ME: 110, OTHER: 50, THIRD: 40, STRANGER: 5}, False, True),
        ({ME: 95, OTHER: 60, THIRD: 40}, False, True),  # but for what it can train again, and more than that
        ({ME: 95, OTHER: 54, THIRD: 40}, True, False),  # less than that
        ({ME: 95, OTHER: 55, THIRD: 40}, True, True),  # as much: the lower yields
        ({ME: 95, OTHER: 55, THIRD: 40}, False, False),
        ({ME: 100, OTHER: 50, THIRD: 40}, True, True),  # the same
        ({ME: 100, OTHER: 50, THIRD: 40}, False, False),
        ({ME: 100, OTHER: 500, THIRD: 39}, True, False),  # something nobody else may have
        ({STRANGER: 1000}, True, False),  # another history
        ({ME: 0, OTHER: 0, THIRD: 0, STRANGER: 1000}, True, False),
        ({}, True, False),
    ],
)
def test_it_yields_to_one_that_has_all_that_it_cannot_train_again(
    theirs: dict[bytes, int], above: bool, yields: bool
) -> None:
    assert earlier().meet(theirs, above, starting=True) is yields


def test_once_it_trains_it_yields_no_more() -> None:
    one = earlier()
    assert not one.meet({ME: 100, OTHER: 60, THIRD: 40}, True, starting=False)
    assert not one.yielded


def test_of_two_that_hold_much_alike_at_most_one_yields() -> None:
    lives = range(0, 30, 3)
    for mine in lives:
        for other in lives:
            low = Earlier({ME: 100 + mine, OTHER: 100}, {ME: 100 + mine})
            high = Earlier({ME: 100, OTHER: 100 + other}, {OTHER: 100 + other})
            low_yields = low.meet(dict(high.vector), above=True, starting=True)
            assert low_yields + high.meet(dict(low.vector), above=False, starting=True) == 1


def test_a_node_without_earlier_lives_yields_to_nobody_and_shifts_nothing() -> None:
    one = Earlier()
    assert not one.meet({OTHER: 5}, True, starting=True)
    assert one.shift() == 0


def test_what_others_have_merged_is_left_out_whether_it_yields_or_not() -> None:
    for third in (40, 0):
        one = earlier()
        assert one.meet({ME: 130, OTHER: 50, THIRD: third}, False, starting=True) is (third == 40)
        assert one.shift() == 30
        assert one.lives == {ME: 130}
        assert one.shift() == 0


def test_what_nobody_has_merged_is_trained_again_if_it_yielded() -> None:
    one = earlier()
    one.meet({ME: 90, OTHER: 80, THIRD: 40}, False, starting=True)
    assert one.yielded
    assert one.shift() == -10
    assert one.lives == {ME: 90}
    assert one.shift() == 0


def test_what_nobody_has_merged_stays_in_the_model_if_it_did_not_yield() -> None:
    one = earlier()
    one.meet({ME: 90, OTHER: 50, THIRD: 40}, False, starting=True)
    assert not one.yielded
    assert one.shift() == 0


def test_the_furthest_of_several_others_counts() -> None:
    one = earlier()
    one.meet({ME: 120, OTHER: 50, THIRD: 40}, False, starting=True)
    one.meet({ME: 105, OTHER: 90, THIRD: 40}, False, starting=True)
    assert one.shift() == 20


def test_a_lead_counts_only_where_there_is_one() -> None:
    assert lead({ME: 5, OTHER: 7}, {ME: 3, OTHER: 9, THIRD: 1}) == 2
