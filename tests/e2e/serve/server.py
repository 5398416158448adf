"""A fleet in a process of its own, led through a socket: `python -m tests.e2e.serve.server SOCKET`.

It is first sent its settings and its bundles, and answers with its ports. Then each message is the name of a
method of `SyncDeploymentManager` and its arguments, and is answered by ("ok", what came of it) or
("error", why not). `replicas` gives what each of them tells. It ends when the other side does.
"""

import sys
from multiprocessing.connection import Connection, Listener
from typing import Any

from foretell.config import Settings
from foretell.errors import ForetellError
from foretell.serve.manager.sync import SyncDeploymentManager


def main(place: str) -> None:
    with Listener(place, "AF_UNIX") as listener, listener.accept() as other:
        tree, bundles = other.recv()
        with SyncDeploymentManager(Settings.model_validate(tree)) as manager:
            deployed = manager.manager._service.start(bundles)  # one by one would be a roll-out each
            manager.manager._know(deployed)
            serve = deployed.plan.settings.serve
            other.send(("ok", (serve.port, serve.grpc_port)))
            serve_other(manager, other)


def serve_other(manager: SyncDeploymentManager, other: Connection) -> None:
    while True:
        try:
            name, arguments = other.recv()
        except EOFError:
            return
        try:
            told: tuple[str, Any] = ("ok", call(manager, name, arguments))
        except ForetellError as error:
            told = ("error", f"{type(error).__name__}: {error}")
        other.send(told)


def call(manager: SyncDeploymentManager, name: str, arguments: tuple[Any, ...]) -> Any:
    if name == "replicas":
        return manager.manager._service.fleet.replicas()
    return getattr(manager, name)(*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
