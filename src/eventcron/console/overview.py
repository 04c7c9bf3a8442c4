"""The pages Overview and Tenants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eventcron.app.redrive import waiting_in
from eventcron.app.segments import segment_rows
from eventcron.app.upcoming import UpcomingReport
from eventcron.console.charts import bars
from eventcron.console.live import LATENESS_MS, Minute
from eventcron.console.site import Site, seconds
from eventcron.preview.heat_map_picture import counted, part_of, picture, svg
from eventcron.rules.heat_map import HeatMap
from eventcron.timing.instant import rfc3339

#: Tenants that are listed.
MOST_TENANTS = 500


def routes(site: Site) -> list[Route]:
    async def overview(request: Request) -> Response:
        return site.page(request, "overview.html", **_now(site))

    async def now(request: Request) -> Response:
        return site.page(request, "overview_now.html", **_now(site))

    async def health(request: Request) -> Response:
        return site.page(request, "overview_health.html", **await _health(site))

    async def forecast(request: Request) -> Response:
        report = await site.forecast.get(site.stack.client.cases)
        return site.page(request, "overview_forecast.html", read=site.forecast.read, **_forecast(report))

    async def tenants(request: Request) -> Response:
        return site.page(request, "tenants.html")

    async def tenant_rows(request: Request) -> Response:
        cases = site.stack.client.cases
        report = await site.forecast.get(cases)
        found = [] if report is None else _tenants(report, site.live.minutes(cases.clock.now()))
        return site.page(
            request, "tenant_rows.html", report=report, read=site.forecast.read, tenants=found[:MOST_TENANTS],
            more=len(found) - MOST_TENANTS, settings=cases.settings,
        )  # fmt: skip

    return [
        Route("/", overview),
        Route("/overview/now", now),
        Route("/overview/health", health),
        Route("/overview/forecast", forecast),
        Route("/tenants", tenants),
        Route("/tenants/rows", tenant_rows),
    ]


def _now(site: Site) -> dict[str, Any]:
    """What the live events say of the last hour."""
    minutes = site.live.minutes(site.stack.client.cases.clock.now())
    fires = [minute.fires for minute in minutes]
    lateness: Counter[int] = sum((minute.lateness for minute in minutes), Counter())
    skips: Counter[str] = sum((minute.skips for minute in minutes), Counter())
    return {
        "began": site.live.began,
        "fires": sum(fires),
        "skips": sorted(skips.items(), key=lambda item: (-item[1], item[0])),
        "failures": sum(minute.failures for minute in minutes),
        "rejections": sum(minute.rejections for minute in minutes),
        "peak": max(fires),
        "first": minutes[0].at,
        "last": minutes[-1].at,
        "per_minute": bars(
            fires,
            [f"{rfc3339(minute.at, millis=False)}: {counted(minute.fires)}" for minute in minutes],
            label=f"Fires per minute over the last hour: {sum(fires):,} in all, at most {max(fires):,} a minute",
        ),
        "late": [(name, lateness[number]) for number, name in enumerate(_lateness_names())],
        "most_late": max(lateness.values(), default=1),
    }


def _lateness_names() -> list[str]:
    return [*(f"< {seconds(end).replace('.0', '')}" for end in LATENESS_MS), "later"]


async def _health(site: Site) -> dict[str, Any]:
    """What only the deployment knows: how far the planner is, and which queues have dead letters."""
    stack = site.stack
    rows = await segment_rows(stack.client.cases)
    lags = [row["lag_ms"] for row in rows if row["lag_ms"] is not None]
    return {
        "lag": max(lags, default=None),
        "late_segments": sum(lag > stack.client.cases.settings.tick_seconds * 1000 for lag in lags),
        "segments": len(rows),
        "dead_letters": await waiting_in(stack.queues, stack.redrive),
    }


def _forecast(report: UpcomingReport | None) -> dict[str, Any]:
    if report is None:
        return {"report": None}
    heat = report.heat_map
    (everyone, *_) = rows = heat.rows(1)
    peak = max(range(len(everyone.counts)), key=lambda part: everyone.counts[part])
    label = f"Fires of the next 24 hours by tenant: {report.fires:,} in all; the table below has them by hour"
    return {
        "report": report,
        "heat_map": Markup(svg(picture(heat), label=label)),  # noqa: S704  its texts are escaped
        "peak": everyone.counts[peak],
        "peak_at": heat.starts[peak],
        "part": part_of(heat.window),
        "hours": _hours(heat, rows[0].counts),
    }


def _hours(heat: HeatMap, counts: Sequence[int]) -> list[tuple[int, int]]:
    """The fires of each hour, by the instant at which it begins."""
    hours: Counter[int] = Counter()
    for start, fires in zip(heat.starts, counts, strict=True):
        hours[start // 3_600_000 * 3_600_000] += fires
    return sorted(hours.items())


def _tenants(report: UpcomingReport, minutes: Sequence[Minute]) -> list[dict[str, Any]]:
    """A row for each tenant, the one with most fires first."""
    live: Counter[str] = sum((minute.tenants for minute in minutes), Counter())
    names = report.schedules_of.keys() | report.tenants.keys()
    rows = [
        {
            "name": name,
            "schedules": report.schedules_of[name],
            "fires": report.tenants[name],
            "share": 100 * report.tenants[name] / max(1, report.fires),
            "last_hour": live[name],
            "busiest": max((minute.tenants[name] for minute in minutes), default=0),
        }
        for name in names
    ]
    return sorted(rows, key=lambda row: (-row["fires"], -row["schedules"], row["name"]))
