"""``eventcron doctor``: look at a deployment, say what is wrong and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click
import msgspec

from eventcron.adapters.aws import doctor, doctor_rules
from eventcron.adapters.aws.deployment import deployment
from eventcron.app.diagnosis import Finding, exit_status
from eventcron.entrypoints.cli.forms import json_option, print_document
from eventcron.entrypoints.cli.operations import CONNECTIONS, QUEUES, current_account, stack_option
from eventcron.entrypoints.cli.progress import Progress
from eventcron.entrypoints.cli.signals import run_until_signal
from eventcron.entrypoints.cli.tables import table
from eventcron.wiring import over_clients

#: The checks, in the order in which an operator wants to know.
CHECKS: dict[str, doctor.Check] = {
    "permissions": doctor.may_act,
    "clock": doctor.clock,
    "tick": doctor.rules_of_stack,
    "pollers": doctor.pollers,
    "segments": doctor.segments,
    "dead-letters": doctor.dead_letters,
    "rules": doctor_rules.rules,
    "invocations": doctor_rules.failed_invocations,
    "tenants": doctor.tenants,
}


@click.command("doctor")
@stack_option
@json_option
def command(stack: str, *, as_json: bool) -> None:
    """Look at a deployment: what is wrong, and what to do about it.

    Permissions, the clock, the tick, pollers, segments, dead letters, rules and their targets, limits. It changes
    nothing. Exit status 1 if something failed, 3 if there are warnings only. A check that you may not make is a
    warning.
    """
    findings = run_until_signal(_examine(stack))
    if as_json:
        print_document({"findings": [msgspec.to_builtins(finding) for finding in findings]})
    else:
        click.echo(_table(findings))
    sys.exit(exit_status(findings))


async def _examine(stack: str) -> list[Finding]:
    async with connected(stack) as patient:
        with Progress() as progress:
            return await doctor.examine(patient, CHECKS, on_progress=lambda done: progress.show(_so_far(done)))


def _so_far(done: int) -> str:
    return f"{done} of {len(CHECKS)} checks made"


@asynccontextmanager
async def connected(stack: str) -> AsyncIterator[doctor.Patient]:
    """The deployment of *stack*.

    Raises:
        NoDeployment, StaleDev: there is no such stack, or it cannot be reached.
        Unavailable: AWS refused for now.
    """
    async with deployment(stack, concurrency=CONNECTIONS, account=current_account()) as opened:
        queues = {name: opened.outputs[url] for name, (url, _) in QUEUES.items() if url in opened.outputs}
        yield doctor.Patient(
            client=opened.client,
            stack=stack,
            outputs=opened.outputs,
            cases=over_clients(opened.settings, opened.clients),
            dead_letters=queues,
        )


def _table(findings: Sequence[Finding]) -> str:
    rows = [(finding.level, finding.check, finding.what, finding.remedy or "-") for finding in findings]
    return table(("result", "check", "what", "remedy"), rows)
