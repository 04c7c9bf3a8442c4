"""Reads systemd's timer units."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from eventcron.errors import InvalidExpression
from eventcron.migrate.model import Found, Imported, Origin, Timing, Unsaid, WrongFormat
from eventcron.model.codes import RejectionCode
from eventcron.timing.expression import Item, Manual
from eventcron.timing.notation import Notation
from eventcron.timing.on_calendar import read_calendar_event

#: Seconds: the longest flexible window, and the longest misfire grace.
_MAX_WINDOW_S, _MAX_GRACE_S = 86_400, 604_800
#: systemd passes over a time that the clocks skip, and fires once for one that they repeat.
_DAYLIGHT_SAVING = {"gap": "skip", "overlap": "once"}
_SPAN = re.compile(r"(?P<count>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[A-Za-z]*)\s*")
#: Seconds. https://www.freedesktop.org/software/systemd/man/latest/systemd.time.html
_UNITS = {
    **dict.fromkeys(("ms", "msec"), 0.001),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
_RUN_BY_ITSELF = "manual, and Run Schedule from what starts up"
#: What a timer may count from, and why eventcron cannot.
_MONOTONIC = {
    "OnActiveSec": ("it counts from the start of the timer", _RUN_BY_ITSELF),
    "OnBootSec": ("it counts from the start of the machine", _RUN_BY_ITSELF),
    "OnStartupSec": ("it counts from the start of the service manager", _RUN_BY_ITSELF),
    "OnUnitActiveSec": ("it counts from the last start of the unit", "rate({seconds} seconds), from creation or start"),
    "OnUnitInactiveSec": (
        "it counts from the end of the run before",
        "rate({seconds} seconds), from creation or start",
    ),
    "OnClockChange": ("eventcron does not know the clock of the machine", _RUN_BY_ITSELF),
    "OnTimezoneChange": ("eventcron does not know the zone of the machine", _RUN_BY_ITSELF),
    "WakeSystem": ("eventcron wakes no machine", "none is needed: a fire waits in its target's queue"),
}
_NO = frozenset({"no", "false", "off", "0", "n", "f"})
_YES = frozenset({"yes", "true", "on", "1", "y", "t"})


class _Setting(NamedTuple):
    section: str
    name: str
    value: str
    line: int


def read(text: str, origin: Origin) -> Found:
    """Return the schedule of the timer in *text*, named after the file, or one for each zone that it names.

    Raises:
        WrongFormat: *text* has no section [Timer].
    """
    settings = list(_settings(text))
    timer = [one for one in settings if one.section == "Timer"]
    if not timer:
        first = next(iter(settings), None)
        raise WrongFormat("it has no settings in a section [Timer]", first.line if first else 1)
    name = _unit(origin)
    values = {one.name: one.value for one in settings}
    fields: dict[str, Any] = {
        "description": values.get("Description"),
        "input": {"unit": values.get("Unit") or f"{name}.service"},
        "daylight_saving": _DAYLIGHT_SAVING,
    }
    unsaid = [one for setting in timer for one in _unsaid(setting, name, whole="OnCalendar" not in values)]
    unsaid += _window(timer, name, fields)
    if values.get("Persistent", "").lower() in _YES:
        fields["misfire"] = {"policy": "fire_once", "grace_seconds": _MAX_GRACE_S}
    return [*_calendars(timer, name, fields), *unsaid]


def _unit(origin: Origin) -> str:
    """The timer's name: that of the file, or of the folder of its drop-ins, ``backup.timer.d/override.conf``."""
    *folders, _ = origin.path.replace("\\", "/").split("/")
    if folders and folders[-1].endswith(".timer.d"):
        return folders[-1].removesuffix(".timer.d")
    return origin.stem


def _settings(text: str) -> Iterator[_Setting]:
    """Each setting. An empty value of a list, as in a drop-in, is kept: it takes back those before it."""
    section, waiting, start = "", "", 1
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        start = start if waiting else number
        if line.endswith("\\"):
            waiting += line[:-1] + " "
            continue
        line, waiting = waiting + line, ""
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif "=" in line:
            name, _, value = line.partition("=")
            yield _Setting(section, name.strip(), value.strip(), start)


def _calendars(timer: list[_Setting], name: str, fields: dict[str, Any]) -> Found:
    by_zone: dict[str | None, list[tuple[_Setting, Timing]]] = {}
    refused: Found = []
    for setting in timer:
        if setting.name != "OnCalendar":
            continue
        if not setting.value:
            by_zone.clear()
            continue
        try:
            item, zone = _event(setting.value)
        except InvalidExpression as error:
            reason = f"{error.field}: got {error.given}"
            refused.append(Unsaid(name, f"OnCalendar={setting.value}", reason, error.allowed, setting.line))
        else:
            timing = Timing(setting.value, Notation.EVENTCRON, item)
            by_zone.setdefault(zone, []).append((setting, timing))
    found: Found = []
    for zone, entries in by_zone.items():
        timings = tuple(timing for _, timing in entries)
        text = "; ".join(f"OnCalendar={setting.value}" for setting, _ in entries)
        found.append(Imported(name, timings, entries[0][0].line, text, zone, fields, zone or "local"))
    return found + refused


def _event(text: str) -> tuple[Item, str | None]:
    try:
        return read_calendar_event(text)
    except InvalidExpression as error:
        if error.code == RejectionCode.NEVER_MATCHES:
            return Manual(), None
        raise


def _unsaid(setting: _Setting, name: str, *, whole: bool) -> Found:
    """What *setting* says that eventcron cannot. *whole*: there is no OnCalendar, so nothing of the timer is left."""
    if setting.name not in _MONOTONIC or not setting.value or setting.value.lower() in _NO:
        return []
    reason, nearest = _MONOTONIC[setting.name]
    seconds = _seconds(setting.value)
    nearest = nearest.format(seconds=max(1, round(seconds)) if seconds is not None else "n")
    whole = whole and setting.name != "WakeSystem"
    return [Unsaid(name, f"{setting.name}={setting.value}", reason, nearest, setting.line, whole)]


def _window(timer: list[_Setting], name: str, fields: dict[str, Any]) -> Found:
    """systemd delays each run by a random time, eventcron all fires of a schedule by the same."""
    for setting in timer:
        if setting.name != "RandomizedDelaySec" or setting.value in {"", "0"}:
            continue
        seconds = _seconds(setting.value)
        given = f"RandomizedDelaySec={setting.value}"
        if seconds is None or seconds > _MAX_WINDOW_S:
            fields["flexible_window_seconds"] = None if seconds is None else _MAX_WINDOW_S
            reason, nearest = "not a span of at most a day", f"flexible_window_seconds: {_MAX_WINDOW_S}"
            return [Unsaid(name, given, reason, nearest, setting.line, whole=False)]
        fields["flexible_window_seconds"] = round(seconds)
    return []


def _seconds(span: str) -> float | None:
    """The seconds of a span such as ``1h 30min``; None if it is none."""
    parts = list(_SPAN.finditer(span))
    if "".join(part[0] for part in parts) != span or not {part["unit"] for part in parts} <= _UNITS.keys():
        return None
    return sum((float(part["count"]) * _UNITS[part["unit"]] for part in parts), 0.0)
