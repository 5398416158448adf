"""What is checked before anything listens: the address, the files of this node, and Ray's own token."""

import ipaddress
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foretell.config import SecuritySettings
from foretell.errors import ConfigError


def check_binding(host: str, security: SecuritySettings) -> bool:
    """Whether `host` is loopback only.

    Raises:
        ConfigError: it is not, there are no keys, and nobody said that this is meant.
    """
    loopback = is_loopback(host)
    if not loopback and security.keys is None and not security.insecure:
        raise ConfigError(
            f"{host or 'every address'} can be reached from other machines, and anybody there could ask "
            "without a key",
            cure="make keys (`foretell keys new`) and name the file in serve.security.keys, "
            "stay on 127.0.0.1, or say --insecure",
        )
    return loopback


def is_loopback(host: str) -> bool:
    """Every address that the name stands for is this machine's own; an unknown name is not."""
    if not host:  # to a socket it means every address
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(where[0]).partition("%")[0]).is_loopback for *_, where in found)


@contextmanager
def files_of_node() -> Iterator[None]:
    """Around what a replica reads from its own node's disk: keys, certificate. Its errors name the node.

    Secrets do not travel with a replica: whoever may use the cluster could read them on their way.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            f"node {os.uname().nodename}: {error.message}",
            cure="each node that runs replicas reads this file from its own disk, at the same path: copy it "
            "there, or mount it (on Kubernetes, one Secret in every pod)",
        ) from None


def ray_auth_environment(folder: Path) -> dict[str, str]:
    """What a Ray that we start needs so that only those who read the token's file can use it.

    The file is made where it is missing (mode 0600, in a folder of mode 0700) and used again afterwards. Ray
    itself would write its own with mode 0644. Give it to each process of that Ray, before the environment's
    own variables: `{**ray_auth_environment(folder), **os.environ}`.

    Raises:
        ConfigError: the folder or the file is open to others.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "ray-token"
    if not file.exists():
        _write_token(file)
    for path, cure in ((folder, f"chmod 700 {folder}"), (file, f"chmod 600 {file}")):
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path}: others may open it, and it guards Ray's token", cure=cure)
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(file.absolute())}


def _write_token(file: Path) -> None:
    """Whole or not at all, and the first of several that start at once decides."""
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secrets.token_hex(32))
    try:
        os.link(beside, file)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
