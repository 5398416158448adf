"""Serving from start to end: reach Ray, deploy models, change what is deployed, end. All calls may block."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TypeVar

import ray

from foretell.bundle.manifest import Manifest
from foretell.cluster import Cluster
from foretell.config import Settings, WindowSettings
from foretell.errors import ConfigError, DeployFailed, ForetellError, RayUnreachable
from foretell.serve.deployment.autoscaling import AutoscalingConfig, named_autoscaling
from foretell.serve.deployment.deployed import Deployed, Scale
from foretell.serve.deployment.fleet import Fleet
from foretell.serve.deployment.plan import ModelFiles, Plan, read_models
from foretell.serve.deployment.ports import check_doors, free_port
from foretell.serve.deployment.resources import ResourceConfig
from foretell.serve.deployment.rollout import roll_out, until_running
from foretell.serve.deployment.sources import find_bundle
from foretell.serve.security.startup import ray_auth_environment
from foretell.windows import WindowRules

T = TypeVar("T")
log = logging.getLogger("foretell.serve")
_LOOK_S = 0.2
_STEP_S = 5.0  # for what is asked of Ray at the moment of an interruption


class Service:
    """Attributes:
    fleet: what is deployed.
    own: Ray is ours and ends with us.
    """

    def __init__(self, settings: Settings, reached: Callable[[], None] = lambda: None) -> None:
        """`reached`: called when Ray was started or reached: it puts signal handlers over the caller's."""
        self.settings = settings
        self._reached = reached
        self.fleet = Fleet()
        self._cluster: Cluster | None = None

    @property
    def own(self) -> bool:
        return self._cluster is not None and self._cluster.own

    @property
    def deployed(self) -> Deployed:
        """Raises `ConfigError` when nothing is."""
        deployed = self.fleet.deployed() if ray.is_initialized() else None
        if deployed is None:
            raise ConfigError("nothing is deployed", cure="await initialize(), or deploy_model(path), first")
        return deployed

    def start(
        self, models: Sequence[str], scale: Scale | None = None, resources: ResourceConfig | None = None
    ) -> Deployed:
        """Reach Ray and serve these models.

        Args:
            models: paths of bundles or of a model's files, or names of the store (`name`, `name:version`,
                `name@alias`). scale, resources: unset: as the settings say.

        Raises:
            ConfigError, BundleError, ImportFailed: before anything is started.
            RayUnreachable, DeployFailed.
        """
        settings = self.settings
        check_doors(settings.serve)
        bundles = [find_bundle(model, settings) for model in models]
        for bundle in bundles:
            _check_windows(bundle.manifest, settings.windows)
        files = read_models(bundles, settings.rows.adapter)
        resources = resources or ResourceConfig.named(settings.serve.resources)
        scale = scale or settings.serve.replicas or named_autoscaling(settings.serve.autoscale)
        scale = self._connect(scale, resources)

        def deploy() -> Deployed:
            self.fleet.start(settings.serve)
            plan = Plan(self._with_ports(), files, self._gpu(), min(resources.num_gpus, 1.0))
            wanted = Deployed(plan, scale, resources)
            self._roll_out(wanted)
            return wanted

        return self._deploying(deploy)

    def update(self, model: str, watch_s: float | None = None) -> Deployed:
        """Another version of a model that is served; `watch_s`: unset: as `serve.watch` says.

        Raises:
            DeployFailed: it is no good; the version from before goes on.
        """
        now = self.deployed
        bundle = find_bundle(self._meant(model, now), self.settings)
        _check_windows(bundle.manifest, self.settings.windows)
        files = ModelFiles.of(bundle, self.settings.rows.adapter)
        if files.name not in now.plan.versions:
            served = ", ".join(now.plan.versions)
            raise ConfigError(f"no model {files.name} is served, but {served}", cure="deploy it first")
        return self.change(Deployed(now.plan.with_model(files), now.scale, now.resources), watch_s)

    def change(self, wanted: Deployed, watch_s: float | None = None) -> Deployed:
        """Go from what is deployed to something else, as `update` does."""
        self._deploying(lambda: self._roll_out(wanted, watch_s))
        return wanted

    def rescale(self, scale: Scale) -> bool:
        """Return at once; replicas come and go, and no request is lost.

        Returns:
            Whether it can be had as it was asked for: false where a Ray of our own has no room for it.
            Then the log says how far it goes.
        """
        now = self.deployed
        fitting = self._fitting(scale, now.resources)
        self.fleet.deploy(Deployed(now.plan, fitting, now.resources))
        return fitting == scale and (not isinstance(scale, int) or self._has_room(scale, now.resources))

    def restore(self) -> None:
        """After Ray was lost: start it again where it is ours, reach it again where not; go on as before.

        Raises:
            RayUnreachable: nobody answered for `serve.wait`.
            DeployFailed: what was deployed last does not become ready any more, or Ray is lost once more.
        """
        wanted, serve = self.fleet.last, self.settings.serve
        if self._cluster is None or wanted is None:
            raise RayUnreachable("Ray is gone, and it was not reached from here", cure="start again")
        self._cluster.close()
        self._cluster.connect(time.monotonic() + serve.wait)
        self._reached()

        def deploy() -> None:
            self.fleet.start(serve)
            if self.fleet.deployed() != wanted:  # replicas of a cluster may have gone on without us
                self.fleet.deploy(wanted)
            until_running(self.fleet, serve.wait)

        self._deploying(deploy)

    def alive(self) -> bool:
        """Whether Ray is still there."""
        if self._cluster is None:
            return bool(ray.is_initialized())
        return self._cluster.alive() and self._cluster.answers()

    def stop(self) -> None:
        """Drain and end; to be called once more does no harm."""
        try:
            if ray.is_initialized() and self.alive():
                self._drain()
        finally:
            if self._cluster is not None:
                self._cluster.close()
                self._cluster = None

    def _drain(self) -> None:
        try:
            self._while_ray_lives(lambda: self.fleet.close(serve_too=not self.own))
        except DeployFailed:  # as by a signal to the whole process group
            log.warning("Ray has ended before its replicas were drained: signal this process alone")

    def _deploying(self, work: Callable[[], T]) -> T:
        """On a cluster in place: its loss ends this process, and nothing may go on after an interruption."""
        self.fleet.interrupted = False
        return self._while_ray_lives(work) if self.own else work()

    def _while_ray_lives(self, work: Callable[[], T]) -> T:
        """Work that asks Ray, whose calls may wait for ever where it ends. Raises `DeployFailed` then."""
        done: Future[T] = Future()
        threading.Thread(target=_do, args=[work, done], name="ask Ray", daemon=True).start()
        try:
            while not wait([done], _LOOK_S).done and self.alive():
                pass
        except BaseException:  # Ctrl-C: what goes on alone would start a Ray of its own when ours has ended
            self.fleet.interrupted = True
            wait([done], _STEP_S)
            self.fleet.interrupted = not done.done()
            raise
        error = done.exception() if done.done() else None
        if done.done() and (error is None or isinstance(error, ForetellError) or self.alive()):
            return done.result()
        raise DeployFailed("Ray ended meanwhile", cure="its logs tell why") from error

    def _roll_out(self, wanted: Deployed, watch_s: float | None = None) -> None:
        serve = self.settings.serve
        roll_out(self.fleet, wanted, serve.wait, serve.watch if watch_s is None else watch_s)

    def _connect(self, scale: Scale, resources: ResourceConfig) -> Scale:
        """Reach Ray; the scale that it has room for."""
        if ray.is_initialized():
            return self._fitting(scale, resources)
        most = scale if isinstance(scale, int) else _room(scale, resources).max_replicas
        # Twice: a new version comes up beside the old one.
        cluster = Cluster(self.settings.ray, int(2 * most * resources.num_cpus) + 1)
        if cluster.own:
            # Not the mode: Ray turns it on itself for a Ray of one's own, and would not notice ours any more.
            token = ray_auth_environment(_state_folder())["RAY_AUTH_TOKEN_PATH"]
            os.environ.setdefault("RAY_AUTH_TOKEN_PATH", token)
            for port in (self.settings.serve.port, self.settings.serve.grpc_port):
                free_port(self.settings.serve.host, port, look=True)  # told now, and not after Ray's start
        cluster.connect(time.monotonic() + self.settings.serve.wait)
        self._cluster = cluster
        self._reached()
        return self._fitting(scale, resources)

    def _fitting(self, scale: Scale, resources: ResourceConfig) -> Scale:
        """On a Ray of our own no more replicas than there are cores, unless a number is asked for."""
        if isinstance(scale, int) or not self.own:
            return scale
        fitting = _room(scale, resources)
        if fitting != scale:
            log.warning(
                "this machine has room for %d replicas: between %d and %d, not %d and %d",
                fitting.max_replicas,
                *(fitting.min_replicas, fitting.max_replicas),
                *(scale.min_replicas, scale.max_replicas),
            )
        return fitting

    def _has_room(self, replicas: int, resources: ResourceConfig) -> bool:
        """For a number that was asked for; a cluster may grow, a Ray of our own does not."""
        if not self.own:
            return True
        room = int(ray.cluster_resources().get("CPU", 0) // max(resources.num_cpus, 0.1))
        if replicas > room:
            log.warning("this Ray has room for %d replicas: %d of %d wait", room, replicas - room, replicas)
        return replicas <= room

    def _gpu(self) -> bool:
        settings = self.settings
        if not settings.serve.gpu or settings.engine.device == "cpu":
            return False
        if ray.cluster_resources().get("GPU", 0):
            return True
        log.warning("No GPU devices found, using CPU")
        return False

    def _with_ports(self) -> Settings:
        """Ports that replicas share must be numbers; one that somebody else has is told before they start."""
        serve = self.settings.serve
        taken_by_us = self.fleet.deployed()
        ours = taken_by_us.plan.settings.serve if taken_by_us else None
        ports = {}
        for name in ("port", "grpc_port"):
            asked, before = getattr(serve, name), getattr(ours, name, None)
            keep = before is not None and asked in (0, before)
            ports[name] = before if keep else free_port(serve.host, asked, look=self.own)
        return self.settings.model_copy(update={"serve": serve.model_copy(update=ports)})

    def _meant(self, model: str, now: Deployed) -> str:
        """A bare version is one of the only model that is served."""
        if len(now.plan.models) == 1 and not Path(model).exists():
            name = now.plan.models[0].name
            if not model.startswith(name):
                return f"{name}{model}" if model.startswith(("@", ":")) else f"{name}:{model}"
        return model


def _do(work: Callable[[], T], done: "Future[T]") -> None:
    try:
        done.set_result(work())
    except BaseException as error:
        done.set_exception(error)


def _check_windows(manifest: Manifest, settings: WindowSettings) -> None:
    """Whether the spacing that is set, if any, suits the model. Raises `ConfigError`."""
    if settings.every is not None:
        features, step_s = len(manifest.inputs), manifest.step_s
        WindowRules.from_settings(settings, lookback=manifest.lookback, features=features, step_s=step_s)


def _room(scale: AutoscalingConfig, resources: ResourceConfig) -> AutoscalingConfig:
    cores = os.cpu_count() or 1
    return scale.within(max(2, int(cores // max(resources.num_cpus, 0.1))))


def _state_folder() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "foretell"
