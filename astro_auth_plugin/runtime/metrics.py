"""Metrics, sent through Airflow's own: StatsD or OpenTelemetry, as `[metrics]` configures, and nowhere by default."""

from __future__ import annotations

import logging

from astro_auth_plugin.runtime.version_compat import stats

log = logging.getLogger(__name__)

DENIED = "astro_auth.denied"
SIGN_IN_REFUSED = "astro_auth.sign_in_refused"
POLICY_LOADED = "astro_auth.policy_loaded"
POLICY_REFUSED = "astro_auth.policy_refused"
SHADOW_DIFFERENCE = "astro_auth.shadow_difference"


def count(name: str, **tags: str) -> None:
    """Count an event. Never raises.

    Args:
        name: of the metric.
        tags: what distinguishes events; from a small set of words, never what a caller has sent.
    """
    try:
        stats().incr(name, tags=tags)
    except Exception as error:  # noqa: BLE001 - a metric is not worth a request
        log.debug("Could not count %s: %s", name, type(error).__name__)
