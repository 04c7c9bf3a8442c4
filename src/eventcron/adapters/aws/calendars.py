"""``Calendars`` on DynamoDB, in the ledger's table: documents ``calendar#<tenant>#<name>``, ordered by revision."""

from __future__ import annotations

from eventcron.adapters.aws.documents import DynamoDocuments
from eventcron.adapters.aws.table import DynamoTable
from eventcron.model.names import CalendarKey
from eventcron.model.records import Calendar


class DynamoCalendars(DynamoDocuments[CalendarKey, Calendar]):
    """One item a calendar."""

    def __init__(self, table: DynamoTable) -> None:
        super().__init__(table, Calendar, kind="calendar", order="revision")
