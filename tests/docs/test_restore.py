"""The page on backups does what it says when it is typed: nothing newer is undone, and what is missing comes back."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from eventcron.entrypoints.cli.dev import environment
from eventcron.local.runtime import LocalSettings, Runtime
from tests.docs.pages import blocks
from tests.waiting import until

PAGE = "docs/operations/restore.md"
BACK_UP, RESTORE, RESTORE_TABLES, UNDO, MOVE = blocks(PAGE, "sh")
#: Version 1 of the AWS CLI, which is what PyPI has, does not ask AWS_ENDPOINT_URL.
SHELL = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="the commands are typed into bash"),
]


@pytest_asyncio.fixture(name="runtime")
async def _runtime() -> AsyncIterator[Runtime]:
    async with Runtime(LocalSettings()) as runtime:
        yield runtime


async def typed(runtime: Runtime, folder: Path, script: str) -> str:
    """What *script* prints, typed with the environment that ``eventcron dev`` prints."""
    script = re.sub(r"AWS_DEFAULT_REGION=\S+", f"AWS_DEFAULT_REGION={runtime.region}", script)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", SHELL + script,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=folder,
        env={**os.environ, **environment(runtime), "PATH": path, "HOME": str(folder)},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, out.decode() + err.decode()
    return out.decode()


async def put(runtime: Runtime, detail_type: str, **detail: Any) -> None:
    detail = {"tenant": "acme", **detail}
    entry = {"Source": "eventcron.tenant.acme", "DetailType": detail_type, "Detail": json.dumps(detail)}
    answer = await runtime.client("events").put_events(Entries=[{"EventBusName": runtime.bus_name, **entry}])
    assert answer["FailedEntryCount"] == 0


async def stored(runtime: Runtime, name: str) -> dict[str, Any]:
    """The item of a schedule; empty if there is none."""
    key = {"tenant": {"S": "acme"}, "name": {"S": name}}
    table = runtime.outputs["SchedulesTableName"]
    item: dict[str, Any] = (
        await runtime.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)
    ).get("Item", {})
    return item


async def applied(runtime: Runtime, name: str, text: str) -> dict[str, Any]:
    """The item of a schedule, once *text* is in it."""

    async def there() -> dict[str, Any] | None:
        item = await stored(runtime, name)
        return item if text in json.dumps(item) else None

    return await until(there)


def unchanging(item: dict[str, Any]) -> dict[str, Any]:
    """What the planner does not move on."""
    return {name: value for name, value in item.items() if name in {"revision", "state", "body", "trigger"}}


async def test_the_commands_back_up_restore_and_move(runtime: Runtime, tmp_path: Path) -> None:
    await put(runtime, "Put Calendar", name="norway", dates=["2026-12-24"])
    ledger, key = runtime.outputs["LedgerTableName"], {"pk": {"S": "calendar#acme#norway"}}

    async def calendar() -> bool:
        return "Item" in await runtime.client("dynamodb").get_item(TableName=ledger, Key=key, ConsistentRead=True)

    await until(calendar)
    for name in ("nightly-export", "weekly"):
        await put(runtime, "Put Schedule", name=name, expression="0 2 1 1 *", exclude=["calendar:norway"])
        await applied(runtime, name, "ENABLED")
    assert "1 calendar and 2 schedules written" in await typed(runtime, tmp_path, BACK_UP)

    # Without a revision, a command takes its event's time, in whole seconds.
    await put(runtime, "Put Schedule", name="weekly", expression="0 3 1 1 *")
    newer = unchanging(await applied(runtime, "weekly", "0 3 1 1 *"))
    assert "0 commands put; 3 not needed" in await typed(runtime, tmp_path, RESTORE)
    assert "3 not needed" in await typed(runtime, tmp_path, RESTORE_TABLES)
    assert "3 not needed" in await typed(runtime, tmp_path, MOVE)
    assert unchanging(await stored(runtime, "weekly")) == newer

    await put(runtime, "Delete Schedule", name="nightly-export")
    await applied(runtime, "nightly-export", "DELETED")
    assert "0 commands put; 3 not needed" in await typed(runtime, tmp_path, RESTORE)
    assert "1 command put" in await typed(runtime, tmp_path, UNDO)
    assert "0 2 1 1 *" in json.dumps(await stored(runtime, "nightly-export"))

    # As after the loss of both tables.
    for table, lost in (
        (runtime.outputs["SchedulesTableName"], {"tenant": {"S": "acme"}, "name": {"S": "nightly-export"}}),
        (ledger, key),
    ):
        await runtime.client("dynamodb").delete_item(TableName=table, Key=lost)
    assert "2 commands put; 1 not needed" in await typed(runtime, tmp_path, RESTORE)
    assert (await stored(runtime, "nightly-export"))["state"]["S"] == "ENABLED"
    assert await calendar()
