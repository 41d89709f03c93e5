"""The auth manager that airflow.cfg names: FAB signs people in, Astro roles decide everything.

FAB's own roles, permissions and public role grant nothing, whatever they are called. Each hook below makes one
`AccessRequest` of what Airflow says, and returns the answer of `authorization.authorizer`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any

from airflow.api_fastapi.common.types import ExtraMenuItem, MenuItem
from airflow.exceptions import AirflowConfigException
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from fastapi import HTTPException
from flask import current_app, g

from astro_auth_plugin import startup
from astro_auth_plugin.accounts import account_guard, db_manager
from astro_auth_plugin.authentication import api_tokens, revocation
from astro_auth_plugin.authentication.security_manager import with_sign_in
from astro_auth_plugin.authorization import authorizer, dag_access, dag_checks, dag_lookup
from astro_auth_plugin.authorization.access_request import AccessRequest, enum_name
from astro_auth_plugin.authorization.denials import denies_on_error
from astro_auth_plugin.authorization.objects import decisions as objects
from astro_auth_plugin.cli.airflow_commands import get_auth_manager_commands
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.settings import served_over_tls

log = logging.getLogger(__name__)

Ids = Collection[str]


class AstroAuthManager(FabAuthManager):
    """Airflow's auth manager with Astro's access model.

    Raises:
        AirflowConfigException: from `init`, if the server cannot start; the message lists everything that is wrong.
    """

    def init(self) -> None:
        """Load the policy, and refuse to start without one, or on a release of Airflow that is not supported."""
        startup.start()
        super().init()

    # -- who signed in ---------------------------------------------------------------------------------------------

    async def get_user_from_token(self, token: str) -> Any:
        return await state.current().authenticator.authenticate(token)

    def deserialize_user(self, token: dict[str, Any]) -> AstroIdentity:  # type: ignore[override]
        return state.current().authenticator.identity_of_claims(token)

    def _identity(self, user: Any) -> AstroIdentity:
        return state.current().authenticator.identity_of_user(user)

    # -- API tokens ------------------------------------------------------------------------------------------------

    def create_token(self, headers: dict[str, str], body: dict[str, Any]) -> Any:
        secret = api_tokens.secret_to_exchange(body)
        if secret is not None:
            return state.current().authenticator.identity_of_secret(secret)
        user = super().create_token(headers=headers, body=body)
        if user is None and "astro_auth_refusal" in g:
            raise HTTPException(HTTPStatus.UNAUTHORIZED, g.astro_auth_refusal)
        return user

    def serialize_user(self, user: Any) -> dict[str, Any]:
        if isinstance(user, AstroIdentity) and user.is_token:
            return api_tokens.claims_of(user)
        return super().serialize_user(user)

    def generate_jwt(self, user: Any, *, expiration_time_in_seconds: int | None = None) -> str:
        seconds = api_tokens.jwt_lifetime(user, expiration_time_in_seconds)
        made = super().generate_jwt(user, expiration_time_in_seconds=seconds)
        since = getattr(user, "since", None)
        if since is not None and revocation.has_ended(user.id, since):
            # A new password, say, since the request began; what was made of the old one would outlive it.
            raise api_tokens.refused("Invalid JWT token")
        if not isinstance(user, AstroIdentity):
            revocation.refuse_ended_session(user.id)
        return made

    def revoke_token(self, token: str) -> None:
        state.current().authenticator.revoke(token)

    def get_fastapi_app(self) -> Any:
        """Return FAB's pages and API, which Airflow serves at `/auth`."""
        app = super().get_fastapi_app()
        state.add_fab_app(revocation.application_in(app))
        return app

    # -- sessions --------------------------------------------------------------------------------------------------

    def is_logged_in(self) -> bool:
        """Whether a user is signed in; FAB's public role is no user."""
        user = self.get_user()
        return not user.is_anonymous and bool(user.is_active)

    @cached_property
    def security_manager(self) -> Any:
        """FAB's security manager, or the one that webserver_config.py names, with what this plugin adds."""
        configured = current_app.config.get("SECURITY_MANAGER_CLASS") or FabAirflowSecurityManagerOverride
        if not (isinstance(configured, type) and issubclass(configured, FabAirflowSecurityManagerOverride)):
            raise AirflowConfigException(
                "SECURITY_MANAGER_CLASS in webserver_config.py must extend FabAirflowSecurityManagerOverride"
            )
        # A command that changes accounts has no `init`, and a password that it changes ends sessions and tokens, too.
        account_guard.install()
        revocation.prepared(current_app, tls=served_over_tls())
        return with_sign_in(configured)(self.appbuilder)

    # -- Dags ------------------------------------------------------------------------------------------------------

    def is_authorized_dag(
        self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None, **_: Any
    ) -> bool:
        # What `denies_on_error` does, without a call in between: pages ask this for each row.
        try:
            identity = user if type(user) is AstroIdentity else self._identity(user)
            return dag_checks.allows(identity, method, access_entity, details)
        except Exception:
            log.exception("Denied, because is_authorized_dag failed")
            return False

    @denies_on_error(bool)
    def batch_is_authorized_dag(self, requests: Sequence[Any], *, user: Any, **_: Any) -> bool:
        return dag_checks.allow(self._identity(user), requests)

    @denies_on_error(set)
    def get_authorized_dag_ids(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return dag_access.readable_dag_ids(self._identity(user), method)

    @denies_on_error(set)
    def filter_authorized_dag_ids(self, *, dag_ids: Ids, user: Any, method: Any = "GET", **_: Any) -> set[str]:
        return dag_access.filter_dag_ids(self._identity(user), method, dag_ids)

    @denies_on_error(bool)
    def is_authorized_backfill(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        return self._allows(user, AccessRequest.of("backfill", method, details))

    @denies_on_error(bool)
    def is_authorized_hitl_task(self, *, assigned_users: Ids, user: Any, **_: Any) -> bool:
        return authorizer.authorize_hitl_task(self._identity(user), assigned_users).allowed

    def _allows(self, user: Any, request: AccessRequest) -> bool:
        return authorizer.authorize(self._identity(user), request).allowed

    def _allows_all(self, user: Any, resource: str, requests: Sequence[Any]) -> bool:
        items = [AccessRequest.of_item(resource, item) for item in requests]
        return authorizer.authorize_all(self._identity(user), resource, items).allowed

    # -- objects of the whole Deployment ---------------------------------------------------------------------------

    @denies_on_error(bool)
    def is_authorized_configuration(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        return self._allows(user, AccessRequest.of("configuration", method, details))

    @denies_on_error(bool)
    def is_authorized_connection(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        return self._allows(user, AccessRequest.of("connection", method, details))

    @denies_on_error(bool)
    def is_authorized_pool(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        return self._allows(user, AccessRequest.of("pool", method, details))

    @denies_on_error(bool)
    def is_authorized_variable(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        return self._allows(user, AccessRequest.of("variable", method, details))

    @denies_on_error(bool)
    def batch_is_authorized_connection(self, requests: Sequence[Any], *, user: Any, **_: Any) -> bool:
        return self._allows_all(user, "connection", requests)

    @denies_on_error(bool)
    def batch_is_authorized_pool(self, requests: Sequence[Any], *, user: Any, **_: Any) -> bool:
        return self._allows_all(user, "pool", requests)

    @denies_on_error(bool)
    def batch_is_authorized_variable(self, requests: Sequence[Any], *, user: Any, **_: Any) -> bool:
        return self._allows_all(user, "variable", requests)

    @denies_on_error(set)
    def get_authorized_connections(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return objects.readable(self._identity(user), "connection", method)

    @denies_on_error(set)
    def get_authorized_pools(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return objects.readable(self._identity(user), "pool", method)

    @denies_on_error(set)
    def get_authorized_variables(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return objects.readable(self._identity(user), "variable", method)

    @denies_on_error(set)
    def filter_authorized_connections(self, *, conn_ids: Ids, user: Any, method: Any = "GET", **_: Any) -> set[str]:
        return objects.readable_of(self._identity(user), "connection", method, conn_ids)

    @denies_on_error(set)
    def filter_authorized_pools(self, *, pool_names: Ids, user: Any, method: Any = "GET", **_: Any) -> set[str]:
        return objects.readable_of(self._identity(user), "pool", method, pool_names)

    @denies_on_error(set)
    def filter_authorized_variables(self, *, variable_keys: Ids, user: Any, method: Any = "GET", **_: Any) -> set[str]:
        return objects.readable_of(self._identity(user), "variable", method, variable_keys)

    # -- assets ----------------------------------------------------------------------------------------------------

    @denies_on_error(bool)
    def is_authorized_asset(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        return self._allows(user, AccessRequest.of("asset", method, details))

    @denies_on_error(bool)
    def is_authorized_asset_alias(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        return self._allows(user, AccessRequest.of("asset_alias", method, details))

    @denies_on_error(set)
    def get_authorized_assets(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return dag_lookup.asset_ids() if authorizer.may_list_assets(self._identity(user), method) else set()

    # -- teams of multi-team Airflow -------------------------------------------------------------------------------

    @denies_on_error(bool)
    def is_authorized_team(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        return self._allows(user, AccessRequest.of("team", method, details))

    @denies_on_error(set)
    def get_authorized_teams(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return authorizer.list_teams(self._identity(user), method)

    @denies_on_error(set)
    def filter_authorized_teams(self, *, teams_names: Ids, user: Any, method: Any = "GET", **_: Any) -> set[str]:
        return authorizer.visible_teams(self._identity(user), method, teams_names)

    def _get_teams(self) -> set[str]:
        # Teams of Airflow are bundles of Dags; those of the policy are people, and no names have to agree.
        return set()

    # -- views and menus -------------------------------------------------------------------------------------------

    @denies_on_error(bool)
    def is_authorized_view(self, *, access_view: Any, user: Any, **_: Any) -> bool:
        return self._allows(user, AccessRequest("GET", "view", enum_name(access_view)))

    @denies_on_error(bool)
    def is_authorized_custom_view(self, *, method: Any, resource_name: str, user: Any, **_: Any) -> bool:
        return self._allows(user, AccessRequest(enum_name(method), "custom_view", resource_name))

    @denies_on_error(list)
    def filter_authorized_menu_items(self, menu_items: list[MenuItem], user: Any, **_: Any) -> list[MenuItem]:
        identity = self._identity(user)
        return [item for item in menu_items if authorizer.may_see_menu_item(identity, item)]

    @denies_on_error(list)
    def get_authorized_menu_items(self, *, user: Any, **_: Any) -> list[MenuItem]:
        return self.filter_authorized_menu_items(list(MenuItem), user=user)

    @denies_on_error(list)
    def get_extra_menu_items(self, *, user: Any, **_: Any) -> list[ExtraMenuItem]:
        return [item for item in super().get_extra_menu_items(user=user) if item.text == "Users"]

    # -- FAB's roles grant nothing ---------------------------------------------------------------------------------

    def _is_authorized(self, *, method: Any, resource_type: str, user: Any) -> bool:
        # FAB's list of the Security menu goes through here; everything else is answered above.
        return self.is_authorized_custom_view(method=method, resource_name=resource_type, user=user)

    def _is_authorized_dag(self, method: Any, details: Any, user: Any) -> bool:
        return False

    def _is_authorized_list_dags(self, *, user: Any) -> bool:
        return False

    @staticmethod
    def _get_user_permissions(user: Any) -> list[tuple[str, str]]:
        return []

    def _get_auth_role_public(self) -> None:
        return None

    def build_public_user(self, **_: Any) -> None:
        return None

    def get_fastapi_middlewares(self) -> list[Any]:
        return []

    @staticmethod
    def sync_dag_perms(dag: Any, **_: Any) -> None:
        """Do nothing: what a Dag's `access_control` says is not read."""

    # -- tables and commands ---------------------------------------------------------------------------------------

    @staticmethod
    def get_db_manager() -> str | None:
        return db_manager.of_auth_manager(FabAuthManager.get_db_manager())

    @staticmethod
    def get_cli_commands() -> list[Any]:
        return [*FabAuthManager.get_cli_commands(), *get_auth_manager_commands()]
