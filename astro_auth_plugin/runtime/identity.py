"""Who signed in, as the hooks see it: an object for one request, which remembers what that request checked.

Airflow's list routes check first "may this person see <entity>?" and then "which Dags may this person see?", and the
second question does not say which entity. The same object comes with both, so it carries the first to the second.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from astro_auth_plugin.rbac.engine.access import Access, DagSelection
from astro_auth_plugin.rbac.engine.api_tokens import Holding
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.model.subjects import token_subject

NAME_PREFIX = "token "
"""What the name of an API token begins with in Airflow's audit log; no account is called so."""

# Names of tokens are as long as their author likes; the columns in which Airflow keeps who did something are not.
_LONGEST_NAME = 200


class AstroIdentity(BaseUser):
    """A person or an API token, during one request.

    Attributes:
        id: FAB's id of the account; `token:<id>` for an API token.
        username: FAB's user name; what Airflow's audit log shows.
        email: the account's e-mail, as FAB has it; '' for an API token.
        subject: who that is for the engine; '' for a user who has no permissions in any case.
        groups: the groups which the identity provider named at the last sign-in; none for an API token.
        engine: the policy as it was when the request began: what is decided is decided from one version.
        requested: every permission that this request has checked, on whatever Dag.
        dags: the Dags that this request has looked up, with the tags they carry; None for one that does not exist.
        key: for an API token, which of its secrets it came with; '' for a person.
        ends_at: when the credential of an API token ends, or a person's JWT; None for never, and for a session.
        access: what the subject has in this Deployment, looked up when it is first needed: most decisions need nothing
            else.
        since: when a person was given the JWT that they came with, in seconds; None for anyone who came without.
    """

    __slots__ = (
        "access",
        "dags",
        "email",
        "ends_at",
        "engine",
        "groups",
        "id",
        "key",
        "requested",
        "since",
        "subject",
        "username",
    )

    access: Access

    # What Flask needs of a user.
    is_authenticated: ClassVar[bool] = True
    is_active: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913 - a record of what is known of a user
        self,
        *,
        id: int | str,  # noqa: A002 - Airflow's and FAB's name of it
        username: str,
        email: str,
        subject: str,
        engine: Engine,
        groups: frozenset[str] = frozenset(),
    ) -> None:
        self.id = id
        self.username = username
        self.email = email
        self.subject = subject
        self.groups = groups
        self.engine = engine
        self.requested = 0
        self.dags: dict[str, Dag | None] = {}
        self.key = ""
        self.ends_at: datetime | None = None
        self.since: float | None = None

    @classmethod
    def of_token(cls, held: Holding, engine: Engine) -> AstroIdentity:
        """Return the identity of an API token that came with a valid credential."""
        subject = token_subject(held.token.id)
        name = f"{NAME_PREFIX}{held.token.name}"[:_LONGEST_NAME]
        identity = cls(id=subject, username=name, email="", subject=subject, engine=engine)
        identity.key = held.key
        identity.ends_at = held.ends_at
        return identity

    @property
    def is_token(self) -> bool:
        """Whether it is an API token, and no person."""
        return bool(self.key)

    def get_id(self) -> str:
        """Return the id as text, as Airflow wants it."""
        return str(self.id)

    def get_name(self) -> str:
        """Return what Airflow's audit log shows of the person or token."""
        return self.username

    def __getattr__(self, name: str) -> Any:
        # Called where there is no such attribute yet, so a decision pays for no property.
        if name != "access":
            raise AttributeError(name)
        self.access = self.engine.access(self.subject, self.groups)
        return self.access

    def check(self, required: int, dag: Dag) -> bool:
        """Whether the subject has permissions on a Dag."""
        return self.engine.allows(self.access, required, dag)

    def missing(self, required: int, dag: Dag) -> int:
        """Return which of these permissions, and of `dag.get`, the subject lacks on a Dag."""
        return self.engine.check(self.subject, required, dag, groups=self.groups).missing

    def allowed_dags(self, required: int) -> DagSelection:
        """Return on which Dags the subject has permissions."""
        return self.engine.allowed_dags(self.subject, required, groups=self.groups)

    def holds_anywhere(self, required: int) -> bool:
        """Whether the subject has each permission on some Dag or Deployment-wide."""
        return self.engine.holds_anywhere(self.subject, required, groups=self.groups)

    def __repr__(self) -> str:
        return f"<AstroIdentity {self.id} {self.email or self.username}>"
