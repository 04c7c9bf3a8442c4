"""``Runs`` on DynamoDB, in the ledger's table: documents ``run#<tenant>#<name>#<id>``, ordered by version."""

from __future__ import annotations

import secrets

from eventcron.adapters.aws.documents import DynamoDocuments
from eventcron.adapters.aws.table import DynamoTable
from eventcron.model.runs import Lane, LaneKey

#: Bytes of a lane's secret: as many as the digest that is made with it.
SECRET_BYTES = 32


class DynamoRuns(DynamoDocuments[LaneKey, Lane]):
    """One item a lane."""

    def __init__(self, table: DynamoTable) -> None:
        super().__init__(table, Lane, kind="run", order="version")

    def new_secret(self) -> str:
        return secrets.token_hex(SECRET_BYTES)
