"""Faults in the API of access, in what may be read of the access of others, and in the list of plugins."""

from __future__ import annotations

from tools.mutants.fault import Fault

_APP = ("tests/access_api/test_app.py",)
_HIDDEN = ("tests/access_api/test_hidden.py",)
_VISIBILITY = ("tests/rbac/engine/test_visibility.py",)
_AFFECTED = ("tests/rbac/changes/test_affected.py",)
_LIVE = ("tests/e2e/test_access_api.py",)

FAULTS = (
    Fault("any header stands for the own pages", "_has_bearer", "scheme.lower() == 'bearer'", "True", _HIDDEN),
    Fault("an empty header stands for the own pages", "_has_bearer", "bool(credential)", "True", _HIDDEN),
    Fault(
        "names are tried out by those who are no Owners",
        "needs_owner",
        "'ORGANIZATION' not in who.levels",
        "False",
        _HIDDEN,
    ),
    Fault(
        "grants elsewhere are tried out", "needs_sight", "not all(map(who.visibility.sees, scopes))", "False", _HIDDEN
    ),
    Fault(
        "what a revert breaks elsewhere is shown",
        "_made",
        "wish.reverts is None or who.visibility.everything",
        "True",
        _HIDDEN,
    ),
    Fault(
        "an old ETag shows a user to anyone",
        "change_user.show",
        "show_user(access_reader(later), email, Response())",
        "show_user(later, email, Response())",
        _HIDDEN,
    ),
    Fault(
        "an ETag tells whether there is a user",
        "Entity.etag",
        "normalize_email(self.name) if entry is None else ''",
        "''",
        _HIDDEN,
    ),
    Fault(
        "a patch for the file has hidden grants",
        "_sees_all",
        "all((who.visibility.sees(grant.scope) for grant in grants_of((), entry)))",
        "True",
        _HIDDEN,
    ),
    Fault(
        "API tokens are named among those who may",
        "holders",
        "sees.tokens or not each.who.startswith(TOKEN_PREFIX)",
        "True",
        _HIDDEN,
    ),
    Fault(
        "API tokens are named among those who have a role",
        "list_roles",
        "grant.principal.kind != 'token' or who.visibility.tokens",
        "True",
        _HIDDEN,
    ),
    Fault("changes take all threads", "change", "not turns.acquire(blocking=False)", "False", _HIDDEN),
    Fault(
        "pages of other origins make changes",
        "_SameOrigin.__call__",
        "not _has_bearer(request) and (not _is_same_origin(request))",
        "False",
        _APP,
    ),
    Fault(
        "a page on another port is the own one",
        "_is_same_origin",
        "fetched == 'same-origin'",
        "fetched != 'cross-site'",
        _APP,
    ),
    Fault("an origin is not compared", "_is_same_origin", "origin in own", "True", _APP),
    Fault("an older entry is overwritten", "unchanged", "entity.etag(entity.read(values)) not in etags", "False", _APP),
    Fault(
        "a change needs no ETag", "change", "wish.entity is not None and (not wish.new)", "bool(wish.if_match)", _APP
    ),
    Fault(
        "a reason is not required",
        "change",
        "who.settings.require_reason and (not wish.reason.strip()) and (not wish.dry_run)",
        "False",
        _APP,
    ),
    Fault(
        "a dry run is a change",
        "_in_database",
        "publisher.publish(wanted, actor, who.settings, dry_run=wish.dry_run)",
        "publisher.publish(wanted, actor, who.settings, dry_run=False)",
        _APP,
    ),
    Fault(
        "a denied change of another Workspace is shown",
        "_not_allowed",
        "all(map(who.visibility.sees, about))",
        "True",
        _APP,
    ),
    Fault("API tokens make API tokens", "create_token", "_no_token(who)", "None", _APP),
    Fault("API tokens rotate API tokens", "rotate_token", "_no_token(who)", "None", _APP),
    Fault("a dry run shows a secret", "_with_secret", "result.dry_run or result.version is None", "False", _APP),
    Fault(
        "every user is read",
        "_sees_user",
        "seen.everything or any(views.visible_grants(seen, user))",
        "True",
        _APP,
    ),
    Fault(
        "every Team is read",
        "sees_team",
        "seen.everything or any(views.visible_grants(seen, team)) or (not any(grants_of((), team)))",
        "True",
        _APP,
    ),
    Fault(
        "every API token is read",
        "_visible",
        "who.visibility.everything or not token.roles or any((sees(token_scope(role)) for role in token.roles))",
        "True",
        _APP,
    ),
    Fault(
        "grants of other Workspaces are read",
        "visible_grants",
        "seen.sees(grant.scope) and (not grant.has_ended(at))",
        "True",
        _APP,
    ),
    Fault(
        "the history shows other Workspaces",
        "_shown_of",
        "seen.everything or (known and all(map(sees, record.scopes[index])))",
        "True",
        _APP,
    ),
    Fault(
        "a reason about hidden changes is shown",
        "_version",
        "'' if shown.hidden else head.reason",
        "head.reason",
        _APP,
    ),
    Fault("what one caller saw of the history is kept for all", "_versions", "who.visibility.sight", "()", _HIDDEN),
    Fault("the audit export has changes of other Workspaces", "audit", "not who.visibility.everything", "False", _APP),
    Fault("anyone asks about others", "_subject", "not who.visibility.access", "False", _APP),
    Fault("anyone asks about API tokens", "_subject", "not who.visibility.tokens", "False", _APP),
    Fault("anyone learns whom to ask", "_whom_to_ask", "not wanted or not who.visibility.access", "not wanted", _APP),
    Fault("a user without roles is answered", "caller", "not user.access.grants", "False", _APP),
    Fault("all members read everything", "visibility_of", "'ORGANIZATION' in gives", "bool(reading)", _VISIBILITY),
    Fault(
        "one word of two reads users and Teams",
        "visibility_of",
        "words >= _READ_ACCESS",
        "bool(words & _READ_ACCESS)",
        _VISIBILITY,
    ),
    Fault(
        "Dag roles read users",
        "_reads",
        "role is not None and role.level != 'DAG' and bool(role.permissions & _SEE_DAG)",
        "role is not None and bool(role.permissions & _SEE_DAG)",
        _VISIBILITY,
    ),
    Fault(
        "grants on Dags are read without seeing all Dags",
        "visibility_of",
        "bool(held.deployment_wide & _SEE_DAG)",
        "True",
        _VISIBILITY,
    ),
    Fault(
        "Deployment Admins read grants on Dags beside",
        "Visibility.sees",
        "self.dags_here if is_here else self.dags_beside",
        "self.dags_here",
        _VISIBILITY,
    ),
    Fault(
        "other Workspaces are read",
        "Visibility.sees",
        "self.engine.workspace_of(deployment_id) != self.engine.workspace_id",
        "False",
        _VISIBILITY,
    ),
    Fault(
        "a preview leaves out who has a changed role", "affected_subjects", "grant.role in roles", "False", _AFFECTED
    ),
    Fault("a preview leaves out members", "affected_subjects", "team.name in teams", "False", _AFFECTED),
    Fault(
        "an entry is about no Workspace",
        "concerned_scopes.scopes",
        "of_entry[_entry_of(change)]",
        "[]",
        _AFFECTED,
    ),
    Fault(
        "groups of others do not count",
        "groups_of",
        "account.sign_in.groups if account is not None else frozenset()",
        "frozenset()",
        _APP,
    ),
    Fault(
        "that groups may matter is left out",
        "explain",
        "subject != who.identity.subject and (not who.reads_accounts) and who.answerer.groups_matter(answer, dag)",
        "False",
        _APP,
    ),
    Fault(
        "everyone sees other plugins",
        "_cut",
        "identity is None or not authorizer.may_see_all_plugins(identity)",
        "False",
        _LIVE,
    ),
    Fault(
        "an export keeps its session while it is read",
        "_rows",
        "yield from (tuple(row[1:]) for row in rows)",
        "with create_session(scoped=False) as other:\n    other.execute(page)\n"
        "    yield from (tuple(row[1:]) for row in rows)",
        ("tests/access_management/test_audit_export.py",),
    ),
    Fault(
        "a page of an export begins after all rows of a moment",
        "_rows",
        "and_(Log.dttm == moment, Log.id > number)",
        "False",
        ("tests/access_management/test_audit_export.py",),
    ),
    Fault("positions in the policy are told", "problems", "who.visibility.everything", "True", _HIDDEN),
    Fault("a first entry of a user is told", "is_shown", "not _USER.fullmatch(change)", "True", _HIDDEN),
    Fault("warnings are about the whole policy", "new_warnings", "who.visibility.everything", "True", _HIDDEN),
    Fault("warnings are about hidden grants", "_visible", "not who.visibility.sees(grant.scope)", "False", _HIDDEN),
    Fault(
        "a request takes its turn before its body is there",
        "_Turns.__call__",
        "_, receive = await whole_body(receive)",
        "pass",
        _APP,
    ),
    Fault("the health takes a turn", "_Turns.__call__", "path == _HEALTH", "False", _APP),
    Fault("many changes of who gives nothing are computed", "needs_giver", "not who.levels", "False", _HIDDEN),
    Fault(
        "previews wait for changes",
        "publish",
        "nullcontext() if dry_run else _one_at_a_time",
        "_one_at_a_time",
        _HIDDEN,
    ),
)
