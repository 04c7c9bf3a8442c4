"""What a cold start pays for importing the handlers, as a ratio to what it cannot do without.

Both sides run in fresh processes, in turns, and the fastest of each counts. Exits with 1 if the ratio is missed.
"""

from __future__ import annotations

import subprocess
import sys

HANDLERS = ("registrar_lambda", "planner_lambda", "executor_lambda")
#: The clients' library, logs and metrics, structs.
NEEDED = "import aiobotocore.session, aiobotocore.client, aws_lambda_powertools, aws_lambda_powertools.metrics, msgspec"
#: CPU time of importing the handlers, in that of ``NEEDED``. Measured: 1.3; a third more for the noise of a machine.
TARGET = 1.75
ROUNDS = 5


def seconds(statement: str) -> float:
    """CPU seconds that *statement* takes in a fresh process."""
    program = f"import time; began = time.process_time()\n{statement}\nprint(time.process_time() - began)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    """Print both and their ratio."""
    statement = "; ".join(f"import eventcron.entrypoints.{handler}" for handler in HANDLERS)
    rounds = [(seconds(statement), seconds(NEEDED)) for _ in range(ROUNDS)]
    ours, needed = (min(side) for side in zip(*rounds, strict=True))
    print(f"importing the handlers: {ours * 1000:.0f} ms of CPU, {ours / needed:.2f} x their dependencies alone")
    return int(ours / needed > TARGET)


if __name__ == "__main__":
    sys.exit(main())
