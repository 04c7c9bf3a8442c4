"""The project uses the field's words. Words that it has replaced must not come back, and the glossary stays short."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "docs", "infra", "events", "tools")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
SUFFIXES = {".html", ".json", ".jsonl", ".md", ".py", ".toml", ".yaml", ".yml"}

#: The largest glossary that a newcomer reads.
MAX_GLOSSARY = 25


class Rule(NamedTuple):
    """A replaced word: a regular expression, what to write instead, and a text that has the word."""

    pattern: str
    instead: str
    example: str


#: Forbidden in the prose and the names of ``FOLDERS`` and ``PAGES``, and in the names of ``tests``. They are matched
#: without regard to case, after ``LetterBox`` and ``letter_box`` have become ``letter box`` and line breaks have become
#: spaces.
PHRASES = (
    Rule(r"\bfacts?\b", "event", "publishes a fact"),
    Rule(r"\b(?:owed?|owes|owing|debts?)\b", "pending", "record.owed"),
    # DynamoDB has a billing mode ``PAY_PER_REQUEST``.
    Rule(r"\b(?:paid|pays?|paying)\b(?! per request)", "deliver pending, or cost", "the debt is paid here"),
    # Patterns and names may consist of letters and digits.
    Rule(
        r"(?<!dead )(?<!dead-)(?<!three-)\bletters?\b(?! and digits)(?!, digits)",
        "dead letter",
        "async def take(letter)",
    ),
    Rule(r"\bletter ?box(?:es)?\b", "dead-letter queue", "DeadLetterBox"),
    Rule(r"\b(?:bury|buries|buried|burying)\b", "send_to_dlq", "what is buried"),
    Rule(r"\bways? back\b", "redrive target", "ways_back.py"),
    Rule(r"\b(?:un)?told\b|\btelling\b|\btells? of\b", "reported", "what the alarm is told"),
    Rule(r"\bmend(?:s|ed|ing)?\b", "repair", "mend_wake"),
    # "to take place", to happen, is everyday English.
    Rule(r"\btak(?:e|es|en|ing) (?:no |more )*places\b", "acquire", "await ledger.take_places(request)"),
    Rule(r"\bleash(?:es)?\b", "parent pipe", "a leash for children"),
    Rule(r"\bbeside\b", "next to, or run_with", "what runs beside it"),
    Rule(r"\bcorrections\b", "ministack_patches", "local.corrections"),
    # Packages come from a package registry.
    Rule(r"(?<!package )(?<!package-)\bregistry\b", "lifecycle", "core/registry.py"),
    Rule(r"\bplans? queues?\b", "segment queue", "class SqsPlanQueue"),
    Rule(r"\bweather\b", "fault profile", "calm weather"),
    Rule(r"\bgusts?\b", "fault profile", "gusts"),
    Rule(r"\bstorms?\b", "fault profile", "a storm of throttles"),
    Rule(r"\bdice\b", "SeededRandom", "roll the dice"),
    Rule(r"\berrands?\b", "other commands", "errands"),
    Rule(r"\bevidence\b", "observations", "the evidence"),
    # ``click.echo`` prints, ``echo`` is a command of the shell, and CloudFormation has ``NoEcho``.
    Rule(r"\bechoe[sd]\b|\b(?:an|the|each|every) echo\b", "redelivered", "the echo of a pack"),
    Rule(r"\bdrag(?:s|ged|ging)?\b", "cpu_starved", "dragged down"),
    Rule(r"(?<!time )(?<!time-)\bstamps?\b", "Version", "the stamp of a command"),
    Rule(r"\bsettle[sd]?\b|\bsettling\b", "all_of, or deliver pending", "await settle(*tasks)"),
)

#: Everyday words in the names of tests, of which each is a sentence: ``test_two_crashes_are_told_apart``.
SENTENCES = {"reported", "next to, or run_with"}

#: Forbidden as an identifier in ``CODE``, with or without underscores around it. As prose, and as a part of longer
#: names, these are everyday words: "what went wrong", "plan a segment".
NAMES = {
    "Coming": "…Report",
    "Dealt": "…Report",
    "Keeper": "Snapshot…",
    "Outlook": "…Report",
    "Pass": "…Report",
    "Place": "QuotaRequest or Version",
    "Plan": "IndexEntry",
    "Survey": "…Report",
    "Went": "…Outcome",
    "dealt": "report",
    "defined": "put_revision",
    "forget": "delete_expired",
    "forgotten_at": "expires_at",
    "in_words": "describe_trigger",
    "keeping": "snapshot",
    "outlook": "report",
    "survey": "report",
    "switched": "pause_revision",
    "tell": "report_end, or publish",
    "told": "reported",
    "went": "outcome",
    "words": "describe, or text",
}

#: Of these, everyday words in tests: a test's helper may forget, and what it reads may be words.
EVERYDAY = {"defined", "forget", "keeping", "switched", "went", "words"}

#: The folders whose identifiers are compared. The acceptance tests call ``facts`` what ``eventcron dev`` prints about
#: itself. Prose in tests is not compared: its words are everyday ones, as in "answers as told" or "the same letters".
CODE = ("src", "tools", "tests")
EXEMPT = ROOT / "tests" / "acceptance"

#: Forbidden as the name of a module. Elsewhere they have their usual meaning: performance, orders of magnitude.
MODULES = {
    "cast": "samples",
    "corrections": "ministack_patches",
    "echo": "redelivered",
    "facts": "events",
    "glance": "progress",
    "keeper": "snapshot",
    "keeping": "snapshot",
    "kept": "snapshot",
    "leash": "parent_pipe",
    "letters": "dead_letters",
    "orders": "sent",
    "performance": "run",
    "places": "quota",
    "registry": "lifecycle",
    "shares": "subscriptions",
    "words": "describe",
}


def _files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES and path.is_file())
    yield from (ROOT / page for page in PAGES)


def _code(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in (ROOT / folder).rglob("*.py") if not path.is_relative_to(EXEMPT))


def _split(text: str) -> str:
    """Write names as words and the whole text on one line: ``DeadLetter``, ``dead_letter`` → ``dead letter``."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+", " ", text)
    return re.sub(r"\s*\n[\s>]*(?:#:?)?\s*", " ", apart)


def _names(path: Path) -> set[str]:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


_TEXTS = {path.relative_to(ROOT): _split(path.read_text(encoding="utf-8")) for path in _files()}
_NAMES = {path.relative_to(ROOT): _names(path) for path in _code(*CODE)}


@pytest.mark.parametrize("rule", PHRASES, ids=lambda rule: rule.instead.replace(" ", "-"))
def test_a_replaced_word_does_not_come_back(rule: Rule) -> None:
    found = [
        f"{path}: …{text[max(0, match.start() - 40) : match.end() + 30]}…"
        for path, text in _TEXTS.items()
        for match in re.finditer(rule.pattern, text, re.IGNORECASE)
    ]

    assert not found, "\n".join([f"write {rule.instead!r} in:", *found])


@pytest.mark.parametrize(
    "rule", [rule for rule in PHRASES if rule.instead not in SENTENCES], ids=lambda rule: rule.instead.replace(" ", "-")
)
def test_no_test_has_a_replaced_word_in_a_name(rule: Rule) -> None:
    found = [
        f"{path}: {name}, write {rule.instead!r}"
        for path, names in _NAMES.items()
        if path.parts[0] == "tests"
        for name in sorted(names)
        if re.search(rule.pattern, _split(name), re.IGNORECASE)
    ]

    assert not found, "\n".join(found)


def test_a_replaced_name_does_not_come_back() -> None:
    found = [
        f"{path}: {name}, write {NAMES[name.strip('_')]}"
        for path, names in _NAMES.items()
        for name in sorted(names)
        if name.strip("_") in (NAMES.keys() - EVERYDAY if path.parts[0] == "tests" else NAMES)
    ]

    assert not found, "\n".join(found)


def test_a_replaced_module_does_not_come_back() -> None:
    found = [
        f"{path.relative_to(ROOT)}, write {MODULES[path.stem]}"
        for folder in ("src", "tools")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.stem in MODULES and (path.is_dir() or path.suffix == ".py")
    ]

    assert found == []


@pytest.mark.parametrize("rule", PHRASES, ids=lambda rule: rule.instead.replace(" ", "-"))
def test_a_pattern_finds_its_word(rule: Rule) -> None:
    assert re.search(rule.pattern, _split(rule.example), re.IGNORECASE)


@pytest.mark.parametrize("name", ["SETTLED_MS", "_untold", "is_told_once", "a_letter", "LETTER_ID", "deadLetterBox"])
def test_a_word_is_found_in_a_name(name: str) -> None:
    assert [rule.instead for rule in PHRASES if re.search(rule.pattern, _split(name), re.IGNORECASE)] != []


@pytest.mark.parametrize(
    "text",
    [
        "a factory of payloads",
        "the dead\n    # letter queue",
        "class DeadLetterQueue",
        "a dead-letter queue",
        "three-letter names of months",
        "letters and digits",
        "the change takes place at midnight",
        "the package registry",
        "a timestamp, time_stamp",
        "click.echo(text)",
        "besides the tick",
        "BillingMode: PAY_PER_REQUEST",
        "NoEcho: true",
    ],
)
def test_everyday_and_aws_words_are_allowed(text: str) -> None:
    assert [rule.instead for rule in PHRASES if re.search(rule.pattern, _split(text), re.IGNORECASE)] == []


def _glossary() -> list[str]:
    """The entries of the glossary. An entry starts a list item or a table row with one or more terms in bold."""
    (page,) = (ROOT / "docs").rglob("glossary.md")
    return re.findall(r"^(?:- |\| |)(\*\*.+?\*\*(?:(?:, | / |, or )\*\*.+?\*\*)*)", page.read_text(), re.MULTILINE)


def test_the_glossary_is_short() -> None:
    assert 0 < len(_glossary()) <= MAX_GLOSSARY


@pytest.mark.parametrize("entry", _glossary())
def test_the_code_uses_every_word_of_the_glossary(entry: str) -> None:
    code = [text for path, text in _TEXTS.items() if path.suffix == ".py" and path.parts[0] != "tools"]
    terms = re.findall(r"\*\*(.+?)\*\*", entry)

    assert [
        term for term in terms if not any(re.search(rf"\b{re.escape(term)}", text, re.IGNORECASE) for text in code)
    ] == []
