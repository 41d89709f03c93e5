"""The auth manager that airflow.cfg names: FAB signs people in, Astro roles decide everything.

FAB's own roles, permissions and public role grant nothing, whatever they are called. Each hook below passes Airflow's
question on to `airflow_bridge.decide`. What details say of a team of multi-team Airflow never changes an answer.
"""

from __future__ import annotations

import copy
import functools
import logging
import math
import multiprocessing
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any, ClassVar, NoReturn, ParamSpec, TypeVar, cast

from airflow.api_fastapi.common.types import ExtraMenuItem, MenuItem
from airflow.configuration import conf
from airflow.exceptions import AirflowConfigException
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from anyio import to_thread
from fastapi import HTTPException
from flask import current_app
from jwt import ExpiredSignatureError, InvalidTokenError

from astro_auth_plugin.airflow_bridge import action_map, dag_cache, db_manager, decide, metadata
from astro_auth_plugin.airflow_bridge.identity import AstroIdentity
from astro_auth_plugin.airflow_bridge.issuers import Issuers, parse_issuers
from astro_auth_plugin.airflow_bridge.policy_store import PolicyRefused, PolicyStore
from astro_auth_plugin.airflow_bridge.request import current_request
from astro_auth_plugin.airflow_bridge.settings import SettingsError, read_settings, served_over_tls
from astro_auth_plugin.cli.definition import get_auth_manager_commands
from astro_auth_plugin.login import account_guard, api_tokens, handed_out, rate_limit, vouched
from astro_auth_plugin.login.accounts import Account, load_account
from astro_auth_plugin.login.security_manager import with_sign_in
from astro_auth_plugin.rbac import delegation, token_secrets
from astro_auth_plugin.web import installing

log = logging.getLogger(__name__)

# uvicorn stops altogether when a worker ends with this, and starts the worker again, for ever, after any other.
STARTUP_FAILURE = 3

P = ParamSpec("P")
R = TypeVar("R")


def _denies_on_error(nothing: Callable[[], Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a hook answer with nothing (`bool` is False, `set` is empty) when it fails, and log the failure."""

    def decorate(hook: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(hook)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return hook(*args, **kwargs)
            except Exception:
                log.exception("Denied, because %s failed", hook.__name__)
                return cast("R", nothing())

        return guarded

    return decorate


class AstroAuthManager(FabAuthManager):
    """Airflow's auth manager with Astro's access model.

    Raises:
        AirflowConfigException: from `init`, when the options or the policy file cannot be used. The server does not
            start then; the message lists everything that is wrong.
    """

    # One for the process: Airflow 3.1 makes a second auth manager, and initializes only the first.
    _policy_store: ClassVar[PolicyStore | None] = None
    _issuers: ClassVar[Issuers] = Issuers(())
    # The application of FAB's pages; FAB itself keeps it only in newer versions. Others, which FAB makes for its API
    # and its commands, have no secret, and so no sessions.
    _fab_app: ClassVar[Any] = None

    def init(self) -> None:
        """Load the policy, and refuse to start without one."""
        try:
            settings = read_settings()
            AstroAuthManager._policy_store = PolicyStore(settings)
            dag_cache.share(dag_cache.DagCache(settings.tag_cache_ttl))
            AstroAuthManager._issuers = Issuers(parse_issuers(settings.trusted_issuers))
        except (SettingsError, PolicyRefused) as error:
            _stop_server(str(error))
        if not installing.is_installed():
            _stop_server(
                "Airflow has not loaded the plugin `astro_auth`, without which requests cannot be decided on; "
                "is astro_auth_plugin installed with its entry points?"
            )
        if not db_manager.has_table():
            _stop_server("A table of astro_auth_plugin is missing in the metadata database: run `airflow db migrate`")
        account_guard.install()
        super().init()

    @property
    def policy_store(self) -> PolicyStore:
        """The running policy.

        Raises:
            RuntimeError: before `init`.
        """
        if self._policy_store is None:
            raise RuntimeError("The auth manager has not been initialized, so there is no policy yet")
        return self._policy_store

    # -- who signed in ---------------------------------------------------------------------------------------------

    def deserialize_user(self, token: dict[str, Any]) -> AstroIdentity:  # type: ignore[override]
        """Return who a JWT is of, as the account or API token is now.

        Raises:
            ValueError: if there is no such account or token, or it is not active; Airflow then asks to sign in again.
        """
        of_token = api_tokens.by_claims(self.policy_store.engine(), token)
        if of_token is not None:
            return of_token
        identity = self._identity_of_account(api_tokens.account_id_of(token), since=token.get("iat", 0))
        identity.since = token.get("iat", 0)
        if "exp" in token:
            identity.ends_at = vouched.time_of(token["exp"])
        return identity

    def _identity_of_account(self, account_id: int, since: float = math.inf) -> AstroIdentity:
        account = load_account(account_id)
        if account is None or not account.active:
            raise ValueError(f"Account {account_id} does not exist or is not active")
        return self._person(account, since)

    def _person(self, account: Account, since: float) -> AstroIdentity:
        if since < account.not_before:
            raise ValueError(
                f"What account {account.id} was given before its password changed, or it signed out, has ended"
            )
        return AstroIdentity(
            id=account.id,
            username=account.username,
            email=account.email,
            subject=account.subject,
            groups=account.groups,
            engine=self.policy_store.engine(),
        )

    def _identity(self, user: Any) -> AstroIdentity:
        """Return who a hook is asked about: Airflow brings our object, FAB's pages bring FAB's own."""
        facts = current_request()
        if isinstance(user, AstroIdentity):
            identity = user
        elif user is None or getattr(user, "is_anonymous", True):
            identity = AstroIdentity(id=0, username="", email="", subject="", engine=self.policy_store.engine())
        elif facts is None:
            identity = self._identity_of_account(user.id)
        else:
            # One object for the whole request, since it remembers what the request asked.
            identity = facts.identities.get(user.id) or self._identity_of_account(user.id)
            facts.identities[user.id] = identity
        if facts is not None:
            facts.actor = identity
        return identity

    # -- API tokens ------------------------------------------------------------------------------------------------

    async def get_user_from_token(self, token: str) -> Any:
        """Return who a credential is of: the secret of an API token, or a JWT of Airflow or of a trusted issuer.

        Raises:
            HTTPException: 401, if it is good for nothing.
        """
        if self.policy_store.has_changed():
            # To check a large policy takes seconds, in which the event loop has others to serve.
            await to_thread.run_sync(self.policy_store.engine)
        if token_secrets.is_meant(token):
            identity = self.identity_of_secret(token)
            if identity is None:
                raise api_tokens.refused("Invalid API token")
            return identity
        try:
            if self._issuers.issued(token):
                return await vouched.identity_of(self._issuers, token, self.policy_store.engine(), self._person)
            claims: Any = await super(AstroAuthManager, self._verifier).get_user_from_token(token)
            return await to_thread.run_sync(self.deserialize_user, claims)
        except ExpiredSignatureError:
            raise api_tokens.refused("Token Expired") from None
        except InvalidTokenError:
            raise api_tokens.refused("Invalid JWT token") from None
        except (ValueError, KeyError) as error:
            log.warning("Nobody is behind a JWT: %s", error)
            raise api_tokens.refused("Invalid JWT token") from None

    @cached_property
    def _verifier(self) -> Any:
        """The auth manager with which Airflow verifies a JWT: for a user it takes the claims as they are.

        Airflow does both in one step on the event loop, and to read the account is work for a thread.
        """
        verifier = copy.copy(self)
        vars(verifier)["deserialize_user"] = dict
        return verifier

    def identity_of_secret(self, secret: str) -> AstroIdentity | None:
        """Return the API token that a secret signs in; None when it is good for nothing."""
        return api_tokens.by_secret(self.policy_store.engine(), secret)

    def create_token(self, headers: dict[str, str], body: dict[str, Any]) -> Any:
        secret = api_tokens.secret_to_exchange(body)
        if secret is not None:
            return self.identity_of_secret(secret)
        if rate_limit.is_reached(self.security_manager):
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong passwords from your address.")
        return super().create_token(headers=headers, body=body)

    def serialize_user(self, user: Any) -> dict[str, Any]:
        if isinstance(user, AstroIdentity) and user.is_token:
            return api_tokens.claims_of(user)
        return super().serialize_user(user)

    def generate_jwt(self, user: Any, *, expiration_time_in_seconds: int | None = None) -> str:
        seconds = expiration_time_in_seconds
        if seconds is None:
            seconds = conf.getint("api_auth", "jwt_expiration_time")
        if isinstance(user, AstroIdentity):
            seconds = api_tokens.seconds_left(user, seconds)
        made = super().generate_jwt(user, expiration_time_in_seconds=seconds)
        since = getattr(user, "since", None)
        if since is not None and handed_out.has_ended(user.id, since):
            # A new password, say, since the request began; what was made of the old one would outlive it.
            raise api_tokens.refused("Invalid JWT token")
        return made

    def revoke_token(self, token: str) -> None:
        # Neither the secret of an API token nor another issuer's JWT is one that a sign-out here could end; Airflow
        # would log what it cannot read.
        if not token_secrets.is_meant(token) and not self._issuers.issued(token):
            super().revoke_token(token)

    # -- sessions --------------------------------------------------------------------------------------------------

    def is_logged_in(self) -> bool:
        """Whether somebody is signed in; FAB's public role is nobody."""
        user = self.get_user()
        return not user.is_anonymous and bool(user.is_active)

    @cached_property
    def security_manager(self) -> Any:
        """FAB's security manager, or the one that webserver_config.py names, with what this plugin adds."""
        configured = current_app.config.get("SECURITY_MANAGER_CLASS") or FabAirflowSecurityManagerOverride
        if not issubclass(configured, FabAirflowSecurityManagerOverride):
            raise AirflowConfigException(
                "SECURITY_MANAGER_CLASS in webserver_config.py must extend FabAirflowSecurityManagerOverride"
            )
        # A command that changes accounts has no `init`, and a password that it changes ends sessions and tokens, too.
        account_guard.install()
        app = handed_out.prepared(current_app, tls=served_over_tls())
        if app.secret_key:
            AstroAuthManager._fab_app = app
        return with_sign_in(configured)(self.appbuilder)

    # -- Dags ------------------------------------------------------------------------------------------------------

    @_denies_on_error(bool)
    def is_authorized_dag(
        self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None, **_: Any
    ) -> bool:
        return decide.dag(self._identity(user), method, access_entity, _id_of(details, "id"))

    @_denies_on_error(bool)
    def batch_is_authorized_dag(self, requests: Sequence[Any], *, user: Any, **_: Any) -> bool:
        asked = [
            (request["method"], request.get("access_entity"), _id_of(request.get("details"), "id"))
            for request in requests
        ]
        return decide.dags(self._identity(user), asked)

    @_denies_on_error(set)
    def get_authorized_dag_ids(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return decide.readable_dag_ids(self._identity(user), method)

    @_denies_on_error(set)
    def filter_authorized_dag_ids(
        self, *, dag_ids: Collection[str], user: Any, method: Any = "GET", **_: Any
    ) -> set[str]:
        return decide.filter_dag_ids(self._identity(user), method, dag_ids)

    @_denies_on_error(bool)
    def is_authorized_backfill(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        # Airflow asks about the RUN of the Dag instead; this old question does not say which Dag.
        return decide.dag(self._identity(user), method, "RUN", None if method == "GET" else decide.EVERY_DAG)

    @_denies_on_error(bool)
    def is_authorized_hitl_task(self, *, assigned_users: Collection[str], user: Any, **_: Any) -> bool:
        return decide.hitl_task(self._identity(user), assigned_users)

    # -- objects of the whole Deployment ---------------------------------------------------------------------------

    @_denies_on_error(bool)
    def is_authorized_configuration(self, *, method: Any, user: Any, **_: Any) -> bool:
        return decide.thing(self._identity(user), "configuration", method)

    @_denies_on_error(bool)
    def is_authorized_connection(self, *, method: Any, user: Any, **_: Any) -> bool:
        return decide.thing(self._identity(user), "connection", method)

    @_denies_on_error(bool)
    def is_authorized_pool(self, *, method: Any, user: Any, **_: Any) -> bool:
        return decide.thing(self._identity(user), "pool", method)

    @_denies_on_error(bool)
    def is_authorized_variable(self, *, method: Any, user: Any, **_: Any) -> bool:
        return decide.thing(self._identity(user), "variable", method)

    @_denies_on_error(bool)
    def batch_is_authorized_connection(self, requests: Sequence[Any], *, user: Any, **_: Any) -> bool:
        return decide.things(self._identity(user), "connection", [request["method"] for request in requests])

    @_denies_on_error(bool)
    def batch_is_authorized_pool(self, requests: Sequence[Any], *, user: Any, **_: Any) -> bool:
        return decide.things(self._identity(user), "pool", [request["method"] for request in requests])

    @_denies_on_error(bool)
    def batch_is_authorized_variable(self, requests: Sequence[Any], *, user: Any, **_: Any) -> bool:
        return decide.things(self._identity(user), "variable", [request["method"] for request in requests])

    @_denies_on_error(set)
    def get_authorized_connections(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return self._all_if(user, "connection", method, metadata.connection_ids)

    @_denies_on_error(set)
    def get_authorized_pools(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return self._all_if(user, "pool", method, metadata.pool_names)

    @_denies_on_error(set)
    def get_authorized_variables(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        return self._all_if(user, "variable", method, metadata.variable_keys)

    @_denies_on_error(set)
    def filter_authorized_connections(
        self, *, conn_ids: Collection[str], user: Any, method: Any = "GET", **_: Any
    ) -> set[str]:
        return self._all_if(user, "connection", method, lambda: set(conn_ids))

    @_denies_on_error(set)
    def filter_authorized_pools(
        self, *, pool_names: Collection[str], user: Any, method: Any = "GET", **_: Any
    ) -> set[str]:
        return self._all_if(user, "pool", method, lambda: set(pool_names))

    @_denies_on_error(set)
    def filter_authorized_variables(
        self, *, variable_keys: Collection[str], user: Any, method: Any = "GET", **_: Any
    ) -> set[str]:
        return self._all_if(user, "variable", method, lambda: set(variable_keys))

    def _all_if(self, user: Any, kind: str, method: Any, everything: Callable[[], R]) -> R | set[Any]:
        return everything() if decide.thing(self._identity(user), kind, method) else set()

    # -- assets ----------------------------------------------------------------------------------------------------

    @_denies_on_error(bool)
    def is_authorized_asset(self, *, method: Any, user: Any, **_: Any) -> bool:
        return decide.asset(self._identity(user), "asset", method)

    @_denies_on_error(bool)
    def is_authorized_asset_alias(self, *, method: Any, user: Any, **_: Any) -> bool:
        return decide.asset(self._identity(user), "asset_alias", method)

    @_denies_on_error(set)
    def get_authorized_assets(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        needed = action_map.needed(action_map.OBJECTS, "asset", method)
        allowed = needed is not None and decide.wide(self._identity(user), needed)
        return metadata.asset_ids() if allowed else set()

    # -- teams of multi-team Airflow -------------------------------------------------------------------------------

    @_denies_on_error(bool)
    def is_authorized_team(self, *, method: Any, user: Any, details: Any = None, **_: Any) -> bool:
        return decide.team(self._identity(user), method, _id_of(details, "name"))

    @_denies_on_error(set)
    def get_authorized_teams(self, *, user: Any, method: Any = "GET", **_: Any) -> Any:
        identity = self._identity(user)
        names = metadata.team_names()
        return names if decide.every_team(identity, method) else decide.teams(identity, method, names)

    @_denies_on_error(set)
    def filter_authorized_teams(
        self, *, teams_names: Collection[str], user: Any, method: Any = "GET", **_: Any
    ) -> set[str]:
        return decide.teams(self._identity(user), method, teams_names)

    def _get_teams(self) -> set[str]:
        # Teams of Airflow are bundles of Dags; those of the policy are people, and no names have to agree.
        return set()

    # -- views and menus -------------------------------------------------------------------------------------------

    @_denies_on_error(bool)
    def is_authorized_view(self, *, access_view: Any, user: Any, **_: Any) -> bool:
        return decide.view(self._identity(user), access_view)

    @_denies_on_error(bool)
    def is_authorized_custom_view(self, *, method: Any, resource_name: str, user: Any, **_: Any) -> bool:
        identity = self._identity(user)
        if resource_name in action_map.FAB_ROLE_VIEWS or identity.id == 0:
            return False
        if resource_name in action_map.OWN_ACCOUNT_VIEWS:
            return not identity.is_token
        if resource_name not in action_map.ACCOUNT_VIEWS:
            return decide.wide(identity, action_map.CUSTOM_VIEW)
        if action_map.text(method) == "GET":
            return delegation.may_change_accounts(identity.engine, identity.subject, identity.groups)
        return self._may_make_change(identity)

    def _may_make_change(self, identity: AstroIdentity) -> bool:
        refusal = account_guard.refusal_of_route(identity)
        facts = current_request()
        if facts is not None:
            facts.write_refusal = refusal
        return not refusal

    @_denies_on_error(list)
    def filter_authorized_menu_items(self, menu_items: list[MenuItem], user: Any, **_: Any) -> list[MenuItem]:
        identity = self._identity(user)
        return [item for item in menu_items if decide.menu_item(identity, item)]

    @_denies_on_error(list)
    def get_authorized_menu_items(self, *, user: Any, **_: Any) -> list[MenuItem]:
        return self.filter_authorized_menu_items(list(MenuItem), user=user)

    @_denies_on_error(list)
    def get_extra_menu_items(self, *, user: Any, **_: Any) -> list[ExtraMenuItem]:
        items = super().get_extra_menu_items(user=user)
        return [item for item in items if item.text == "Users"]

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

    # -- signing out -----------------------------------------------------------------------------------------------

    async def sign_out(self, tokens: Collection[str], cookies: str) -> None:
        """End tokens of Airflow, and FAB's session behind a header of cookies."""
        try:
            for token in tokens:
                await handed_out.end_token(self, token)
        finally:
            if self._fab_app is not None and cookies:
                await to_thread.run_sync(handed_out.end_session, self._fab_app, cookies)

    @staticmethod
    def get_db_manager() -> str | None:
        return db_manager.of_auth_manager(FabAuthManager.get_db_manager())

    # -- commands --------------------------------------------------------------------------------------------------

    @staticmethod
    def get_cli_commands() -> list[Any]:
        return [*FabAuthManager.get_cli_commands(), *get_auth_manager_commands()]


def _stop_server(why: str) -> NoReturn:
    """Keep the server from starting."""
    if multiprocessing.parent_process() is not None:
        # One worker of several.
        log.critical("%s", why)
        raise SystemExit(STARTUP_FAILURE)
    raise AirflowConfigException(why)


def _id_of(details: Any, name: str) -> str | None:
    return getattr(details, name, None) if details is not None else None
