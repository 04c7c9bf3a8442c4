"""What the tests of import share: a file or text imported, and a year of a schedule's occurrences."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from croniter import croniter

from eventcron.migrate.assemble import Defaults, Import, Written, assemble
from eventcron.migrate.formats import read
from eventcron.migrate.model import Origin, WrongFormat
from eventcron.model.names import Instant, Window
from eventcron.rules.definition import canonical_of
from eventcron.timing.trigger import from_canonical, occurrences
from eventcron.wire.decode import decode_schedule

FILES = Path(__file__).parent / "files"
#: 2026-11-26T00:00:00Z.
NOW: Instant = 1_795_651_200_000
START, END = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


def instant(moment: datetime) -> Instant:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


YEAR = Window(instant(START), instant(END))


def import_text(
    kind: str, text: str, *, path: str = "file", user_column: bool | None = None, timezone: str = "UTC"
) -> Import:
    """What *text*, a file of the format *kind*, comes to for the tenant ``acme``."""
    return assemble([(path, read(text, kind, Origin(path, user_column)))], Defaults("acme", timezone, NOW))


def import_file(kind: str, name: str, *, timezone: str = "UTC") -> Import:
    return import_text(kind, (FILES / name).read_text(), path=name, timezone=timezone)


def details(result: Import) -> dict[str, dict[str, Any]]:
    """The schedules by name."""
    return {written.detail["name"]: written.detail for written in result.schedules}


def only(result: Import) -> Written:
    """The one schedule, of which everything could be said."""
    assert result.unsaid == []
    (written,) = result.schedules
    return written


def unsaid(result: Import) -> list[tuple[str, str]]:
    """What is unsaid, and why."""
    return [(listed.unsaid.given, listed.unsaid.reason) for listed in result.unsaid]


def due_in_a_year(detail: dict[str, Any]) -> list[Instant]:
    """Every instant of 2027 at which the schedule fires."""
    schedule = decode_schedule(msgspec.json.encode(detail))
    return list(occurrences(from_canonical(canonical_of(schedule, NOW, {})), YEAR))


def year_of(kind: str, file: str, name: str) -> list[Instant]:
    """Every instant of 2027 at which the schedule *name* of *file* fires."""
    return due_in_a_year(details(import_file(kind, file))[name])


def refusal(kind: str, text: str) -> WrongFormat:
    """Why *text* is no file of the format *kind*."""
    with pytest.raises(WrongFormat) as raised:
        import_text(kind, text)
    return raised.value


def by_croniter(expression: str, *, day_or: bool = True, seconds_first: bool = False) -> list[datetime]:
    """The local times of 2027 and a day around it at which *expression* matches, by croniter."""
    first, last = (
        START.replace(tzinfo=None) - timedelta(days=1, seconds=1),
        END.replace(tzinfo=None) + timedelta(days=1),
    )
    found = croniter(expression, first, day_or=day_or, second_at_beginning=seconds_first, ret_type=datetime)
    return list(takewhile(lambda local: local < last, found))


def in_real_time(local: Iterable[datetime], zone: str = "UTC", *, twice: bool = True) -> list[Instant]:
    """The instants of 2027 at which clocks in *zone* show one of the *local* times: in a gap none.

    *twice*: in an overlap both, else the first.
    """
    times, folds = set(local), (0, 1) if twice else (0,)
    found = {time.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for time in times for fold in folds}
    shown = [moment for moment in found if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) in times]
    return sorted(instant(moment) for moment in shown if START <= moment < END)
