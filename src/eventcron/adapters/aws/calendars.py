"""``Calendars`` on DynamoDB, in the ledger's table: documents ``calendar#<tenant>#<name>``, ordered by revision."""

from __future__ import annotations

from typing import Any

from eventcron.adapters.aws.clients import DynamoClient
from eventcron.adapters.aws.documents import DynamoDocuments
from eventcron.model.names import CalendarKey
from eventcron.model.records import Calendar


class DynamoCalendars(DynamoDocuments[CalendarKey, Calendar]):
    """Calendars by key, beside segments, packs and backfills. *options* are those of ``DynamoDocuments``."""

    def __init__(self, client: DynamoClient, table: str, **options: Any) -> None:
        super().__init__(client, table, Calendar, kind="calendar", order="revision", **options)
