"""What a cold start pays for: to import a handler and open its clients, against aiobotocore with three clients.

Exits with 1 if that takes more than half as long. Measured 0.32 to 0.44.
"""

from __future__ import annotations

import os
import subprocess
import sys

HANDLERS = ("registrar_lambda", "planner_lambda", "executor_lambda", "reconciler_lambda", "rest_lambda")
CEILING = 0.5

#: What a function's environment has.
ENVIRONMENT = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_DEFAULT_REGION": "eu-north-1",
    "AWS_CONFIG_FILE": "/nowhere",
}
AIOBOTOCORE = """
import asyncio
from aiobotocore.session import get_session
async def main():
    session = get_session()
    async with session.create_client("dynamodb"), session.create_client("sqs"), session.create_client("events"):
        pass
asyncio.run(main())
"""
OURS = """
import asyncio
import eventcron.entrypoints.{handler}
from eventcron.adapters.aws.clients import aws_clients
async def main():
    async with aws_clients(concurrency=16):
        pass
asyncio.run(main())
"""


def seconds(statement: str) -> float:
    """Processor time of *statement* in a fresh process, at best of five."""
    program = f"import time; began = time.process_time()\n{statement}\nprint(time.process_time() - began)"
    command = [sys.executable, "-c", program]
    return min(
        float(subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout)
        for _ in range(5)
    )


def main() -> None:
    usual = seconds(AIOBOTOCORE)
    print(f"{'aiobotocore, 3 clients':<24} {usual * 1000:6.0f} ms")
    ratios = {}
    for handler in HANDLERS:
        ours = seconds(OURS.format(handler=handler))
        ratios[handler] = ours / usual
        print(f"{handler:<24} {ours * 1000:6.0f} ms   {ratios[handler]:.2f} x   target {CEILING:g} x at most")
    if max(ratios.values()) > CEILING:
        sys.exit("a target is missed")


if __name__ == "__main__":
    main()
