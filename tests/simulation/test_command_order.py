"""The states in which the commands for a schedule may end."""

from __future__ import annotations

from typing import Any

from eventcron.model.names import Key
from tools.faultsim.command_order import FinalState, possible_final_states
from tools.faultsim.workload import Kind, Sent

KEY = Key("acme", "s")
#: 2026-12-01T08:00:00Z.
START = 1_796_112_000_000


def sent(event_id: str, command: str, at: int, **detail: Any) -> Sent:
    """A command emitted *at* milliseconds from the start."""
    if command == "Put Schedule":
        detail = {"expression": "* * * * *", "input": event_id} | detail
    return Sent(Kind.VALID, event_id, command, KEY, detail, "eventcron.tenant.acme", START + at, (0,))


def test_the_put_with_the_highest_revision_counts() -> None:
    commands = [sent("old", "Put Schedule", 5_000, revision=1), sent("new", "Put Schedule", 0, revision=2)]

    assert possible_final_states(commands) == {FinalState("new", paused=False)}


def test_a_delete_wins_a_tie() -> None:
    commands = [sent("put", "Put Schedule", 0, revision=1), sent("delete", "Delete Schedule", 0, revision=1)]

    assert possible_final_states(commands) == {FinalState(None, paused=False)}


def test_arrival_orders_two_commands_of_one_second() -> None:
    commands = [sent("one", "Put Schedule", 100), sent("two", "Put Schedule", 900)]

    assert possible_final_states(commands) == {FinalState("one", paused=False), FinalState("two", paused=False)}


def test_a_command_without_a_revision_counts_before_or_after_a_numbered_one_of_its_second() -> None:
    commands = [sent("numbered", "Put Schedule", 300, revision=START + 300), sent("timed", "Put Schedule", 301)]

    assert possible_final_states(commands) == {FinalState("numbered", paused=False), FinalState("timed", paused=False)}


def test_each_second_has_an_order_of_its_own() -> None:
    """The put without a revision may arrive after the numbered one, and the resume before the numbered pause."""
    commands = [
        sent("numbered", "Put Schedule", 300, revision=START + 300),
        sent("timed", "Put Schedule", 301),
        sent("pause", "Pause Schedule", 3_050, revision=START + 3_050),
        sent("resume", "Resume Schedule", 3_600),
    ]

    assert possible_final_states(commands) == {
        FinalState(put, paused=paused) for put in ("numbered", "timed") for paused in (True, False)
    }


def test_a_put_without_a_state_leaves_the_one_that_it_finds() -> None:
    commands = [
        sent("put", "Put Schedule", 0),
        sent("pause", "Pause Schedule", 3_000),
        sent("new", "Put Schedule", 6_000),
    ]

    assert possible_final_states(commands) == {FinalState("new", paused=True), FinalState("new", paused=False)}
    assert possible_final_states(commands[::2]) == {FinalState("new", paused=False)}


def test_a_put_with_a_state_decides() -> None:
    commands = [sent("pause", "Pause Schedule", 3_000), sent("new", "Put Schedule", 6_000, state="ENABLED")]

    assert possible_final_states(commands) == {FinalState("new", paused=False)}


def test_the_first_of_equal_puts_stands_for_all() -> None:
    commands = [sent("one", "Put Schedule", 0, input=1), sent("two", "Put Schedule", 6_000, input=1)]

    assert possible_final_states(commands) == {FinalState("one", paused=False)}


def test_a_numbered_command_of_another_second_does_not_count_later() -> None:
    commands = [sent("numbered", "Put Schedule", 300, revision=START + 300), sent("timed", "Put Schedule", 1_100)]

    assert possible_final_states(commands) == {FinalState("timed", paused=False)}


def test_a_put_may_be_rejected_if_only_some_anchors_of_its_rate_let_it_fire() -> None:
    end = "2026-12-01T08:01:30Z"
    commands = [
        sent("minutely", "Put Schedule", 0, revision=1),
        sent("rate", "Put Schedule", 10_000, revision=2, expression="rate(85 seconds)", end=end),
    ]

    assert possible_final_states(commands) == {FinalState("minutely", paused=False), FinalState("rate", paused=False)}


def test_a_refused_put_may_have_been_accepted_later() -> None:
    commands = [sent("put", "Put Schedule", 0, revision=1)]

    assert possible_final_states(commands, refused={"put"}) == {
        FinalState("put", paused=False), FinalState(None, paused=False),
    }  # fmt: skip
