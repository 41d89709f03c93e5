"""How much longer it takes to refuse a secret of a token that exists than one of a token that does not.

`python -m tools.token_timing` prints both times and their ratio. It is no test: a busy machine would fail it.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from astro_auth_plugin.rbac.engine import api_tokens
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.policy import loader

TOKENS = 1000
ROUNDS = 20_000


def secret_of(token_id: str) -> str:
    """Return a well-formed secret that is nobody's."""
    random_part = "".join(secrets.choice(token_secrets.ALPHABET) for _ in range(token_secrets.RANDOM_LENGTH))
    return token_secrets.compose(token_id, random_part)


def engine() -> Engine:
    """Return a policy with many tokens."""
    tokens = [
        {"id": f"known{number:05}", "name": str(number), "secret_sha256": secrets.token_hex(32), "expires_at": "never"}
        for number in range(TOKENS)
    ]
    values = {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
        "api_tokens": tokens,
    }
    found = loader.from_values(values).policy
    assert found is not None
    return Engine(found, "dep", datetime.now(UTC))


def median_times(compiled: Engine, kinds: Sequence[str]) -> list[float]:
    """Return the median time to refuse a secret of each kind of id, in nanoseconds; kinds take turns."""
    now = datetime.now(UTC)
    times: list[list[int]] = [[] for _ in kinds]
    for number in range(ROUNDS):
        for kind, taken in zip(kinds, times, strict=True):
            secret = secret_of(f"{kind}{number % TOKENS:05}")
            start = time.perf_counter_ns()
            held = api_tokens.by_secret(compiled, secret, now)
            taken.append(time.perf_counter_ns() - start)
            assert held is None
    return [statistics.median(taken) for taken in times]


def main() -> None:
    """Measure and print."""
    known, unknown = median_times(engine(), ("known", "other"))
    print(f"refused: token exists {known / 1000:.1f} µs, token unknown {unknown / 1000:.1f} µs")
    print(f"ratio {known / unknown:.3f}")


if __name__ == "__main__":
    main()
