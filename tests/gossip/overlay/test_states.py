"""The table of link states: what it lacks cannot happen, and its copy for readers is current."""

from pathlib import Path

import pytest
from support.trees import upward

import gossipw2v.gossip.overlay
from gossipw2v.gossip.overlay.states import TRANSITIONS, LinkInput, LinkState, after

README = Path(gossipw2v.gossip.overlay.__file__).with_name("README.md")


@pytest.mark.parametrize("what", LinkInput)
@pytest.mark.parametrize("state", LinkState)
def test_a_move_that_is_not_in_the_table_is_a_mistake(state, what):
    link = upward(b"p" * 16, b"l" * 8, state)
    if (state, what) in TRANSITIONS:
        link.move(what)
        assert link.state is TRANSITIONS[state, what]
        return
    with pytest.raises(RuntimeError, match=f"{what.name} cannot befall a link that is {state.name}"):
        link.move(what)
    assert link.state is state


def test_every_state_can_be_reached_and_left_and_every_input_moves_something():
    entered = {then for (_, _), then in TRANSITIONS.items()}
    assert entered | {LinkState.WANTED} == set(LinkState)
    assert {state for state, _ in TRANSITIONS} == set(LinkState) - {LinkState.CLOSED}
    assert {what for _, what in TRANSITIONS} == set(LinkInput)
    assert all(
        after(state, LinkInput.DROPPED) is LinkState.CLOSED for state in LinkState if state is not LinkState.CLOSED
    )


def table() -> str:
    """All of it as Markdown: what states and inputs mean, and a row of moves for each state."""
    lines = [f"- {each.name}: {each.value}" for each in LinkState]
    lines += ["", *(f"- {each.name}: {each.value}" for each in LinkInput)]
    lines += ["", "| in | what happens | then |", "|---|---|---|"]
    lines += [f"| {state.name} | {what.name} | {then.name} |" for (state, what), then in TRANSITIONS.items()]
    return "\n".join(lines) + "\n"


def test_the_readme_has_the_table(request: pytest.FixtureRequest):
    text = README.read_text("utf-8")
    if request.config.getoption("--rewrite-stories", default=False):
        text = text[: text.index("- WANTED: ")] + table()
        README.write_text(text, "utf-8")
    assert text.endswith(table())
