"""A client without ``await``: the same coroutines, on an event loop in a thread of their own."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Blocking:
    """*inner* as an ordinary context manager. Its coroutines block; its async iterators are iterators."""

    def __init__(self, inner: AbstractAsyncContextManager[Any]) -> None:
        self._inner: Any = inner
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="eventcron-client")

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._wait(self._inner.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._wait(self._inner.__aexit__(kind, error, traceback))
        finally:
            self._end()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: Any, **options: Any) -> Any:
            result = found(*args, **options)
            if inspect.iscoroutine(result):
                return self._wait(result)
            return self._iterate(result) if isinstance(result, AsyncIterator) else result

        return call

    def _iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        end: Any = object()

        async def following() -> T:
            return await anext(items, end)

        while (item := self._wait(following())) is not end:
            yield item

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C too: what was begun is cleaned up
            future.cancel()
            raise

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
