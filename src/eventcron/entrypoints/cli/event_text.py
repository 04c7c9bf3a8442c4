"""Entries of a history for people: a line for each."""

from __future__ import annotations

from collections.abc import Sequence

from eventcron.client.published import particulars
from eventcron.entrypoints.cli.tables import columns, one_line
from eventcron.model.events import Answer
from eventcron.model.history import HistoryEntry
from eventcron.timing.instant import rfc3339


def rows_of(entries: Sequence[HistoryEntry]) -> str:
    """One line for each of *entries*: when it was published, what, and its particulars."""
    answers = [
        Answer(detail_type=one.detail_type, detail=one.detail, time=rfc3339(one.time, millis=False)) for one in entries
    ]
    return columns([(one.time, one.detail_type, one_line(particulars(one))) for one in answers])
