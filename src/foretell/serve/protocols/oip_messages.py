"""The messages of `open_inference.proto`, in a pool of their own.

Triton's and KServe's clients bring the same names; in protobuf's common pool a program that uses both them
and foretell would fail at import. Descriptors, as generated code would tie foretell to one release.
"""

from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "inference.GRPCInferenceService"

_pool = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(
    files(__package__).joinpath("open_inference.binpb").read_bytes()
).file:
    _pool.Add(_file)


def message(name: str) -> Any:
    """The class of a message, as in `message("ModelInferRequest")`."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"inference.{name}"))


def methods() -> dict[str, tuple[Any, Any]]:
    """Classes of request and response by the service's methods."""
    service = _pool.FindServiceByName(SERVICE)
    return {m.name: (message(m.input_type.name), message(m.output_type.name)) for m in service.methods}
