"""From one version to the next under load; a version that is no good is taken back."""

import re
import time

from foretell.errors import DeployFailed
from foretell.serve.deployment.deployed import Deployed
from foretell.serve.deployment.fleet import Fleet
from foretell.serve.deployment.plan import Plan

_ERROR = re.compile(r"^(?:[a-z_]\w*\.)*[A-Z]\w+: ")  # `foretell.errors.GoldenMismatch: `
_LOOK_S = 0.1
_WATCH_S = 0.3
_SICK_S = 5.0  # a replica that died is replaced sooner; one that stays away so long, or goes again, is sick


def roll_out(fleet: Fleet, wanted: Deployed, wait_s: float, watch_s: float) -> None:
    """Deploy, wait until every replica is of this version and ready, and watch it for a while.

    New replicas answer before old ones go, so no request is refused. Serve leaves the old ones alone when the
    new ones never become ready; when these turn sick later, it does nothing: then, too, what was deployed
    before is deployed again. The first version of all has nothing to go back to.

    Raises:
        DeployFailed: why, and what is in force now.
    """
    before = fleet.deployed()
    changed = before is not None and before.plan.version != wanted.plan.version
    fleet.deploy(wanted)
    try:
        until_running(fleet, wait_s)
        if changed:
            _watch(fleet, watch_s)
    except DeployFailed as error:
        if before is None or not changed:
            raise
        raise _taken_back(fleet, wanted, before, wait_s, error) from None


def _taken_back(
    fleet: Fleet, wanted: Deployed, before: Deployed, wait_s: float, error: DeployFailed
) -> DeployFailed:
    """Go back, and say so: which model, which version, why, and what is in force now."""
    new, old = _named(wanted.plan, before.plan), _named(before.plan, wanted.plan)
    if wanted.plan.versions == before.plan.versions:
        new, old = f"{new} with other settings", f"{old} with the settings from before"
    told = f"{new} is taken back: {error.message}"
    fleet.deploy(before)
    try:
        until_running(fleet, wait_s)
    except DeployFailed as second:
        return DeployFailed(f"{told}\n{old} did not come back: {second.message}", cure=second.cure)
    return DeployFailed(f"{told}\n{old} goes on", cure=error.cure)


def _named(plan: Plan, other: Plan) -> str:
    """By what people know it: those of its models that the other plan has not; or all, if it has them."""
    differing = [m for m in plan.models if other.versions.get(m.name) != m.version]
    return ", ".join(f"{m.name} {m.version}" for m in differing or plan.models)


def until_running(fleet: Fleet, wait_s: float) -> None:
    """Raises `DeployFailed`: a replica cannot start, or there is no room for it."""
    deadline = time.monotonic() + wait_s
    while (status := fleet.status()).state != "RUNNING":
        if status.state == "DEPLOY_FAILED":
            why = reason(status.message)
            raise DeployFailed(f"a replica does not become ready: {why.message}", cure=why.cure)
        if time.monotonic() > deadline:
            replicas = ", ".join(f"{n} {state}" for state, n in sorted(status.replicas.items()))
            raise DeployFailed(
                f"not ready after {wait_s:.0f} s; replicas: {replicas or 'none'}. {status.message}".strip(),
                cure="is there room for them? try fewer --replicas or smaller --resources; a new version "
                "needs room beside the old one",
            )
        time.sleep(_LOOK_S)


def _watch(fleet: Fleet, watch_s: float) -> None:
    end = time.monotonic() + watch_s
    sick_since, spells, why = None, 0, ""
    while (now := time.monotonic()) < end or sick_since is not None:
        status = fleet.status()
        # Asked before Serve calls it sick: what is sick is stopped at once, and tells nothing any more.
        why = next((one.trouble for one in fleet.replicas() if one.trouble), why)
        if status.state != "UNHEALTHY":
            sick_since = None
        elif sick_since is None:
            sick_since, spells = now, spells + 1
        # One that says what is wrong with it is sick; one that died without a word may have died by chance.
        if sick_since is not None and (why or spells > 1 or now - sick_since > _SICK_S):
            raise DeployFailed(f"replicas turned sick after they had been ready: {why or status.message}")
        time.sleep(_WATCH_S)


def reason(message: str) -> DeployFailed:
    """Why, in a line, out of Serve's message and the traceback in it; with the cure that stands below it."""
    lines = [line.rstrip() for line in message.splitlines() if line.strip()]
    why = [i for i, line in enumerate(lines) if _ERROR.match(line)]
    if not why:
        return DeployFailed(lines[-1].strip() if lines else "no reason is given")
    first, *more = lines[why[-1] :]
    cure = "\n".join(line.strip() for line in more if line.startswith("  "))
    return DeployFailed(_ERROR.sub("", first), cure=cure or None)
