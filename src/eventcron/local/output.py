"""The output of ``eventcron dev`` while it runs: fires, skips, warnings, errors, dead letters, lost events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from eventcron.adapters.aws.doctor import message_count
from eventcron.local.embedded import FunctionOutput
from eventcron.local.event_lines import line as event_line
from eventcron.local.event_lines import undelivered
from eventcron.local.runtime import Runtime
from eventcron.model.events import Answer
from eventcron.model.names import Instant
from eventcron.ports import Clock
from eventcron.ports.answers import Answers

#: Seconds between two checks of the dead-letter queues.
POLL_SECONDS = 2.0
_LEVELS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
#: Fields of a log record that a developer at a terminal does not need.
_HIDDEN = frozenset({
    "level", "message", "location", "timestamp", "service", "cold_start", "sampling_rate", "xray_trace_id",
    "function_name", "function_memory_size", "function_arn", "function_request_id",
    "exception", "exception_name", "stack_trace",
})  # fmt: skip
#: Output → what its dead letters are. A stack with one planner has no segment queue, and one without a history no
#: history queue.
_DEAD_LETTERS = {
    "CommandDeadLettersUrl": "commands",
    "FireDeadLettersUrl": "fires",
    "SegmentDeadLettersUrl": "ranges of segments",
    "TargetDeadLettersUrl": "rule targets",
    "HistoryDeadLettersUrl": "history",
}


class Output:
    """Shows the output of functions: warnings and errors, or with *verbose* everything but metrics."""

    def __init__(self, *, verbose: bool, echo: Callable[[str], None]) -> None:
        self._verbose = verbose
        self._echo = echo

    def output(self, output: FunctionOutput) -> None:
        """Show the output of one invocation, if it is to be shown."""
        name = _short(output.function)
        for line in output.output.splitlines():
            record = _record(line)
            if self._verbose and "_aws" not in record:
                self._echo(f"{name}  {line}")
            elif record.get("level") in _LEVELS:
                self._echo(f"{name}  {_text(record)}")
        if output.error and not self._verbose:
            self._echo(f"{name}  {click.style('failed', fg='red')}  {output.output.strip() or 'without a message'}")

    def planner_failed(self, answer: str) -> None:
        """Show that a planner run failed. The next tick plans the same windows."""
        self._echo(f"planner  {click.style('failed', fg='red')}  {answer}")

    async def watch_dead_letters(self, runtime: Runtime) -> None:
        """Show when a dead-letter queue grows. Runs until cancelled."""
        queues = {output: kind for output, kind in _DEAD_LETTERS.items() if output in runtime.outputs}
        counts = dict.fromkeys(queues, 0)
        sqs = runtime.client("sqs")
        while True:
            for output, kind in queues.items():
                url = runtime.outputs[output]
                count = await message_count(sqs, url)
                if count > counts[output]:
                    dead_letters = "dead letter" if count == 1 else "dead letters"
                    # Version 1 of the AWS CLI ignores AWS_ENDPOINT_URL for SQS.
                    read = f"aws --endpoint-url {runtime.endpoint} sqs receive-message --queue-url {url}"
                    self._echo(
                        click.style(f"{count} {dead_letters} of {kind}", fg="red")
                        + f"; to read: {read} --message-attribute-names All"
                    )
                counts[output] = count
            await asyncio.sleep(POLL_SECONDS)  # SQS does not announce messages

    async def watch_events(self, answers: Answers, clock: Clock, on_event: Callable[[Answer, Instant], object]) -> None:
        """Show each fire and each skip that *answers* receives. Runs until cancelled.

        *on_event* gets each event, whatever it is, and when it arrived.
        """
        while True:
            for event in await answers.receive():
                now = clock.now()
                on_event(event, now)
                text = event_line(event, now=now)
                if text is not None:
                    self._echo(text)

    async def watch_targets(self, log: Path) -> None:
        """Show what *log*, that of the embedded AWS, says of targets that got nothing. Runs until cancelled.

        Each message is shown once: a rule that matches every fire would repeat it with each.
        """
        shown: set[str] = set()
        with log.open(encoding="utf-8", errors="replace") as lines:
            while True:
                for text in undelivered(lines):
                    if text not in shown:
                        shown.add(text)
                        self._echo(
                            click.style("a rule's target got nothing", fg="red")
                            + f": {text}; `eventcron doctor` names the rule"
                        )
                await asyncio.sleep(POLL_SECONDS)  # a file does not announce its lines


def _short(function: str) -> str:
    """``eventcron-PlannerFunction-03ED…`` → ``planner``. A function of the developer keeps its name."""
    parts = function.split("-")
    ours = len(parts) > 1 and parts[0] == "eventcron" and parts[1].endswith("Function")
    return parts[1].removesuffix("Function").lower() if ours else function


def _record(line: str) -> dict[str, Any]:
    """*line* as a structured log record or as embedded metrics. Empty if it is neither."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _text(record: Mapping[str, Any]) -> str:
    """``WARNING schedule_rejected tenant=acme code=unknown_field``."""
    level = str(record["level"])
    fields = [f"{name}={_value(value)}" for name, value in record.items() if name not in _HIDDEN]
    fields += [str(record[name]) for name in ("exception",) if name in record]
    return " ".join([click.style(level, fg=_LEVELS[level]), str(record.get("message", "")), *fields])


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
