"""Reads the schedules of sidekiq-cron and sidekiq-scheduler: YAML with expressions of fugit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from eventcron.migrate.model import Found, Imported, Origin, Timing, Unsaid, WrongFormat
from eventcron.migrate.trees import Table, documents, items
from eventcron.timing.notation import Notation

#: What says when a job runs.
_KINDS = ("cron", "every", "interval", "at", "in")
_PASSED = ("class", "klass", "queue", "args", "active_job", "retry")
#: What eventcron cannot do, with what comes nearest.
_UNSAID = {
    "rails_env": ("eventcron knows no environments of Rails", "a deployment or a tenant for each"),
    "date_as_argument": ("eventcron adds no argument", "detail.due of the fire"),
    "include_metadata": ("eventcron adds no argument", "detail.due of the fire"),
    "namespace": ("eventcron has no namespaces of Sidekiq", "a tenant for each"),
}
#: fugit looks for matching local times in real time, and passes over one that it had an hour before.
_DAYLIGHT_SAVING = {"gap": "skip", "overlap": "once"}
_ZONE = re.compile(r"(?P<fields>.*\S)\s+(?P<zone>[A-Z][A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+|UTC|Zulu|Z|GMT)")
_NATURAL = re.compile(r"every\s+(?:(?P<count>[0-9]+)\s+)?(?P<unit>minute|hour)s?", re.IGNORECASE)
#: fugit's durations: M is a month, m a minute.
_PART = re.compile(r"(?P<count>[0-9]+)(?P<unit>[ywdhms])")
_SECONDS = {"y": 365 * 86_400, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_AT = re.compile(r"(?P<date>[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2})(?:[ T](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?")


def read(text: str, _origin: Origin) -> Found:
    """Return the jobs in *text*.

    Raises:
        WrongFormat: *text* is no YAML with jobs.
    """
    found: Found = []
    recognised = False
    for document in documents(text):
        for name, job in _jobs(document):
            recognised = recognised or _is_job(job)
            found += _job(name, job) if _is_job(job) else [_by_hand(name, job)]
    if not recognised:
        raise WrongFormat(f"no entry has one of {', '.join(_KINDS)}", 1)
    return found


def _jobs(value: Any) -> Iterator[tuple[str, Table]]:
    """Each job with its name, however deep: below :scheduler: and :schedule:, or an environment."""
    if isinstance(value, list):
        for item in value:
            # What has no name is a job only if it says more than a time.
            if isinstance(item, Table) and _is_job(item := _plain(item)) and item.keys() - set(_KINDS):
                yield str(item.get("name") or item.get("class") or "job"), item
    elif isinstance(value, Table):
        for name, inner in _plain(value).items():
            if isinstance(inner, Table) and (_is_job(job := _plain(inner)) or _class_of(job)):
                yield name, job
            elif isinstance(inner, Table | list):
                yield from _jobs(inner)


def _is_job(value: Table) -> bool:
    return any(isinstance(value.get(kind), str | list | int) for kind in _KINDS)


def _class_of(value: Table) -> str | None:
    """The class of a job, which may have no time. sidekiq-scheduler takes the name of a job that has no class."""
    return next((str(value[part]) for part in ("class", "klass") if isinstance(value.get(part), str)), None)


def _by_hand(name: str, job: Table) -> Unsaid:
    reason = f"it has none of {', '.join(_KINDS)}, so Sidekiq never runs it by itself"
    return Unsaid(name, f"{name}: class: {_class_of(job)}", reason, "manual", job.line)


def _plain(value: Table) -> Table:
    """Return *value* with ``class`` for Ruby's symbol ``:class``."""
    plain = Table(
        {name.removeprefix(":"): item for name, item in value.items()},
        {name.removeprefix(":"): line for name, line in value.lines.items()},
    )
    plain.line = value.line
    return plain


def _job(name: str, job: Table) -> Found:
    kind = next(kind for kind in _KINDS if kind in job)
    line = job.line_of(kind)
    text = f"{name}: {kind}: {job[kind]}"
    passed: dict[str, Any] = {part: job[part] for part in _PASSED if part in job}
    base = Imported(name, (), line, text, None, {"input": passed, "description": job.get("description")})
    if str(job.get("status", "")) == "disabled" or job.get("enabled") is False:
        base = base._replace(fields={**base.fields, "state": "PAUSED"})
    timed = _cron(base, str(job[kind])) if kind == "cron" else _other(base, kind, job[kind])
    unsaid = [
        Unsaid(name, f"{part}: {job[part]}", *_UNSAID[part], job.line_of(part), whole=False)
        for part in _UNSAID
        if job.get(part) not in (None, False, "")
    ]
    whole = isinstance(timed[0], Unsaid)
    return [*timed, *([] if whole else unsaid)]


def _cron(base: Imported, cron: str) -> Found:
    if natural := _NATURAL.fullmatch(cron.strip()):
        count = int(natural["count"] or 1)
        minutes = natural["unit"].lower() == "minute"
        written = (f"*/{count}" if count > 1 else "*") + (" * * * *" if minutes else " * * *")
        nearest = written if minutes else f"0 {written}"
        return [Unsaid(base.name, base.text, "the words are read by fugit alone", nearest, base.line)]
    zoned = _ZONE.fullmatch(cron.strip())
    fields, zone = (zoned["fields"], zoned["zone"]) if zoned else (cron, None)
    if "%" in fields:
        reason, nearest = "fugit counts weeks from 2019, and eventcron counts none", "rate(14 days) with a start"
        return [Unsaid(base.name, base.text, reason, nearest, base.line)]
    if re.match(r"every\b", cron.strip(), re.IGNORECASE):
        return [Unsaid(base.name, base.text, "the words are read by fugit alone", "a cron expression", base.line)]
    zone = "UTC" if zone in {"Z", "Zulu", "GMT"} else zone
    in_fields = {**base.fields, "daylight_saving": _DAYLIGHT_SAVING}
    return [base._replace(timings=(Timing(fields, Notation.SIDEKIQ),), timezone=zone, fields=in_fields)]


def _other(base: Imported, kind: str, given: Any) -> Found:
    """``every: 5m``, ``every: [5m, {first_in: 10s}]``, ``at:`` and ``in:``."""
    parts = items(given)
    if kind == "at":
        return _at(base, str(given))
    if kind == "in":
        return [Unsaid(base.name, base.text, "it counts from the start of Sidekiq", "at() with the time", base.line)]
    seconds = _duration(str(parts[0]))
    if seconds is None:
        return [Unsaid(base.name, base.text, "not a duration of fugit, such as 1h30m", "rate(5 minutes)", base.line)]
    imported = base._replace(timings=(Timing(f"rate({seconds} seconds)", Notation.EVENTCRON),))
    if len(parts) == 1:
        return [imported]
    reason, nearest = "it counts from the start of Sidekiq", "start: the instant of the first fire"
    return [imported, Unsaid(base.name, f"{kind}: {parts[1:]}", reason, nearest, base.line, whole=False)]


def _at(base: Imported, given: str) -> Found:
    matched = _AT.fullmatch(given.strip())
    if matched is None:
        return [
            Unsaid(base.name, base.text, "no date and time that is written out", "at(2027-01-31T09:00:00)", base.line)
        ]
    year, month, day = re.split("[-/]", matched["date"])
    time = matched["time"] or "00:00:00"
    time = time if time.count(":") > 1 else f"{time}:00"
    timing = Timing(f"at({year}-{int(month):02}-{int(day):02}T{time})", Notation.EVENTCRON)
    return [base._replace(timings=(timing,))]


def _duration(given: str) -> int | None:
    """The seconds of a duration; None if it is none, or none that is always as long."""
    if given.isdigit():
        return int(given) or None
    plain = given.strip().replace(" ", "")
    if plain.upper().startswith("P"):
        date, _, time = plain[1:].upper().partition("T")
        if "M" in date:  # a month
            return None
        plain = date.lower() + time.lower()
    parts = list(_PART.finditer(plain))
    if not parts or "".join(part[0] for part in parts) != plain:
        return None
    return sum(int(part["count"]) * _SECONDS[part["unit"]] for part in parts) or None
