"""No reply leaves before the barrier lets it, replies keep their order, and failures have their answers."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable

import pytest
from tests.http.serving import PATIENCE, Running, chunked, post, wait_for

from hearthkms.wire.http import HttpRequest, Limits, Reply

Release = Callable[[bool], None]


def repeat(request: HttpRequest) -> Reply:
    """Gives the body back."""
    return Reply(200, b"x-amzn-RequestId: r-" + request.body + b"\r\n", request.body)


class Gate:
    """A barrier whose releases the test calls."""

    def __init__(self) -> None:
        self.asked: queue.Queue[Release] = queue.Queue()

    def __call__(self, release: Release) -> None:
        self.asked.put(release)

    def next(self) -> Release:
        return self.asked.get(timeout=PATIENCE)


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_a_delayed_barrier_holds_the_reply(serve: Callable[..., Running], gate: Gate) -> None:
    running = serve(repeat, barrier=gate)
    with running.client() as client:
        client.send(post(b"1"))
        release = gate.next()
        assert client.silent()
        running.call(lambda: release(True))
        assert client.answer().body == b"1"


def test_a_refused_batch_gets_the_refused_reply_with_its_own_request_ids(
    serve: Callable[..., Running], gate: Gate
) -> None:
    running = serve(repeat, barrier=gate)
    with running.client() as client:
        client.send(post(b"1") + post(b"2") + post(b"3", b"Connection: close"))
        release = gate.next()
        running.call(lambda: release(False))
        for body in ("1", "2", "3"):
            answer = client.answer()
            assert answer.status == 500
            assert answer.body == b'{"__type":"KMSInternalException"}'
            assert answer.headers["x-amzn-requestid"] == f"r-{body}"
        assert answer.headers["connection"] == "close"
        assert client.closed()


def test_after_a_refused_batch_the_connection_goes_on(serve: Callable[..., Running], gate: Gate) -> None:
    running = serve(repeat, barrier=gate)
    with running.client() as client:
        for allowed, status in ((False, 500), (True, 200)):
            client.send(post(b"1"))
            release = gate.next()
            running.call(lambda release=release, allowed=allowed: release(allowed))
            assert client.answer().status == status


def test_requests_of_one_turn_ask_the_barrier_once(serve: Callable[..., Running], gate: Gate) -> None:
    running = serve(repeat, barrier=gate)
    with running.client() as client:
        client.send(b"".join(post(b"%d" % n) for n in range(50)))
        release = gate.next()
        running.call(lambda: release(True))
        assert [client.answer().body for _ in range(50)] == [b"%d" % n for n in range(50)]
        assert gate.asked.empty()


def test_batches_leave_in_order_whatever_the_order_of_release(
    serve: Callable[..., Running], gate: Gate
) -> None:
    running = serve(repeat, barrier=gate)
    with running.client() as one, running.client() as two:
        one.send(post(b"1"))
        first = gate.next()
        two.send(post(b"2"))
        second = gate.next()
        running.call(lambda: second(True))
        assert two.silent()
        running.call(lambda: first(False))
        assert one.answer().status == 500
        assert two.answer().body == b"2"


def test_pipelined_requests_in_several_batches_keep_their_order(
    serve: Callable[..., Running], gate: Gate
) -> None:
    running = serve(repeat, barrier=gate)
    with running.client() as client:
        releases = []
        for n in range(3):
            client.send(post(b"%d" % n))
            releases.append(gate.next())
        for release in reversed(releases):
            running.call(lambda release=release: release(True))
        assert [client.answer().body for _ in range(3)] == [b"0", b"1", b"2"]


def test_only_the_first_decision_counts(serve: Callable[..., Running], gate: Gate) -> None:
    running = serve(repeat, barrier=gate)
    with running.client() as client:
        client.send(post(b"1"))
        release = gate.next()
        running.call(lambda: (release(True), release(False), release(True)))
        assert client.answer().status == 200
        assert client.silent()


def test_a_barrier_that_fails_refuses(serve: Callable[..., Running]) -> None:
    def broken(release: Release) -> None:
        raise OSError("disk")

    running = serve(repeat, barrier=broken)
    with running.client() as client:
        assert client.ask(post(b"1")).status == 500
        assert client.ask(post(b"2")).status == 500
    assert [type(context["exception"]) for context in running.loop_errors] == [OSError, OSError]
    running.loop_errors.clear()


def test_a_client_that_left_before_the_release_harms_nobody(
    serve: Callable[..., Running], gate: Gate
) -> None:
    running = serve(repeat, barrier=gate)
    gone = running.client()
    gone.send(post(b"1"))
    first = gate.next()
    with running.client() as client:
        client.send(post(b"2"))
        second = gate.next()
        gone.socket.close()
        running.call(lambda: (first(True), second(True)))
        assert client.answer().body == b"2"


# Coroutines


class Slow:
    """An application that answers `wait` when the test says so, `fail` by raising, and the rest at once."""

    def __init__(self) -> None:
        self.began: queue.Queue[asyncio.Future[bytes]] = queue.Queue()
        self.cancelled = 0

    def __call__(self, request: HttpRequest) -> Reply | asyncio.Future[Reply]:
        if request.body.startswith(b"wait"):
            return self._wait(request)  # type: ignore[return-value]
        if request.body == b"fail":
            raise ValueError("sync")
        if request.body == b"fail later":
            return self._fail()  # type: ignore[return-value]
        if request.body == b"nonsense":
            return self._nonsense()  # type: ignore[return-value]
        return repeat(request)

    async def _wait(self, request: HttpRequest) -> Reply:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.began.put(future)
        try:
            return Reply(200, b"", request.body + await future)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def _fail(self) -> Reply:
        await asyncio.sleep(0)
        raise ValueError("later")

    async def _nonsense(self) -> str:
        return "nonsense"


@pytest.fixture
def slow() -> Slow:
    return Slow()


def test_a_coroutine_answers_and_order_is_kept(serve: Callable[..., Running], slow: Slow) -> None:
    running = serve(slow)
    with running.client() as client:
        client.send(post(b"1") + post(b"wait 2") + post(b"3") + post(b"wait 4") + chunked(b"5"))
        assert client.answer().body == b"1"
        for body in (b"wait 2", b"wait 4"):
            future = slow.began.get(timeout=PATIENCE)
            assert client.silent()
            running.call(lambda future=future: future.set_result(b"!"))
            assert client.answer().body == body + b"!"
            assert client.answer().body == (b"3" if body == b"wait 2" else b"5")
        assert client.ask(post(b"6")).body == b"6"


def test_other_connections_do_not_wait_for_a_coroutine(serve: Callable[..., Running], slow: Slow) -> None:
    running = serve(slow)
    with running.client() as waiting, running.client() as other:
        waiting.send(post(b"wait"))
        future = slow.began.get(timeout=PATIENCE)
        assert other.ask(post(b"2")).body == b"2"
        running.call(lambda: future.set_result(b""))
        assert waiting.answer().body == b"wait"


def test_what_arrives_while_a_coroutine_runs_is_bounded(serve: Callable[..., Running], slow: Slow) -> None:
    running = serve(slow)
    data = post(b"x" * 10_000) * 3_000
    with running.client(SO_SNDBUF=65_536) as client:
        client.send(post(b"wait"))
        future = slow.began.get(timeout=PATIENCE)
        client.socket.settimeout(0.3)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                sent += client.socket.send(data[sent : sent + 100_000])
        assert sent < 10_000_000, "the server reads on although it cannot answer"
        client.socket.settimeout(PATIENCE)
        running.call(lambda: future.set_result(b""))
        assert client.answer().body == b"wait"
        for _ in range(sent // len(post(b"x" * 10_000))):
            assert client.answer().body == b"x" * 10_000


def test_garbage_after_a_waiting_request_is_refused_after_its_answer(
    serve: Callable[..., Running], slow: Slow
) -> None:
    running = serve(slow)
    with running.client() as client:
        client.send(post(b"wait") + post(b"2") + b"\0garbage")
        future = slow.began.get(timeout=PATIENCE)
        running.call(lambda: future.set_result(b""))
        assert client.answer().body == b"wait"
        assert client.answer().body == b"2"
        assert client.answer().status == 400
        assert client.closed()


def test_an_exception_in_a_coroutine_is_500_and_the_connection_survives(
    serve: Callable[..., Running], slow: Slow
) -> None:
    running = serve(slow)
    with running.client() as client:
        client.send(post(b"fail later") + post(b"2"))
        answer = client.answer()
        assert (answer.status, answer.json()["__type"]) == (500, "InternalFailure")
        assert "connection" not in answer.headers
        assert client.answer().body == b"2"
    assert [repr(error) for _, error in running.errors] == ["ValueError('later')"]


def test_an_exception_at_once_is_500_and_the_connection_ends(
    serve: Callable[..., Running], slow: Slow
) -> None:
    running = serve(slow)
    with running.client() as client:
        client.send(post(b"1") + post(b"fail") + post(b"3"))
        assert client.answer().body == b"1"
        answer = client.answer()
        assert (answer.status, answer.json()["__type"]) == (500, "InternalFailure")
        assert answer.headers["connection"] == "close"
        assert client.closed()
    assert [repr(error) for _, error in running.errors] == ["ValueError('sync')"]


def test_an_exception_of_a_request_that_had_to_wait_is_500_too(
    serve: Callable[..., Running], slow: Slow
) -> None:
    running = serve(slow)
    with running.client() as client:
        client.send(post(b"wait") + post(b"fail") + post(b"3"))
        future = slow.began.get(timeout=PATIENCE)
        running.call(lambda: future.set_result(b""))
        assert [client.answer().status for _ in range(3)] == [200, 500, 200]
    assert [repr(error) for _, error in running.errors] == ["ValueError('sync')"]


def test_an_answer_that_is_none_is_500(serve: Callable[..., Running], slow: Slow) -> None:
    running = serve(slow)
    with running.client() as client:
        assert client.ask(post(b"nonsense")).status == 500
        assert client.ask(post(b"2")).status == 200
    assert len(running.errors) == 1


def test_a_coroutine_that_takes_too_long_is_cancelled_and_the_connection_survives(
    serve: Callable[..., Running], slow: Slow
) -> None:
    running = serve(slow, limits=Limits(request_timeout=0.1))
    with running.client() as client:
        client.send(post(b"wait") + post(b"2"))
        answer = client.answer()
        assert (answer.status, answer.json()["__type"]) == (503, "ServiceUnavailable")
        assert slow.cancelled == 1
        assert client.answer().body == b"2"
    assert len(running.errors) == 1


def test_a_request_whose_client_left_is_finished_all_the_same(
    serve: Callable[..., Running], slow: Slow
) -> None:
    running = serve(slow)
    with running.client() as client:
        client.send(post(b"wait"))
        future = slow.began.get(timeout=PATIENCE)
        client.reset()
    wait_for(lambda: running.server.connections == 0)
    assert not slow.cancelled
    running.call(lambda: future.set_result(b""))
    with running.client() as client:
        assert client.ask(post(b"2")).status == 200
    assert not running.errors
