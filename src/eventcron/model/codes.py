"""The words that programs may compare: why an occurrence is skipped, why a command or a request is rejected.

They are stable. Later releases add members and remove none. ``docs/reference/errors.md`` and
``docs/reference/events.md`` explain each.
"""

from __future__ import annotations

from enum import StrEnum


class SkipReason(StrEnum):
    """Why an occurrence does not fire: ``reason`` of Schedule Skipped."""

    CANCELLED = "cancelled"
    DAYLIGHT_SAVING_GAP = "daylight_saving_gap"
    DELETED = "deleted"
    EXCLUDED = "excluded"
    MISFIRE = "misfire"
    PAUSED = "paused"
    QUOTA = "quota"
    STILL_RUNNING = "still_running"
    SUPERSEDED = "superseded"
    UNREADABLE = "unreadable"
    UNREADABLE_TRIGGER = "unreadable_trigger"


class CancelReason(StrEnum):
    """Why a backfill was cancelled: by a command, or because its schedule was deleted."""

    COMMAND = "command"
    DELETED = "deleted"


class RejectionCode(StrEnum):
    """Why a command is rejected: ``code`` of Schedule Rejected, and of the REST API's answer to a command."""

    BACKFILL_EXISTS = "backfill_exists"
    CALENDAR_TOO_LONG = "calendar_too_long"
    COMPLETED = "completed"
    DUPLICATE_KEY = "duplicate_key"
    IN_THE_PAST = "in_the_past"
    INPUT_TOO_LARGE = "input_too_large"
    INVALID_DATE = "invalid_date"
    INVALID_EXCLUSION = "invalid_exclusion"
    INVALID_EXPRESSION = "invalid_expression"
    INVALID_NAME = "invalid_name"
    INVALID_TIME = "invalid_time"
    INVALID_TRIGGER = "invalid_trigger"
    MISSING_FIELD = "missing_field"
    NEVER_FIRES = "never_fires"
    NEVER_MATCHES = "never_matches"
    NOT_ALLOWED = "not_allowed"
    NOT_FOUND = "not_found"
    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    NOTHING_DUE = "nothing_due"
    OUT_OF_RANGE = "out_of_range"
    QUOTA = "quota"
    RESERVED = "reserved"
    STALE_REVISION = "stale_revision"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    TOO_MANY_SCHEDULES = "too_many_schedules"
    TOO_OFTEN = "too_often"
    UNKNOWN_CALENDAR = "unknown_calendar"
    UNKNOWN_COMMAND = "unknown_command"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_TIMEZONE = "unknown_timezone"
    UNKNOWN_VALUE = "unknown_value"
    WRONG_LENGTH = "wrong_length"
    WRONG_TOKEN = "wrong_token"  # noqa: S105  no password: a code
    WRONG_TYPE = "wrong_type"


class RequestCode(StrEnum):
    """Why a request to the REST API or on the command line is refused before there is a command."""

    CANNOT_CONVERT = "cannot_convert"
    DUPLICATE = "duplicate"
    INVALID_CALENDAR = "invalid_calendar"
    INVALID_HEADER = "invalid_header"
    INVALID_TOKEN = "invalid_token"  # noqa: S105  no password: a page token
    PRECONDITION_FAILED = "precondition_failed"
    UNEXPECTED_BODY = "unexpected_body"
    UNREADABLE = "unreadable"
