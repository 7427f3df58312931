"""What an application leaves for the barrier meets it in one batch with the reply it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.http.serving import Running, post, wait_for

from hearthkms.wire.http import HttpRequest, Reply


class Recorder:
    """An application and its barrier, as a worker has them: the barrier takes what was recorded meanwhile.

    The reply to `later` waits for the request `now`, which is answered at once. The barrier refuses the batch
    with the record of `later`.
    """

    def __init__(self) -> None:
        self.waiting: asyncio.Future[None] | None = None
        self._recorded: list[bytes] = []

    def __call__(self, request: HttpRequest) -> Reply | Coroutine[Any, Any, Reply]:
        if request.body == b"later":
            return self._later()
        if self.waiting is not None:
            # The reply that waits is made in the next turn of the loop, just before this one's batch leaves.
            self.waiting.set_result(None)
        return self._answer(request.body)

    async def _later(self) -> Reply:
        self.waiting = asyncio.get_running_loop().create_future()
        await self.waiting
        return self._answer(b"later")

    def _answer(self, body: bytes) -> Reply:
        self._recorded.append(body)
        return Reply(200, b"x-amzn-RequestId: " + body + b"\r\n", body)

    def barrier(self, release: Callable[[bool], None]) -> None:
        recorded, self._recorded = self._recorded, []
        release(b"later" not in recorded)


@pytest.mark.parametrize("new_loop", [None, asyncio.SelectorEventLoop])
def test_a_reply_does_not_outlive_its_record(
    serve: Callable[..., Running], new_loop: Callable[[], asyncio.AbstractEventLoop] | None
) -> None:
    recorder = Recorder()
    running = serve(
        recorder, barrier=recorder.barrier, **({} if new_loop is None else {"new_loop": new_loop})
    )
    with running.client() as client, running.client() as other:
        client.send(post(b"later"))
        wait_for(lambda: recorder.waiting is not None)
        other.send(post(b"now"))
        assert client.answer().status == 500
        assert other.answer().status == 500
