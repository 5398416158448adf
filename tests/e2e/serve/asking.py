"""A question asked over HTTP, by foretell's own client, or over gRPC, and its one end noted."""

import asyncio
from typing import Any

import grpc
import numpy as np
from tests.e2e.serve.connection import LOST, Connection, Reply
from tests.e2e.serve.ledger import End, Ledger, refused
from tests.e2e.serve.questions import Question
from tests.e2e.serve.ways import Way

from foretell.client import Client
from foretell.errors import ServerUnreachable
from foretell.serve.backend import Refusal
from foretell.serve.client.answers import Inference
from foretell.serve.protocols.oip_messages import SERVICE, methods
from foretell.serve.protocols.tensors import DATATYPES

LIMIT_S = 30.0  # nothing may take longer, on any machine
_CODE = "foretell-code"  # of a refusal, in the trailing metadata


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


async def ask_by_client(ledger: Ledger, client: Client, question: Question) -> None:
    """It tries again by itself."""
    ledger.begin(question)
    ledger.end(question, "client", *await _by_client(client, question, ledger))


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
        if _CODE in told:
            return End.REFUSED, str(told[_CODE])
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
