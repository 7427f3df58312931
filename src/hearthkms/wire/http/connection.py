"""One client's connection, apart from parsing: what is owed to the client, in which order, and the end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from functools import partial
from typing import Any, cast

from hearthkms.wire.http.faults import INCOMPLETE, INTERNAL, NOT_IN_TIME, OVERLOADED, TIMEOUT, Fault
from hearthkms.wire.http.front import Front
from hearthkms.wire.http.heads import CLOSE, CONTINUE, KEEP
from hearthkms.wire.http.message import HttpRequest, Reply, TlsDetails

IDLE, HEADERS, BODY, CHUNKED = range(4)
"""How far the request that is being received has come; IDLE: none is."""


class Connection(asyncio.Protocol):
    """Answers requests in their order, holds back a client that goes too fast, and keeps the deadlines.

    While `_stalled`, bytes that arrive are held unparsed. While `_watch`, `_settle` is called when answers
    have left. Once `_ending`, nothing more is read; the connection ends when the last answer has left.
    """

    __slots__ = (
        "_draining", "_ending", "_eof", "_expects", "_finished", "_front", "_held", "_linger",
        "_mode_at_least", "_most_owed", "_peer", "_phase", "_stalled", "_task", "_task_mode", "_tls",
        "_transport", "_waiting", "_watch", "_write_blocked", "deadline", "owed",
    )  # fmt: skip

    def __init__(self, front: Front) -> None:
        self._front = front
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._tls: TlsDetails | None = None
        self._phase = IDLE
        self._expects = False
        self._held: list[bytes | memoryview] = []
        self._waiting: deque[tuple[HttpRequest | Reply, int]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._task_mode = KEEP
        self._mode_at_least = KEEP
        self._most_owed = front.limits.max_pipelined
        self._stalled = self._watch = self._write_blocked = False
        self._ending = self._finished = self._linger = self._eof = self._draining = False
        self.deadline = front.idle_deadline
        self.owed = 0

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who the client is; turn it away if there are too many."""
        front = self._front
        self._transport = made = cast(asyncio.Transport, transport)
        name = made.get_extra_info("peername")
        self._peer = str(name[0]).removeprefix("::ffff:") if isinstance(name, tuple) else ""
        tls = made.get_extra_info("ssl_object")
        if tls is not None:
            self._tls = TlsDetails(tls.version(), tls.cipher()[0])
        made.set_write_buffer_limits(high=front.limits.write_high_water)
        front.joined(self)
        if front.stopping:
            made.abort()
        elif len(front.connections) > front.limits.max_connections:
            self.fail(OVERLOADED)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the client. A request that is being worked on is finished all the same."""
        del exc  # Why it went is the network's affair.
        self._transport = None
        self._ending = self._stalled = True
        self._held.clear()
        self._waiting.clear()
        self._front.left(self)

    def eof_received(self) -> bool:
        """The client will send nothing more, but still gets its answers; on TLS the connection just ends."""
        if self._tls is not None:
            # Neither asyncio nor uvloop can write to a TLS connection that is half closed.
            self._transport = None
            return False
        if self._finished:
            return False
        self._eof = self._watch = True
        if not self._stalled:
            self._input_over()
        return True

    def pause_writing(self) -> None:
        """The client does not read its answers: parse no more of its requests."""
        self._write_blocked = True
        self._stall()
        self.deadline = self._front.write_deadline

    def resume_writing(self) -> None:
        """The client has read on."""
        self._write_blocked = False
        self._restart_deadline()
        self._settle()

    # What the front calls

    def send(self, parts: list[bytes]) -> None:
        """Write answers that were owed."""
        self.owed -= len(parts)
        transport = self._transport
        if transport is not None:
            transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
            if self._watch:
                self._settle()

    def expire(self) -> None:
        """The deadline has passed: end what it was for."""
        if self._write_blocked or self._finished:
            self.abort()
        elif self._task is not None:
            self._task.cancel()
        elif self._phase != IDLE and not self._ending:
            self.fail(TIMEOUT)
        elif self.owed:
            self.abort()
        else:
            self._finish()

    def abort(self) -> None:
        """Drop the connection, with whatever was not yet sent."""
        if self._transport is not None:
            self._transport.abort()

    def drain(self) -> None:
        """The server stops: answer what has begun, say that this is the end, and take nothing new."""
        self._draining = self._watch = True
        self._mode_at_least = CLOSE

    def end_if_quiet(self) -> None:
        """Close the connection if no request has begun and no answer is owed."""
        if not self.owed and self.is_quiet():
            self._finish()

    def is_quiet(self) -> bool:
        """Whether no request is being received, waiting or worked on."""
        return self._phase == IDLE and self._task is None and not self._held

    def is_last_answer(self) -> bool:
        """Whether a single answer is owed, and no other will be."""
        return self.owed == 1 and self.is_quiet()

    def fail(self, fault: Fault) -> None:
        """Answer with `fault` after what is owed already, and end the connection."""
        self._linger = True
        if self._ending:
            return
        self._end()
        reply = fault.reply(self._front.ids.next())
        if self._task is not None:
            self._waiting.append((reply, CLOSE))
        else:
            self.deadline = self._front.write_deadline
            self._owe(reply, CLOSE)

    # Answers

    def _owe(self, reply: Reply, mode: int) -> None:
        front = self._front
        front.batch.add((self, front.heads.render(reply, mode), reply, mode))
        self.owed += 1
        if self.owed >= self._most_owed:
            self._stall()

    def _owe_continue(self) -> None:
        self._expects = False
        self.owed += 1
        self._front.batch.add((self, CONTINUE, None, KEEP))

    def _start(self, answering: Coroutine[Any, Any, Reply], mode: int) -> None:
        front = self._front
        self._task = task = front.loop.create_task(self._answer(answering))
        self._task_mode = mode
        front.tasks.add(task)
        task.add_done_callback(partial(self._ended, answering))
        self._stall()
        self.deadline = front.deadline(front.limits.request_timeout)

    async def _answer(self, answering: Coroutine[Any, Any, Reply]) -> None:
        """Owe the reply in the very step of the loop in which the application gives it.

        What the application left for the barrier in that step then meets it together with the reply. Were the
        reply a turn later, an earlier batch could be refused with the record, and the reply be let through.
        """
        reply = await answering
        if not isinstance(reply, Reply):
            self._front.on_error("A request was answered with something that is not a Reply.", None)
            reply = INTERNAL.reply(self._front.ids.next())
        self._answered(reply)

    async def _answer_later(self, request: HttpRequest) -> Reply:
        reply = self._front.app(request)
        return reply if isinstance(reply, Reply) else await reply

    def _answered(self, reply: Reply) -> None:
        self._task = None
        if self._transport is None:
            return
        self._owe(reply, self._task_mode)
        self._restart_deadline()
        if self._waiting:
            following, mode = self._waiting.popleft()
            if isinstance(following, Reply):
                self._owe(following, mode)
            else:
                self._start(self._answer_later(following), mode)

    def _ended(self, answering: Coroutine[Any, Any, Reply], task: asyncio.Task[None]) -> None:
        """The task is over; where it gave no answer, there is one now."""
        front = self._front
        front.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            answering.close()  # It may not even have begun.
            front.on_error("A request was not finished in time, and was cancelled.", None)
            self._answered(NOT_IN_TIME.reply(front.ids.next()))
        elif error is not None:
            front.on_error("A request failed.", error)
            self._answered(INTERNAL.reply(front.ids.next()))

    # Flow and end

    def _hold(self, data: bytes | memoryview) -> None:
        """Keep bytes that came while stalled, and have no more sent."""
        if self._ending:
            self._linger = True
        elif self._transport is not None:
            self._held.append(data)
            self._transport.pause_reading()

    def _stall(self) -> None:
        self._stalled = self._watch = True

    def _settle(self) -> None:
        """Answers have left, or the client reads again: go on with what waited for that."""
        if self.owed or self._task is not None or self._write_blocked or self._finished:
            return
        if self._ending or (self._draining and self.is_quiet()):
            self._finish()
        elif self._stalled:
            self._resume()

    def _resume(self) -> None:
        self._stalled = False
        self._watch = self._draining or self._eof
        held, self._held = self._held, []
        for data in held:
            self.data_received(cast(bytes, data))
        if self._stalled or self._transport is None:
            return
        if self._expects:
            self._owe_continue()
        if self._eof:
            self._input_over()
        else:
            self._transport.resume_reading()

    def _input_over(self) -> None:
        if self._phase != IDLE:
            self.fail(INCOMPLETE)
        else:
            self._end()
            self._settle()

    def _end(self) -> None:
        self._ending = True
        self._held.clear()
        self._stall()

    def _finish(self) -> None:
        """Close. Where the client may still be sending, say only that no more will come, and read on for a
        while: closing at once would reset the connection, and the client might lose the answer."""
        transport = self._transport
        if transport is None:
            return
        self._finished = self._ending = self._stalled = True
        if self._linger and not self._eof:
            self.deadline = self._front.deadline(self._front.limits.linger_timeout)
            if transport.can_write_eof():
                transport.write_eof()
            transport.resume_reading()
        else:
            self.deadline = self._front.write_deadline
            transport.close()

    def _restart_deadline(self) -> None:
        front = self._front
        if self._phase == IDLE:
            self.deadline = front.idle_deadline
        else:
            self.deadline = front.header_deadline if self._phase == HEADERS else front.body_deadline
