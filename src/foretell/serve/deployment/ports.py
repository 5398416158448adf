"""The ports of a fleet, and what replicas would only find out about their doors when they start."""

import errno
import logging
import socket

from foretell.config import ServeSettings
from foretell.errors import ConfigError
from foretell.serve.security.key_file import read_keys
from foretell.serve.security.startup import check_binding
from foretell.serve.security.tls import certificate_names, tls_context

log = logging.getLogger("foretell.serve")


def check_doors(serve: ServeSettings) -> None:
    """Addresses, certificate and keys, before anything starts. Raises `ConfigError`."""
    check_binding(serve.host, serve.security)
    if serve.port == serve.grpc_port != 0:
        raise ConfigError(
            f"HTTP and gRPC are both to have port {serve.port}", cure="give --port or --grpc-port another"
        )
    tls = tls_context(serve.security)
    if tls is not None and serve.security.tls_certificate is not None:
        certificate_names(tls, serve.security.tls_certificate)
    if serve.security.keys is not None and not read_keys(serve.security.keys):
        log.warning("%s holds no key yet, so nobody may ask: foretell keys new", serve.security.keys)


def free_port(host: str, port: int, *, look: bool) -> int:
    """`port`, or where it is 0 one that nobody has; `look`: whether somebody has it already, raises
    `ConfigError`."""
    if port and not look:
        return port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            return int(trial.getsockname()[1])
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}", cure=_listen_cure(error)
        ) from None


def _listen_cure(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "ports below 1024 want a right that this user lacks: give a higher --port or --grpc-port"
    if error.errno == errno.EADDRINUSE:
        return "give another --port or --grpc-port, or 0 for a free one"
    return "--host is an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them"
