"""What a cold start pays for: how long importing the handlers takes, against importing what they cannot do without.

Exits with 1 if they take more than two and a half times as long. Measured 1.4, and 1.8 for the REST API.
"""

from __future__ import annotations

import subprocess
import sys

HANDLERS = ("registrar_lambda", "planner_lambda", "executor_lambda", "reconciler_lambda", "rest_lambda")
#: The clients' library, logs and metrics, structs.
NEEDED = "import aiobotocore.session, aiobotocore.client, aws_lambda_powertools, aws_lambda_powertools.metrics, msgspec"
CEILING = 2.5


def seconds(statement: str) -> float:
    """Processor time of *statement* in a fresh process, at best of five."""
    program = f"import time; began = time.process_time()\n{statement}\nprint(time.process_time() - began)"
    command = [sys.executable, "-c", program]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5))


def main() -> None:
    needed = seconds(NEEDED)
    print(f"{'what handlers need':<24} {needed * 1000:6.0f} ms")
    ratios = {}
    for handler in HANDLERS:
        ours = seconds(f"import eventcron.entrypoints.{handler}")
        ratios[handler] = ours / needed
        print(f"{handler:<24} {ours * 1000:6.0f} ms   {ratios[handler]:.2f} x   target {CEILING:g} x at most")
    if max(ratios.values()) > CEILING:
        sys.exit("a target is missed")


if __name__ == "__main__":
    main()
