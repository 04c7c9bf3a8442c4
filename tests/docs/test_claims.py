"""Numbers, counts and lists on the pages are those of the code, the template and the services' settings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from eventcron.adapters.aws.event_bus import EventBridgeBus
from eventcron.app import backfill, delivery, executor, planner
from eventcron.app.handlers import MARGIN_MS
from eventcron.demo import samples
from eventcron.entrypoints.cli.main import COMMANDS as SUBCOMMANDS
from eventcron.entrypoints.rest import openapi
from eventcron.entrypoints.rest.caller import MAX_PRINCIPAL_CHARS
from eventcron.entrypoints.rest.parameters import ListQuery
from eventcron.entrypoints.rest.request import MAX_BODY_BYTES
from eventcron.local import template
from eventcron.local.runtime import LocalSettings
from eventcron.model import names
from eventcron.model.codes import RejectionCode
from eventcron.model.commands import Misfire, Schedule
from eventcron.rules import handover, inputs, leases, lifecycle, misfire, planning, sweeps
from eventcron.settings import FireSource, Settings
from eventcron.timing.convert import WRITERS
from eventcron.timing.notation import Notation
from tests.docs.pages import PAGES, ROOT, codes, read, rows
from tools.faultsim.mutants import MUTANTS
from tools.faultsim.promises import GUARANTEES

STACK = template.read()
RESOURCES: Mapping[str, Any] = STACK["Resources"]
PARAMETERS: Mapping[str, Any] = STACK["Parameters"]
DEFAULTS = Settings(
    schedules_table="s",
    ledger_table="l",
    bus_name="b",
    registrar_queue_url="r",
    fire_queue_url="f",
    command_dlq_url="c",
    fire_dlq_url="d",
)
LOCAL = LocalSettings()
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
SIZE = "docs/operations/size.md"


def text(page: str) -> str:
    """A page on one line, so that a claim may be broken anywhere."""
    return " ".join(read(page).split())


def count(number: int) -> str:
    return WORDS[number] if number < len(WORDS) else f"{number:,}"


def of_type(kind: str) -> list[str]:
    return [name for name, resource in RESOURCES.items() if resource["Type"] == kind]


def pinned(package: str) -> str:
    """The version of *package* in ``constraints.txt``."""
    (version,) = re.findall(rf"^{package}==(\S+)", read("constraints.txt"), re.MULTILINE)
    return str(version)


FUNCTIONS = of_type("AWS::Serverless::Function")
OPTIONAL = [name for name in FUNCTIONS if "Condition" in RESOURCES[name]]
TABLES = of_type("AWS::DynamoDB::Table")
MINUTES = {300: "five minutes", 720: "twelve minutes"}
DLQS = [name for name in of_type("AWS::SQS::Queue") if name.endswith("DeadLetters")]
PREFIX_OF_ROLE = DEFAULTS.rest_tenant_principal.removeprefix("role/").removesuffix("{tenant}")
GRACE = Misfire().grace_seconds

#: Page → sentences or parts of sentences that have to be on it, made from what the code and the template say.
CLAIMS: list[tuple[str, str]] = [
    ("README.md", f"one stack of {count(len(FUNCTIONS) - len(OPTIONAL))} functions"),
    ("README.md", f"functions (up to {count(len(FUNCTIONS))} with the REST API and a history)"),
    ("README.md", f"{count(len(TABLES) - 1)} tables ({count(len(TABLES))} with a history)"),
    ("README.md", f"{count(EventBridgeBus.max_entries)} in one `PutEvents` call"),
    ("docs/concepts.md", f"four of the stack's {count(len(FUNCTIONS))} Lambda functions"),
    ("docs/concepts.md", f"Every {MINUTES[DEFAULTS.tick_seconds]} the *planner*"),
    ("docs/concepts.md", f"due in the next {MINUTES[DEFAULTS.horizon_seconds]}"),
    ("docs/concepts.md", f"receives a fire {count(DEFAULTS.lead_seconds)} second early"),
    ("docs/concepts.md", f"less than {count(misfire.LATE_MS // 60_000)} minute late is published"),
    ("docs/concepts.md", f"grace, {count(GRACE // 86_400)} day by default"),
    ("docs/reference/guarantees.md", f"received {count(PARAMETERS['MaxReceiveCount']['Default'])} times"),
    ("docs/reference/guarantees.md", f"replaced more than {count(lifecycle.MAX_ERAS - 1)} times"),
    (
        "docs/reference/guarantees.md",
        f"up to {executor.MAX_PAUSE_S // 60} min later, for {executor.MAX_ATTEMPTS} rounds",
    ),
    ("docs/reference/guarantees.md", f"does not show within {DEFAULTS.guard_seconds} s"),
    ("docs/reference/guarantees.md", f"holds for {leases.LONGEST_LEASE_MS // 60_000} minutes at most"),
    ("docs/reference/schedules.md", f"text of up to {names.MAX_EXPRESSION_CHARS} characters"),
    ("docs/reference/schedules.md", f"32,768 bytes by default and {names.MAX_INPUT_BYTES:,} at most"),
    ("docs/reference/schedules.md", f"More than {inputs.MAX_INLINE_BYTES // 1024} KB is stored apart"),
    ("docs/reference/schedules.md", f"at most {names.MAX_BACKFILL_MS // 86_400_000} days"),
    ("docs/reference/schedules.md", f"`per_minute` (1–{names.MAX_PER_MINUTE:,}, by default 60)"),
    ("docs/reference/schedules.md", f"have {backfill.MAX_OPEN_OF_TENANT} backfills running at once"),
    ("docs/reference/schedules.md", f"up to {names.MAX_CALENDAR_SPANS:,} dates, or ranges"),
    ("docs/reference/schedules.md", f"`grace_seconds`: 0–604,800, by default {GRACE:,}"),
    ("docs/reference/events.md", f"at most {handover.MAX_COUNTED:,} are counted"),
    ("docs/reference/cli.md", f"in one of {count(len(DLQS))} dead-letter queues"),
    ("docs/reference/cli.md", "lets them fire for a minute"),
    ("docs/reference/cli.md", f"the {len(samples.find_examples().read_text().splitlines()):,} real schedules"),
    ("docs/reference/rest.md", f"longer name than {MAX_PRINCIPAL_CHARS - len(PREFIX_OF_ROLE)} has"),
    ("docs/reference/rest.md", f"more than {MAX_BODY_BYTES:,} bytes"),
    ("docs/reference/rest.md", f"`limit` schedules ({ListQuery().limit} by default"),
    ("docs/operations/watch.md", f"they name the first {delivery.NAMED_SKIPS}"),
    (SIZE, f"read in {sweeps.SHARES} shares"),
    (SIZE, f"more often than about every {count(planning.DENSE_GAP_MS // 86_400_000)} days"),
    (SIZE, f"Ticks are {DEFAULTS.tick_seconds} seconds apart"),
    (SIZE, f"at most {count(RESOURCES['PlannerFunction']['Properties']['Timeout'] // 60)} minutes"),
    (SIZE, f"up to {RESOURCES['ReconcilerFunction']['Properties']['Timeout'] // 60} minutes, the longest"),
    ("docs/design/README.md", f"holds {planner.FIRES_HELD:,} fires at most"),
    ("docs/design/README.md", f"plans {count(planner.LONGEST_WINDOW_MS // 3_600_000)} hour of it"),
    ("docs/design/README.md", f"hands over {handover.PART_FIRES:,} fires at a time"),
    ("docs/design/README.md", f"have {lifecycle.MAX_EARLIER_BYTES // 1000} KB in all"),
    ("docs/design/README.md", f"is read {executor.REREAD_MS} ms ahead"),
    ("docs/design/delivery.md", f"reads the schedule again {executor.REREAD_MS} ms before the instant"),
    ("docs/design/delivery.md", f"or {executor.MAX_ATTEMPTS} times"),
    ("docs/design/simulation.md", f"These are all {len(MUTANTS)} mutants."),
    ("docs/design/simulation.md", f"knows the {count(len(GUARANTEES))} [guarantees]"),
    ("docs/design/time.md", f"cronsim {pinned('cronsim')} (five zones) and croniter {pinned('croniter')} (UTC)"),
    ("docs/operations/second-bus.md", f"service model in botocore {pinned('botocore')}"),
    ("docs/troubleshooting.md", f"spelling is a rejection, `{RejectionCode.UNKNOWN_COMMAND}`"),
    ("docs/troubleshooting.md", f"names another tenant, the rejection (`{RejectionCode.NOT_ALLOWED}`) goes to"),
    ("docs/security.md", f"trusted, code `{RejectionCode.NOT_ALLOWED}`"),
    ("docs/security.md", f"limited to {names.MAX_EXPRESSION_CHARS} characters"),
    (
        "docs/how-to/local-development.md",
        f"The tick is {LOCAL.tick_seconds} seconds, the horizon {LOCAL.horizon_seconds}",
    ),
    ("docs/how-to/local-development.md", f"and the guard {LOCAL.guard_seconds}"),
    ("docs/how-to/local-development.md", f"There are {LOCAL.segments} segments"),
    ("docs/how-to/local-development.md", f"the lead is {LOCAL.lead_seconds} seconds"),
    ("docs/how-to/local-development.md", f"{count(LOCAL.max_executors)} executors at most"),
]


@pytest.mark.parametrize(("page", "claim"), CLAIMS)
def test_a_number_on_a_page_is_that_of_the_code(page: str, claim: str) -> None:
    assert claim in text(page)


def test_concepts_explains_as_many_terms_as_it_says() -> None:
    terms = re.findall(r"^\*\*[^*]+\.\*\*", read("docs/concepts.md"), re.MULTILINE)

    assert f"## {count(len(terms)).capitalize()} terms" in read("docs/concepts.md")
    assert f"{count(len(terms))} terms" in read("docs/README.md")


def _longest(kind: inspect.Type) -> int | None:
    """The largest number, length or count that a field takes."""
    if isinstance(kind, inspect.Metadata):
        return _longest(kind.type)
    if isinstance(kind, inspect.UnionType):
        return max(filter(None, map(_longest, kind.types)), default=None)
    if isinstance(kind, inspect.IntType):
        return kind.le
    return getattr(kind, "max_length", None)


@pytest.mark.parametrize("field", [one.encode_name for one in msgspec.structs.fields(Schedule)])
def test_the_range_of_a_schedule_s_field_is_the_documented_one(field: str) -> None:
    (one,) = [one for one in msgspec.structs.fields(Schedule) if one.encode_name == field]
    (row,) = [row for row in rows("docs/reference/schedules.md", "Put Schedule") if codes(row[0]) == [field]]
    longest = _longest(inspect.type_info(one.type))
    if longest is not None and field not in {"timezone", "revision"}:  # there the name and the clock are the limit
        assert f"{longest:,}" in row[1]


def _default(parameter: str) -> str:
    default = str(PARAMETERS[parameter]["Default"])
    return default or "none"


def test_the_parameters_of_the_stack_only_have_the_documented_defaults() -> None:
    documented: dict[str, str] = {}
    for row in rows("docs/reference/configuration.md", "Parameters of the stack only"):
        if codes(row[0]):
            documented.update(zip(codes(row[0]), row[1].replace("`", "").split(", "), strict=True))

    assert len(documented) > 15
    assert documented == {name: _default(name) for name in documented}


def test_every_parameter_is_on_the_configuration_page() -> None:
    assert [name for name in PARAMETERS if f"`{name}`" not in read("docs/reference/configuration.md")] == []


def test_the_readme_names_every_subcommand_and_no_other() -> None:
    named = [code.removeprefix("eventcron ") for row in rows("README.md", "The command line") for code in codes(row[0])]

    assert sorted(named) == sorted(SUBCOMMANDS)


def test_the_readme_promises_as_much_as_the_guarantees() -> None:
    promised = re.findall(r"^(\d+)\. (.+)$", read("README.md"), re.MULTILINE)
    guaranteed = [row[0] for row in rows("docs/reference/guarantees.md") if row[0].isdigit()]

    assert [number for number, _ in promised] == guaranteed == [str(number) for number in GUARANTEES]


def test_no_page_claims_that_a_tenant_reads_nothing_without_saying_in_which_mode() -> None:
    """With ``FireSource=SHARED``, a role that may create rules on the bus reads the fires of all tenants."""
    for page in ("README.md", "docs/reference/guarantees.md"):
        (promise,) = re.findall(r"(?:^8\. |\| 8 \| ).+(?:\n   .+)*", read(page), re.MULTILINE)
        assert "can read" not in promise.partition("What it can read")[0].partition("reads what")[0]
        assert f"FireSource={FireSource.SHARED}" in promise or "`FireSource`" in promise
        assert "security.md#who-can-read-what" in promise


def test_no_page_denies_what_there_is() -> None:
    """Calendars, a REST API, and six functions: earlier pages said that there were none, or three, or five."""
    false = r"not there yet|no new API|three functions|five Lambda|idle ones cost nothing|costs nothing, until"

    assert [page.name for page in PAGES if re.search(false, " ".join(page.read_text().split()))] == []


#: A row of the sizing table: schedules, fires a second, planners, megabytes, seconds of a tick.
SIZES = [row for row in rows(SIZE) if re.fullmatch(r"[\d,]+", row[0]) and row[8:]]
#: A row of the table of bursts: fires, executors, the least and the most pollers.
BURSTS = [row for row in rows(SIZE, "Bursts") if re.fullmatch(r"[\d,]+", row[0])]


def _number(text: str) -> int:
    return int(text.replace(",", ""))


#: A row of the table of waves: schedules, moves a second, warm writes of table and index, seconds of a tick, planners.
WAVES = [list(map(_number, row)) for row in rows(SIZE, "Waves") if re.fullmatch(r"[\d,]+", row[0])]


@pytest.mark.parametrize("row", SIZES, ids=lambda row: row[0])
def test_the_sizing_table_follows_from_the_measured_figures(row: list[str]) -> None:
    formula = re.search(r"`schedules / ([\d,]+) \+ (\d+) × fires a second / ([\d,]+)`", text(SIZE))
    assert formula is not None
    read_a_second, tick, sent_a_second = map(_number, formula.groups())
    schedules, fires, _, _, planners, megabytes = map(_number, row[:6])
    core = min(1.0, megabytes / 1_769)
    seconds = (schedules / read_a_second + tick * fires / sent_a_second) / core / planners

    assert tick == DEFAULTS.tick_seconds
    assert f"{read_a_second:,} dense schedules a second" in text(SIZE)
    assert f"{sent_a_second:,} fires a second" in text(SIZE)
    assert abs(seconds - int(row[7].removesuffix(" s"))) < 1


@pytest.mark.parametrize("row", BURSTS, ids=lambda row: row[0])
def test_the_table_of_bursts_follows_from_full_packs_and_from_what_a_poller_runs(row: list[str]) -> None:
    """A batch is ten packs, a poller runs ten executors; without pollers the queue begins with five."""
    fires, executors, pollers = map(_number, row[:3])

    assert executors == fires / (10 * DEFAULTS.pack_size)
    assert pollers * 10 == (executors if executors > 5 else 0)
    assert row[3] == "–" or _number(row[3]) >= max(2 * pollers, PARAMETERS["MaxPollers"]["Default"])


@pytest.mark.parametrize("row", WAVES, ids=lambda row: row[0])
def test_the_table_of_waves_follows_from_the_planners_time_and_from_what_a_table_takes(row: list[int]) -> None:
    schedules, moves, writes, index, tick, planners = row
    works = RESOURCES["PlannerFunction"]["Properties"]["Timeout"] - (planner.SAVE_BEFORE_MS + MARGIN_MS) // 1000
    # The window of a tick begins where that of the one before ended.
    ticks = (DEFAULTS.horizon_seconds - tick - works) // tick + 1

    assert schedules <= ticks * works * moves <= schedules * 1.1
    assert f"{DEFAULTS.horizon_seconds - DEFAULTS.tick_seconds} to {DEFAULTS.horizon_seconds} seconds before" in text(
        SIZE
    )
    assert f"two ticks come in time, {2 * works} seconds" in text(SIZE)
    # A quarter of the index is left.
    assert moves * 2 <= 0.76 * (index or 4_000)
    assert moves <= 0.76 * (writes or 4_000)
    assert moves / planners <= 3_200


def test_a_measured_figure_names_machine_and_date_and_is_on_no_other_page() -> None:
    assert "Measured on 26 November 2026 on one core of an AMD EPYC server; `make bench` measures it anew" in text(SIZE)
    figure = re.compile(r"[\d,]{5,} (?:dense schedules|fires) a second|publishes [\d,]+ fires a second")
    # A decision keeps the figures on which it was taken.
    elsewhere = [
        page for page in PAGES if page.name not in {"size.md", "performance.md"} and "decisions" not in page.parts
    ]

    assert [page.name for page in elsewhere if figure.search(" ".join(page.read_text().split()))] == []


def test_contributors_are_told_every_folder_of_tests_and_of_the_package() -> None:
    page = read("CONTRIBUTING.md")
    named = {code for row in rows("CONTRIBUTING.md") for code in codes(row[0])}
    tests = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if any(path.glob("**/test_*.py"))}
    packages = {path.parent.name for path in (ROOT / "src" / "eventcron").glob("*/__init__.py")}

    assert sorted(tests - named) == []
    assert sorted(name for name in packages if f" {name}/" not in page) == []


def test_contributors_are_told_the_coverage_and_the_pythons_that_are_checked() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    lowest, highest = re.findall(r"3\.\d+", project["project"]["requires-python"])
    newest = f"3.{int(highest.removeprefix('3.')) - 1}"

    assert f"below {project['tool']['coverage']['report']['fail_under']} % branch coverage" in text("CONTRIBUTING.md")
    for page in ("README.md", "CONTRIBUTING.md", "docs/quick-start.md"):
        assert f"Python {lowest} to {newest}" in text(page)


def test_the_dialects_that_can_be_converted_are_those_on_the_page() -> None:
    section = text("docs/how-to/migrate.md").partition("rewrites expressions between the dialects of ")[2]
    named = re.findall(r"\w+", section.partition(", and writes")[0])

    assert sorted(name.lower() for name in named if name != "and") == sorted(set(WRITERS) - {Notation.EVENTCRON})


def test_every_route_of_the_rest_api_is_on_its_page() -> None:
    page = read("docs/reference/rest.md")
    for path, methods in openapi.document()["paths"].items():
        last = path.rpartition("/")[2]
        for method in methods:
            whole, short = f"{method.upper()} {path}", f"(?:{method.upper()} )?…/(?:{{name}}/)?{last}"
            assert re.search(rf"`(?:{re.escape(whole)}|{short})`", page), whole
