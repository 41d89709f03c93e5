"""The state of the policy, for monitoring."""

from __future__ import annotations

from fastapi import APIRouter

from astro_auth_plugin.access_api import shapes
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.policy_source import PolicyUnavailable

router = APIRouter(tags=["Health"])


@router.get("/health")
def health() -> shapes.Health:
    """Return whether the newest version of the policy is in effect. Names nothing of it, so it needs no sign-in."""
    current = state.current()
    try:
        current.policy_store.engine()
        problem = current.policy_store.problem
    except PolicyUnavailable:
        problem = "the policy cannot be read"
    return shapes.Health(
        status="unhealthy" if problem else "healthy",
        store="database" if current.settings.policy_file is None else "file",
        detail=problem or "the newest version of the policy is in effect",
    )
