"""Draws a heat map: a line for each tenant, time from left to right, darker where more fires are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from eventcron.errors import EventcronError
from eventcron.model.names import Instant
from eventcron.rules.heat_map import HeatMap, Row, cell_ms
from eventcron.timing.instant import rfc3339

#: Tenants that have a line of their own.
MOST_ROWS = 20
#: Pixels: a cell with its gap, the names, the head with the times, the foot with the legend.
CELL, LINE, NAMES, HEAD, FOOT = 9, 18, 190, 26, 30
#: From one fire to the most: yellow, green, blue, after ColorBrewer's YlGnBu.
COLOURS = ("#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#253494", "#081d58")
INK, EMPTY, PAPER = "#24292f", "#f0f1f3", "#ffffff"
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
#: Pixels of the file for one of the picture.
SCALE = 2
#: Characters of a name that fit in front of its line.
LONGEST_NAME = 28
#: Times that fit above the map.
MOST_TIMES = 9
#: The ends of files that can be written.
ENDINGS = (".png", ".svg")


class NoPicture(EventcronError):
    """The picture cannot be made. The message says why, and what to do."""


class _Box(NamedTuple):
    x: int
    y: int
    width: int
    height: int
    #: The number of its colour; None = no fire.
    level: int | None
    title: str = ""


class _Text(NamedTuple):
    x: int
    y: int
    text: str
    #: Where the text stands relative to ``x``: it starts or ends there.
    anchor: str = "start"
    #: The instant that it shows; None = it shows none.
    at: Instant | None = None


class Picture(NamedTuple):
    """The parts of a drawing."""

    width: int
    height: int
    boxes: Sequence[_Box]
    texts: Sequence[_Text]


def write(heat: HeatMap, file: Path) -> None:
    """Write *heat* to *file*, as PNG or SVG by the end of its name.

    Raises:
        NoPicture: the end is another one, a package is missing, or the file cannot be written.
    """
    kind = file.suffix.lower()
    if kind not in ENDINGS:
        raise NoPicture(f"{file} is no picture that can be drawn; give a name that ends with {' or '.join(ENDINGS)}")
    drawn = picture(heat)
    content = _png(drawn) if kind == ".png" else svg(drawn, label="Fires by tenant and time").encode()
    try:
        file.write_bytes(content)
    except OSError as error:
        raise NoPicture(f"{file} cannot be written: {error.strerror}") from error


def picture(heat: HeatMap) -> Picture:
    """*heat* as boxes and texts."""
    rows, starts = heat.rows(MOST_ROWS), heat.starts
    most = [max(rows[0].counts, default=0), max((max(row.counts) for row in rows[1:]), default=0)]
    boxes: list[_Box] = []
    texts: list[_Text] = []
    for line, row in enumerate(rows):
        top = HEAD + line * LINE + (LINE // 3 if line else 0)
        texts.append(_Text(NAMES - 8, top + 12, _short(row.name), "end"))
        boxes += _line(row, starts, top, most[min(line, 1)])
    height = HEAD + len(rows) * LINE + LINE // 3 + FOOT
    width = NAMES + len(starts) * CELL + 16
    texts += _times(starts, cell_ms(heat.window))
    legend = _legend(height - FOOT + 10, max(most[1], 1))
    return Picture(width, height, [*boxes, *legend.boxes], [*texts, *legend.texts])


def _line(row: Row, starts: Sequence[Instant], top: int, most: int) -> Iterator[_Box]:
    for part, (start, count) in enumerate(zip(starts, row.counts, strict=True)):
        title = f"{row.name}, {rfc3339(start, millis=False)}: {counted(count)}" if count else ""
        yield _Box(NAMES + part * CELL, top, CELL - 1, LINE - 2, level(count, most), title)


def level(count: int, most: int) -> int | None:
    """The number of the colour of *count*, where *most* has the last one. The steps are ratios.

    >>> level(0, 500), level(1, 500), level(20, 500), level(500, 500), level(1, 1)
    (None, 0, 3, 7, 7)
    """
    last = len(COLOURS) - 1
    if count <= 0:
        return None
    return last if most <= 1 else min(last, int(math.log(count) / math.log(most) * last))


def _times(starts: Sequence[Instant], each: int) -> Iterator[_Text]:
    """The times above the map, at whole hours or days."""
    steps = [60_000 * minutes for minutes in (10, 15, 30, 60, 180, 360, 720)] + [
        DAY_MS * days for days in range(1, 400)
    ]
    span = len(starts) * each
    step = next(step for step in steps if span <= step * MOST_TIMES or step == steps[-1])
    for part, start in enumerate(starts):
        if start % step < each:
            text = rfc3339(start, millis=False)
            yield _Text(NAMES + part * CELL, HEAD - 10, text[:10] if step >= DAY_MS else text[11:16], at=start)


def _legend(top: int, most: int) -> Picture:
    boxes = [_Box(NAMES + number * 14, top, 12, 10, number) for number in range(len(COLOURS))]
    right = NAMES + len(COLOURS) * 14 + 6
    texts = [
        _Text(NAMES - 8, top + 9, "UTC;  1 fire", "end"),
        _Text(right, top + 9, f"{counted(most)} of a tenant in one part"),
    ]
    return Picture(0, 0, boxes, texts)


def counted(fires: int) -> str:
    """
    >>> counted(1), counted(1_200)
    ('1 fire', '1,200 fires')
    """
    return f"{fires:,} fire{'s' if fires != 1 else ''}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def svg(drawn: Picture, *, label: str) -> str:
    """*drawn* as an SVG of its own, which is also valid inside of HTML. A page can set other colours by the classes."""
    size = f'width="{drawn.width}" height="{drawn.height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {drawn.width} {drawn.height}" role="img"',
        f' aria-label="{escape(label)}" class="heat" font-family="system-ui, sans-serif" font-size="12">',
        f'<rect {size} fill="{PAPER}" class="paper"/>',
    ]
    for box in drawn.boxes:
        colour, name = (EMPTY, "none") if box.level is None else (COLOURS[box.level], f"l{box.level}")
        title = f"<title>{escape(box.title)}</title>" if box.title else ""
        parts.append(
            f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" fill="{colour}" class="{name}">'
            f"{title}</rect>"
        )
    parts += [
        f'<text x="{text.x}" y="{text.y}" text-anchor="{text.anchor}" fill="{INK}">{escape(text.text)}</text>'
        for text in drawn.texts
    ]
    return "".join([*parts, "</svg>\n"])


def _png(drawn: Picture) -> bytes:
    try:
        from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415  # only a PNG needs it
    except ModuleNotFoundError as error:
        raise NoPicture(
            f"a PNG needs the package {error.name}, which is not installed: run `pip install 'eventcron[console]'`, or"
            " give a name that ends with .svg"
        ) from error
    image = Image.new("RGB", (drawn.width * SCALE, drawn.height * SCALE), PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(12 * SCALE)
    for box in drawn.boxes:
        corner = (box.x * SCALE, box.y * SCALE)
        other = ((box.x + box.width) * SCALE - 1, (box.y + box.height) * SCALE - 1)
        draw.rectangle((corner, other), fill=EMPTY if box.level is None else COLOURS[box.level])
    for text in drawn.texts:
        anchor = {"start": "ls", "end": "rs"}[text.anchor]
        draw.text((text.x * SCALE, text.y * SCALE), text.text, fill=INK, font=font, anchor=anchor)
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
