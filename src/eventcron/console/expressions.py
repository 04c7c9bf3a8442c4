"""The page Expression. It needs no deployment."""

from __future__ import annotations

from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eventcron.adapters.clock import SystemClock
from eventcron.console.charts import time_line
from eventcron.console.site import Site
from eventcron.errors import InvalidExpression, InvalidSchedule
from eventcron.model.commands import DaylightSaving
from eventcron.model.names import MAX_EXPRESSION_CHARS, Instant, Window
from eventcron.timing.convert import WRITERS, convert
from eventcron.timing.daylight import LATEST
from eventcron.timing.explain import clock_rule, describe_trigger, dialect_name, nights_of_year
from eventcron.timing.notation import Notation
from eventcron.timing.trigger import Trigger, local_time, occurrences, parse

#: Occurrences that are shown.
COUNT = 10
#: As many as a schedule takes.
MOST_EXPRESSIONS, MOST_EXCLUSIONS = 16, 64
EXAMPLE = {
    "expression": "30 2 * * MON-FRI",
    "timezone": "Europe/Oslo",
    "gap": "shift",
    "overlap": "once",
    "exclude": "",
}


def routes(site: Site) -> list[Route]:
    async def expression(request: Request) -> Response:
        given = {name: request.query_params.get(name, text) for name, text in EXAMPLE.items()}
        return site.page(request, "expression.html", given=given, **explained(given, SystemClock().now()))

    return [Route("/expression", expression)]


def explained(given: dict[str, str], now: Instant) -> dict[str, Any]:
    """What the expressions in *given* mean, when they fire after *now*, and what they are elsewhere; or the mistake."""
    expressions, exclude = _lines(given["expression"]), _lines(given["exclude"])
    try:
        trigger = _trigger(given, expressions, exclude, now)
        following = list(islice(occurrences(trigger, Window(now + 1, LATEST * 1000)), COUNT))
    except InvalidSchedule as error:
        return {"error": error, "result": None}
    zone = trigger.timezone
    changes = nights_of_year(trigger, now)
    last = following[-1] if following else now
    between = [night.change.at for night in changes if night.change.at <= last]
    return {
        "error": None,
        "result": {
            "sentence": describe_trigger(trigger),
            "dialects": [(text, dialect_name(text)) for text in expressions],
            "kinds": list(dict.fromkeys(clock_rule(item) for item in trigger.items)),
            "following": [(at, local_time(at, zone, millis=False)) for at in following],
            "line": time_line(following, between, now=now, label=f"The next {len(following)} occurrences"),
            "nights": changes,
            "conversions": [] if len(expressions) != 1 else _conversions(expressions[0], now),
        },
    }


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _trigger(given: dict[str, str], expressions: list[str], exclude: list[str], now: Instant) -> Trigger:
    for field, texts, most in (
        ("expression", expressions, MOST_EXPRESSIONS),
        ("exclude", exclude, MOST_EXCLUSIONS),
    ):
        longest = max(map(len, texts), default=0)
        if len(texts) > most or longest > MAX_EXPRESSION_CHARS or (field == "expression" and not texts):
            allowed = f"at most {most} lines of at most {MAX_EXPRESSION_CHARS} characters"
            given_text = "nothing" if not texts else f"{len(texts)} lines of at most {longest} characters"
            raise InvalidExpression(field=field, given=given_text, allowed=allowed)
    policy = DaylightSaving(
        gap="skip" if given["gap"] == "skip" else "shift", overlap="twice" if given["overlap"] == "twice" else "once"
    )
    timezone = given["timezone"].strip() or "UTC"
    return parse(expressions, timezone=timezone, daylight_saving=policy, exclude=exclude, anchor=now).shown_in(timezone)


def _conversions(expression: str, now: Instant) -> list[tuple[str, str, str]]:
    """For each dialect its name, and the expression or why it has none."""
    found = []
    for target in WRITERS:
        try:
            found.append((str(target), convert(expression, Notation.EVENTCRON, target, checked_from=now), ""))
        except InvalidExpression as error:
            found.append((str(target), "", f"{error.given}: {error.allowed}"))
    return found
