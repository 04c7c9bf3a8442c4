"""The console as an ASGI application."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from eventcron.adapters.aws.failures import ERRORS
from eventcron.console import expressions, live_page, operators, overview, schedules
from eventcron.console.security import Guard
from eventcron.console.site import Site
from eventcron.errors import EventcronError

STATIC = Path(__file__).parent / "static"


def application(
    site: Site, *, hosts: Collection[str], port: int, any_address: bool = False, dropped: Path | None = None
) -> ASGIApp:
    """The pages of *site*, served under *hosts*; see ``Guard``.

    *dropped* is the directory of the file that keeps the dead letters that were dropped: by default the working one.
    """

    async def failed(request: Request, error: Exception) -> Response:
        status, sentence = _said(error)
        return site.page(request, "error.html", status=status, sentence=sentence, code=status)

    routes: Sequence[Route | Mount] = [
        *overview.routes(site),
        *schedules.routes(site),
        *live_page.routes(site),
        *operators.routes(site, dropped=dropped or Path.cwd()),
        *expressions.routes(site),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    handled = (EventcronError, *ERRORS, HTTPException)
    app = Starlette(routes=routes, exception_handlers=dict.fromkeys(handled, failed))
    return Guard(
        app,
        hosts=hosts,
        port=port,
        any_address=any_address,
        token=site.token,
        allow_changes=site.allow_changes,
    )


def _said(error: Exception) -> tuple[int, str]:
    """The status and the sentence for *error*."""
    if isinstance(error, HTTPException):
        return error.status_code, error.detail
    return 503, str(error)
