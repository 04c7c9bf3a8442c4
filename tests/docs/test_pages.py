"""What every page must be: reachable, with links that lead somewhere, and examples that are what they say."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import jsonschema
import msgspec
import pytest

import eventcron
from eventcron.model.commands import COMMANDS
from eventcron.model.messages import Fire
from eventcron.model.names import Moment
from eventcron.timing.instant import from_datetime
from eventcron.wire.decode import decode_detail
from eventcron.wire.encode import fire_id
from tests.docs.console import Typed, matches, sessions
from tests.docs.pages import PAGES, ROOT, anchors, blocks, links, read, rows

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
PARTS = ["Context", "Decision", "Consequences", "Alternatives"]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _tests() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in [path.name, *re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)]
    }


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        ahead += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link]

    assert set(PAGES) - reached == set()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_json_on_a_page_is_what_the_code_would_take_or_send(page: Path) -> None:
    for text in blocks(_name(page), "json"):
        event = json.loads(text)
        kind = event.get("detail-type")
        if kind is None:  # a policy, not an event
            assert all("Effect" in statement for statement in event.get("Statement", [event]))
            continue
        if kind in COMMANDS:
            decode_detail(json.dumps(event["detail"]).encode(), COMMANDS[kind])
            continue
        schema = json.loads((ROOT / "events" / "schemas" / f"{kind.lower().replace(' ', '-')}.schema.json").read_text())
        jsonschema.validate(event["detail"], schema)


@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md", "docs/reference/events.md"])
def test_the_fire_on_a_page_carries_its_own_id(page: str) -> None:
    (detail,) = [json.loads(text)["detail"] for text in blocks(page, "json") if "local_time" in text]
    due = from_datetime(msgspec.convert(detail["due"], Moment))
    fire = Fire(detail["tenant"], detail["name"], detail["revision"], due, due)

    assert detail["fire_id"] == fire_id(fire)


def test_tests_named_on_a_page_exist() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+(?:\.py)?)`", page.read_text())}

    assert len(named) > 10
    assert named - _tests() == set()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_files_named_on_a_page_exist(page: Path) -> None:
    inside = r"`((?:src|tests|infra|events|examples|scripts|tools|benchmarks)/[\w./-]+)`"
    made = {line.rstrip("/") for line in read(".gitignore").splitlines()}  # by a command that the page names
    named = set(re.findall(inside, page.read_text())) - made

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", read("CHANGELOG.md"), re.MULTILINE)

    assert versions[0] == eventcron.__version__
    assert len(versions) == len(set(versions))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_five_parts(page: Path) -> None:
    text = page.read_text()

    assert re.match(rf"# {page.stem[:4]}: .+\n\nStatus: (proposed|accepted|superseded by \[\d{{4}}\])", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS


def test_decisions_are_numbered_in_order_and_indexed() -> None:
    numbers = [int(page.stem[:4]) for page in DECISIONS]
    titles = [page.read_text().splitlines()[0].partition(": ")[2] for page in DECISIONS]
    index = [row[1] for row in rows("docs/decisions/README.md") if row[0].startswith("[")]

    assert all(later == earlier + 1 for earlier, later in pairwise(numbers))
    assert index == titles


def test_a_console_block_is_cut_at_its_prompts() -> None:
    block = "$ eventcron a\none\n\ntwo\n\n$ eventcron b --c 'd e'\n"

    assert list(sessions(block)) == [Typed("eventcron a", ["one", "", "two"]), Typed("eventcron b --c 'd e'", [])]


@pytest.mark.parametrize(
    ("shown", "actual", "same"),
    [
        pytest.param(["a", "b"], ["a", "b"], True, id="the-same"),
        pytest.param(["a"], ["a", "b"], False, id="too-little-shown"),
        pytest.param(["a", "b"], ["a"], False, id="too-much-shown"),
        pytest.param(["a", "…"], ["a", "b", "c"], True, id="a-gap-at-the-end"),
        pytest.param(["a", "…", "c"], ["a", "b", "b", "c"], True, id="a-gap-in-the-middle"),
        pytest.param(["a", "…", "c"], ["a", "c"], True, id="a-gap-of-nothing"),
        pytest.param(["…", "c"], ["a", "b"], False, id="a-gap-before-something-else"),
        pytest.param([], ["a"], False, id="nothing-shown"),
    ],
)
def test_what_is_shown_is_compared_line_by_line(shown: list[str], actual: list[str], same: bool) -> None:
    assert matches(shown, actual) is same
