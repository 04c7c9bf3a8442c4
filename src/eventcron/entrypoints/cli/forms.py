"""The forms in which a command prints what it found: for people, or as JSON or YAML for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

T = TypeVar("T")

#: The forms in which a command can print what it found.
FORMS = ("table", "json", "yaml")
_FORM = "eventcron.form"


def json_option(function: Callable[..., T]) -> Callable[..., T]:
    """The options that say in which form *function* prints: its argument ``as_json``, and see ``print_document``."""

    @click.option("-o", "--output", type=click.Choice(FORMS), help="Print a table, JSON or YAML.  [default: table]")
    @click.option("--json", "json_alone", is_flag=True, help="Short for -o json.")
    @wraps(function)
    def run(*args: Any, output: str | None, json_alone: bool, **options: Any) -> T:
        if json_alone and output not in {None, "json"}:
            raise click.UsageError(f"give --json or -o {output}, not both")
        meta = click.get_current_context().find_root().meta
        # A group's option may stand before the subcommand.
        meta[_FORM] = form = output or ("json" if json_alone else meta.get(_FORM, "table"))
        return function(*args, as_json=form != "table", **options)

    return run


def form() -> str:
    """The form that the running command prints in: one of ``FORMS``."""
    context = click.get_current_context(silent=True)
    return "table" if context is None else str(context.find_root().meta.get(_FORM, "table"))


def print_document(document: Any, *, err: bool = False) -> None:
    """Print what a command found, for programs: as JSON, or as YAML if ``-o yaml`` asks for it. *err*: on stderr."""
    if form() != "yaml":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False), err=err)
        return
    import yaml  # noqa: PLC0415  # only -o yaml needs it

    click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False, err=err)
