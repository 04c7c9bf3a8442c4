"""Reads a crontab: a user's own, or the system's, which names a user before each command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from eventcron.errors import InvalidExpression
from eventcron.migrate.model import Found, Imported, Origin, Timing, Unsaid, WrongFormat
from eventcron.timing.dialects import OPEN_STEP, UNIX, refuse_count
from eventcron.timing.fields import read_field, shorten
from eventcron.timing.notation import Notation

_FIELDS = len(UNIX.fields)
_VARIABLE = re.compile(
    r"""[ \t]*(?P<quote>["']?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)[ \t]*=[ \t]*(?P<value>.*)"""
)
_NICKNAME = re.compile(r"(?P<nickname>@\w+)[ \t]+(?P<rest>.*)")
#: Five fields, then what follows. cronie lets a - before the minute keep a line out of the system's log.
_LINE = re.compile(rf"-?(?P<fields>(?:[^ \t]+[ \t]+){{{_FIELDS}}})(?P<rest>.*)")
#: What stands where a field should. Text in prose has none of these five times.
_FIELD = re.compile(r"[0-9*~?][0-9A-Za-z*,/~#-]*|[A-Za-z]{3}(?:[-,][A-Za-z]{3})*|[LH][0-9W()/-]*")
_TIME_FIELD = re.compile(r"\*(?:/[0-9]+)?")
_USER = re.compile(r"[a-z_][a-z0-9_-]*\$?")
#: Users that a system's crontab names and that are no commands.
_KNOWN_USERS = frozenset({"root", "nobody", "daemon", "www-data", "postgres", "mysql", "nginx", "apache", "backup"})
_SYSTEM = re.compile(r"(?:^|/)(?:etc/crontab|cron\.d/[^/]+)$")
_RANDOM = re.compile(r"(?P<first>[0-9]*)~(?P<last>[0-9]*)(?P<step>/[0-9]+)?")
_EVERY_MINUTE = "@every_minute"


class _Line(NamedTuple):
    number: int
    text: str
    expression: str
    #: What follows the expression: in a system's crontab the user first.
    rest: str


def read(text: str, origin: Origin) -> Found:
    """Return a schedule for each line of *text* with a command, and what cannot be said.

    ``CRON_TZ`` and ``TZ`` count for the lines below them, and ``CRON_TZ`` before ``TZ``.

    Raises:
        WrongFormat: *text* is no crontab.
    """
    environment: dict[str, str] = {}
    found: Found = []
    lines = list(_lines(text))
    with_user = _has_users([line for line in lines if isinstance(line, _Line)], origin)
    for line in lines:
        if isinstance(line, _Line):
            found += _entry(line, environment, with_user=with_user)
        elif isinstance(line, Unsaid):
            found.append(line)
        else:
            number, name, value = line
            environment[name] = value
            found += _variable(number, name, value)
    return found


def _lines(text: str) -> list[_Line | Unsaid | tuple[int, str, str]]:
    """Each line that says something: an entry, what is wrong with it, or a variable's line, name and value."""
    found: list[_Line | Unsaid | tuple[int, str, str]] = []
    entries = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if variable := _VARIABLE.fullmatch(line):
            found.append((number, variable["name"], _unquoted(variable["value"])))
        elif nickname := _NICKNAME.fullmatch(line):
            entries += 1
            found.append(_Line(number, line, nickname["nickname"].lower(), nickname["rest"]))
        elif (entry := _LINE.fullmatch(line)) and all(map(_FIELD.fullmatch, entry["fields"].split())):
            entries += 1
            found.append(_Line(number, line, " ".join(entry["fields"].split()), entry["rest"]))
        else:
            found.append(_unreadable(number, line))
    if not entries and any(isinstance(one, Unsaid) for one in found):
        first = next(one for one in found if isinstance(one, Unsaid))
        raise WrongFormat(f"no line is one of a crontab: {_FIELDS} fields or a nickname, and a command", first.line)
    return found


def _unreadable(number: int, line: str) -> Unsaid:
    reason = f"neither a variable nor {_FIELDS} fields and a command; cron ignores it or refuses the file"
    return Unsaid("", line, reason, "a line such as 30 2 * * * /opt/export", number)


def _unquoted(value: str) -> str:
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _variable(number: int, name: str, value: str) -> Found:
    if name == "MAILTO" and value:
        reason = "eventcron sends no mail: a fire's output is its target's"
        return [
            Unsaid("", f"MAILTO={value}", reason, "an alarm on the target's dead-letter queue", number, whole=False)
        ]
    return []


def _has_users(lines: Sequence[_Line], origin: Origin) -> bool:
    """Whether a user stands before each command: as asked for, by the file's path, or by the users themselves."""
    if origin.user_column is not None:
        return origin.user_column
    firsts = [line.rest.split(None, 1) for line in lines]
    are_users = all(len(first) == 2 and _USER.fullmatch(first[0]) for first in firsts if not _is_field(first))  # noqa: PLR2004  a user and a command
    if not firsts or not are_users:
        return False
    return bool(_SYSTEM.search(origin.path)) or any(first and first[0] in _KNOWN_USERS for first in firsts)


def _is_field(first: Sequence[str]) -> bool:
    return bool(first) and _TIME_FIELD.fullmatch(first[0]) is not None


def _entry(line: _Line, environment: Mapping[str, str], *, with_user: bool) -> Found:
    user, rest = "", line.rest
    if _is_field(rest.split(None, 1)):
        reason = f"a sixth field {rest.split()[0]!r}: cron has {_FIELDS} and takes this for the user or the command"
        return [Unsaid("", line.text, reason, line.expression, line.number)]
    if with_user:
        user, rest = [*rest.split(None, 1), ""][:2]
    command, stdin = _command(rest)
    if not command:
        return [Unsaid("", line.text, "no command follows the fields", line.expression, line.number)]
    if line.expression == "@reboot":
        reason = "eventcron does not know when a machine starts"
        return [Unsaid(command, line.text, reason, "manual, and Run Schedule from what starts up", line.number)]
    try:
        timing = _timing(line.expression)
    except InvalidExpression as error:
        reason = f"cron refuses it: {error.field}: got {error.given}"
        return [Unsaid(command, line.text, reason, error.allowed, line.number)]
    fields: dict[str, Any] = {"input": _input(command, stdin, user, environment)}
    if delay := environment.get("RANDOM_DELAY", ""):
        fields["flexible_window_seconds"] = int(delay) * 60 if delay.isdigit() else None
    zone = (environment.get("CRON_TZ") or environment.get("TZ") or "").removeprefix(":")
    return [Imported(command, (timing,), line.number, line.text, zone or None, fields)]


def _command(rest: str) -> tuple[str, str | None]:
    """Split at the first % that no backslash escapes: the command, and its standard input with line ends for %."""
    parts = re.split(r"(?<!\\)%", rest)
    command, *lines = [part.replace("\\%", "%") for part in parts]
    return command.strip(), "\n".join(lines) if lines else None


def _input(command: str, stdin: str | None, user: str, environment: Mapping[str, str]) -> dict[str, Any]:
    job: dict[str, Any] = {"command": command}
    if stdin is not None:
        job["stdin"] = stdin
    if user:
        job["user"] = user
    passed = {name: value for name, value in environment.items() if name not in {"CRON_TZ", "MAILTO", "RANDOM_DELAY"}}
    if passed:
        job["environment"] = passed
    return job


def _timing(expression: str) -> Timing:
    """The expression, as cron reads it.

    Raises:
        InvalidExpression: cron refuses the line.
    """
    if expression == _EVERY_MINUTE:  # FreeBSD's
        return Timing("* * * * *", Notation.UNIX)
    if expression.startswith("@"):
        return Timing(expression, Notation.EVENTCRON)
    texts = expression.split()
    for field, term in (
        (field, term) for field, text in zip(UNIX.fields, texts, strict=False) for term in text.split(",")
    ):
        if stepped := OPEN_STEP.fullmatch(term):
            written = f"{stepped['first']}-{field.high}/{stepped['step']}"
            field.refuse(
                term, f"{written}, if that is meant: Debian's cron asks for a range, others take the first value"
            )
    strict(" ".join("*" if "~" in text else text for text in texts), "cron")
    return Timing(" ".join(map(_hashed, texts)), Notation.EVENTCRON if "~" in expression else Notation.UNIX)


def strict(expression: str, name: str) -> None:
    """Refuse what eventcron reads in five fields, and *name* does not: ``L``, ``W``, ``#``, ``H``, wrapped ranges.

    Raises:
        InvalidExpression: *expression* has one of these, or is not valid anyway.
    """
    texts = expression.split()
    if len(texts) != _FIELDS:
        refuse_count(expression, len(texts), f"{_FIELDS}: {UNIX.order}")
    for field, text in zip(UNIX.fields, texts, strict=True):
        for term in text.split(","):
            reading = read_field(field, term, key=None)
            if reading.rules or "L" in term.upper().split(","):
                field.refuse(term, f"no L, W or #: {name} has none; eventcron itself reads {expression!r}")
            if len(reading.spans) != 1 or reading.spans[0].first < field.low:
                field.refuse(
                    term, f"the smaller value first: {name} asks for it; eventcron itself reads {expression!r}"
                )


def _hashed(text: str) -> str:
    """Write cronie's random values as hashed ones. cronie chooses when it starts, the hash once and for all."""

    def term(matched: re.Match[str]) -> str:
        step = matched["step"] or ""
        if not matched["first"] and not matched["last"]:
            return f"H{step}"
        if not matched["first"] or not matched["last"]:
            raise InvalidExpression(field="expression", given=shorten(text), allowed="both ends of a~b, or ~ alone")
        return f"H({matched['first']}-{matched['last']}){step}"

    return _RANDOM.sub(term, text)
