"""``eventcron simulate``: real schedules over whole days and clock changes, and its answer to bad files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from eventcron.entrypoints.cli.main import cli
from eventcron.entrypoints.cli.moments import read_moment
from eventcron.entrypoints.cli.simulate import command
from eventcron.model.events import SkipNotice
from eventcron.model.names import Key, Unreadable, Window
from eventcron.model.records import IndexEntry
from eventcron.preview.simulate import UNLIMITED, simulate
from eventcron.rules.upcoming import UpcomingFire, upcoming_fires
from eventcron.testing.world import World
from eventcron.timing.instant import rfc3339

EXAMPLES = Path(__file__).parents[2] / "examples" / "prow-periodics.jsonl"
#: Two of the real jobs are switched off by a date that never comes.
NEVER = {"0 0 31 2 *", "0 0 30 2 *"}
DAY = 1_796_083_200_000  # 2026-12-01T00:00:00Z


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["simulate", *map(str, arguments)])


def zoned(tmp_path: Path, timezone: str) -> Path:
    """The real schedules in another time zone."""
    path = tmp_path / "zoned.jsonl"
    entries = [json.loads(line) for line in EXAMPLES.read_text().splitlines()]
    path.write_text("\n".join(json.dumps({**entry, "timezone": timezone}) for entry in entries))
    return path


@pytest.mark.parametrize(
    ("timezone", "start", "hours"),
    [
        pytest.param("UTC", "2026-12-01", 24, id="an-ordinary-day"),
        pytest.param("Europe/Oslo", "2026-03-29T00:00:00Z", 4, id="oslo-springs-forward"),
        pytest.param("Europe/Oslo", "2026-10-24T23:00:00Z", 4, id="oslo-falls-back"),
        pytest.param("Australia/Lord_Howe", "2026-10-03T14:00:00Z", 4, id="lord-howe-springs-forward-half-an-hour"),
        pytest.param("Australia/Lord_Howe", "2026-04-04T13:00:00Z", 4, id="lord-howe-falls-back-half-an-hour"),
    ],
)
def test_every_real_schedule_fires_exactly_as_computed_independently(
    tmp_path: Path, timezone: str, start: str, hours: int
) -> None:
    result = run(zoned(tmp_path, timezone), "--from", start, "--for", f"{hours}h", "--json")

    assert result.exit_code == 1, result.output  # two are rejected
    report = json.loads(result.stdout)
    assert report["schedules"] == 1_305
    assert report["published"] == report["due"] == sum(report["per_schedule"].values()) > 250 * hours
    assert report["differences"] == report["unverified"] == []
    entries = EXAMPLES.read_text().splitlines()
    assert {json.loads(entries[entry["line"] - 1])["expression"] for entry in report["rejected"]} == NEVER
    assert all("never match" in entry["reason"] for entry in report["rejected"])
    assert report["peak_per_minute"] == max(report["per_minute"].values())


def test_a_missing_fire_is_reported_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A computation that leaves out one of the schedules does not pass the comparison."""
    path = tmp_path / "one.json"
    path.write_text(json.dumps([{"tenant": "acme", "name": f"n{n}", "expression": "*/30 * * * *"} for n in range(8)]))
    assert simulate([path], start=DAY, end=DAY + 86_400_000).differences == []

    def without_one(
        entries: Sequence[IndexEntry], window: Window, *, slice_ms: int
    ) -> Iterator[UpcomingFire | SkipNotice | Unreadable]:
        left = [entry for entry in entries if entry.key != Key("acme", "n1")]
        return upcoming_fires(left, window, slice_ms=slice_ms)

    monkeypatch.setattr("eventcron.preview.simulate.upcoming_fires", without_one)
    result = CliRunner().invoke(command, [str(path), "--from", "2026-12-01"])

    assert result.exit_code == 1
    assert "acme/n1 at 2026-12-01T00:00:00Z fired 0 times, computed 1" in result.stderr
    assert "and 28 more" in result.stderr


class Lived(NamedTuple):
    """What all of eventcron did with the schedules of a file, in virtual time."""

    per_schedule: Counter[str]
    per_minute: Counter[str]
    #: Those of notices that end within the span, and those of notices that begin in it.
    skipped: tuple[Counter[str], Counter[str]]


def lived(path: Path, start: str, *, hours: int) -> Lived:
    """Put each schedule of *path* a second before *start*, and let registrar, planner, executor and queues run."""
    first = read_moment(start, "--from")
    end = first + hours * 3_600_000
    with World(first - 1_000, settings=UNLIMITED) as world:
        for line in path.read_text().splitlines():
            world.emit("Put Schedule", json.loads(line))
        world.run(until=end + WINDOW_SECONDS * 1000 + 30_000)
        fires = [fire for fire in world.fired if first <= fire.due_at < end]
        skips = [skip for skip in world.events_of("Schedule Skipped") if skip["first_due"] < rfc3339(end)]
        assert world.failures == []
    least, most = Counter[str](), Counter[str]()
    for skip in skips:
        most[skip["reason"]] += skip["count"]
        least[skip["reason"]] += skip["count"] if skip["last_due"] < rfc3339(end) else 0
    minutes = Counter(rfc3339(fire.due_at // 60_000 * 60_000, millis=False) for fire in fires)
    return Lived(Counter(fire.schedule for fire in fires), minutes, (least, most))


def assert_lived(path: Path, start: str, *, hours: int) -> None:
    """Check that ``simulate`` reports what all of eventcron does."""
    report = json.loads(run(path, "--from", start, "--for", f"{hours}h", "--json").stdout)
    done = lived(path, start, hours=hours)

    assert {name: count for name, count in report["per_schedule"].items() if count} == done.per_schedule
    assert report["per_minute"] == done.per_minute
    least, most = done.skipped
    assert report["skipped"].keys() == most.keys()
    assert all(least[reason] <= count <= most[reason] for reason, count in report["skipped"].items())


def test_all_of_eventcron_does_with_the_real_schedules_what_is_reported(tmp_path: Path) -> None:
    assert_lived(zoned(tmp_path, "Europe/Oslo"), "2026-10-24T23:00:00Z", hours=4)


#: Seconds. The longest flexible window here.
WINDOW_SECONDS = 900
EXPRESSIONS = ["* * * * *", "*/7 * * * *", "30 2 * * *", "0 1-3 * * *", "*/20 * * * * *", "rate(7 minutes)", "@hourly",
               "at(2026-03-29T01:30:00)", "15,45 1-2 29 3 *"]  # fmt: skip
CHANGING = st.fixed_dictionaries(
    {
        "expression": st.sampled_from(EXPRESSIONS),
        "timezone": st.sampled_from(["UTC", "Europe/Oslo", "America/New_York"]),
    },
    optional={
        "exclude": st.sampled_from([["2026-03-29"], ["* 2 * * *"], ["* 0-1 * * *", "2026-03-28"]]),
        "flexible_window_seconds": st.sampled_from([60, WINDOW_SECONDS]),
        "max_fires": st.integers(1, 5),
        "end": st.just("2026-03-29T01:10:00Z"),
        "start": st.just("2026-03-29T00:20:00Z"),
        "state": st.just("PAUSED"),
        "daylight_saving": st.sampled_from([{"gap": "skip"}, {"overlap": "twice"}]),
    },
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(schedules=st.lists(CHANGING, min_size=1, max_size=8))
def test_all_of_eventcron_does_what_is_reported(
    schedules: list[dict[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lived") / "some.jsonl"
    entries = [{"tenant": "acme", "name": f"n{n}", **one} for n, one in enumerate(schedules)]
    path.write_text("\n".join(map(json.dumps, entries)))

    assert_lived(path, "2026-03-29T00:00:00Z", hours=3)


def test_schedules_are_put_just_before_the_span(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(
        """
        - {tenant: acme, name: rate, expression: rate(1 hour)}
        - {tenant: acme, name: at, expression: at(2026-12-01T00:00:00)}
        - {tenant: acme, name: gap, expression: '* * * * * *', end: 2026-12-01T00:00:10Z}
        - {tenant: acme, name: paused, expression: '* * * * *', state: PAUSED}
        """
    )

    report = json.loads(run(path, "--from", "2026-12-01T00:00:00Z", "--json").stdout)

    assert report["per_schedule"] == {"acme/rate": 24, "acme/at": 1, "acme/gap": 10, "acme/paused": 0}
    assert Counter(report["per_minute"])["2026-12-01T00:00:00Z"] == 11
    assert report["peak_minute"] == "2026-12-01T00:00:00Z"


def test_what_a_flexible_window_delays_counts_by_what_it_is_due_at(tmp_path: Path) -> None:
    """Some of the 60 are published after the span, and what is skipped together with a later one counts as well."""
    path = tmp_path / "delayed.jsonl"
    minutely = {"tenant": "acme", "expression": "* * * * *", "flexible_window_seconds": 840}
    entries = [{**minutely, "name": "fires"}, {**minutely, "name": "skips", "exclude": ["2026-12-01/2026-12-02"]}]
    path.write_text("\n".join(map(json.dumps, entries)))

    report = json.loads(run(path, "--from", "2026-12-01T00:00:00Z", "--for", "1h", "--json").stdout)

    assert (report["published"], report["due"], report["skipped"]) == (60, 60, {"excluded": 60})
    assert report["differences"] == []


def test_the_parts_of_a_long_span_add_up(tmp_path: Path) -> None:
    """A limit of fires, a change of the clocks and a flexible window, over parts and days."""
    path = tmp_path / "long.jsonl"
    entries: list[dict[str, object]] = [
        {"name": "limited", "expression": "0 */5 * * *", "max_fires": 9},
        {"name": "delayed", "expression": "*/5 * * * *", "flexible_window_seconds": 900},
        {"name": "once", "expression": "at(2026-03-30T12:00:00)"},
        {"name": "hashed", "expression": "H * * * *"},
    ]
    lines = [json.dumps({"tenant": "acme", "timezone": "Europe/Oslo", **entry}) for entry in entries]
    path.write_text("\n".join(lines))

    report = json.loads(run(path, "--from", "2026-03-28T13:17:00Z", "--for", "72h", "--json").stdout)

    assert report["per_schedule"] == {"acme/limited": 9, "acme/delayed": 864, "acme/once": 1, "acme/hashed": 72}
    assert report["due"] == report["published"] == sum(report["per_minute"].values()) == 946
    assert (report["differences"], report["unverified"]) == ([], ["acme/hashed"])


def test_skipped_fires_are_counted_by_reason(tmp_path: Path) -> None:
    path = tmp_path / "skips.jsonl"
    entries: list[dict[str, object]] = [
        {"name": "gap", "expression": "30 2 * * *", "daylight_saving": {"gap": "skip"}},
        {"name": "holiday", "expression": "0 9 * * *", "exclude": ["2026-03-29"]},
    ]
    lines = [json.dumps({"tenant": "acme", "timezone": "Europe/Oslo", **entry}) for entry in entries]
    path.write_text("\n".join(lines))

    report = json.loads(run(path, "--from", "2026-03-28T23:00:00Z", "--for", "24h", "--json").stdout)

    assert report["skipped"] == {"daylight_saving_gap": 1, "excluded": 1}
    assert (report["published"], report["due"]) == (0, 0)


def test_bad_entries_are_rejected_by_file_line_and_field_and_the_rest_is_simulated(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    lines = [
        {"tenant": "acme", "name": "good", "expression": "0 * * * *"},
        {"tenant": "acme", "name": "zone", "expression": "0 * * * *", "timezone": "Europe/Olso"},
        {"tenant": "acme", "name": "field", "expression": "61 * * * *"},
        {"tenant": "acme", "name": "unknown", "expresion": "0 * * * *"},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))

    result = run(path, "--from", "2026-12-01", "--json")

    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["schedules"], report["published"]) == (1, 24)
    reasons = {entry["line"]: entry["reason"] for entry in report["rejected"]}
    assert sorted(reasons) == [2, 3, 4]
    assert "Europe/Oslo" in reasons[2]
    assert reasons[3].startswith("minute")
    assert "expresion" in reasons[4]
    assert {entry["file"] for entry in report["rejected"]} == {str(path)}


def test_what_is_rejected_is_listed_in_the_order_of_the_files_whoever_rejects_it(tmp_path: Path) -> None:
    """The registrar rejects what can never match; the other two are refused as they are read."""
    expressions = ["0 0 31 2 *", "61 * * * *", "0 0 30 2 *", "60 * * * *"]
    for name, texts in {"b.jsonl": expressions[:3], "a.jsonl": expressions[3:]}.items():
        lines = [{"tenant": "acme", "name": f"{name}{n}", "expression": text} for n, text in enumerate(texts)]
        (tmp_path / name).write_text("\n".join(map(json.dumps, lines)))

    result = run(tmp_path / "b.jsonl", tmp_path / "a.jsonl", "--from", "2026-12-01")
    places = [line.removeprefix(f"eventcron: {tmp_path}/").split(": ")[0] for line in result.stderr.splitlines()]

    assert result.exit_code == 1
    assert places == ["b.jsonl:1", "b.jsonl:2", "b.jsonl:3", "a.jsonl:1"]


def test_a_dash_is_standard_input(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"tenant": "acme", "name": "other", "expression": "0 * * * *"}')
    given = '{"tenant": "acme", "name": "piped", "expression": "0 * * * *"}\n{"tenant": "acme"}\n'

    arguments = ["simulate", "-", str(other), "--from", "2026-12-01", "--json"]
    report = json.loads(CliRunner().invoke(cli, arguments, input=given).stdout)

    assert report["per_schedule"] == {"acme/other": 24, "acme/piped": 24}
    assert [(entry["file"], entry["line"]) for entry in report["rejected"]] == [("-", 2)]


def test_all_good_is_status_0_and_nothing_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text("{tenant: acme, name: good, expression: 0 * * * *}")

    result = run(path, "--from", "2026-12-01")

    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl"),
        ([str(EXAMPLES), "--from", "yesterday"], "--from: got 'yesterday'; allowed: RFC 3339"),
        ([str(EXAMPLES), "--for", "a while"], "--for: got 'a while'; allowed: numbers with"),
        ([str(EXAMPLES), "--for", "0h"], "--for: got '0h'; allowed: numbers with"),
        ([], "Missing argument"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(arguments: list[str], says: str) -> None:
    result = run(*arguments)

    said = str(result.exception) if result.exception and not isinstance(result.exception, SystemExit) else result.stderr
    assert says in said
    assert "Traceback" not in result.output


def test_the_text_shows_totals_and_the_busiest() -> None:
    result = run(EXAMPLES, "--from", "2026-12-01", "--for", "1h")

    assert result.exit_code == 1
    assert "schedules  1,305" in result.stdout
    assert "and 1,295 more" in result.stdout
    assert "prow-periodics.jsonl:542: " in result.stderr
