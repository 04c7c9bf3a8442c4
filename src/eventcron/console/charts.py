"""Drawings without text: bars and a time line. Their texts are HTML, so that they stay readable at any width."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from eventcron.model.names import Instant

#: Units of the drawing, which is stretched to the width of the page.
HEIGHT = 100
WIDTH = 1_000


def bars(values: Sequence[int], titles: Sequence[str], *, label: str) -> Markup:
    """A bar for each value, from left to right. Each title says what its bar is; *label* says it all."""
    most = max([*values, 1])
    each = WIDTH / max(1, len(values))
    parts = [_open(label, "bars")]
    for number, (value, title) in enumerate(zip(values, titles, strict=True)):
        height = max(1.5, value * HEIGHT / most) if value else 0
        parts.append(
            f'<rect x="{number * each + each * 0.08:.1f}" y="{HEIGHT - height:.1f}" width="{each * 0.84:.1f}"'
            f' height="{height:.1f}"><title>{escape(title)}</title></rect>'
        )
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704  every text in it is escaped


def time_line(fires: Sequence[Instant], changes: Sequence[Instant], *, now: Instant, label: str) -> Markup:
    """A line from *now* to the last of *fires*: a mark for each fire, a dashed one for each of *changes*."""
    last = max([*fires, *changes, now + 1])

    def x(at: Instant) -> str:
        return f"{10 + (at - now) * (WIDTH - 20) / (last - now):.1f}"

    parts = [_open(label, "time-line"), f'<line class="axis" x1="0" y1="50" x2="{WIDTH}" y2="50"/>']
    parts += [f'<line class="change" x1="{x(at)}" y1="0" x2="{x(at)}" y2="{HEIGHT}"/>' for at in changes]
    parts += [f'<line class="fire" x1="{x(at)}" y1="20" x2="{x(at)}" y2="80"/>' for at in fires]
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704  every text in it is escaped


def _open(label: str, kind: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(label)}">'
    )
