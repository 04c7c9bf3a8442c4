"""``eventcron put``: store a schedule, or replace it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from eventcron.client.schedules import Schedule
from eventcron.client.verbs import Receipt
from eventcron.entrypoints.cli.forms import json_option
from eventcron.entrypoints.cli.moments import INSTANT, moment_of
from eventcron.entrypoints.cli.operations import stack_option
from eventcron.entrypoints.cli.progress import ANSWER, waiting
from eventcron.entrypoints.cli.schedules import (
    connected,
    key_of,
    schedule_argument,
    show_receipt,
    tenant_option,
    wait_option,
)
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.model import commands
from eventcron.model.tracking import Overlap

OVERLAPS = [one.value for one in Overlap]


@click.command("put")
@schedule_argument
@click.argument("expressions", metavar="EXPRESSION…", nargs=-1, required=True)
@click.option("--timezone", metavar="TZ", help="IANA name, such as Europe/Oslo.  [default: UTC]")
@click.option("--gap", type=click.Choice(["shift", "skip"]), help="A time that the clocks skip.  [default: shift]")
@click.option("--overlap", type=click.Choice(["once", "twice"]), help="A time they repeat.  [default: once]")
@click.option("--exclude", multiple=True, metavar="ENTRY", help="Dates, an expression or calendar:NAME. Repeatable.")
@click.option("--start", type=INSTANT, help="Fire at this instant or later: RFC 3339, a date, now+1h.")
@click.option("--end", type=INSTANT, help="Fire before this instant.")
@click.option("--max-fires", type=int, help="Complete after that many fires.")
@click.option("--input", "given", metavar="JSON", help="What each fire carries: JSON, or @FILE with JSON.")
@click.option("--label", "labels", multiple=True, metavar="KEY=TEXT", help="A label. Repeatable.")
@click.option("--priority", type=int, help="0 to 9.  [default: 5]")
@click.option("--description", help="For people.")
@click.option("--display-name", help="The name that people see.")
@click.option("--detail-type", help="The detail-type of the fires.  [default: Schedule Fired]")
@click.option("--route", help="A word in each fire, by which a router chooses the target.")
@click.option("--window", "flexible_window_seconds", type=int, help="Seconds by which fires are spread.")
@click.option("--misfire", type=click.Choice(["fire_once", "fire_all", "skip"]), help="What fires of what was missed.")
@click.option("--grace", type=int, help="Seconds by which a fire may be late.  [default: 86400]")
@click.option("--track", is_flag=True, default=None, help="Follow what becomes of each fire.")
@click.option("--timeout", type=int, help="Seconds after which a run is overdue.  [default: 3600]")
@click.option("--while-running", type=click.Choice(OVERLAPS), help="A fire during a run.  [default: allow]")
@click.option("--pause-after", type=int, metavar="N", help="Pause it after N failed runs in a row.")
@click.option("--expect-within", type=int, metavar="S", help="Fire nothing: expect a report within S seconds.")
@click.option("--paused/--enabled", default=None, help="Store it paused, or end its pause.")
@click.option("--delete-after", is_flag=True, help="Delete it when it has no occurrence left.")
@click.option("--revision", type=int, help="Orders commands.  [default: the event's time]")
@tenant_option
@wait_option(default=True)
@stack_option
@json_option
def command(
    schedule: str,
    expressions: tuple[str, ...],
    *,
    tenant: str | None,
    wait: bool,
    stack: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Store the schedule TENANT/NAME, or replace it. It fires by EXPRESSION, or by each of several.

    A mistake is found before anything is sent. Then the command waits for the deployment's answer.
    """
    key = key_of(schedule, tenant)
    made = _schedule(key.tenant, key.name, expressions, given)

    async def work() -> Receipt:
        async with connected(stack) as client, waiting(ANSWER):
            return await client.put(made, wait=wait)

    show_receipt(run_until_signal(work()), key, done="put", as_json=as_json)


def _schedule(tenant: str, name: str, expressions: tuple[str, ...], options: dict[str, Any]) -> commands.Schedule:
    """The schedule that the options say.

    Raises:
        InvalidSchedule: they say none; names the field.
    """
    daylight = {"gap": options.pop("gap"), "overlap": options.pop("overlap")}
    misfire = {"policy": options.pop("misfire"), "grace_seconds": options.pop("grace")}
    runs = {
        "track": options.pop("track"),
        "timeout_seconds": options.pop("timeout"),
        "overlap": options.pop("while_running"),
        "pause_after_failures": options.pop("pause_after"),
    }
    expect = {"within_seconds": options.pop("expect_within")}
    paused, delete = options.pop("paused"), options.pop("delete_after")
    return Schedule(
        tenant=tenant,
        name=name,
        expression=expressions[0] if len(expressions) == 1 else list(expressions),
        daylight_saving=_given(daylight),
        misfire=_given(misfire),
        runs=_given(runs),
        expect=_given(expect),
        start=moment_of(options.pop("start")),
        end=moment_of(options.pop("end")),
        input=_input(options.pop("given")),
        labels=_labels(options.pop("labels")),
        exclude=list(options.pop("exclude")) or None,
        state=None if paused is None else "PAUSED" if paused else "ENABLED",
        after_completion="DELETE" if delete else None,
        **options,
    )


def _given(fields: dict[str, Any]) -> dict[str, Any] | None:
    return {name: value for name, value in fields.items() if value is not None} or None


def _labels(pairs: tuple[str, ...]) -> dict[str, str] | None:
    labels = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or not name:
            raise click.UsageError(f"--label {pair!r} is no label; give KEY=TEXT")
        labels[name] = text
    return labels or None


def _input(text: str | None) -> msgspec.Raw | None:
    """*text*, or what the file after ``@`` has, as it is: the registrar's decoder says what is wrong with it."""
    if text is None:
        return None
    if text.startswith("@"):
        try:
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"--input {text}: the file cannot be read: {error}") from error
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise click.UsageError(f"--input {text[:80]!r} is no JSON ({error}); text goes in double quotes") from error
    return msgspec.Raw(text.strip().encode())
