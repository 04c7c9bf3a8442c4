"""eventcron: a multi-tenant scheduler for AWS.

Schedules go in by EventBridge PutEvents; fires come out on an EventBridge bus at the exact instant.
"""

__version__ = "0.1.0"
