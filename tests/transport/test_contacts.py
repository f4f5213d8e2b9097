"""What people are told of those who do not answer: the last word on each place, and not of too many."""

from gossipw2v.transport.contacts import KEPT, LONGEST, Contacts


def test_each_place_has_the_last_that_came_of_it():
    contacts = Contacts()
    contacts.failed("a:1", "Connection refused")
    contacts.failed("b:1", "Name or service not known", nameless=True)
    assert (contacts.unanswered, contacts.nameless) == (
        {"a:1": "Connection refused", "b:1": "Name or service not known"},
        {"b:1"},
    )
    contacts.failed("b:1", "no answer in 3 s")
    contacts.turned_away("a:1", "another job")
    assert (dict(contacts.unanswered), dict(contacts.refused)) == ({"b:1": "no answer in 3 s"}, {"a:1": "another job"})
    assert not contacts.nameless
    contacts.joined("a:1")
    contacts.met("b:1")
    assert not contacts.unanswered
    assert not contacts.refused


def test_strangers_cannot_fill_it():
    contacts = Contacts()
    for number in range(3 * KEPT):
        contacts.failed(f"a:{number}", "why " * LONGEST, nameless=True)
        contacts.turned_away(f"b:{number}", "why " * LONGEST)
    for places in (contacts.unanswered, contacts.refused):
        assert len(places) == KEPT
        assert all(len(why) == LONGEST for why in places.values())
    assert len(contacts.nameless) == KEPT
    assert f"a:{3 * KEPT - 1}" in contacts.unanswered
