"""The replicas as one: deployed on Ray Serve, scaled, looked after, ended."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve._private.common import DeploymentStatusTrigger, ReplicaState
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus

from foretell.config import ServeSettings
from foretell.errors import DeployFailed, RayUnreachable
from foretell.serve.deployment.deployed import Deployed
from foretell.serve.deployment.ledger import forget, kept
from foretell.serve.replica.doors import ReplicaStats

log = logging.getLogger(__name__)
APP = "foretell"
DEPLOYMENT = "Replica"
_NAMESPACE = "serve"
_SERVING = ("RUNNING", "UPDATING")  # the latter while it hears of other settings
_ANSWER_S = 5.0
_PATIENCE_S = 30.0  # with the controller: longer than it takes to be replaced on a busy machine
_HEARD_S, _LOOK_S = 10.0, 0.05
_HEALTH_PERIOD_S, _HEALTH_TIMEOUT_S = 1.0, 10.0
_AFTER_DRAIN_S = 5.0
_STARTS = 2  # a replica whose start fails so often will not start
_MOST_ONGOING = 100_000  # of handles; how many are too many is the queue's decision


@dataclass(frozen=True)
class FleetStatus:
    """Attributes:
    state: Serve's word: DEPLOYING, RUNNING, DEPLOY_FAILED, UNHEALTHY, DELETING, NOT_STARTED.
    replicas: by Serve's word for their state, as in {"RUNNING": 2}.
    message: why, where something is wrong or changes. trigger: Serve's word for what brought it there.
    """

    state: str
    replicas: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    trigger: str = ""

    @property
    def running(self) -> int:
        return self.replicas.get("RUNNING", 0)


class Fleet:
    """One application of Ray Serve with one deployment. Ray must be connected.

    Attributes:
        last: what this process deployed last.
        interrupted: whoever deploys, or waits for replicas, is to end: `DeployFailed`.
    """

    last: Deployed | None = None
    interrupted = False

    def start(self, settings: ServeSettings) -> None:
        """Start Ray Serve, if it does not run yet; its own proxy only where a port is given for it."""
        self._go_on()
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        location = "EveryNode" if settings.proxy_port else "Disabled"
        http = {"host": settings.host, "port": settings.proxy_port} if settings.proxy_port else None
        serve.start(proxy_location=location, http_options=http)

    def deploy(self, wanted: Deployed) -> None:
        """Bring the fleet there; returns as soon as Serve has heard it.

        Replicas of the same version stay. Others are replaced: each new one answers before an old one goes.
        """
        self._go_on()
        self.last = wanted
        if self.deployed() is None:
            forget()
        serve.run_many([_target(wanted)], wait_for_applications_running=False)
        deadline = time.monotonic() + _HEARD_S
        while self.deployed() != wanted and time.monotonic() < deadline:
            time.sleep(_LOOK_S)

    def deployed(self) -> Deployed | None:
        """What was deployed last, by whichever process; `None` when nothing is."""
        try:
            info, _ = _get_global_client().get_deployment_info(DEPLOYMENT, APP)
        except (KeyError, RayError, RayServeException):
            return None
        wanted: Deployed = info.replica_config.init_args[0]
        return wanted

    def status(self) -> FleetStatus:
        """As Serve sees it now. Raises `RayUnreachable`: its controller does not answer."""
        self._go_on()
        app = _application()
        if app is None:
            return FleetStatus("NOT_STARTED")
        state, deployment = str(ApplicationStatus(app["status"]).value), app["deployments"].get(DEPLOYMENT)
        if deployment is None:
            return FleetStatus(state, message=app["message"])
        trigger = str(DeploymentStatusTrigger(deployment["status_trigger"]).value)
        states = Counter(str(ReplicaState(r["state"]).value) for r in deployment["replicas"])
        return FleetStatus(state, dict(states), deployment["message"] or app["message"], trigger)

    def replicas(self) -> list[ReplicaStats]:
        """What each running replica tells of itself."""
        answers = []
        for name in self._running():
            try:
                answers.append(ray.get_actor(name, namespace=_NAMESPACE).record_routing_stats.remote())
            except ValueError:  # it has gone in this moment
                continue
        told = []
        for answer in answers:
            try:
                told.append(ray.get(answer, timeout=_ANSWER_S))
            except RayError:
                continue
        return [ReplicaStats(**one) for one in told if one]

    def counted(self) -> list[ReplicaStats]:
        """What each replica has counted, those that are gone among them."""
        return kept()

    def handle(self) -> Any:
        """A `DeploymentHandle`: asks a replica, without HTTP."""
        return serve.get_deployment_handle(DEPLOYMENT, APP)

    def close(self, *, serve_too: bool) -> None:
        """Drain all replicas and end; `serve_too`: Ray Serve itself, unless somebody else uses it."""
        try:
            serve.delete(APP)
            forget()
            if serve_too and not serve.status().applications:
                serve.shutdown()
        except (RayError, RayServeException, TimeoutError) as error:
            log.debug("the end of the fleet: %s", error)

    def _go_on(self) -> None:
        if self.interrupted:
            raise DeployFailed("interrupted")

    def _running(self) -> list[str]:
        deployments = (_application() or {}).get("deployments", {})
        replicas = deployments.get(DEPLOYMENT, {}).get("replicas", [])
        return [str(r["actor_name"]) for r in replicas if r["state"] in _SERVING]


def _application() -> dict[str, Any] | None:
    """What Serve's controller knows of it. Serve's own call waits for ever if Ray dies meanwhile."""
    if not ray.is_initialized():
        return None  # the question would connect to whatever Ray there is
    try:
        client = _get_global_client(raise_if_no_controller_running=False)
        if client is None:
            return None
        asked = client._controller.get_serve_instance_details.remote()
        found: dict[str, Any] | None = ray.get(asked, timeout=_PATIENCE_S)["applications"].get(APP)
    except RayError as error:
        told = str(error).strip().split("\n")[0]
        raise RayUnreachable(f"Ray Serve does not answer: {told}", cure="Ray's logs tell more") from None
    return found


def _target(wanted: Deployed) -> serve.RunTarget:
    from foretell.serve.replica.replica import Replica  # here: it brings all of the server along

    plan, scale = wanted.plan, wanted.scale
    number = {"num_replicas": scale} if isinstance(scale, int) else {"autoscaling_config": scale.for_serve()}
    deployment = serve.deployment(Replica).options(
        _internal=True,  # without a version of ours, Serve makes one up and replaces every replica
        version=plan.version,
        name=DEPLOYMENT,
        max_ongoing_requests=_MOST_ONGOING,
        ray_actor_options=wanted.resources.for_ray(plan.gpu),
        health_check_period_s=_HEALTH_PERIOD_S,
        health_check_timeout_s=_HEALTH_TIMEOUT_S,
        graceful_shutdown_wait_loop_s=0.05,
        graceful_shutdown_timeout_s=plan.settings.serve.drain + _AFTER_DRAIN_S,
        max_surge_percent=100,
        max_constructor_retry_count=_STARTS,
        **number,
    )
    return serve.RunTarget(deployment.bind(wanted), name=APP, route_prefix="/")
