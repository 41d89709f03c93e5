"""Creates or resets accounts in the metadata database, in one process: tools.demo_stack runs it with its settings.

Standard input is a JSON list of {user_name, name, email, password, fab_roles}. Other accounts stay as they are.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.providers.fab.auth_manager.models import Role, User
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash


def put_account(session: Session, entry: dict[str, Any]) -> None:
    """Make the account of `entry` what it says: active, with this e-mail and password and no other FAB roles."""
    user = session.scalar(select(User).where(User.username == entry["user_name"]))
    if user is None:
        user = User(username=entry["user_name"])
        session.add(user)
    user.first_name, _, user.last_name = entry["name"].partition(" ")
    user.email = entry["email"]
    user.active = True
    # A hash is random: an unchanged password keeps its own, so a second run changes nothing.
    if not (user.password and check_password_hash(user.password, entry["password"])):
        user.password = generate_password_hash(entry["password"])
    user.roles = [get_role(session, name) for name in entry["fab_roles"]]


def get_role(session: Session, name: str) -> Role:
    """Return FAB's role of this name; FAB makes its own only at the first start of the api-server."""
    role = session.scalar(select(Role).where(Role.name == name))
    if role is None:
        role = Role(name=name)
        session.add(role)
    return role


def main() -> None:
    """Put every account that standard input lists."""
    entries = json.load(sys.stdin)
    with create_session() as session:
        for entry in entries:
            put_account(session, entry)
    print(f"{len(entries)} accounts are ready")


if __name__ == "__main__":
    main()
