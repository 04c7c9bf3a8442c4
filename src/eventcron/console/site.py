"""What every page has: the deployment that is shown, the live events, and how a page is made of a template."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from eventcron import __version__
from eventcron.app.redrive import Redrive
from eventcron.client.stored import Reader
from eventcron.client.verbs import Verbs
from eventcron.console.forecast import Forecast
from eventcron.console.live import Live
from eventcron.errors import EventcronError
from eventcron.model.names import Instant
from eventcron.timing.instant import rfc3339

#: Messages that wait for the page that shows them.
MOST_NOTICES = 100
#: The pages: address, name.
PAGES = (
    ("/", "Overview"),
    ("/schedules", "Schedules"),
    ("/live", "Live"),
    ("/dead-letters", "Dead letters"),
    ("/segments", "Segments"),
    ("/tenants", "Tenants"),
    ("/expression", "Expression"),
)


class NothingShown(EventcronError):
    """The console was started without a deployment. The message says why."""


class Stack(NamedTuple):
    """A deployment, opened for the console."""

    #: For people: the stack's name, and where it is.
    name: str
    where: str
    client: Verbs
    #: The dead letters of a queue; see ``Operations``.
    redrive: Callable[[str, str | None], Awaitable[Redrive]]
    queues: Sequence[str]


class Notice(NamedTuple):
    """What came of a change, for the next page."""

    text: str
    good: bool


class Site:
    """The state of the console. *stack* is a sentence that says why there is none, or the deployment."""

    def __init__(self, stack: Stack | str, live: Live, *, allow_changes: bool) -> None:
        self._stack = stack
        self.live = live
        self.allow_changes = allow_changes
        #: Every form carries it. A page of another site cannot read it.
        self.token = secrets.token_urlsafe(32)
        self.forecast = Forecast()
        self._notices: OrderedDict[str, Notice] = OrderedDict()
        self._templates = _templates()

    @property
    def stack(self) -> Stack:
        """The deployment.

        Raises:
            NothingShown: there is none.
        """
        if isinstance(self._stack, str):
            raise NothingShown(self._stack)
        return self._stack

    @property
    def reader(self) -> Reader:
        return Reader(self.stack.client.cases)

    def page(self, request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """The page or part of a page that *template* makes of *context*."""
        text = self._templates.get_template(template).render(
            context,
            path=request.url.path,
            pages=PAGES,
            release=__version__,
            stack=self._stack if isinstance(self._stack, Stack) else None,
            allow_changes=self.allow_changes,
            token=self.token,
            silent=self.live.silent,
            notice=self._notices.pop(request.query_params.get("notice", ""), None),
        )
        return HTMLResponse(text, status)

    def redirect(self, to: str, notice: Notice) -> RedirectResponse:
        """Show *notice* on the page at *to*, which has no query."""
        number = secrets.token_urlsafe(8)
        self._notices[number] = notice
        while len(self._notices) > MOST_NOTICES:
            self._notices.popitem(last=False)
        return RedirectResponse(f"{to}?notice={number}", 303)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("eventcron.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"when": when, "count": count, "seconds": seconds}
    return made


def when(instant: Instant | None, *, millis: bool = False) -> Markup:
    """*instant* in UTC, as an element whose text the script puts into the viewer's zone; a dash for None.

    >>> when(1_764_550_800_000)
    Markup('<time datetime="2025-12-01T01:00:00.000Z">2025-12-01 01:00:00</time>')
    """
    if instant is None:
        return Markup("–")
    text = rfc3339(instant)
    shown = text[:10] + " " + text[11 : 23 if millis else 19]
    kind = Markup(' data-millis=""') if millis else ""
    return Markup('<time datetime="{}"{}>{}</time>').format(text, kind, shown)


def count(number: int) -> str:
    """*number* with separators."""
    return f"{number:,}"


def seconds(ms: int | None) -> str:
    """
    >>> seconds(31), seconds(1_500), seconds(None)
    ('31 ms', '1.5 s', '–')
    """
    if ms is None:
        return "–"
    return f"{ms} ms" if abs(ms) < 1_000 else f"{ms / 1_000:,.1f} s"  # noqa: PLR2004  milliseconds of a second


def as_rfc3339(text: str) -> str:
    """What a field for date and time has, which is in UTC here, as RFC 3339. Anything else stays as it is.

    >>> as_rfc3339("2026-12-01T08:30"), as_rfc3339("2026-12-01T08:30:00+01:00")
    ('2026-12-01T08:30:00Z', '2026-12-01T08:30:00+01:00')
    """
    minutes = len("2026-12-01T08:30")
    return f"{text}:00Z" if len(text) == minutes else text


def utc_moment(text: str) -> datetime:
    """The moment in such a field.

    Raises:
        ValueError: it is none, or has no offset.
    """
    moment = datetime.fromisoformat(as_rfc3339(text))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return moment


Form = Mapping[str, str]
