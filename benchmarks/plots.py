"""Draws cost against size, and lateness against the fires of one instant."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

mpl.rcParams["svg.hashsalt"] = "eventcron"  # the same figures make the same file
PREFIX = "planner, real, "
BASELINES = {"sequential": "(a) boto3, sequential", "gathered": "(b) aiobotocore, gather"}


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what *figures* has into *folder*, each as PNG and SVG."""
    made = []
    for name, figure in (("cost", _cost(figures)), ("lateness", _lateness(figures))):
        if figure is None:
            continue
        for kind in ("png", "svg"):
            path = folder / f"{name}.{kind}"
            figure.savefig(path, dpi=144, metadata={"Date": None} if kind == "svg" else None)
            made.append(path)
    return made


def _middle(runs: list[dict[str, Any]]) -> float:
    return float(median(run["us_each"] for run in runs))


def _cost(figures: dict[str, Any]) -> Figure | None:
    sizes = sorted(int(name.removeprefix(PREFIX)) for name in figures if name.removeprefix(PREFIX).isdigit())
    if not sizes:
        return None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(sizes, [_middle(figures[f"{PREFIX}{size}"]) for size in sizes], marker="o", label="eventcron")
    for name, label in BASELINES.items():
        ran = figures[f"{PREFIX}{name}"]
        axes.axhline(_middle(ran), linestyle="--", color="C1" if name == "sequential" else "C2", label=label)
    axes.set(xscale="log", yscale="log", xlabel="dense schedules, real mix", ylabel="µs of a core for a schedule")
    axes.set_title("What a tick costs for each schedule")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    return figure


def _lateness(figures: dict[str, Any]) -> Figure | None:
    late: dict[str, list[float]] = figures.get("lateness", {})
    if not late:
        return None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for count, values in late.items():
        shares = [100 * (number + 1) / len(values) for number in range(len(values))]
        axes.plot(values, shares, label=f"{count} fires")
    axes.set(xlabel="ms from the instant to the event's arrival", ylabel="% of the fires")
    axes.set_title("Lateness of fires that are due at once in one executor")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure
