"""``Calendars`` on DynamoDB, in the ledger's table: documents ``calendar#<tenant>#<name>``, ordered by revision."""

from __future__ import annotations

from eventcron.adapters.aws.documents import DynamoDocuments
from eventcron.adapters.aws.table import DynamoTable, text
from eventcron.model.names import CalendarKey
from eventcron.model.records import Calendar
from eventcron.ports import Page


class DynamoCalendars(DynamoDocuments[CalendarKey, Calendar]):
    """One item a calendar."""

    def __init__(self, table: DynamoTable) -> None:
        super().__init__(table, Calendar, kind="calendar", order="revision")

    async def scan(self, part: int, parts: int, *, cursor: str | None = None) -> Page[Calendar]:
        items, following = await self._table.scan(
            cursor=cursor,
            Segment=part,
            TotalSegments=parts,
            ConsistentRead=True,
            FilterExpression="begins_with(#pk, :kind)",
            ExpressionAttributeNames={"#pk": "pk"},
            ExpressionAttributeValues={":kind": text("calendar#")},
        )
        return Page([self._decode(item) for item in items], following)
