"""Every operation of the API's own document, asked what schemathesis makes up: no answer is an error of the server."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from airflow.api_fastapi.core_api.security import get_user
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.config import SchemathesisConfig
from starlette.testclient import TestClient

from astro_auth_plugin.access_api.app import make_app

from .conftest import Api

_DOCUMENT = make_app().openapi()
_LABELS = [f"{method.upper()} {path}" for path, methods in _DOCUMENT["paths"].items() for method in methods]
_NAMED = ("fred", "fay@", "elsewhere", "afar", "ws-other")


@pytest.mark.parametrize("label", _LABELS)
def test_operation(label: str, api: Api) -> None:
    """A Workspace Owner gets answers of the document's form alone, and none about another Workspace."""
    config = SchemathesisConfig(seed=0)
    config.projects.default.generation.with_security_parameters = False
    schema = schemathesis.openapi.from_dict(_DOCUMENT, config=config)
    operation = next(found.ok() for found in schema.get_all_operations() if found.ok().label == label)
    api.app.dependency_overrides[get_user] = lambda: api.identity("wendy")
    wrong: list[str] = []
    bounded = settings(
        max_examples=12,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with TestClient(api.app, base_url="http://airflow", raise_server_exceptions=False) as client:

        def ask(case: Any) -> None:
            how = case.as_transport_kwargs(base_url="http://airflow")
            headers = {**how.pop("headers", {}), "Authorization": "Bearer x"}
            how.pop("cookies", None)
            answer = client.request(how.pop("method"), how.pop("url"), headers=headers, **how)
            if answer.status_code >= 500:
                wrong.append(f"{case.method} {answer.request.url}: {answer.status_code} {answer.text[:200]}")
            if answer.status_code < 400:
                wrong.extend(f"{answer.request.url} tells of {name}" for name in _NAMED if name in answer.text)

        bounded(given(case=operation.as_strategy())(ask))()
    assert wrong == []
