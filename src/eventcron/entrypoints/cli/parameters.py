"""What several commands take: instants and spans, with errors that say what is allowed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click

from eventcron.model.names import Instant
from eventcron.timing.instant import from_datetime

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+)(ms|[smhdw])")


class _InstantType(click.ParamType[Instant]):
    """RFC 3339, or a date alone; without an offset it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Instant:
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(value)
            return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time; give RFC 3339 such as 2026-03-29T01:00:00Z, or a date", param, ctx)


class _SpanType(click.ParamType[int]):
    """Milliseconds, from text such as ``90s``, ``24h`` or ``1d12h``."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        parts = _PART.findall(value)
        if not parts or "".join(number + unit for number, unit in parts) != value:
            self.fail(f"{value!r} is not a span; give a number and s, m, h, d or w, such as 90s or 24h", param, ctx)
        span = sum(int(number) * _UNIT_MS[unit] for number, unit in parts)
        if not span:
            self.fail(f"{value!r} is no time at all; give a span longer than 0", param, ctx)
        return span


INSTANT = _InstantType()
SPAN = _SpanType()
