"""``eventcron next``, ``explain`` and ``convert`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from eventcron.entrypoints.cli.main import main


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Run(Protocol):
    def __call__(self, *argv: str) -> Ran: ...


@pytest.fixture(name="run")
def _run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*argv: str) -> Ran:
        with pytest.raises(SystemExit) as exited:
            main(list(argv))
        captured = capsys.readouterr()
        return Ran(int(exited.value.code or 0), captured.out, captured.err)

    return run


class TestNext:
    oslo = ("30 2 * * *", "--timezone", "Europe/Oslo")

    def test_json_is_an_array_of_utc_instants(self, run: Run) -> None:
        ran = run("next", *self.oslo, "--from", "2026-03-28", "--count", "2", "--json")

        assert json.loads(ran.out) == ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"]

    def test_text_has_utc_and_local_time(self, run: Run) -> None:
        ran = run("next", *self.oslo, "--from", "2026-03-28", "--count", "1")

        assert ran.lines == ["2026-03-28T01:30:00Z  2026-03-28T02:30:00+01:00"]

    def test_five_come_without_count_and_until(self, run: Run) -> None:
        assert len(json.loads(run("next", "* * * * *", "--json").out)) == 5

    def test_all_before_until_come(self, run: Run) -> None:
        ran = run("next", "0 * * * *", "--from", "2026-01-01", "--until", "2026-01-02", "--json")

        assert len(json.loads(ran.out)) == 23

    def test_from_and_until_are_exclusive(self, run: Run) -> None:
        ran = run("next", "0 * * * *", "--from", "2026-01-01T01:00:00Z", "--until", "2026-01-01T03:00:00Z", "--json")

        assert json.loads(ran.out) == ["2026-01-01T02:00:00Z"]

    def test_there_is_a_cap(self, run: Run) -> None:
        ran = run("next", "* * * * * *", "--from", "2026-01-01", "--until", "2027-01-01", "--json")

        assert len(json.loads(ran.out)) == 10_000

    def test_milliseconds_show_only_if_there_are_any(self, run: Run) -> None:
        ran = run("next", "at(2026-12-01T09:00:00.250)", "at(2026-12-02T09:00:00)", "--from", "2026-01-01", "--json")

        assert json.loads(ran.out) == ["2026-12-01T09:00:00.250Z", "2026-12-02T09:00:00Z"]

    def test_a_rate_counts_from_from(self, run: Run) -> None:
        ran = run("next", "rate(90 minutes)", "--from", "2026-01-01T00:00:07Z", "--count", "2", "--json")

        assert json.loads(ran.out) == ["2026-01-01T01:30:07Z", "2026-01-01T03:00:07Z"]

    def test_gap_skip_is_said_in_text_and_left_out_of_json(self, run: Run) -> None:
        given = ("next", *self.oslo, "--from", "2026-03-29", "--until", "2026-03-30", "--gap", "skip")

        assert run(*given).lines == ["2026-03-29T01:00:00Z  2026-03-29T03:00:00+02:00  skipped: daylight_saving_gap"]
        assert json.loads(run(*given, "--json").out) == []

    def test_overlap_twice(self, run: Run) -> None:
        ran = run("next", *self.oslo, "--from", "2026-10-25", "--count", "2", "--overlap", "twice", "--json")

        assert json.loads(ran.out) == ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]

    def test_local(self, run: Run) -> None:
        given = ("next", *self.oslo, "--from", "2026-03-28T12:00", "--count", "1", "--local")

        assert run(*given).lines == ["2026-03-29T03:00:00+02:00"]
        assert json.loads(run(*given, "--json").out) == ["2026-03-29T03:00:00+02:00"]

    def test_exclude_names_the_entry(self, run: Run) -> None:
        ran = run("next", "0 9 * * *", "--from", "2026-12-24", "--count", "1", "--exclude", "2026-12-24/2026-12-25")

        assert ran.lines == [
            "2026-12-24T09:00:00Z  skipped: excluded by 2026-12-24/2026-12-25",
            "2026-12-25T09:00:00Z  skipped: excluded by 2026-12-24/2026-12-25",
            "2026-12-26T09:00:00Z",
        ]

    def test_a_long_exclusion_is_cut_short(self, run: Run) -> None:
        ran = run("next", "* * * * * *", "--from", "2026-01-01", "--count", "1", "--exclude", "2026-01-01/2100-12-31")

        assert len(ran.lines) == 12
        assert ran.lines[-2:] == ["… and more skipped ones", "2101-01-01T00:00:00Z"]

    def test_what_is_skipped_after_the_last_fire_is_shown_too(self, run: Run) -> None:
        given = ("--from", "2026-12-23", "--until", "2026-12-25", "--exclude", "2026-12-24")

        assert run("next", "0 9 * * *", *given).lines == [
            "2026-12-23T09:00:00Z",
            "2026-12-24T09:00:00Z  skipped: excluded by 2026-12-24",
        ]

    def test_a_calendar_comes_from_a_file(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "holidays.json"
        file.write_text('["2026-12-24"]', encoding="utf-8")
        given = ("next", "0 9 * * *", "--from", "2026-12-24", "--count", "1", "--json")

        assert json.loads(run(*given, "--exclude", "calendar:no", "--calendar", f"no={file}").out) == [
            "2026-12-25T09:00:00Z"
        ]

    def test_hash_takes_tenant_and_name(self, run: Run) -> None:
        ran = run(
            "next", "H H * * *", "--tenant", "acme", "--name", "nightly-export", "--from", "2026-01-01", "--count", "1"
        )

        assert ran.lines == ["2026-01-01T12:37:00Z"]

    def test_a_union_is_given_by_several_expressions(self, run: Run) -> None:
        ran = run("next", "0 9 * * *", "0 12 * * *", "--from", "2026-01-01", "--count", "2", "--json")

        assert json.loads(ran.out) == ["2026-01-01T09:00:00Z", "2026-01-01T12:00:00Z"]

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            pytest.param(["at(2020-01-01T00:00:00)", "--from", "2026-01-01"], "its time is past", id="past"),
            pytest.param(["at(2030-01-01T00:00:00)", "--from", "2026-01-01"], "at() fires once", id="once"),
            pytest.param(["0 0 1 1 *", "--from", "2198-01-01"], "every search ends with the year 2199", id="years"),
        ],
    )
    def test_why_no_more_come_is_said(self, run: Run, argv: list[str], message: str) -> None:
        ran = run("next", *argv)

        assert ran.status == 0
        assert message in ran.err

    def test_nothing_left_is_an_empty_answer(self, run: Run) -> None:
        ran = run("next", "0 0 12 1 1 ? 2005", "--json")

        assert (ran.status, ran.out) == (0, "[]\n")

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            pytest.param(["61 * * * *"], "minute: got '61'; allowed: 0-59", id="expression"),
            pytest.param(["* * * * *", "--timezone", "europe/oslo"], "did you mean Europe/Oslo?", id="zone"),
            pytest.param(["* * * * *", "--from", "soon"], "--from: got 'soon'; allowed: RFC 3339", id="from"),
            pytest.param(
                ["* * * * *", "--until", "2026-02-30"], "--until: got '2026-02-30'; allowed: RFC 3339", id="until"
            ),
            pytest.param(["* * * * *", "--from", "1969-12-31"], "allowed: a year 1970-2199", id="before-1970"),
            pytest.param(["H * * * *", "--tenant", "acme"], "got --tenant alone; allowed: both", id="half-a-key"),
            pytest.param(["* * * * *", "--calendar", "no"], "--calendar: got 'no'; allowed: NAME=PATH", id="calendar"),
            pytest.param(["* * * * *", "--calendar", "no=/none"], "allowed: a readable file in UTF-8", id="no-file"),
            pytest.param(["x" * 10_240], "10240 characters; allowed: at most 256 characters", id="ten-kilobytes"),
        ],
    )
    def test_a_mistake_is_one_sentence_and_status_2(self, run: Run, argv: list[str], message: str) -> None:
        ran = run("next", *argv, "--json")

        assert (ran.status, ran.out) == (2, "")
        assert message in ran.err
        assert ran.err.startswith("eventcron: ")
        assert ran.err.count("\n") == 1


class TestExplain:
    def test_it_says_what_happens_on_the_last_sundays_of_march_and_october(self, run: Run) -> None:
        ran = run("explain", "30 2 * * *", "--timezone", "Europe/Oslo", "--from", "2026-11-21")

        assert ran.lines == [
            "30 2 * * *  (Unix cron)",
            "At 02:30, every day.",
            "Fixed time of day, time zone Europe/Oslo.",
            "",
            "Next:",
            "  2026-11-21T01:30:00Z  2026-11-21T02:30:00+01:00",
            "  2026-11-22T01:30:00Z  2026-11-22T02:30:00+01:00",
            "  2026-11-23T01:30:00Z  2026-11-23T02:30:00+01:00",
            "  2026-11-24T01:30:00Z  2026-11-24T02:30:00+01:00",
            "  2026-11-25T01:30:00Z  2026-11-25T02:30:00+01:00",
            "",
            "Clock changes of the next year:",
            "  2027-03-28 (the last Sunday of March): clocks go forward 1 hour, from 02:00 to 03:00.",
            (
                "    02:30 does not exist: fires once at 03:00+02:00 (2027-03-28T01:00:00Z), "
                "the first instant after the gap."
            ),
            "  2027-10-31 (the last Sunday of October): clocks go back 1 hour, from 03:00 to 02:00.",
            "    02:30 comes twice: fires once, the first time, 02:30+02:00 (2027-10-31T00:30:00Z).",
        ]

    def test_json(self, run: Run) -> None:
        ran = run("explain", "rate(1 hour)", "--timezone", "Europe/Oslo", "--from", "2026-11-21", "--json")
        document = json.loads(ran.out)

        assert document["expressions"] == [{"expression": "rate(1 hour)", "dialect": "rate()"}]
        assert document["description"] == "Every hour of elapsed time."
        assert document["next"][0] == {"utc": "2026-11-21T01:00:00Z", "local": "2026-11-21T02:00:00+01:00"}
        assert [(change["kind"], change["affected"]) for change in document["clock_changes"]] == [
            ("gap", False),
            ("overlap", False),
        ]

    def test_no_changes_and_no_occurrences_are_said(self, run: Run) -> None:
        ran = run("explain", "0 0 12 1 1 ? 2005")

        assert "Never fires again." in ran.lines
        assert ran.lines[-1] == "No clock changes in the next year."


class TestConvert:
    def test_it_prints_the_expression_alone(self, run: Run) -> None:
        ran = run("convert", "0 9 * * 1-5", "--from", "unix", "--to", "eventbridge")

        assert ran == (0, "cron(0 9 ? * MON-FRI *)\n", "")

    @pytest.mark.parametrize(
        ("source", "expression", "converted"),
        [
            ("spring", "0 0 4 * * MON-FRI", "0 0 4 ? * MON-FRI"),
            ("jenkins", "0 4 1-7 * 1", "0 0 4 ? * 2#1"),
            ("sidekiq", "0 4 -1 * *", "0 0 4 L * ?"),
        ],
    )
    def test_dialects_that_are_only_read(self, run: Run, source: str, expression: str, converted: str) -> None:
        unix = run("convert", expression, "--from", source, "--to", "eventcron").out.strip()

        assert run("convert", unix, "--from", "eventcron", "--to", "quartz").out == f"{converted}\n"

    def test_a_dialect_that_is_only_read_is_no_target(self, run: Run) -> None:
        ran = run("convert", "0 9 * * 1-5", "--from", "unix", "--to", "spring")

        assert ran.status == 2
        assert "'spring' is not one of" in ran.err

    def test_what_debian_does_not_know_is_pointed_out(self, run: Run) -> None:
        ran = run("convert", "cron(0 9 L * ? *)", "--from", "eventbridge", "--to", "unix")

        assert (ran.status, ran.out) == (0, "0 9 L * *\n")
        assert ran.err == "eventcron and croniter understand L, W and #; the cron of Debian does not.\n"

    def test_what_cannot_be_said_is_refused(self, run: Run) -> None:
        ran = run("convert", "0 0 1 * 1", "--from", "unix", "--to", "eventbridge")

        assert (ran.status, ran.out) == (2, "")
        assert ran.err == (
            "eventcron: '0 0 1 * 1' has no eventbridge form: '1 1' (expression): EventBridge can restrict one of the "
            "two day fields; this schedule restricts both and fires on a day that matches either\n"
        )

    def test_what_is_wrong_is_refused_as_everywhere(self, run: Run) -> None:
        ran = run("convert", "61 * * * *", "--from", "unix", "--to", "quartz")

        assert ran == (2, "", "eventcron: minute: got '61'; allowed: 0-59\n")
