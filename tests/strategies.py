"""Hypothesis strategies: random valid policies, Dags, people and permissions.

The alphabets are small on purpose. A policy that grants on a thousand names never meets the Dag that is asked about,
so each example picks a handful of names and of permissions (`Pool`) out of the lists below, and ids and tags come from
the same handful: that is how a tag gets to equal an id, and how it takes two grants together to allow something.
"""

from __future__ import annotations

import unicodedata
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests import reference_engine as reference

ORGANIZATION = "clorg0main"
WORKSPACES = ("clws0data", "clws0web")
# Deployment id to Workspace id. Two share a Workspace, and one id begins like another.
DEPLOYMENTS = {"cldep0prod": "clws0data", "cldep0prod2": "clws0data", "cldep0web": "clws0web"}

# Ids and tags that have fooled access control somewhere: by case, padding, looks, prefix, decoding, pattern or length.
# An example draws its names from one family, so that those which could be mixed up meet.
FAMILIES = (
    ("sales", "Sales", " sales", "sales ", "s\u0430les"),  # the last one has a Cyrillic letter
    ("sales", "sale", "sales.daily", "sales/daily", "sales%2Fdaily"),
    ("sales", "DAG:sales", "tag:sales", "team:sales", "~"),
    ("sales", "s_les", "s%", "*", ".*", "x' OR '1'='1", 'x"; DROP TABLE dag; --'),
    ("caf\u00e9", "cafe\u0301", "cafe"),  # the first two are one word to the eye, composed and decomposed
    ("a" * 250, "a" * 249),
)
NAMES = tuple(dict.fromkeys(name for family in FAMILIES for name in family))

# Pairs that are one person (spelling) and pairs that are two (look-alikes).
EMAILS = (
    "ana@example.com",
    "ana@example.co",
    "\u0430na@example.com",  # a Cyrillic letter
    "\uff41na@example.com",  # full width: another letter unless one normalises too much
    "jos\u00e9@example.com",
    "jose@example.com",
    "stra\u00dfe@example.com",
    "strasse@example.com",  # equal to the one above only when case-folded
)
TOKENS = ("tok0ci", "tok0CI", "ana")
BUNDLES = ("dags-folder", "dags")
TEAMS = ("data-eng", "web", "ana@example.com")

# Groups that one compares wrongly by case, padding, normalising, or by taking a DN apart.
GROUPS = (
    "eng",
    "Eng",
    "eng ",
    "cn=eng,ou=groups,dc=example,dc=com",
    "CN=eng,OU=groups,DC=example,DC=com",
    "caf\u00e9",
    "cafe\u0301",
    "ana@example.com",
    "tok0ci",
)

DEPLOYMENT_CUSTOM = ("deployment-watch", "deployment-fix")
DAG_CUSTOM = ("run-operator", "xcom-writer")
OBJECT_CUSTOM = ("key-keeper", "pool-sizer")
FOLDERS = ("a/", "a/b/", "ab/", "a/p.ZIP/", "A/")
PREFIXES = ("fin_", "fin_a_", "fin-", "Fin_", "e\u0301_.", "\u00e9_.", "a/b:")
IDS = (
    "fin_",
    "fin_a",
    "fin_a_b",
    "fin-a",
    "Fin_a",
    "FIN_A",
    "fin",
    "e\u0301_.x",
    "\u00e9_.x",
    "a/b:c",
    "~",
    "fin_a ",
    "%",
)


class Pool(NamedTuple):
    """What one example is about: the Deployment it asks about, a few ids and tags, a few permissions."""

    deployment_id: str
    names: tuple[str, ...]
    permissions: tuple[str, ...]


class Case(NamedTuple):
    """A policy, and the Dags, permissions and groups to ask it for."""

    pool: Pool
    values: dict[str, Any]
    dags: tuple[reference.Dag, ...]
    required: frozenset[str]
    groups: frozenset[str]
    things: tuple[reference.Thing, ...] = ()

    @property
    def deployment_id(self) -> str:
        """The Deployment that is asked about."""
        return self.pool.deployment_id


def spellings(email: str) -> list[str]:
    """List ways to write one person's e-mail that a policy file may use."""
    return [email, email.upper(), email.title(), unicodedata.normalize("NFD", email)]


# `STRASSE` is the upper case of both `straße` and `strasse`: there the spelling decides who is meant.
ONE_PERSON = {
    email: tuple(text for text in spellings(email) if reference.normal_email(text) == reference.normal_email(email))
    for email in EMAILS
}


def respelled(member: str | dict[str, Any]) -> str | dict[str, Any]:
    """Spell the e-mail of a member of a Team otherwise."""
    email = ONE_PERSON[reference.normal_email(reference.email_of(member))][-1]
    return email if isinstance(member, str) else {**member, "email": email}


def pools() -> st.SearchStrategy[Pool]:
    """Draw what one example is about."""
    permissions = st.lists(st.sampled_from(sorted(reference.DAG_PERMISSIONS - {"dag.get"})), min_size=2, max_size=4)
    return st.builds(
        Pool,
        st.sampled_from(sorted(DEPLOYMENTS)),
        st.sampled_from(FAMILIES).flatmap(
            lambda family: st.lists(st.sampled_from(family), min_size=2, max_size=3, unique=True).map(tuple)
        ),
        permissions.map(lambda names: ("dag.get", *names)),
    )


def dags(pool: Pool) -> st.SearchStrategy[reference.Dag]:
    """Draw a Dag whose id and tags are among the pool's names."""
    tags = st.frozensets(st.sampled_from(pool.names), max_size=2)
    files = st.none() | st.tuples(st.sampled_from(BUNDLES), paths())
    return st.builds(reference.Dag, st.sampled_from(pool.names), tags, files)


def paths() -> st.SearchStrategy[str]:
    """Draw where in its bundle a Dag says it is."""
    parts = st.sampled_from(("a", "ab", "b", "a.py", "b.py", "p.ZIP", "..", "", "a\nb"))
    return st.lists(parts, min_size=1, max_size=4).map("/".join)


def patterns() -> st.SearchStrategy[str]:
    """Draw a pattern of files without fault."""
    name = st.text("ab.py*", min_size=1, max_size=4).filter(lambda text: "**" not in text and text not in (".", ".."))
    parts = st.lists(name | st.sampled_from(("**", "*", "*.py", "a")), min_size=1, max_size=5).map("/".join)
    return parts | parts.map(lambda text: f"{text}/")


@st.composite
def protected_tags(draw: st.DrawFn, pool: Pool) -> list[dict[str, Any]]:
    """Draw the `protected_tags` of a policy: exact tags and beginnings of tags."""
    begun = [f"{name[:length]}*" for name in pool.names for length in range(3)]
    tags = draw(st.lists(st.sampled_from([*pool.names, *begun]), max_size=3, unique=True))
    place = st.fixed_dictionaries({"bundle": st.sampled_from(BUNDLES), "files": st.lists(patterns(), max_size=2)})
    return [
        {"deployment_id": where, "tag": tag, "only_in": draw(st.lists(place, max_size=2))}
        for tag in tags
        if "*" not in tag[:-1]
        for where in [draw(deployment_ids(pool))]
    ]


def required_sets(pool: Pool) -> st.SearchStrategy[frozenset[str]]:
    """Draw the permissions of one question; most are about something that a Dag has."""
    some = st.frozensets(st.sampled_from(pool.permissions), min_size=1, max_size=3)
    # What an Accessor holds more often than the rest: it comes with every Dag role.
    any_permission = st.sampled_from(["website.get", "docs.get"] * 8 + sorted(reference.DEPLOYMENT_PERMISSIONS))
    return some | some | st.frozensets(any_permission, min_size=1, max_size=2)


@st.composite
def custom_roles(draw: st.DrawFn, pool: Pool) -> list[dict[str, Any]]:
    """Draw the `roles` of a policy, some of them restricted to Workspaces."""
    roles = []
    for name in draw(
        st.lists(st.sampled_from(DEPLOYMENT_CUSTOM + DAG_CUSTOM + OBJECT_CUSTOM), min_size=1, unique=True)
    ):
        scope = "DEPLOYMENT" if name in DEPLOYMENT_CUSTOM else "DAG" if name in DAG_CUSTOM else "OBJECT"
        role = {"name": name, "scope": scope, "permissions": draw(permission_words(scope, pool))}
        if draw(st.booleans()):
            role["restricted_workspace_ids"] = draw(st.lists(st.sampled_from(WORKSPACES), min_size=1, unique=True))
        if draw(st.booleans()):
            role["description"] = "drawn by chance"
        roles.append(role)
    return roles


def permission_words(scope: str, pool: Pool) -> st.SearchStrategy[list[str]]:
    """Draw what a custom role of this scope may hold, older and Astro's own words included."""
    if scope == "OBJECT":
        some = [f"object.airflow.{name}" for name in sorted(reference.ROLES["OBJECT_ADMIN"])]
        return st.lists(st.sampled_from(some), min_size=1, max_size=5, unique=True)
    prefix = "dag" if scope == "DAG" else "deployment"
    known = reference.DAG_PERMISSIONS if scope == "DAG" else reference.DEPLOYMENT_PERMISSIONS
    near = st.sampled_from([f"{prefix}.airflow.{name}" for name in pool.permissions])
    words = [f"{prefix}.airflow.{name}" for name in sorted(known)]
    if scope == "DEPLOYMENT":
        words += ["deployment.airflow.configMenu.get", "deployment.get", "deployment.update"]
    return st.lists(near | near | st.sampled_from(words), min_size=1, max_size=4, unique=True)


def deployment_ids(pool: Pool) -> st.SearchStrategy[str]:
    """Draw where a grant is: more often than not in the Deployment that is asked about."""
    return st.sampled_from([pool.deployment_id, pool.deployment_id, pool.deployment_id, *sorted(DEPLOYMENTS)])


def fitting(roles: list[dict[str, Any]], level: str, deployment_id: str) -> st.SearchStrategy[str]:
    """Draw a role that may be given in this Deployment at this level."""
    workspace_id = DEPLOYMENTS[deployment_id]
    custom = [
        role["name"]
        for role in roles
        if role["scope"] == level and workspace_id in role.get("restricted_workspace_ids", WORKSPACES)
    ]
    # Custom roles more often: what they hold in part is where engines differ.
    return st.sampled_from(reference.ROLES_BY_LEVEL[level] + custom * 3)


@st.composite
def deployment_roles(draw: st.DrawFn, roles: list[dict[str, Any]], pool: Pool) -> dict[str, str]:
    """Draw one entry of `deployment_roles`."""
    deployment_id = draw(deployment_ids(pool))
    return {"deployment_id": deployment_id, "role": draw(fitting(roles, "DEPLOYMENT", deployment_id)), **draw(ends())}


@st.composite
def dag_roles(draw: st.DrawFn, roles: list[dict[str, Any]], pool: Pool) -> dict[str, str]:
    """Draw one entry of `dag_roles`, by id, by tag, or by bundle."""
    deployment_id = draw(deployment_ids(pool))
    where = draw(st.sampled_from(("dag_id", "tag", "bundle")))
    role = draw(fitting(roles, "DAG", deployment_id))
    place = draw(bundle_places()) if where == "bundle" else {where: draw(st.sampled_from(pool.names))}
    return {"deployment_id": deployment_id, **place, "role": role, **draw(ends())}


def bundle_places() -> st.SearchStrategy[dict[str, str]]:
    """Draw what a grant on a bundle names: the bundle alone, or a folder in it too."""
    folders = st.sampled_from(FOLDERS)
    return st.fixed_dictionaries({"bundle": st.sampled_from(BUNDLES)}, optional={"folder": folders})


@st.composite
def object_roles(draw: st.DrawFn, roles: list[dict[str, Any]], pool: Pool) -> dict[str, str]:
    """Draw one entry of `object_roles`, by id or by prefix."""
    deployment_id = draw(deployment_ids(pool))
    key = draw(st.sampled_from(sorted(reference.OBJECT_KEYS)))
    name = draw(st.sampled_from(PREFIXES if key.endswith("_prefix") else IDS))
    role = draw(fitting(roles, "OBJECT", deployment_id))
    return {"deployment_id": deployment_id, key: name, "role": role, **draw(ends())}


def things() -> st.SearchStrategy[reference.Thing]:
    """Draw a connection, Variable or pool."""
    return st.builds(reference.Thing, st.sampled_from(reference.SINGLE_OBJECTS), st.sampled_from(IDS))


def ends() -> st.SearchStrategy[dict[str, str]]:
    """Draw when a grant ends: mostly never, else before, at or after the time that is asked about."""
    times = ("2027-05-31T23:59:59Z", reference.AT, "2027-06-01T00:00:01Z", "2028-01-01T00:00:00Z")
    return st.sampled_from([{}] * 8 + [{"expires_at": time} for time in times])


def members(emails: st.SearchStrategy[str]) -> st.SearchStrategy[str | dict[str, str]]:
    """Draw a member of a Team: mostly an e-mail alone, else one with an end, a note, or neither."""
    notes = st.sampled_from([{}] * 3 + [{"note": "why"}])
    mappings = st.builds(lambda email, end, note: {"email": email, **end, **note}, emails, ends(), notes)
    return emails | emails | mappings


def workspace_roles() -> st.SearchStrategy[dict[str, str]]:
    """Draw one entry of `workspace_roles`."""
    return st.fixed_dictionaries(
        {
            "workspace_id": st.sampled_from(WORKSPACES),
            "role": st.sampled_from(reference.ROLES_BY_LEVEL["WORKSPACE"]),
        },
        optional={"expires_at": st.sampled_from((reference.AT, "2027-06-01T00:00:01Z"))},
    )


def organization_roles() -> st.SearchStrategy[str]:
    """Draw an Organization role."""
    return st.sampled_from(reference.ROLES_BY_LEVEL["ORGANIZATION"])


def organization_grants() -> st.SearchStrategy[dict[str, str]]:
    """Draw an Organization role with an end, a note, or neither."""
    notes = st.sampled_from([{}] * 3 + [{"note": "why"}])
    return st.builds(lambda role, end, note: {"role": role, **end, **note}, organization_roles(), ends(), notes)


@st.composite
def grants_of_people(draw: st.DrawFn, roles: list[dict[str, Any]], pool: Pool) -> dict[str, Any]:
    """Draw what may stand on a user or Team; mostly Dag roles, since deployment_wide roles hide all others."""
    grants: dict[str, Any] = {}
    if draw(st.integers(0, 9)) == 9:
        grants["organization_role"] = draw(organization_roles() | organization_grants())
    if draw(st.integers(0, 5)) == 5:
        grants["workspace_roles"] = draw(st.lists(workspace_roles(), max_size=2, unique_by=str))
    if draw(st.integers(0, 2)) == 2:
        grants["deployment_roles"] = draw(st.lists(deployment_roles(roles, pool), max_size=2, unique_by=str))
    grants["dag_roles"] = draw(st.lists(dag_roles(roles, pool), min_size=1, max_size=4, unique_by=str))
    if draw(st.integers(0, 2)) == 2:
        grants["object_roles"] = draw(st.lists(object_roles(roles, pool), min_size=1, max_size=3, unique_by=str))
    return grants


@st.composite
def token_roles(draw: st.DrawFn, roles: list[dict[str, Any]], pool: Pool) -> dict[str, str]:
    """Draw one entry of an API token's `roles`."""
    kind = draw(
        st.sampled_from(
            ("DAG", "DAG_TAG", "DAG_BUNDLE", "DAG", "DAG_TAG", "OBJECT", "DEPLOYMENT", "WORKSPACE", "ORGANIZATION")
        )
    )
    if kind == "ORGANIZATION":
        return {"role": draw(organization_roles()), "entity_type": kind, "entity_id": ORGANIZATION}
    if kind == "WORKSPACE":
        entry = draw(workspace_roles())
        return {"role": entry["role"], "entity_type": kind, "entity_id": entry["workspace_id"]}
    if kind == "DEPLOYMENT":
        entry = draw(deployment_roles(roles, pool))
        return {"role": entry["role"], "entity_type": kind, "entity_id": entry["deployment_id"]}
    if kind == "OBJECT":
        entry = draw(object_roles(roles, pool))
        key = next(key for key in reference.OBJECT_KEYS if key in entry)
        of_token = {"entity_type": reference.OBJECT_KEYS[key], "entity_id": entry[key]}
        return {"role": entry["role"], **of_token, "deployment_id": entry["deployment_id"]}
    entry = draw(dag_roles(roles, pool))
    where = {"entity_type": kind, "entity_id": draw(st.sampled_from(pool.names))}
    if kind == "DAG_BUNDLE":
        place = draw(bundle_places())
        where = {"entity_type": kind, "entity_id": place.pop("bundle"), **place}
    return {"role": entry["role"], **where, "deployment_id": entry["deployment_id"]}


@st.composite
def policies(draw: st.DrawFn, pool: Pool) -> dict[str, Any]:
    """Draw the values of a valid policy file that grants on the pool's names."""
    roles = draw(custom_roles(pool))
    # Few people in all, so that one person holds grants of several holders.
    people = draw(st.lists(st.sampled_from(EMAILS), min_size=1, max_size=3, unique=True))
    spelled = st.sampled_from(people).flatmap(lambda email: st.sampled_from(ONE_PERSON[email]))
    some = st.lists(spelled, max_size=3, unique_by=reference.normal_email)
    some_members = st.lists(
        members(spelled), max_size=3, unique_by=lambda each: reference.normal_email(reference.email_of(each))
    )
    some_groups = st.lists(st.sampled_from(GROUPS), max_size=3, unique=True)
    teams = draw(st.lists(st.sampled_from(TEAMS), max_size=3, unique=True))
    tokens = draw(st.lists(st.sampled_from(TOKENS), max_size=2, unique=True))
    own_roles = st.lists(token_roles(roles, pool), max_size=3, unique_by=str)
    return {
        "version": 1,
        "organization_id": ORGANIZATION,
        "workspaces": [{"id": name, "name": f"Workspace {name}"} for name in WORKSPACES],
        "deployments": [{"id": name, "name": name, "workspace_id": where} for name, where in DEPLOYMENTS.items()],
        "roles": roles,
        "teams": [
            {
                "name": name,
                "members": draw(some_members),
                "idp_groups": draw(some_groups),
                **draw(grants_of_people(roles, pool)),
            }
            for name in teams
        ],
        "users": [{"email": email, **draw(grants_of_people(roles, pool))} for email in draw(some)],
        "api_tokens": [{**token(token_id), "roles": draw(own_roles)} for token_id in tokens],
        "protect_granted_tags": draw(st.booleans()),
        "protected_tags": draw(protected_tags(pool)),
    }


def token(token_id: str) -> dict[str, Any]:
    """Write an API token that has no roles yet. Its secret's digest only has to be another one for each token."""
    return {
        "id": token_id,
        "name": f"name of {token_id}",
        "secret_sha256": token_id.encode().hex().rjust(64, "0"),
        "expires_at": "never",
    }


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a policy with the questions to ask of it."""
    pool = draw(pools())
    return Case(
        pool=pool,
        values=draw(policies(pool)),
        dags=tuple(draw(st.lists(dags(pool), min_size=1, max_size=4, unique=True))),
        required=draw(required_sets(pool)),
        groups=draw(st.frozensets(st.sampled_from(GROUPS), max_size=3)),
        things=tuple(draw(st.lists(things(), min_size=1, max_size=3, unique=True))),
    )
