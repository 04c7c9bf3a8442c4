"""Which of botocore's errors mean that a call may succeed later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from eventcron.errors import EventcronError, Unavailable

#: Codes of DynamoDB, SQS and EventBridge that are worth a retry, whatever the HTTP status: those of the three service
#: models, and those that botocore's standard retry mode treats as throttling or transient.
RETRYABLE_CODES = frozenset(
    {
        "InternalException",
        "InternalFailure",
        "InternalServerError",
        "KmsThrottled",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
#: What botocore raises for a call that failed.
ERRORS = (ClientError, BotoCoreError)
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500


def unavailable(
    service: str, error: ClientError | BotoCoreError, *, also: frozenset[str] = frozenset()
) -> Unavailable | None:
    """*error* as ``Unavailable`` if a retry may help. None: the fault is ours or the deployment's.

    *also* has further retryable codes of this service.
    """
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", "Unknown"))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code in RETRYABLE_CODES or code in also or status == TOO_MANY_REQUESTS or status >= SERVER_ERROR:
            return Unavailable(service, code, str(error))
        return None
    if isinstance(error, HTTPClientError | BotoConnectionError):
        return Unavailable(service, type(error).__name__, str(error))
    return None


class mapped(AbstractContextManager[None]):  # noqa: N801  # used as a function
    """Raise ``Unavailable`` in place of botocore's errors that are worth a retry; raise all others unchanged.

    *also* has further retryable codes of this service.
    """

    def __init__(self, service: str, *, also: frozenset[str] = frozenset()) -> None:
        self._service = service
        self._also = also

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if isinstance(error, ClientError | BotoCoreError):
            later = unavailable(self._service, error, also=self._also)
            if later is not None:
                raise later from error


@contextmanager
def explained(service: str, otherwise: Callable[[str], EventcronError]) -> Iterator[None]:
    """As ``mapped``, for the command line: in place of all others raise what *otherwise* makes of their text.

    It makes an error of an endpoint that is no URL too.
    """
    try:
        with mapped(service):
            yield
    except (ClientError, BotoCoreError) as error:
        raise otherwise(str(error).rstrip(".")) from error
    except ValueError as error:
        if not str(error).startswith("Invalid endpoint"):
            raise
        raise otherwise(str(error)) from error
