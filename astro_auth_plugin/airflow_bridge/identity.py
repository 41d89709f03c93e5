"""Who signed in, as the hooks see it: an object for one request, which remembers what that request asked.

Airflow's list routes ask first "may this person see <entity>?" and then "which Dags may this person see?", and the
second question does not say which entity. The same object comes with both, so it carries the first to the second.
"""

from __future__ import annotations

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from astro_auth_plugin.rbac.engine import Access, Engine
from astro_auth_plugin.rbac.scopes import Dag


class AstroIdentity(BaseUser):
    """A person or an API token, during one request.

    Attributes:
        id: FAB's id of the account.
        username: FAB's user name; what Airflow's audit log shows.
        email: the account's e-mail, as FAB has it.
        subject: who that is for the engine; '' for somebody who holds nothing, whoever it is.
        engine: the policy as it was when the request began: what is decided is decided from one version.
        asked: every permission that this request has been asked about, on whatever Dag.
        dags: the Dags that this request has looked up, with the tags they carry; None for one that does not exist.
    """

    __slots__ = ("asked", "dags", "email", "engine", "id", "subject", "username")

    def __init__(self, *, id: int, username: str, email: str, subject: str, engine: Engine) -> None:  # noqa: A002
        self.id = id
        self.username = username
        self.email = email
        self.subject = subject
        self.engine = engine
        self.asked = 0
        self.dags: dict[str, Dag | None] = {}

    def get_id(self) -> str:
        """Return FAB's id as text, as Airflow wants it."""
        return str(self.id)

    def get_name(self) -> str:
        """Return what Airflow's audit log shows of the person."""
        return self.username

    @property
    def access(self) -> Access:
        """What the subject holds in this Deployment."""
        return self.engine.access(self.subject)

    def __repr__(self) -> str:
        return f"<AstroIdentity {self.id} {self.email}>"
