"""``eventcron init``: write the template of a subscription, to deploy with your own stack."""

from __future__ import annotations

import json

import click

from eventcron.rules.subscribing import subscription, template


@click.command("init")
@click.argument("which", metavar="TENANT/PATTERN")
@click.option(
    "--to", required=True, metavar="TARGET", help="lambda:ARN, stepfunctions:ARN, sqs:ARN, bus:ARN or https://…"
)
@click.option("--bus", default="eventcron", show_default=True, help="The bus, output BusName of the stack.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON in place of YAML.")
def command(which: str, to: str, bus: str, *, as_json: bool) -> None:
    """Write the CloudFormation template that `subscribe` would deploy for TENANT/PATTERN and TARGET.

    It needs no deployment. SAM deploys it as it is, and its resources can be copied into a template of yours.
    """
    made = template(subscription(bus, which, to))
    if as_json:
        click.echo(json.dumps(made, indent=2, ensure_ascii=False))
        return
    import yaml  # noqa: PLC0415  # --json does without

    click.echo(yaml.safe_dump(made, sort_keys=False, allow_unicode=True), nl=False)
