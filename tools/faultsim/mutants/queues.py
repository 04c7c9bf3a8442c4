"""Faults in sending packs, publishing events, and decoding commands."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from eventcron.adapters.memory import MemoryFireQueue
from eventcron.app.delivery import PackSender, Publisher
from eventcron.errors import Unavailable
from eventcron.model.messages import Pack
from eventcron.rules.packing import make_pack
from eventcron.wire import decode, encode
from tools.faultsim.mutants.planting import Function, Mutant, changes, changes_everywhere


def _give_up_in_silence(original: Any) -> Function:
    async def silent(*arguments: Any, **options: Any) -> None:
        try:
            await original(*arguments, **options)
        except Unavailable:
            return

    return silent


def _report_as_sent(original: Any) -> Function:
    async def send(self: Any, packs: Any, **options: Any) -> list[object]:
        return [refusal for refusal in await original(self, packs, **options) if not refusal.retryable]

    return send


def _same_id(original: Any) -> Function:
    def same_id(fires: Any, **attempt: int) -> Pack:
        pack: Pack = original(fires, **attempt)
        return replace(pack, id=encode.pack_id(fires))

    return same_id


MUTANTS = (
    Mutant(
        "a refused pack is reported as sent, and its segment as planned",
        changes(MemoryFireQueue, "send", _report_as_sent),
    ),
    Mutant("after the last try the sender gives up in silence", changes(PackSender, "send", _give_up_in_silence)),
    Mutant("a refused event is not published again", changes(Publisher, "publish", _give_up_in_silence)),
    Mutant("a pack that is put back keeps its id", changes_everywhere(make_pack, _same_id)),
    Mutant(
        "a tenant's source may act for any tenant",
        changes(decode, "_authorise", lambda _original: lambda _source, _tenant: None),
    ),
    Mutant(
        "a run after an update is another run",
        changes(encode, "_of_run", lambda _original: lambda fire: fire),
    ),
)
