"""The caller: what it has, what it may do, and how it would get what it has not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from fastapi import APIRouter

from astro_auth_plugin.access_api import bundles, shapes, views
from astro_auth_plugin.access_api.caller import Caller, CallerDep
from astro_auth_plugin.access_api.changing import MOST_CONTACTS
from astro_auth_plugin.access_api.errors import denied, invalid
from astro_auth_plugin.access_api.routes.tokens import find_token
from astro_auth_plugin.access_api.routes.users import accounts_of, groups_of
from astro_auth_plugin.access_api.views import Limit, Offset, Search, Throughs
from astro_auth_plugin.authorization import dag_access, dag_lookup
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.decision import HeldGrant, reaching
from astro_auth_plugin.rbac.explain import minimal_grants
from astro_auth_plugin.rbac.explain.answers import Answer
from astro_auth_plugin.rbac.explain.minimal_grants import Advice
from astro_auth_plugin.rbac.explain.questions import SEE_DAG, Question, of_action
from astro_auth_plugin.rbac.model.actions import ACTIONS, TITLES, WORDS, spelled
from astro_auth_plugin.rbac.model.permissions import ObjectKind, names
from astro_auth_plugin.rbac.model.scopes import KINDS, GrantScope
from astro_auth_plugin.rbac.model.subjects import TOKEN_PREFIX, token_subject, user_subject
from astro_auth_plugin.rbac.policy.hints import did_you_mean
from astro_auth_plugin.runtime import policy_versions

router = APIRouter(tags=["My access"])
_GROUPS = "It can be another through groups of the identity provider, which only users who may read accounts see."


@router.get("/me")
def me(who: CallerDep) -> shapes.Me:
    """Show the caller: roles, Teams, and what it may read and change of the access of others."""
    identity, engine, document = who.identity, who.engine, who.engine.policy.document
    workspaces = {each.id: each.name for each in document.workspaces}
    deployments = {each.id: each.name for each in document.deployments}
    levels = who.levels
    owner = "ORGANIZATION" in levels
    return shapes.Me(
        email=identity.email,
        name=identity.username,
        kind="token" if identity.is_token else "user",
        organization_id=document.organization_id,
        workspace=shapes.Place(id=engine.workspace_id, name=workspaces.get(engine.workspace_id, "")),
        deployment=shapes.Place(id=engine.deployment_id, name=deployments.get(engine.deployment_id, "")),
        policy=_policy_state(who),
        rights=shapes.Rights(
            access=who.visibility.access,
            accounts=who.reads_accounts,
            tokens=who.visibility.tokens,
            history=who.visibility.changes,
            audit=who.reads_audit,
            grant_levels=[
                level for level in ("ORGANIZATION", "WORKSPACE", "DEPLOYMENT", "DAG", "OBJECT") if level in levels
            ],
            teams=owner,
            roles=owner,
            create_tokens=not identity.is_token and delegation.may_make_tokens(engine, identity.subject),
        ),
        require_reason=who.settings.require_reason,
        access_contact=who.settings.access_contact,
        may=list(spelled(identity.access.deployment_wide, on_dag=False)),
        grants=Throughs(engine, identity.subject, identity.groups).held(identity.access.grants),
        teams=[
            views.team_of(who, identity.subject, index, group)
            for index, group in engine.teams_of(identity.subject, identity.groups).items()
        ],
        bundle=bundles.version(),
    )


def _policy_state(who: Caller) -> shapes.PolicyState:
    path = who.settings.policy_file
    if path is not None:
        return shapes.PolicyState(store="file", file=path.name, read_only=True)
    newest = policy_versions.newest()
    if newest is None:
        # Emptied while the server runs, which goes on with the last version.
        return shapes.PolicyState(store="database", read_only=False)
    return shapes.PolicyState(
        store="database",
        version=newest.id,
        changed_at=datetime.fromtimestamp(newest.created_at, UTC),
        author=newest.author if who.visibility.everything else None,
        read_only=False,
    )


@router.get("/me/dags")
def my_dags(who: CallerDep, search: Search = "", limit: Limit = 50, offset: Offset = 0) -> shapes.DagsOfMine:
    """List the Dags that the caller may see, with what it may do there."""
    identity = who.identity
    through = Throughs(who.engine, identity.subject, identity.groups)
    found = sorted(dag_id for dag_id in who.dag_ids() if search.lower() in dag_id.lower())
    shown = who.seen_of(dag_lookup.read_dags(views.page(found, limit, offset)).values())
    rows = [
        shapes.DagOfMine(
            dag_id=dag.id,
            tags=sorted(dag.tags),
            may=list(spelled(identity.access.on(dag), on_dag=True)),
            grants=through.held(reaching(identity.access.grants, dag)),
        )
        for dag in sorted(shown, key=lambda dag: dag.id)
    ]
    return shapes.DagsOfMine(dags=rows, total_entries=len(found))


@router.get("/actions")
def actions(_: CallerDep) -> shapes.Actions:
    """List what users do, by the names that questions take, and what permissions are in plain words."""
    found = [
        shapes.ActionName(name=action.names[0], words=TITLES[action.names[0]], deployment_wide=action.deployment_wide)
        for action in ACTIONS
    ]
    return shapes.Actions(actions=found, titles=TITLES)


@router.post("/explain")
def explain(who: CallerDep, body: shapes.ExplainRequest) -> shapes.Explanation:
    """Say whether a user or API token may do something and why, or the smallest grant with which it could."""
    subject, groups = _subject(who, body.who)
    question = of_action(body.action, body.dag_id)
    if question is None:
        raise invalid(f"There is no action `{body.action}`{did_you_mean(body.action, WORDS) or '.'}")
    if subject != who.identity.subject and question.object_kind and not _sees_grants(who, question.object_kind):
        kind = f"`{question.object_kind}.get`"
        raise denied("You may not ask about the roles of others on such objects.", f"{kind} in the whole Deployment")
    dag = dag_access.find(who.identity, question.dag_id) if question.where == "Dag" and question.dag_id else None
    if dag is not None and not who.identity.check(SEE_DAG, dag):
        # As of a Dag that does not exist.
        dag = None
    answer = who.answerer.ask(subject, question, dag, groups=groups)
    if subject != who.identity.subject and not who.reads_accounts and who.answerer.groups_matter(answer, dag):
        answer = answer._replace(why=_GROUPS)
    return _explanation(who, answer, question, groups)


def _sees_grants(who: Caller, kind: ObjectKind) -> bool:
    """Whether the caller may see grants on objects of a kind, which the answer would tell."""
    scope = next(each.name for each in KINDS.values() if each.object_kind == kind)
    return who.visibility.sees(GrantScope(scope, "", who.engine.deployment_id))


def _explanation(who: Caller, answer: Answer, question: Question, groups: frozenset[str]) -> shapes.Explanation:
    advised = minimal_grants.smallest(who.engine, answer)
    missing, given = 0, dict[HeldGrant, None]()
    for case in answer.cases:
        missing |= case.missing
        given.update((grant, None) for decision in case.decisions for grant in decision.grants)
    seen = (grant for grant in given if answer.subject == who.identity.subject or who.visibility.sees(grant.scope))
    return shapes.Explanation(
        answer=answer.verdict,
        question=question.words + (f" {question.named}" if question.named else ""),
        why=answer.why,
        missing=list(names(missing)),
        grants=Throughs(who.engine, answer.subject, groups).held(seen),
        advice=[
            shapes.Advice(
                role=each.role,
                scope=views.scope_of(_complete(who, each)),
                extra=list(spelled(each.extra, on_dag=each.scope.is_on_dags)),
            )
            for each in advised
        ],
        whom_to_ask=_whom_to_ask(who, advised),
        contact=who.settings.access_contact,
    )


def _complete(who: Caller, advice: Advice) -> GrantScope:
    """Return the scope of advice with its Deployment, which the advice leaves out."""
    scope = advice.scope
    return scope if scope.is_deployment_wide else scope._replace(deployment_id=who.engine.deployment_id)


def _whom_to_ask(who: Caller, advised: Iterable[Advice]) -> list[shapes.Contact]:
    """Return users who may give all that is advised; for callers who may know who that is."""
    wanted = [views.given_of(each.role, _complete(who, each)) for each in advised]
    if not wanted or not who.visibility.access:
        return []
    found: list[shapes.Contact] = []
    for subject in sorted(delegation.givers(who.engine)):
        if "@" in subject and not delegation.given_beyond(who.engine, subject, wanted):
            found.append(shapes.Contact(email=subject))
        if len(found) == MOST_CONTACTS:
            break
    return found


def _subject(who: Caller, name: str | None) -> tuple[str, frozenset[str]]:
    identity = who.identity
    if name is None or user_subject(name) == identity.subject:
        return identity.subject, identity.groups
    if not who.visibility.access:
        raise denied("You may not ask about others.", "a role that may read the access of others")
    if "@" in name:
        subject = user_subject(name)
        return subject, groups_of(accounts_of(who, [subject]).get(subject, []))
    if not who.visibility.tokens:
        raise denied("You may not ask about API tokens.", "a role that may read API tokens")
    return token_subject(find_token(who, name.removeprefix(TOKEN_PREFIX)).id), frozenset()
