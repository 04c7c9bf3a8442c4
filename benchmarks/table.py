"""The table of what must be reached: each figure measured, beside what is required."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """One figure. *required* None = nothing is required of it."""

    what: str
    measured: float | None
    unit: str
    required: float | None = None
    #: The figure may not be more than *required*. Otherwise it may not be less.
    at_most: bool = False
    #: Of a row without a figure: why there is none. Of others: what to know about it.
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether what is required is reached. A figure that was not measured reaches nothing."""
        if self.required is None:
            return True
        if self.measured is None:
            return False
        return self.measured <= self.required if self.at_most else self.measured >= self.required


def text(rows: Sequence[Row]) -> str:
    """*rows* as a table for people."""
    widest = max(len(row.what) for row in rows)
    lines = [f"{'':<{widest}}  {'measured':>14}  {'required':>16}"]
    for row in rows:
        measured = "not measured" if row.measured is None else _figure(row.measured, row.unit)
        bound = "" if row.required is None else f"{'≤' if row.at_most else '≥'} {_figure(row.required, row.unit)}"
        verdict = "" if row.required is None else "ok" if row.holds else "falls short"
        lines.append(f"{row.what:<{widest}}  {measured:>14}  {bound:>16}  {verdict:<11}  {row.note}".rstrip())
    return "\n".join(lines)


def _figure(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 1_000 or value == int(value) else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}".strip()


def short(rows: Iterable[Row]) -> list[Row]:
    """The rows that fall short."""
    return [row for row in rows if not row.holds]
