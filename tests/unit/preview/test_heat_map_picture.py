"""A heat map as SVG and as PNG, for a file and for a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from eventcron.entrypoints.cli.main import main
from eventcron.model.names import Window
from eventcron.preview import heat_map_picture
from eventcron.preview.heat_map_picture import (
    CELL,
    COLOURS,
    EMPTY,
    HEAD,
    LINE,
    NAMES,
    SCALE,
    NoPicture,
    picture,
    require_drawable,
    svg,
    write,
)
from eventcron.rules.heat_map import HeatMap

MIDNIGHT = 1_796_083_200_000  # 2026-12-01
DAY_MS = 86_400_000
HEAT = HeatMap(Window(MIDNIGHT, MIDNIGHT + DAY_MS), {("acme", 0): 100, ("acme", 1): 1, ("<globex>", 95): 7})
SCHEDULES = "\n".join(
    f'{{"tenant": "t{number % 3}", "name": "job-{number}", "expression": "{number} 0 * * *"}}' for number in range(9)
)


def test_the_svg_is_well_formed_and_names_what_it_shows() -> None:
    root = ET.fromstring(svg(picture(HEAT), label='fires "by" <tenant>'))

    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == [
        "all tenants, 2026-12-01T00:00:00Z: 100 fires",
        "all tenants, 2026-12-01T00:15:00Z: 1 fire",
        "all tenants, 2026-12-01T23:45:00Z: 7 fires",
        "acme, 2026-12-01T00:00:00Z: 100 fires",
        "acme, 2026-12-01T00:15:00Z: 1 fire",
        "<globex>, 2026-12-01T23:45:00Z: 7 fires",
    ]
    assert root.attrib["aria-label"] == 'fires "by" <tenant>'
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text and ":" in text and text[0].isdigit()] == [
        f"{hour:02}:00" for hour in range(0, 24, 3)
    ]
    assert texts[-1] == "100 fires in 15 minutes"


def test_svg_and_png_draw_the_same(tmp_path: Path) -> None:
    write(HEAT, tmp_path / "heat.png")
    write(HEAT, tmp_path / "heat.SVG")

    with Image.open(tmp_path / "heat.png") as image:
        assert image.size == (picture(HEAT).width * SCALE, picture(HEAT).height * SCALE)
        row = HEAD + LINE + LINE // 3 + 4

        def colour(part: int) -> str:
            found: Any = image.getpixel(((NAMES + part * CELL + 2) * SCALE, row * SCALE))
            return "#{:02x}{:02x}{:02x}".format(*found)

        assert [colour(0), colour(1), colour(2)] == [COLOURS[-1], COLOURS[0], EMPTY]
    text = (tmp_path / "heat.SVG").read_text()
    assert f'<rect x="{NAMES}" y="{HEAD + LINE + LINE // 3}" width="8" height="16" fill="{COLOURS[-1]}"' in text


def test_days_have_their_dates_above_them() -> None:
    week = HeatMap(Window(MIDNIGHT + 3_600_000, MIDNIGHT + 7 * DAY_MS), {})
    texts = [text.text for text in picture(week).texts]

    assert [text for text in texts if text.startswith("2026-12-")] == [f"2026-12-0{day}" for day in range(2, 8)]


@pytest.mark.parametrize("name", ["heat.gif", "heat", "png"])
def test_another_kind_of_picture_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoPicture, match=r"ends with \.png or \.svg"):
        require_drawable(tmp_path / name)


def test_without_pillow_a_png_says_what_to_install_and_an_svg_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heat_map_picture, "find_spec", lambda _name: None)

    with pytest.raises(NoPicture, match=r"pip install 'eventcron\[console\]'"):
        write(HEAT, tmp_path / "heat.png")
    write(HEAT, tmp_path / "heat.svg")


def test_simulate_plots_what_it_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, plot = tmp_path / "schedules.jsonl", tmp_path / "plot.svg"
    file.write_text(SCHEDULES)

    with pytest.raises(SystemExit) as exited:
        main(["simulate", str(file), "--from", "2026-12-01", "--for", "24h", "--plot", str(plot), "--json"])

    assert exited.value.code == 0
    assert capsys.readouterr().out.startswith("{")
    assert "all tenants, 2026-12-01T00:00:00Z: 9 fires" in plot.read_text()


@pytest.mark.parametrize(
    ("plot", "says"), [("plot.gif", "ends with .png or .svg"), ("none/plot.svg", "cannot be written: No such file")]
)
def test_a_plot_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plot: str, says: str
) -> None:
    file = tmp_path / "schedules.jsonl"
    file.write_text(SCHEDULES)

    with pytest.raises(SystemExit) as exited:
        main(["simulate", str(file), "--for", "1h", "--plot", str(tmp_path / plot)])

    assert exited.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
