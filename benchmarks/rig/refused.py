"""What AWS would answer with an error."""

from __future__ import annotations

#: The credentials and the Region that the rig expects. AWS's documentation signs its examples with these.
ACCESS_KEY_ID = "AKIDEXAMPLE"
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"


class Refused(Exception):
    """The request is answered with this error. *is_fault* = it is the client's fault, and so spoils a measurement."""

    def __init__(self, code: str, message: str, *, status: int = 400, is_fault: bool = True, item: bytes = b"") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.is_fault = is_fault
        #: JSON of the stored item, which DynamoDB returns with a failed condition if the request asks for it.
        self.item = item
