"""The formats that ``import`` reads, and what a text of none or of another one is."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from eventcron.migrate import FORMATS
from eventcron.migrate.model import Found, Origin, WrongFormat
from eventcron.preview.mistaken import crontab_line

Reader: TypeAlias = Callable[[str, Origin], Found]


class _Kind(NamedTuple):
    """What a text is in which each of *marks* appears at the start of a line, and the format that reads it."""

    marks: tuple[str, ...]
    name: str
    format: str


_KINDS = (
    _Kind((r"[\[{]?.*\"?tenant\"?:", r".*\"?expression\"?:"), "a file of eventcron's schedules already", ""),
    _Kind((r"\[Timer\]",), "a systemd timer", "systemd"),
    _Kind((r"\[Unit\]",), "a systemd unit", "systemd"),
    _Kind((r"[ {]*\"?apiVersion\"?:", r"[ {]*\"?kind\"?:"), "a Kubernetes manifest", "kubernetes"),
    _Kind((r"[\"']?on[\"']?:", r"jobs:"), "a GitHub Actions workflow", "github-actions"),
    _Kind((r"service:", r"provider:"), "a serverless.yml", "eventbridge"),
    _Kind((r".*\"terraform_version\"",), "Terraform's JSON", "eventbridge"),
    _Kind((r"[ {]*\"?(?:AWSTemplateFormatVersion|Resources)\"?:",), "a CloudFormation template", "eventbridge"),
    _Kind((r".*\"ScheduleExpression\"",), "a schedule or rule of EventBridge", "eventbridge"),
    _Kind((r".*<job-scheduling-data",), "Quartz's XML", "quartz"),
    _Kind((r".*@Scheduled\s*\(",), "Spring code", "spring"),
    _Kind((r".*<(?:hudson|jenkins)\.", ), "a Jenkins job", "jenkins"),
    _Kind((r"\s*pipeline\s*\{",), "a Jenkinsfile", "jenkins"),
    _Kind((r".*(?:beat_schedule|BEAT_SCHEDULE)",), "a Celery beat schedule", "celery"),
    _Kind((r"\s+[\"']?:?(?:cron|every)[\"']?:", r"\s+[\"']?:?class[\"']?:"), "a Sidekiq schedule", "sidekiq"),
)  # fmt: skip


def reader(name: str) -> Reader:
    """Return the reader of the format *name*, one of ``FORMATS``."""
    found: Reader = importlib.import_module(f"eventcron.migrate.{FORMATS[name]}").read
    return found


def read(text: str, name: str, origin: Origin) -> Found:
    """Return what *text*, a file of the format *name*, says.

    Raises:
        WrongFormat: *text* is not of that format. The reason says what it is, if that is known.
    """
    kind = _kind_of(text)
    other = kind if kind is not None and kind.format != name else None
    try:
        found = reader(name)(text, origin)
    except WrongFormat as error:
        if other is None:
            raise WrongFormat(f"not of the format {name}: {error.reason}", error.line) from error
        raise _named(other, name, error.line) from error
    if not found and other is not None:
        raise _named(other, name, 1)
    return found


def _named(kind: _Kind, name: str, line: int | None) -> WrongFormat:
    remedy = f"; read it with `eventcron import {kind.format}`" if kind.format else ""
    return WrongFormat(f"not of the format {name} but {kind.name}{remedy}", line)


def _kind_of(text: str) -> _Kind | None:
    for kind in _KINDS:
        if all(re.search(rf"^{mark}", text, re.MULTILINE) for mark in kind.marks):
            return kind
    return _Kind((), "a crontab", "crontab") if crontab_line(text) is not None else None
