"""Ports that are free, and what is said of those that are not."""

import socket

import pytest

from foretell.errors import ConfigError
from foretell.serve.deployment.ports import free_port


def test_a_free_one_can_be_listened_on() -> None:
    port = free_port("127.0.0.1", 0, look=False)
    with socket.create_server(("127.0.0.1", port)):
        assert free_port("127.0.0.1", port, look=False) == port, "whoever does not look takes it as it is"
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}") as told:
            free_port("127.0.0.1", port, look=True)
    assert told.value.cure == "give another --port or --grpc-port, or 0 for a free one"


def test_an_address_of_another_machine_is_told_as_such() -> None:
    with pytest.raises(ConfigError) as told:
        free_port("192.0.2.1", 0, look=True)
    assert told.value.cure is not None
    assert "--host is an address of this machine" in told.value.cure
