"""The filter keeps new connections out, and hurts none that is there."""

import socket

import pytest

from foretell.serve.replica.syn_filter import drop_new_connections


@pytest.fixture
def address() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        host, port = free.getsockname()
    return host, port


def listener(address: tuple[str, int]) -> socket.socket:
    shared = socket.socket()
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind(address)
    shared.listen()
    shared.settimeout(5)
    return shared


def test_who_is_in_the_queue_stays_and_who_comes_finds_the_next_door(address: tuple[str, int]) -> None:
    first = listener(address)
    with socket.create_connection(address, timeout=5) as waiting:
        assert drop_new_connections(first)
        newcomer = socket.socket()
        newcomer.setblocking(False)
        newcomer.connect_ex(address)
        accepted, _ = first.accept()
        waiting.sendall(b"still here")
        assert accepted.recv(100) == b"still here"
        accepted.close()
    first.settimeout(0.1)
    with pytest.raises(TimeoutError):
        first.accept()
    with listener(address) as second:
        first.close()
        let_in, _ = second.accept()  # its SYN is sent again after a second
        newcomer.setblocking(True)
        newcomer.sendall(b"in")
        assert let_in.recv(100) == b"in"
        let_in.close()
    newcomer.close()
