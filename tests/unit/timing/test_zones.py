"""Spans of constant offset, against the TZif files read byte by byte and against ZoneInfo hour by hour."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, tzinfo
from importlib.resources import files
from itertools import pairwise

import pytest

from eventcron.oracle.occurrences import zone_info
from eventcron.timing.zones import CHUNK_S, Zone, load_zone, zone_names


def changes_of_file(name: str) -> list[tuple[int, int]]:
    """(instant, offset from then on) of every change of offset since 1970 in the 64-bit table of a TZif file.

    Where a zone has had the same rule since, the table ends with it.
    """
    data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    isut, isstd, leap, times, types, chars = struct.unpack(">6l", data[20:44])
    start = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    _, _, _, times, types, _ = struct.unpack(">6l", data[start + 20 : start + 44])
    start += 44
    instants = struct.unpack(f">{times}q", data[start : start + 8 * times])
    kinds = data[start + 8 * times : start + 9 * times]
    start += 9 * times
    offsets = [struct.unpack(">l", data[start + 6 * kind : start + 6 * kind + 4])[0] for kind in range(types)]
    found, before = [], offsets[0]
    for instant, kind in zip(instants, kinds, strict=True):
        if offsets[kind] != before and instant > 0:
            found.append((instant, offsets[kind]))
        before = offsets[kind]
    return found


def changes_of_spans(zone: Zone, start: int, end: int) -> list[tuple[int, int]]:
    found = []
    span = zone.span(start)
    while span.end < end:
        boundary = span.end
        span = zone.span(boundary)
        if span.start == boundary and span.before != span.offset:
            found.append((span.start, span.offset))
    return found


@pytest.mark.parametrize(
    "name",
    ["Europe/Oslo", "Australia/Lord_Howe", "Pacific/Apia", "Africa/El_Aaiun", "America/St_Johns", "Asia/Kathmandu"],
)
def test_every_change_of_the_file_is_found_to_the_second(name: str) -> None:
    expected = changes_of_file(name)

    assert changes_of_spans(load_zone(name), 0, expected[-1][0] + 1) == expected


def test_no_zone_changes_twice_within_six_days() -> None:
    """The walker looks at each change by itself, and the zones look once a day."""
    for name in zone_names():
        instants = [instant for instant, _ in changes_of_file(name)]

        assert all(later - earlier >= 6 * 86_400 for earlier, later in pairwise(instants)), name


@pytest.mark.parametrize("name", ["America/Nuuk", "Asia/Gaza", "Europe/London"])
def test_after_the_tables_the_rules_hold(name: str) -> None:
    info = zone_info(name)  # the host may have another year's rules
    start = datetime(2150, 1, 1, tzinfo=UTC)
    for hour in range(24 * 366):
        moment = start + timedelta(hours=hour)
        span = load_zone(name).span(round(moment.timestamp()))

        assert timedelta(seconds=span.offset) == moment.astimezone(info).utcoffset()


class _BackAnHour(tzinfo):
    """Goes back an hour, *after* seconds from the end of a chunk of spans on."""

    def __init__(self, after: int) -> None:
        self.change = datetime(1970, 1, 1) + timedelta(seconds=40 * CHUNK_S + after)  # noqa: DTZ001  for fromutc

    def fromutc(self, dt: datetime) -> datetime:
        second_pass = dt.replace(tzinfo=None) >= self.change
        return (dt + timedelta(hours=0 if second_pass else 1)).replace(fold=second_pass)

    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=0 if dt is not None and dt.fold else 1)

    def dst(self, dt: datetime | None) -> None:
        return None

    def tzname(self, dt: datetime | None) -> None:
        return None


def test_a_change_just_before_a_chunk_is_known_in_it() -> None:
    """Else the second pass of an overlap would end where the chunk does, and a job fire twice."""
    span = Zone("test", _BackAnHour(-1_800)).span(40 * CHUNK_S + 60)

    assert (span.before, span.offset, span.start) == (3_600, 0, 40 * CHUNK_S - 1_800)


def test_a_change_just_after_a_chunk_is_left_to_the_next() -> None:
    zone = Zone("test", _BackAnHour(1_800))
    last = zone.span(40 * CHUNK_S - 1)

    assert (last.offset, last.end) == (3_600, 40 * CHUNK_S)
    assert [(zone.span(last.end).offset, zone.span(last.end).end)] == [(3_600, 40 * CHUNK_S + 1_800)]


def test_zones_come_from_the_package_not_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONTZPATH", "/nowhere")
    load_zone.cache_clear()

    assert load_zone("Europe/Oslo").span(0).offset == 3_600
