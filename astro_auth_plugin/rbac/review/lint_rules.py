"""The rules of `lint`: how serious what they find is, why it matters, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple


class Rule(NamedTuple):
    """A rule: how grave what it finds is, why that matters, and what to do."""

    severity: Literal["warning", "info"]
    why: str
    advice: str


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "legacy-role": Rule("warning", "the role has a legacy name", "use the current name"),
        "needs-dag-get": Rule(
            "warning", "a Deployment role has permissions on Dags without `dag.get`", "add `dag.get`, or remove them"
        ),
        "unknown-astro-permission": Rule(
            "warning",
            "an Astro permission that this version does not know",
            "check the spelling; it has no effect here",
        ),
        "dag-role-lacks-pages": Rule(
            "warning", "Airflow's pages of a Dag show errors to users with this role", "add the missing permissions"
        ),
        "write-without-read": Rule(
            "warning", "the response of a write shows the object, which the role may not read", "add the `get` too"
        ),
        "asset-event-starts-dags": Rule(
            "warning", "recording an asset event starts Dags", "add `dagRun.create`, or remove `datasets.create`"
        ),
        "empty-team": Rule(
            "warning", "the Team has no members, so its roles have no effect", "add users, or remove it"
        ),
        "token-never-expires": Rule("warning", "a leaked secret stays valid forever", "set an expiry"),
        "token-expires-soon": Rule(
            "warning", "scripts with this token will stop working", "create a new token in time"
        ),
        "grant-ends-soon": Rule("warning", "users will lose the role", "set a later end, or remove the grant in time"),
        "last-owner-ends": Rule(
            "warning", "no user will be able to grant that role", "grant it to a user without an end"
        ),
        "grant-ended": Rule("warning", "the grant has no effect", "remove it"),
        "membership-ends-soon": Rule(
            "warning", "the user will lose the roles of the Team", "set a later end, or remove the member in time"
        ),
        "membership-ended": Rule("warning", "the user has no roles through the Team", "remove the member"),
        "token-expired": Rule("warning", "the token is no longer valid", "remove it"),
        "unknown-bundle": Rule("warning", "the role applies to no Dag, until a Dag is there", "correct or remove it"),
        "unknown-tag": Rule("warning", "the role applies to no Dag, until a Dag uses the tag", "correct or remove it"),
        "unknown-dag": Rule(
            "warning", "the role applies to no Dag, until there is a Dag with this id", "correct or remove it"
        ),
        "shown-by-airflow": Rule(
            "warning", "Airflow shows it without a check, so no role can deny it", "see the message"
        ),
        "connection-update-shows-password": Rule(
            "warning",
            "a connection can be pointed at another host, which then gets its password",
            "give `connection.update` only to users who may know the password",
        ),
        "connection-create-connects": Rule(
            "warning",
            "with `[core] test_connection` on, the api-server connects to any host that the user names",
            "leave tests of connections off, or give `connection.create` only to users who may reach these hosts",
        ),
        "object-role-without-effect": Rule(
            "warning", "the role has no permission on objects of this kind", "grant another role, or remove it"
        ),
        "other-warning": Rule("warning", "`validate` warns about it", "see the message"),
        "wide-role-of-large-team": Rule(
            "warning",
            "many users, or those of a group, have all permissions and may grant roles",
            "grant it to fewer users",
        ),
        "owner-token": Rule(
            "warning",
            "the secret gives all permissions and the right to grant roles",
            "grant only the role that it needs",
        ),
        "wide-beside-dag-roles": Rule(
            "info", "the Team can change every Dag, so its Dag roles restrict nothing", "remove one of the two"
        ),
        "role-could-be-on-dags": Rule(
            "info",
            "all its permissions can be granted on Dags",
            "set its scope to `DAG`, if it is meant for few Dags",
        ),
        "superfluous-grant": Rule("warning", "the same entry already gives its permissions", "remove it"),
        "dag-role-covered": Rule(
            "warning", "a Deployment-wide role already gives its permissions", "remove it, or the Deployment-wide role"
        ),
        "covered-by-team": Rule(
            "info",
            "the user's Teams already give its permissions",
            "remove it, unless the user should keep it without the Team",
        ),
        "listed-twice": Rule("info", "the second entry changes nothing", "remove it"),
        "roles-in-one-place": Rule(
            "info",
            "one principal has two roles on one scope, and the permissions of both apply",
            "keep one of them, or create a custom role with the needed permissions",
        ),
        "similar-tags": Rule(
            "warning", "tags are case-sensitive, so these are different", "use the spelling of the Dags"
        ),
        "unused-role": Rule("warning", "the custom role is never granted", "remove it, or grant it"),
        "no-roles": Rule("info", "the entry has no effect", "add roles, or remove it"),
        "tag-without-grant": Rule(
            "info", "it looks like the tags of grants, but no grant uses it", "correct the Dag, or grant on the tag"
        ),
    }
)
"""Every rule by name, in the order of the documentation."""
