"""Entries of a history for people: a line for each."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.client.published import answer_of, particulars
from eventcron.entrypoints.cli.tables import columns, one_line
from eventcron.model.history import HistoryEntry


def rows_of(entries: Sequence[HistoryEntry]) -> str:
    """One line for each of *entries*: when it was published, what, and its particulars."""
    answers = map(answer_of, entries)
    return columns([(one.time, one.detail_type, one_line(particulars(one))) for one in answers])
