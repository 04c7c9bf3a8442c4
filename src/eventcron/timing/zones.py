"""Time zones as spans of constant UTC offset. The rules come from the ``tzdata`` package, never from the host.

In this module, instants are whole seconds since 1970-01-01T00:00:00Z. Offsets are seconds east of UTC.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import datetime, tzinfo
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

from eventcron.errors import InvalidSchedule
from eventcron.model.codes import RejectionCode
from eventcron.timing.fields import shorten

#: Seconds between two samples of a zone's offset. Since 1970, no zone has changed twice within six days.
_STEP_S = 5 * 86_400
#: Seconds that are computed at once: about a year.
CHUNK_S = 2**25
#: Sampling starts this many seconds before a chunk, so that it sees a change at the chunk's very beginning.
_OVERHANG_S = _STEP_S
#: Cache size. 1970-2199 has 217 chunks a zone, and chunks are small.
_MAX_CHUNKS = 16_384


#: An offset from UTC as people write it.
_OFFSET = re.compile(r"(?:utc|gmt|ut|z)?_?(?P<sign>[+-])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?")
#: A large city for each offset from UTC, in hours, without daylight saving time.
_CITIES = {
    -10: "Pacific/Honolulu",
    -9: "America/Anchorage",
    -8: "America/Los_Angeles",
    -7: "America/Denver",
    -6: "America/Chicago",
    -5: "America/New_York",
    -4: "America/Halifax",
    -3: "America/Sao_Paulo",
    -1: "Atlantic/Azores",
    0: "Europe/London",
    1: "Europe/Berlin",
    2: "Europe/Helsinki",
    3: "Europe/Istanbul",
    4: "Asia/Dubai",
    5: "Asia/Karachi",
    6: "Asia/Dhaka",
    7: "Asia/Bangkok",
    8: "Asia/Singapore",
    9: "Asia/Tokyo",
    10: "Australia/Brisbane",
    12: "Pacific/Auckland",
    13: "Pacific/Tongatapu",
}
#: Where those who write an abbreviation most often are.
_ABBREVIATIONS = {
    **dict.fromkeys(("pst", "pdt", "pt", "pacific"), "America/Los_Angeles"),
    **dict.fromkeys(("mdt", "mt", "mountain"), "America/Denver"),
    **dict.fromkeys(("cst", "cdt", "ct", "central"), "America/Chicago"),
    **dict.fromkeys(("edt", "et", "eastern"), "America/New_York"),
    **dict.fromkeys(("akst", "akdt"), "America/Anchorage"),
    **dict.fromkeys(("ast", "adt"), "America/Halifax"),
    **dict.fromkeys(("nst", "ndt"), "America/St_Johns"),
    **dict.fromkeys(("aest", "aedt"), "Australia/Sydney"),
    **dict.fromkeys(("acst", "acdt"), "Australia/Adelaide"),
    **dict.fromkeys(("nzst", "nzdt"), "Pacific/Auckland"),
    "awst": "Australia/Perth",
    "bst": "Europe/London",
    "west": "Europe/Lisbon",
    "cest": "Europe/Berlin",
    "eest": "Europe/Helsinki",
    "msk": "Europe/Moscow",
    "trt": "Europe/Istanbul",
    "gst": "Asia/Dubai",
    "pkt": "Asia/Karachi",
    "ist": "Asia/Kolkata",
    "ict": "Asia/Bangkok",
    "sgt": "Asia/Singapore",
    "hkt": "Asia/Hong_Kong",
    "jst": "Asia/Tokyo",
    "kst": "Asia/Seoul",
    "sast": "Africa/Johannesburg",
    "wat": "Africa/Lagos",
    "eat": "Africa/Nairobi",
    "brt": "America/Sao_Paulo",
    "art": "America/Argentina/Buenos_Aires",
}


class OffsetSpan(NamedTuple):
    """The instants ``[start, end)``, during which the offset is constant.

    ``before`` is the offset just before ``start``. It equals ``offset`` if the span does not begin at a clock change.
    """

    start: int
    end: int
    offset: int
    before: int


class Zone:
    """One time zone. It computes and caches offsets about a year at a time."""

    def __init__(self, name: str, info: tzinfo) -> None:
        self.name = name
        self.info = info

    def __repr__(self) -> str:
        return f"Zone({self.name!r})"

    def offset(self, instant: int) -> int:
        """Return the offset at *instant*, in seconds east of UTC."""
        offset = datetime.fromtimestamp(instant, self.info).utcoffset()
        assert offset is not None  # noqa: S101  # it is aware
        return offset.days * 86_400 + offset.seconds

    def span(self, instant: int) -> OffsetSpan:
        """Return the span of constant offset that contains *instant*."""
        starts, spans = _chunk(self, instant // CHUNK_S)
        return spans[bisect_right(starts, instant) - 1]


@lru_cache(maxsize=_MAX_CHUNKS)
def _chunk(zone: Zone, number: int) -> tuple[list[int], list[OffsetSpan]]:
    first, end = number * CHUNK_S - _OVERHANG_S, (number + 1) * CHUNK_S
    spans = []
    start, offset = first, zone.offset(first)
    before = offset
    for look in range(first + _STEP_S, end + _STEP_S, _STEP_S):
        found = zone.offset(look)
        if found != offset:
            change = _bisect(zone, look - _STEP_S, look)
            if change >= end:
                break
            spans.append(OffsetSpan(start, change, offset, before))
            start, before, offset = change, offset, found
    spans.append(OffsetSpan(start, end, offset, before))
    return [span.start for span in spans], spans


def _bisect(zone: Zone, low: int, high: int) -> int:
    """Return the first instant in ``(low, high]`` that has the same offset as *high*."""
    offset = zone.offset(high)
    while high - low > 1:
        middle = (low + high) // 2
        if zone.offset(middle) == offset:
            high = middle
        else:
            low = middle
    return high


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return every IANA name in the installed ``tzdata``."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


@lru_cache(maxsize=1024)
def load_zone(name: str) -> Zone:
    """Return the zone with exactly that IANA name.

    Raises:
        InvalidSchedule: the zone is unknown; ``allowed`` suggests the most similar name.
    """
    if name not in zone_names():
        raise InvalidSchedule(
            RejectionCode.UNKNOWN_TIMEZONE, field="timezone", given=shorten(name), allowed=_suggestion(name)
        )
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return Zone(name, ZoneInfo.from_file(file, key=name))


def _suggestion(name: str) -> str:
    """Suggest the zone that *name* most likely means: the same in another case, the same city, or a similar name."""
    wanted = name.strip().replace(" ", "_").lower()
    by_lower = {known.lower(): known for known in sorted(zone_names())}
    if wanted in by_lower:
        return f"an IANA name, exactly as written; did you mean {by_lower[wanted]}?"
    if city := _city(wanted):
        return f"an IANA name of a city, which has its clock changes too; did you mean {city}?"
    # The signs of Etc/GMT+2 are the other way round: it is two hours behind UTC. Nobody means that by GMT+2.
    cities = {lower: known for lower, known in by_lower.items() if not lower.startswith("etc/")}
    by_city = {lower.rsplit("/", 1)[-1]: known for lower, known in cities.items()}
    near = by_city.get(wanted.rsplit("/", 1)[-1]) or _near_miss(wanted, cities)
    return f"an IANA name, exactly as written; did you mean {near}?" if near else "an IANA name such as Europe/Oslo"


def _city(wanted: str) -> str | None:
    """The city that an abbreviation or an offset from UTC most likely stands for."""
    if wanted in _ABBREVIATIONS:
        return _ABBREVIATIONS[wanted]
    offset = _OFFSET.fullmatch(wanted)
    if offset is None or int(offset["minutes"] or 0):
        return None
    return _CITIES.get(int(offset["sign"] + offset["hours"]))


def _near_miss(wanted: str, by_lower: dict[str, str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415  needed for misspelt zones only

    similar = [lower for lower in by_lower if abs(len(lower) - len(wanted)) <= 3 and lower[:2] == wanted[:2]]  # noqa: PLR2004
    matches = get_close_matches(wanted, similar, n=1, cutoff=0.75)
    return by_lower[matches[0]] if matches else None
