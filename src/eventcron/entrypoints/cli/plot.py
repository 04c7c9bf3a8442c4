"""The option ``--plot`` of ``upcoming`` and ``simulate``: the heat map of what they count, as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from eventcron.preview.heat_map_picture import require_drawable


def _drawable(_context: click.Context, _option: click.Parameter, file: Path | None) -> Path | None:
    """Refuse what cannot be drawn before anything is computed."""
    if file is not None:
        require_drawable(file)
    return file


plot_option = click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_drawable,
    metavar="FILE",
    help="Draw when each tenant fires how much, as FILE.png or FILE.svg.",
)
