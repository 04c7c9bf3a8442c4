"""``eventcron import``: write another scheduler's files as eventcron's schedules."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eventcron.adapters.clock import SystemClock
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.start import PARTLY
from eventcron.entrypoints.cli.tables import counted
from eventcron.migrate import FORMATS

if TYPE_CHECKING:
    from eventcron.migrate.assemble import Import
    from eventcron.migrate.model import Found


@click.command("import")
@click.argument("source", metavar="FORMAT", type=click.Choice(sorted(FORMATS)))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--tenant", default="default", show_default=True, help="The tenant of the schedules.")
@click.option(
    "--timezone",
    default="UTC",
    show_default=True,
    metavar="TZ",
    help="The zone of expressions that name none: the host's.",
)
@click.option(
    "--user-column/--no-user-column",
    default=None,
    help="Whether a crontab has a user before each command.  [default: found out]",
)
@click.option("--live", is_flag=True, help="eventbridge: read the schedules of the account and Region, not FILES.")
@click.option("--profile", help="With --live: the profile of the AWS CLI.")
@click.option("--region", help="With --live: the Region.")
@click.option("--endpoint-url", help="With --live: the URL to call in place of AWS's own.")
@click.option("--group", metavar="NAME", help="With --live: only this schedule group of EventBridge Scheduler.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "jsonl", "json"]),
    default="yaml",
    show_default=True,
    help="A file of schedules, or one JSON object with all that the import came to.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: -o json.")
def command(
    source: str,
    files: tuple[Path, ...],
    *,
    tenant: str,
    timezone: str,
    output: str,
    group: str | None,
    user_column: bool | None,
    live: bool,
    as_json: bool,
    **account: str | None,
) -> None:
    """Write what FILES of another scheduler say as schedules, for `eventcron simulate` and Put Schedule.

    FILES are of FORMAT; - is standard input. Each schedule says where it came from. What eventcron cannot say is
    listed on stderr with the reason and what comes nearest, and then the exit status is 3.
    """
    from eventcron.migrate.assemble import Defaults, assemble, check_defaults  # noqa: PLC0415  --help needs none of it

    defaults = Defaults(tenant, timezone, SystemClock().now())
    check_defaults(defaults)
    given = {name: value for name, value in account.items() if value is not None}
    _check_source(source, files, {**given, **({"group": group} if group is not None else {})}, live=live)
    if live:
        found = [(f"eventbridge{f' group {group}' if group else ''}", run_until_signal(_live(group, given)))]
    else:
        found = [(str(path), _read(path, source, user_column=user_column)) for path in files]
    with Progress() as progress:
        result = assemble(
            found, defaults, on_progress=lambda done: progress.show(f"{counted(done, 'schedule')} imported")
        )
    _show(result, "json" if as_json else output)
    sys.exit(PARTLY if result.unsaid else 0)


def _check_source(source: str, files: tuple[Path, ...], of_live: Mapping[str, str], *, live: bool) -> None:
    if live and source != "eventbridge":
        raise click.UsageError("--live reads what AWS has: it is for the format eventbridge alone")
    if of_live and not live:
        option = next(iter(of_live)).replace("_", "-")
        raise click.UsageError(f"--{option} is for --live: a file is read whole")
    if live and files:
        raise click.UsageError("--live or FILES, not both")
    if not live and not files:
        raise click.UsageError("Missing argument 'FILES...'." + (" Or --live." if source == "eventbridge" else ""))


async def _live(group: str | None, given: Mapping[str, str]) -> Found:
    from eventcron.adapters.aws.other_schedulers import existing_schedules  # noqa: PLC0415  botocore is slow to import
    from eventcron.entrypoints.cli.operations import account_of  # noqa: PLC0415
    from eventcron.migrate.eventbridge import of_answer  # noqa: PLC0415

    account = account_of(given, Path.cwd(), os.environ)
    with Progress() as progress:
        answers = await existing_schedules(
            group=group, account=account, on_progress=lambda count: progress.show(f"{counted(count, 'schedule')} read")
        )
    return [one for entry, targets in answers for one in of_answer(entry, targets)]


def _read(path: Path, source: str, *, user_column: bool | None) -> Found:
    from eventcron.migrate.formats import read  # noqa: PLC0415  --help needs none of it
    from eventcron.migrate.model import Origin, WrongFormat  # noqa: PLC0415
    from eventcron.preview.files import UnreadableFile, read_text  # noqa: PLC0415

    text = read_text(path)
    try:
        return read(text, source, Origin(str(path), user_column))
    except WrongFormat as error:
        raise UnreadableFile(path, error.line, error.reason) from error


def _show(result: Import, output: str) -> None:
    from eventcron.migrate.write import as_json, as_json_lines, as_yaml, missing, sentence  # noqa: PLC0415  --help needs none

    if output == "json":
        click.echo(as_json(result))
    else:
        for line in as_yaml(result) if output == "yaml" else as_json_lines(result):
            click.echo(line)
    click.echo(f"eventcron: {counted(len(result.schedules), 'schedule')} imported", err=True)
    for listed in result.unsaid:
        click.echo(f"eventcron: {missing(listed)}: {sentence(listed)}", err=True)
