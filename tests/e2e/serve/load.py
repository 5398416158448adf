"""Callers that ask all the time, each as one kind of client does, and note what becomes of every request."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from tests.e2e.serve.connection import LOST, Connection, Reply
from tests.e2e.serve.fleet import HOST
from tests.e2e.serve.ledger import End, Ledger, refused
from tests.e2e.serve.mistakes import MISTAKES
from tests.e2e.serve.questions import Forecasts, Question, Spins
from tests.e2e.serve.ways import EVERY, TENSORS, Way

from foretell.client import Client
from foretell.errors import ServerUnreachable
from foretell.serve.backend import Refusal
from foretell.serve.client.answers import Inference
from foretell.serve.protocols.oip_messages import SERVICE, methods
from foretell.serve.protocols.tensors import DATATYPES

LIMIT_S = 30.0  # nothing may take longer, on any machine
_ENTRY = "foretell-code"


class Load:
    """Use it as a context: callers begin with it, and end with it when what they asked last is answered.

    Attributes:
        port, grpc_port: of the server. ledger: of all callers. ending: no more requests are to begin.
        forecasts, spins: make questions, for the callers only.
    """

    def __init__(
        self, ports: tuple[int, int], bundles: Sequence[Path], callers: Sequence["Caller"], seed: int = 0
    ) -> None:
        """`bundles`: versions of the forecast model that may answer."""
        self.port, self.grpc_port = ports
        self.ledger, self.ending = Ledger(), False
        self.forecasts, self.spins = Forecasts(bundles, seed), Spins(seed)
        self._callers = callers
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    @property
    def answered(self) -> int:
        """So far; raises what went wrong with a caller."""
        if self._error is not None:
            raise self._error
        return self.ledger.count(End.RIGHT)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending = True
        self._thread.join(2 * LIMIT_S)
        if kind is None:
            assert not self._thread.is_alive(), f"callers that do not end\n{self.ledger}"
            if self._error is not None:
                raise self._error

    def _run(self) -> None:
        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                for caller in self._callers:
                    group.create_task(caller(self))

        try:
            asyncio.run(all_of_them())
        except BaseException as error:
            self._error = error


Caller = Callable[[Load], Coroutine[None, None, None]]
Make = Callable[[Load], Question]


def a_forecast(load: Load) -> Question:
    return load.forecasts.make()


def a_spin(load: Load) -> Question:
    """Of some milliseconds."""
    return load.spins.make(value=5.0)


def steady(make: Make = a_forecast, ways: Sequence[Way] = EVERY, pause_s: float = 0.0) -> Caller:
    """One connection, in every way by turns."""

    async def call(load: Load) -> None:
        async with Connection(HOST, load.port) as connection:
            for way in cycle(ways):
                if load.ending:
                    return
                await ask(load.ledger, connection, way, make(load))
                await asyncio.sleep(pause_s)

    return call


def fleeting(make: Make = a_forecast, ways: Sequence[Way] = EVERY, pause_s: float = 0.0) -> Caller:
    """A connection for each request."""

    async def call(load: Load) -> None:
        for way in cycle(ways):
            if load.ending:
                return
            async with Connection(HOST, load.port) as connection:
                await ask(load.ledger, connection, way, make(load))
            await asyncio.sleep(pause_s)

    return call


def patient(make: Make = a_forecast, pause_s: float = 0.0) -> Caller:
    """foretell's own client, which tries again."""

    async def call(load: Load) -> None:
        async with Client(f"http://{HOST}:{load.port}", retries=40, timeout=LIMIT_S) as client:
            while not load.ending:
                question = make(load)
                load.ledger.begin(question)
                load.ledger.end(question, "client", *await _by_client(client, question, load.ledger))
                await asyncio.sleep(pause_s)

    return call


def over_grpc(make: Make = a_forecast, pause_s: float = 0.0, tries: int = 1) -> Caller:
    """One channel."""

    async def call(load: Load) -> None:
        async with grpc.aio.insecure_channel(f"{HOST}:{load.grpc_port}") as channel:
            while not load.ending:
                await ask_by_grpc(load.ledger, channel, make(load), tries)
                await asyncio.sleep(pause_s)

    return call


def leaving(make: Make = a_spin, ways: Sequence[Way] = TENSORS, pause_s: float = 0.0) -> Caller:
    """Goes away before the answer is there."""

    async def call(load: Load) -> None:
        for way in cycle(ways):
            if load.ending:
                return
            question = make(load)
            load.ledger.begin(question)
            async with Connection(HOST, load.port) as connection:
                request = way.request(question)
                await connection.send(request.raw)
                await asyncio.sleep(0.01)
            load.ledger.end(question, way.name, End.LEFT)
            await asyncio.sleep(pause_s)

    return call


def mistaken(pause_s: float = 0.0) -> Caller:
    """Asks for what must be refused, each mistake by turns."""

    async def call(load: Load) -> None:
        connection = Connection(HOST, load.port)
        for mistake in cycle(MISTAKES):
            if load.ending:
                connection.close()
                return
            question = load.forecasts.make()
            load.ledger.begin(question)
            try:
                end, reason = refused(await mistake.ask(connection, question))
            except LOST:
                end, reason = End.LOST, mistake.name
                connection.close()
            if end is End.REFUSED and reason != mistake.code:
                end, reason = End.WRONG, f"{reason} instead of {mistake.code}"
            load.ledger.end(question, f"mistake: {mistake.name}", end, reason)
            await asyncio.sleep(pause_s)

    return call


async def ask(
    ledger: Ledger, connection: Connection, way: Way, question: Question, limit_s: float = LIMIT_S
) -> End:
    """Once, whatever comes of it."""
    ledger.begin(question)
    request = way.request(question)
    try:
        async with asyncio.timeout(limit_s):
            reply = await connection.ask("POST", request.path, request.body, request.headers)
        end, reason = _judged(ledger, way, question, reply)
    except TimeoutError:
        end, reason = End.HUNG, f"for {limit_s:.0f} s"
    except LOST as error:
        end, reason = End.LOST, type(error).__name__
    if end in (End.HUNG, End.LOST):
        connection.close()
    ledger.end(question, way.name, end, reason)
    return end


async def ask_by_grpc(ledger: Ledger, channel: Any, question: Question, tries: int = 1) -> End:
    """As often as told, where the connection is lost."""
    ledger.begin(question)
    for left in reversed(range(tries)):
        end, reason = await _by_grpc(channel, question, ledger)
        if end is not End.LOST or not left:
            break
        await asyncio.sleep(0.1)
    ledger.end(question, "gRPC", end, reason)
    return end


def _judged(ledger: Ledger, way: Way, question: Question, reply: Reply) -> tuple[End, str]:
    try:
        if reply.status != 200:
            return refused(reply)
        wrong, version = way.read(question, reply)
    except (LookupError, TypeError, ValueError, ServerUnreachable) as error:
        return End.WRONG, f"{error!r} in {reply}"
    ledger.versions.add(version)
    return (End.WRONG, wrong) if wrong else (End.RIGHT, "")


async def _by_client(client: Client, question: Question, ledger: Ledger) -> tuple[End, str]:
    priority, deadline_ms = question.priority, question.deadline_ms
    try:
        told: Inference = await client.infer(
            question.model, question.windows, priority=priority, deadline_ms=deadline_ms
        )
    except Refusal as refusal:
        return End.REFUSED, refusal.reason
    except ServerUnreachable as error:
        return End.LOST, str(error)
    ledger.versions.add(told.version)
    wrong = question.wrong(told.version, told.outputs)
    return (End.WRONG, wrong) if wrong else (End.RIGHT, "")


async def _by_grpc(channel: Any, question: Question, ledger: Ledger) -> tuple[End, str]:
    asked, answered = methods()["ModelInfer"]
    infer = channel.unary_unary(
        f"/{SERVICE}/ModelInfer",
        request_serializer=asked.SerializeToString,
        response_deserializer=answered.FromString,
    )
    try:
        response = await infer(_message(asked, question), timeout=LIMIT_S)
    except grpc.aio.AioRpcError as error:
        told = dict(error.trailing_metadata() or ())
        if _ENTRY in told:
            return End.REFUSED, str(told[_ENTRY])
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return End.HUNG, str(error.details())
        return End.LOST, f"{error.code().name} {error.details()}"
    outputs = {
        tensor.name: np.frombuffer(raw, DATATYPES[tensor.datatype]).reshape(tensor.shape)
        for tensor, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }
    ledger.versions.add(response.model_version)
    wrong = question.wrong(response.model_version, outputs)
    if response.id != str(question.number):
        wrong = f"the answer to {response.id}"
    return (End.WRONG, wrong) if wrong else (End.RIGHT, "")


def _message(asked: Any, question: Question) -> Any:
    request = asked(model_name=question.model, id=str(question.number))
    request.inputs.add(name="windows", datatype="FP64", shape=question.windows.shape)
    request.raw_input_contents.append(question.windows.astype("<f8").tobytes())
    request.parameters["priority"].string_param = question.priority.name.lower()
    if question.deadline_ms is not None:
        request.parameters["deadline_ms"].double_param = question.deadline_ms
    return request
