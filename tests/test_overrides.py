"""No method of Airflow or FAB that answers a question of access is left as it comes."""

from __future__ import annotations

import re

import pytest
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

from astro_auth_plugin import provider_info
from astro_auth_plugin.auth_manager import AstroAuthManager

QUESTIONS = re.compile(
    "is_authorized|get_authorized|filter_authorized|batch_|get_extra|build_public|_is_authorized|_get_auth_role"
    "|_get_user_permissions|_get_teams|sync_|is_logged_in|get_fastapi_middlewares"
)


@pytest.mark.parametrize("above", [BaseAuthManager, FabAuthManager])
def test_every_question_is_answered_here(above: type) -> None:
    """When a newer Airflow or FAB provider adds a question, this fails and not a user."""
    requested = {name for name in vars(above) if QUESTIONS.match(name)}
    assert len(requested) >= 5
    assert requested - set(vars(AstroAuthManager)) == set()


def test_nothing_stands_between() -> None:
    """The manager comes directly after FAB's, and FAB's after Airflow's, so these two were all to look at."""
    bases = [base.__name__ for base in AstroAuthManager.__mro__]
    assert bases[:3] == ["AstroAuthManager", "FabAuthManager", "BaseAuthManager"]


def test_name_of_the_class() -> None:
    """Airflow looks for FAB's name in the path of the class, and would write FAB's permissions for every Dag."""
    (path,) = provider_info.get_provider_info()["auth-managers"]
    assert path == f"{AstroAuthManager.__module__}.{AstroAuthManager.__qualname__}"
    assert "FabAuthManager" not in path


def test_fabs_answers_are_empty() -> None:
    """What FAB reads of its own roles is nothing, whoever asks."""
    manager = AstroAuthManager()
    assert manager._is_authorized_dag("GET", None, object()) is False
    assert manager._is_authorized_list_dags(user=object()) is False
    assert AstroAuthManager._get_user_permissions(object()) == []
    assert manager._get_auth_role_public() is None
    assert manager.build_public_user() is None
    assert manager.get_fastapi_middlewares() == []
    assert manager._get_teams() == set()
    assert AstroAuthManager.sync_dag_perms(object()) is None
