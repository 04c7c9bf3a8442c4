"""Copies of eventcron with faults in them, for tests of what has to notice a fault."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import eventcron
from eventcron.local import template

PACKAGE = Path(eventcron.__file__).parent


class Fault(NamedTuple):
    """*replacement* instead of *text*, which occurs once in *file*: see ``tests/house/test_planted_faults.py``."""

    file: str
    text: str
    replacement: str

    def plant(self, source: Path) -> None:
        """Change the file of the eventcron in *source*."""
        file = source / "eventcron" / self.file
        file.write_text(self.planted(file.read_text(encoding="utf-8")), encoding="utf-8")

    def planted(self, code: str) -> str:
        """The file's *code* with the fault in it."""
        assert code.count(self.text) == 1, f"{self.file} is not what this breaks any more"
        return code.replace(self.text, self.replacement)


PUBLISHES_NOTHING_EVERY_SEVENTH_SECOND = Fault(
    "app/executor.py",
    "                judged = sort_fires(part, ",
    """\
                part = [one for one in part if one.due // 1000 % 7]
                judged = sort_fires(part, """,
)
SKIPS_THE_FIRST_SEGMENT = Fault(
    "app/planner.py",
    "        chosen = list(segments)\n",
    "        chosen = [segment for segment in segments if segment != 0]\n",
)
#: An executor that dies has recorded packs that it did not publish.
RECORDS_BEFORE_IT_PUBLISHES = Fault(
    "app/executor.py",
    "        await all_of(self._publish_at(at, those, ",
    """\
        now = self._clock.now()
        await self._packs.record(pack.id, now=now, expires=self._expires(now))
        await all_of(self._publish_at(at, those, """,
)
#: A planner that dies has committed a window that it did not send. It waits for eight of its twenty seconds, in which a
#: busy machine finds and kills it; what a live one sends after them is still in time.
COMMITS_BEFORE_IT_SENDS = Fault(
    "app/planner.py",
    "        looked_up: set[Key] = set()\n        while True:\n",
    """\
        looked_up: set[Key] = set()
        await self._leases.commit(lease)
        self._mover._held[lease.segment] = lease.fence, lease.lease_until  # it believes that it has its lease still
        await asyncio.sleep(8)
        while True:
""",
)
#: No fault: other code that does the same.
DIFFERS_IN_A_COMMENT = Fault("app/moves.py", "#: Conditional ``wake``", "#: Changed. Conditional ``wake``")


def broken(directory: Path, *faults: Fault) -> Path:
    """Copy eventcron into *directory*, plant *faults*, and return the folder to import it from."""
    source = directory / "src"
    shutil.copytree(PACKAGE, source / "eventcron", ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "infra").mkdir()
    shutil.copy(template.find(), directory / "infra")
    for fault in faults:
        fault.plant(source)
    return source
