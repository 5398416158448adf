"""A replica: Ray Serve places it, asks after its health and replaces it; its own lane answers."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import ray
from ray.serve import ingress

from foretell.errors import EngineError, ForetellError
from foretell.interpreter import tune_interpreter
from foretell.serve.backend import Answer, Call, Priority, Refusal
from foretell.serve.deployment.autoscaling import ONGOING, Ongoing
from foretell.serve.deployment.deployed import Deployed
from foretell.serve.deployment.plan import Plan
from foretell.serve.models.registry import Registry
from foretell.serve.protocols.app import App
from foretell.serve.protocols.errors import as_refusal
from foretell.serve.protocols.oip_grpc import OipGrpc, make_server
from foretell.serve.replica.ask import Ask
from foretell.serve.replica.doors import Doors, ReplicaStats
from foretell.serve.replica.lane import GrpcDoor, Lane
from foretell.serve.replica.listener import ASGIApp
from foretell.serve.replica.node_figures import NodeFigures, node_folder
from foretell.serve.replica.outlook import Outlook
from foretell.serve.replica.serve_patches import close_port_hole, tell_load_after_changes
from foretell.serve.replica.vitals import Vitals
from foretell.serve.security.exchange import keep_exchanging
from foretell.serve.security.guard import Guard
from foretell.serve.security.ray_exchange import RayExchange
from foretell.serve.security.startup import files_of_node, is_loopback
from foretell.serve.security.tls import grpc_credentials, tls_context
from foretell.telemetry.export import RayExport, page
from foretell.telemetry.gpu import Gpus
from foretell.telemetry.log import setup
from foretell.telemetry.meter import Snapshot
from foretell.telemetry.serve_metrics import TABLE

log = logging.getLogger(__name__)
_SAMPLE_S = 0.02
_EXPORT_S = 1.0


class _Replica:
    """Its user loop is Serve's: health, figures, draining. All calls run on the lane's."""

    def __init__(self, deployed: Deployed) -> None:
        close_port_hole()
        tell_load_after_changes()
        plan = deployed.plan
        self._lane: Lane | None = None
        settings = plan.settings
        setup(settings.log)
        self._registry = _open(plan)
        memory = deployed.resources.for_ray(plan.gpu)["memory"]
        self._vitals = Vitals(self._registry.trouble, settings.serve.stuck, memory)
        self._drain_s = settings.serve.drain
        self._version = plan.version
        self._ongoing = Ongoing()
        self._doors = Doors(self._registry)
        gpus = Gpus.find() if plan.gpu else None
        self._outlook = Outlook(self._registry.figures, self._doors.ready, self._stats, gpus)
        self._figures = _node_figures(self._snapshot)
        self._lane = self._make_lane(plan)
        # Each step of a batch in numpy lets go of the interpreter, and waits for a busy lane to have it back.
        tune_interpreter(young=10_000, switch_s=0.0001)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """What Serve's own proxy asks."""
        assert self._lane is not None
        return self._lane  # an object: a bound method would be taken for ASGI 2

    async def check_health(self) -> None:
        """Serve asks; its first question opens the lane.

        Raises:
            EngineError: see `Vitals`. ConfigError: a port is taken.
        """
        assert self._lane is not None
        self._doors.trouble = self._vitals.trouble()
        if self._doors.trouble:
            raise EngineError(self._doors.trouble)
        if not self._lane.is_open and not self._doors.leaving:
            await asyncio.to_thread(self._lane.open)

    async def infer(self, ask: Ask) -> Answer | Refusal:
        """Of a handle. A refusal is given as a value: raised, Ray would wrap a traceback around it."""
        assert self._lane is not None
        began = time.monotonic()
        deadline = None if ask.deadline_s is None else began + ask.deadline_s
        call = Call(ask.model, ask.windows, priority=Priority(ask.priority), deadline=deadline)
        result: Answer | Refusal | None = None
        try:
            result = await asyncio.wrap_future(self._lane.submit(self._doors.infer(call)))
        except Exception as error:
            result = as_refusal(error)
        finally:
            seconds = time.monotonic() - began
            self._registry.figures.observe(ask.outcome(result, seconds, self._registry.manifests()))
        return result

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Serve asks each metrics interval; the policy reads it."""
        return {ONGOING: self._ongoing.take()}

    def record_routing_stats(self) -> dict[str, Any]:
        """What `Fleet.replicas` hears; Serve's routers make no use of it."""
        return asdict(self._stats())

    def _stats(self) -> ReplicaStats:
        return self._doors.stats(self._version, self._registry.device(), self._ongoing.last)

    async def __del__(self) -> None:
        """Serve awaits it before the process ends; it is also called where `__init__` failed."""
        if getattr(self, "_lane", None) is None:
            return
        assert self._lane is not None
        self._doors.leaving = True
        await asyncio.to_thread(self._lane.drain, self._drain_s)
        await asyncio.to_thread(self._outlook.end)
        await asyncio.to_thread(self._registry.close)
        if self._figures is not None:
            self._figures.share()  # what was counted last

    def _make_lane(self, plan: Plan) -> Lane:
        serve = plan.settings.serve
        with files_of_node():
            guard = Guard(serve.security, serve.limits, loopback=is_loopback(serve.host))
            tls, credentials = tls_context(serve.security), grpc_credentials(serve.security)
        observe = self._registry.figures.observe
        app = App(
            self._doors,
            guard,
            serve,
            self._page,
            observe=observe,
            full=self._registry.full,
            rows=plan.settings.rows,
            windows=plan.settings.windows,
        )
        app.warm_up()
        oip = OipGrpc(self._doors, guard, serve, observe)
        lane = Lane(
            app,
            serve.host,
            serve.port,
            limits=serve.limits,
            tls=tls,
            grpc=GrpcDoor(serve.grpc_port, lambda: make_server(oip, serve), credentials),
        )
        lane.submit(self._look_after(lane))
        self._outlook.begin()
        threading.Thread(target=self._export, name="metrics", daemon=True).start()
        if serve.security.keys is not None or serve.limits.rate is not None:
            name = f"{os.uname().nodename}-{os.getpid()}"
            lane.submit(keep_exchanging(guard.limits, RayExchange("foretell"), name))
        return lane

    def _page(self) -> bytes:
        return page(self._figures.sum() if self._figures else self._snapshot(), TABLE)

    def _snapshot(self) -> Snapshot:
        self._outlook.tell()
        return self._registry.snapshot()

    def _export(self) -> None:
        export = RayExport(TABLE)
        while True:
            time.sleep(_EXPORT_S)
            try:
                export.flush(self._snapshot())
                if self._figures is not None:
                    self._figures.share()
            except Exception as error:  # the figures of the next second may fare better
                log.debug("figures: %s", error)

    async def _look_after(self, lane: Lane) -> None:
        """Ever so often: how much is under way, and whether an engine still works."""
        while True:
            self._vitals.lane_is_alive()
            self._ongoing.add(self._doors.ongoing)
            if lane.is_open and self._registry.trouble():
                lane.shut(self._drain_s)
            await asyncio.sleep(_SAMPLE_S)


def _node_figures(snapshot: Callable[[], Snapshot]) -> NodeFigures | None:
    try:
        folder = node_folder(ray.get_runtime_context().get_node_id())
        return NodeFigures(folder, snapshot, TABLE)
    except OSError as error:
        log.warning("/metrics has the figures of this replica alone: %s", error)
        return None


def _open(plan: Plan) -> Registry:
    """Its errors name the model, not the folder that it lies in for this moment."""
    with plan.folders() as folders:
        try:
            return Registry.open(
                folders,
                engine=plan.settings.engine,
                batch=plan.settings.serve.batch,
                stuck_s=plan.settings.serve.stuck,
                gpu=plan.gpu,
                gpu_fraction=plan.gpu_fraction,
            )
        except ForetellError as error:
            raise type(error)(error.message.replace(f"{folders[0].parent}/", ""), cure=error.cure) from None


# Under another name than the class that Serve makes of it, which therefore travels by value.
Replica: Any = ingress()(_Replica)
