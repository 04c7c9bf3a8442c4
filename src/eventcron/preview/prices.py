"""What AWS charges for what eventcron uses: US East (N. Virginia), on demand, in US dollars, without the free tier.

Read on 26 November 2026 from each service's pricing page. ``eventcron cost`` prints that date, and the rig of
``benchmarks/`` computes with the same numbers.
"""

from __future__ import annotations

from typing import Final

#: The day on which the prices were read.
AS_OF: Final = "2026-11-26"
REGION: Final = "us-east-1"

MILLION: Final = 1_000_000

#: A million custom events. https://aws.amazon.com/eventbridge/pricing/: each 64 KB of payload is one event.
EVENTS: Final = 1.00
#: A million invocations of EventBridge Scheduler. https://aws.amazon.com/eventbridge/pricing/
SCHEDULER_INVOCATIONS: Final = 1.00
#: A million read or write units. https://aws.amazon.com/dynamodb/pricing/on-demand/
READ_UNITS: Final = 0.125
WRITE_UNITS: Final = 0.625
#: A GB stored for a month; the first 25 GB of an account are free, which is left out here.
STORED_GB: Final = 0.25
#: A million requests to a standard queue; each 64 KB count as one. https://aws.amazon.com/sqs/pricing/
SQS_REQUESTS: Final = 0.40
#: A GB-second on arm64, and a million invocations. https://aws.amazon.com/lambda/pricing/
GB_SECOND: Final = 0.0000133334
INVOCATIONS: Final = 0.20
#: A GB of logs taken in; an alarm, a custom metric and a dashboard for a month.
#: https://aws.amazon.com/cloudwatch/pricing/
LOGS_GB: Final = 0.50
ALARM: Final = 0.10
METRIC: Final = 0.30
DASHBOARD: Final = 3.00
