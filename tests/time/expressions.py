"""Random expressions of every dialect, random exclusions and clock changes, all from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from eventcron.model.commands import DaylightSaving, Schedule
from eventcron.oracle.occurrences import zone_info

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/London",
    "Europe/Oslo",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Nuuk",
    "Africa/El_Aaiun",
    "Asia/Gaza",
]
FIRST_YEAR, LAST_YEAR = 2000, 2040

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@lru_cache(maxsize=32)
def changes(zone: str) -> tuple[datetime, ...]:
    """Return the zone's clock changes of 2000-2040, naive UTC to the minute; if none, the middle of each year."""
    info = zone_info(zone)
    moment, end = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
    found = []
    offset = moment.astimezone(info).utcoffset()
    while moment < end:
        following = moment + timedelta(hours=6)
        if following.astimezone(info).utcoffset() != offset:
            while moment.astimezone(info).utcoffset() == offset:
                moment += timedelta(minutes=1)
            offset = moment.astimezone(info).utcoffset()
            found.append(moment.replace(tzinfo=None))
        moment = following
    quiet = (datetime.fromisoformat(f"{year}-07-01") for year in range(FIRST_YEAR, LAST_YEAR + 1))
    return tuple(found) or tuple(quiet)


class Maker:
    """Makes schedules, mostly with times of day near a clock change."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def schedule(self, zone: str, *, seconds: bool = False, exclude: Sequence[str] = ()) -> Schedule:
        choose = self.random
        return Schedule(
            tenant="acme",
            name="job",
            expression=self.expression(seconds=seconds),
            timezone=zone,
            daylight_saving=DaylightSaving(
                gap=choose.choice(["shift", "shift", "skip"]), overlap=choose.choice(["once", "once", "twice"])
            ),
            exclude=list(exclude),
        )

    def expression(self, *, seconds: bool = False) -> str:
        choose = self.random
        minute, hour, month = self.minute(), self.hour(), self.month()
        form = "seconds" if seconds else choose.choice(["unix", "unix", "unix", "seconds0", "year", "eventbridge"])
        if form == "eventbridge":
            day, weekday = (self.day(), "?") if choose.random() < 0.5 else ("?", self.weekday(1))
            return f"cron({minute} {hour} {day} {month} {weekday} {self.year()})"
        day, weekday = self.day(), self.weekday(0)
        if choose.random() < 0.5:
            day, weekday = choose.choice([("*", "*"), (day, "*"), ("*", weekday), ("?", weekday), (day, "?")])
        five = f"{minute} {hour} {day} {month} {weekday}"
        if form == "unix":
            return five
        second = (
            "0" if form == "seconds0" else self.numbers(0, 59, dense=0.3) if seconds else choose.choice(["0", "0,30"])
        )
        return f"{second} {five} {self.year()}" if form == "year" else f"{second} {five}"

    def exclude(self, around: datetime) -> tuple[str, ...]:
        choose = self.random
        day = (around + timedelta(days=choose.randint(-1, 1))).date()
        entries = [
            day.isoformat(),
            f"{day.isoformat()}/{(day + timedelta(days=choose.randint(0, 2))).isoformat()}",
            f"* {self.hour()} * * *",
            f"{self.minute()} * {day.day} * *",
            f"30-59 {self.minute()} {self.hour()} ? * {self.weekday(0)}",
        ]
        return tuple(choose.sample(entries, choose.randint(1, 2)))

    def minute(self) -> str:
        return self.numbers(0, 59, dense=0.35)

    def hour(self) -> str:
        if self.random.random() < 0.4:
            return self.random.choice(
                ["0", "1", "2", "3", "23", "0-3", "1,2", "2-3", "22-2", "*", "*/2", "0/1", "0-23"]
            )
        return self.numbers(0, 23, dense=0.35)

    def month(self) -> str:
        if self.random.random() < 0.8:
            return "*"
        return self.numbers(1, 12, names=_MONTHS, dense=0.2)

    def day(self) -> str:
        choose = self.random
        if choose.random() < 0.35:
            return "*"
        if choose.random() < 0.25:
            special = [
                "L",
                "LW",
                f"L-{choose.randint(0, 30)}",
                f"L-{choose.randint(0, 10)}W",
                f"{choose.randint(1, 31)}W",
            ]
            return ",".join(choose.sample([*special, self.numbers(1, 31, dense=0)], choose.randint(1, 2)))
        return self.numbers(1, 31, dense=0.3)

    def weekday(self, first: int) -> str:
        choose = self.random
        if choose.random() < 0.35:
            return "*"
        if choose.random() < 0.25:
            name = choose.choice([*_DAYS, *map(str, range(first, 8))])
            return choose.choice(["L", f"{name}L", f"{name}#{choose.randint(1, 5)}", f"{name}#1,{name}#3"])
        return self.numbers(first, 7, names=_DAYS, dense=0.2)

    def year(self) -> str:
        return self.random.choice(["*", "*", "*", "2000-2040", "2001-2039/2", "2011,2026,2027", "1970/2"])

    def numbers(self, low: int, high: int, *, dense: float, names: Sequence[str] = ()) -> str:
        """Return a list of terms. With probability *dense*, it starts with ``*``."""
        choose = self.random
        if choose.random() < dense:
            return choose.choice(["*", "*", f"*/{choose.randint(1, 70)}", f"*/{choose.choice([2, 5, 15, 30])}"])
        return ",".join(self._term(low, high, names) for _ in range(choose.choice([1, 1, 1, 2, 3])))

    def _term(self, low: int, high: int, names: Sequence[str]) -> str:
        choose = self.random
        first, last = choose.randint(low, high), choose.randint(low, high)
        texts = [str(first), str(last)]
        if names and choose.random() < 0.4:
            texts = [choose.choice(names), choose.choice(names)]
            texts = [choose.choice([text, text.lower(), text.title()]) for text in texts]
        step = choose.choice([1, 2, 3, 5, 7, 10, 15, 20, 30, 45])
        return choose.choice(
            [
                texts[0],
                texts[0],
                texts[0],
                "-".join(texts),
                "-".join(texts),
                f"{'-'.join(texts)}/{step}",
                f"{texts[0]}/{step}",
            ]
        )
