"""What programs and the command line use to put schedules, to read them and to hear what came of it."""

from eventcron.app.commander import NoAnswer, NotSent
from eventcron.client.client import Client
from eventcron.client.schedules import Schedule
from eventcron.client.stored import Stored
from eventcron.client.verbs import Receipt
from eventcron.errors import InvalidSchedule
from eventcron.wire.decode import Rejected

__all__ = ["Client", "InvalidSchedule", "NoAnswer", "NotSent", "Receipt", "Rejected", "Schedule", "Stored"]
