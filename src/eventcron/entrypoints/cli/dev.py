"""``eventcron dev``: run the whole stack on this machine until Ctrl-C."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from msgspec.structs import replace

from eventcron.adapters.aws.answers import answers_on
from eventcron.adapters.clock import SystemClock
from eventcron.client.dev_file import Dev, announced
from eventcron.console.live import Live
from eventcron.entrypoints.cli.console import Pages
from eventcron.entrypoints.cli.signals import Stopped, run_until_signal
from eventcron.local.embedded import EmbeddedAws
from eventcron.local.output import Output
from eventcron.local.runtime import ACCESS_KEY_ID, SECRET_ACCESS_KEY, LocalSettings, Runtime
from eventcron.local.tasks import run_with
from eventcron.local.template import NOT_EMULATED
from eventcron.model.history import KeepHistory
from eventcron.ports.answers import Answers

#: Options of the stack that ``dev`` creates. An empty AWS has no stack.
_OF_THE_STACK = ("trusted_source", "planner_workers", "keep", "quiet", "console", "allow_changes")


@click.command()
@click.option(
    "--port",
    default=4566,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port of the embedded AWS. 0 picks a free one.",
)
@click.option("--region", default="us-east-1", show_default=True, help="The Region of the embedded AWS.")
@click.option("--trusted-source", multiple=True, help="An event source that may act for every tenant. Repeatable.")
@click.option(
    "--planner-workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 16),
    help="Planners that run at once. More than one get their segments from a queue.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    metavar="DIRECTORY",
    help="Load the state from this directory and save it there. By default, state is discarded on exit.",
)
@click.option("--empty", is_flag=True, help="Create no stack: `sam deploy` can deploy eventcron, or anything else.")
@click.option("--console/--no-console", default=True, show_default=True, help="Serve pages that show the stack.")
@click.option("--allow-changes", is_flag=True, help="Let those pages run, pause, resume, backfill and redrive.")
@click.option("-q", "--quiet", is_flag=True, help="Do not print fires and skips.")
@click.option("-v", "--verbose", is_flag=True, help="Show all output of the functions, not only errors.")
@click.option("--json", "as_json", is_flag=True, help="When ready, print endpoint and outputs in one line of JSON.")
@click.pass_context
def command(
    context: click.Context,
    *,
    port: int,
    region: str,
    trusted_source: tuple[str, ...],
    planner_workers: int,
    keep: Path | None,
    empty: bool,
    console: bool,
    allow_changes: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run eventcron on this machine, on an embedded AWS, until Ctrl-C.

    It prints each fire and each skip as it happens. No Docker, no AWS account. Rules and targets that you add work as
    they do in an AWS account.
    """
    if empty:
        _refuse_options_of_the_stack(context)
        work = _run_empty(port, region, verbose=verbose, as_json=as_json)
    else:
        settings = LocalSettings(
            port=port,
            region=region,
            trusted_sources=trusted_source,
            planner_workers=planner_workers,
            keep_history=KeepHistory.ALL,
            keep=keep,
        )
        pages = Pages(allow_changes=allow_changes) if console else None
        work = _run(settings, pages, quiet=quiet, verbose=verbose, as_json=as_json)
    try:
        run_until_signal(work)
    except Stopped as stopped:  # as it is meant to end, so there is nothing to say
        sys.exit(stopped.status)


async def _run(settings: LocalSettings, pages: Pages | None, *, quiet: bool, verbose: bool, as_json: bool) -> None:
    began = time.perf_counter()
    output = Output(verbose=verbose, echo=_say)
    runtime = Runtime(
        settings,
        on_progress=lambda step: _say(click.style(f"{step} …", dim=True)),
        on_output=output.output,
        on_failure=output.planner_failed,
    )
    async with runtime, AsyncExitStack() as exits:
        where, live = _where(runtime), None
        watched = [output.watch_targets(runtime.log_file)]
        if not quiet:
            answers = await runtime.guard(exits.enter_async_context(_events_of(runtime)))
            live = Live(began=SystemClock().now())
            watched.append(output.watch_events(answers, SystemClock(), live.add))
        if pages is not None:
            where = replace(where, console=await exits.enter_async_context(pages.served(where.account, live)))
        with announced(where, Path.cwd()):
            seconds = time.perf_counter() - began
            click.echo(json.dumps(_document(runtime, where)) if as_json else _welcome(runtime, where, seconds))
            await runtime.guard(run_with(output.watch_dead_letters(runtime), watched))


@asynccontextmanager
async def _events_of(runtime: Runtime) -> AsyncIterator[Answers]:
    """Whatever eventcron publishes on the bus of *runtime*."""

    async def client(service: str) -> Any:
        return runtime.client(service)

    async with answers_on(client, runtime.bus_name, clock=SystemClock(), everything=True) as answers:
        yield answers


def _where(aws: Runtime | EmbeddedAws) -> Dev:
    return Dev(
        pid=os.getpid(),
        endpoint=aws.endpoint,
        region=aws.region,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
    )


def _refuse_options_of_the_stack(context: click.Context) -> None:
    given = [name for name in _OF_THE_STACK if context.get_parameter_source(name) != ParameterSource.DEFAULT]
    if given:
        options = " and ".join("--" + name.replace("_", "-") for name in given)
        raise click.UsageError(
            f"--empty creates no stack, so it does not take {options}; its state is not kept, and the stack's"
            " parameters are those of `sam deploy --parameter-overrides`"
        )


async def _run_empty(port: int, region: str, *, verbose: bool, as_json: bool) -> None:
    output = Output(verbose=verbose, echo=_say)
    async with EmbeddedAws(port=port, region=region, on_output=output.output) as aws:
        document = {
            "endpoint": aws.endpoint,
            "region": aws.region,
            "environment": environment(aws),
            "not_emulated": NOT_EMULATED,
        }
        with announced(_where(aws), Path.cwd()):
            click.echo(json.dumps(document) if as_json else _welcome_to_deploy(aws))
            raise await aws.died()


def _say(line: str) -> None:
    click.echo(line, err=True)


def environment(aws: Runtime | EmbeddedAws) -> dict[str, str]:
    """The environment variables that make ``aws``, ``sam`` and boto3 use *aws*."""
    return {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": aws.region,
        "AWS_REGION": aws.region,
    }


def _exports(aws: Runtime | EmbeddedAws) -> list[str]:
    """The environment of *aws* as three lines to copy into a shell."""
    variables = environment(aws)
    groups = (
        ("AWS_ENDPOINT_URL",),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_DEFAULT_REGION", "AWS_REGION"),
    )
    return ["export " + " ".join(f"{name}={shlex.quote(variables[name])}" for name in group) for group in groups]


def _document(runtime: Runtime, where: Dev) -> dict[str, object]:
    return {
        "endpoint": runtime.endpoint,
        "region": runtime.region,
        "account": runtime.account,
        "bus": runtime.bus_name,
        "rest": runtime.rest_url,
        "console": where.console or None,
        "environment": environment(runtime),
        "outputs": dict(runtime.outputs),
    }


def _welcome(runtime: Runtime, where: Dev, seconds: float) -> str:
    """The endpoint, the three lines to copy, and a command to try."""
    return "\n".join(
        [
            click.style(f"eventcron runs at {runtime.endpoint}", bold=True) + f"  (ready in {seconds:.1f} s)",
            *([click.style(f"see it at {where.console}", bold=True)] if where.console else []),
            "",
            *_exports(runtime),
            "",
            "Commands of eventcron that you start in this directory, or below it, use it by themselves.",
            "Copy the three lines into another shell: then aws and boto3 use this machine. To make a schedule fire:",
            "",
            f"aws events put-events --entries {shlex.quote(json.dumps([_example(runtime)]))}",
            "",
            "Version 1 of the AWS CLI ignores AWS_ENDPOINT_URL for sqs: give it --endpoint-url too.",
            f'Rules on bus "{runtime.bus_name}" with source "eventcron" receive the fires.',
            f"The REST API, for signed requests, is at {runtime.rest_url}. Ctrl-C stops everything.",
        ]
    )


def _welcome_to_deploy(aws: EmbeddedAws) -> str:
    """The endpoint, the three lines to copy, and the commands that deploy and remove eventcron."""
    return "\n".join(
        [
            click.style(f"an empty AWS runs at {aws.endpoint}", bold=True),
            "",
            *_exports(aws),
            "",
            "Copy the three lines into another shell, in a clone of eventcron. To deploy it, and to remove it again:",
            "",
            "sam build && sam deploy",
            "sam delete",
            "",
            "The embedded AWS accepts resources of these types and ignores them; the stack's events say why:",
            *(f"  {kind}" for kind in NOT_EMULATED),
            "",
            "Ctrl-C stops everything and keeps nothing.",
        ]
    )


def _example(runtime: Runtime) -> dict[str, str]:
    schedule = {"tenant": "acme", "name": "hello", "expression": "rate(5 seconds)", "input": {"hello": "world"}}
    return {
        "EventBusName": runtime.bus_name,
        "Source": "eventcron.tenant.acme",
        "DetailType": "Put Schedule",
        "Detail": json.dumps(schedule),
    }
