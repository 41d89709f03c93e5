"""Faults in who may change a policy, and in what a change is."""

from __future__ import annotations

from tools.mutants.fault import Fault

RULE = ("tests/rbac/changes/test_rule.py",)
DIFFERENCE = ("tests/rbac/changes/test_difference.py",)
EDITS = ("tests/rbac/changes/test_edits.py",)
PROPOSAL = ("tests/rbac/changes/test_proposal.py",)
OWNERS = ("tests/rbac/changes/test_owners.py",)
TEMPLATES = ("tests/rbac/model/test_role_templates.py",)

FAULTS = (
    # -- who may make each kind of part
    Fault(
        "anybody gives and takes roles",
        "_Judge.reason",
        "return self._beyond([change.grant], lasts=change.sign == '+')",
        "return ''",
        RULE,
    ),
    Fault(
        "a grant that ends gives what does not end",
        "_Judge.reason",
        "return self._beyond([change.grant], lasts=change.sign == '+')",
        "return self._beyond([change.grant], lasts=False)",
        RULE,
    ),
    Fault(
        "what is taken has to be given for as long as it would have lasted",
        "_Judge.reason",
        "return self._beyond([change.grant], lasts=change.sign == '+')",
        "return self._beyond([change.grant], lasts=True)",
        RULE,
    ),
    Fault("a longer end is never beyond", "_Judge._beyond", "reason or not lasts", "True", RULE),
    Fault("grants of the actor have ended when they have not", "_Judge._until", "each < end", "each <= end", RULE),
    Fault("grants of the actor never end", "_Judge._until", "end is None or each < end", "False", RULE),
    Fault(
        "an Organization Owner whose membership ends gives what never ends",
        "_Judge.reason",
        "'ORGANIZATION' in self.gives_always",
        "is_owner",
        RULE,
    ),
    Fault(
        "a group that an Organization Owner adds need not end",
        "_Judge.reason",
        "change.what == 'member' or (change.what == 'group' and is_owner)",
        "change.what == 'member'",
        RULE,
    ),
    Fault(
        "roles and settings are changed by whose role ends",
        "_Judge.reason",
        "change.what == 'user' or (change.what == 'Team' and is_owner)",
        "change.what == 'user' or is_owner",
        RULE,
    ),
    Fault(
        "what never ends lasts no longer than anything",
        "_Judge._until",
        "end is None or each < end",
        "end is not None and each < end",
        RULE,
    ),
    Fault(
        "members join whatever the Team may do",
        "_Judge.reason",
        "self._beyond(held, lasts=change.sign == '+') or self._gives_nothing()",
        "self._gives_nothing()",
        RULE,
    ),
    Fault(
        "anybody joins a Team without roles",
        "_Judge.reason",
        "self._beyond(held, lasts=change.sign == '+') or self._gives_nothing()",
        "self._beyond(held, lasts=change.sign == '+')",
        RULE,
    ),
    Fault(
        "members join for longer than the actor may give the Team's roles",
        "_Judge.reason",
        "self._beyond(held, lasts=change.sign == '+') or self._gives_nothing()",
        "self._beyond(held, lasts=False) or self._gives_nothing()",
        RULE,
    ),
    Fault(
        "the end of a membership is not judged",
        "_Judge.reason",
        "first_end(grant.expires_at, change.expires_at)",
        "grant.expires_at",
        RULE,
    ),
    Fault(
        "a member has for longer what ends with the membership", "_as_member", "first == grant.expires_at", "True", RULE
    ),
    Fault(
        "only what a Team may do afterwards counts for members",
        "_Judge.__init__",
        "(engine.policy.document, new)",
        "(new,)",
        RULE,
    ),
    Fault(
        "only what a Team may do before counts for members",
        "_Judge.__init__",
        "(engine.policy.document, new)",
        "(engine.policy.document,)",
        RULE,
    ),
    Fault(
        "whoever gives anything lets groups into Teams",
        "_Judge.reason",
        "change.what == 'user'",
        "change.what in ('user', 'group')",
        RULE,
    ),
    Fault(
        "whoever gives anything makes Teams",
        "_Judge.reason",
        "change.what == 'user'",
        "change.what in ('user', 'Team')",
        RULE,
    ),
    Fault(
        "whoever gives anything changes custom roles",
        "_Judge.reason",
        "change.what == 'user'",
        "change.what in ('user', 'role')",
        RULE,
    ),
    Fault(
        "whoever gives anything changes settings",
        "_Judge.reason",
        "change.what == 'user'",
        "change.what in ('user', 'setting')",
        RULE,
    ),
    Fault(
        "anybody adds users",
        "_Judge._gives_nothing",
        "self.gives",
        "True",
        RULE,
    ),
    Fault(
        "Workspace Owners change everything",
        "_Judge.reason",
        "'ORGANIZATION' in self.gives",
        "'WORKSPACE' in self.gives",
        RULE,
    ),
    Fault(
        "Organization Owners may not change everything", "_Judge.reason", "'ORGANIZATION' in self.gives", "False", RULE
    ),
    Fault(
        "groups of the actor do not count",
        "_Judge._not_given",
        "delegation.given_beyond(engine, actor, wanted, groups=self.groups)",
        "delegation.given_beyond(engine, actor, wanted)",
        RULE,
    ),
    # -- API tokens
    Fault(
        "anybody changes API tokens",
        "_Judge.reason",
        "return self._token(change.before, change.after)",
        "return ''",
        RULE,
    ),
    Fault(
        "anybody deletes API tokens",
        "_Judge._token_reasons",
        "yield self._token_beyond(self.engine, self.actor, before, 'delete')",
        "",
        RULE,
    ),
    Fault(
        "whoever gives anything creates API tokens",
        "_Judge._token_beyond",
        "not token.roles",
        "not token.roles or change == 'create'",
        RULE,
    ),
    Fault(
        "whoever gives anything rotates API tokens",
        "_Judge._token_beyond",
        "not token.roles",
        "not token.roles or change == 'rotate'",
        RULE,
    ),
    Fault(
        "a new secret with new roles is a rotation",
        "_Judge._token_reasons",
        "'rotate' if alike else 'create'",
        "'rotate'",
        RULE,
    ),
    Fault(
        "a rotation is a new token",
        "_Judge._token_reasons",
        "'rotate' if alike else 'create'",
        "'create'",
        RULE,
    ),
    Fault(
        "tokens with the same number of roles are alike",
        "_same_roles",
        "set(one.roles) == set(other.roles)",
        "len(one.roles) == len(other.roles)",
        RULE,
    ),
    Fault(
        "a token outlives the grant of its maker",
        "_Judge._token_reasons",
        "*self._until(after.expires_at)",
        "self.engine, self.actor",
        RULE,
    ),
    Fault("anybody makes API tokens without roles", "_Judge._token_beyond", "not token.roles", "False", RULE),
    Fault(
        "a role that is not known yet holds nothing",
        "_may_give_as_custom_role",
        "not engine.knows_role(given.role)",
        "False",
        RULE,
    ),
    Fault(
        "a Deployment that is not known yet ends the judging",
        "Engine.workspace_of",
        "self._workspaces.get(deployment_id, '')",
        "self._workspaces[deployment_id]",
        RULE,
    ),
    Fault(
        "a Dag grant is judged by its tag and not its Deployment",
        "_place",
        "grant.scope.deployment_id or grant.scope.id",
        "grant.scope.id",
        RULE,
    ),
    Fault(
        "all levels are given everywhere",
        "levels_given",
        "_giving_roles(engine, actor, groups)",
        "_giving_roles(engine, actor, frozenset())",
        RULE,
    ),
    # -- what a change is
    Fault(
        "a note is no difference",
        "_grants",
        "note_of(entry, each)",
        "''",
        DIFFERENCE,
    ),
    Fault(
        "the end of a grant is no difference",
        "_grants",
        "each._replace(path=(), principal=holder)",
        "each._replace(path=(), principal=holder, expires_at=None)",
        DIFFERENCE,
    ),
    Fault(
        "the place in the list is a difference",
        "_grants",
        "each._replace(path=(), principal=holder)",
        "each._replace(principal=holder)",
        DIFFERENCE,
    ),
    Fault(
        "what went is not listed",
        "_parts",
        "yield from (PolicyChange('-', 'grant', grant=grant, note=note) for (grant, note) in went)",
        "",
        DIFFERENCE,
    ),
    Fault(
        "members who left are not listed",
        "_differing",
        "yield ('-', [each for each in had if each not in has])",
        "",
        DIFFERENCE,
    ),
    Fault(
        "capitals of members are a difference",
        "_members",
        "normalize_email(each.email)",
        "each.email",
        DIFFERENCE,
    ),
    Fault(
        "the end of a membership is no difference",
        "_members",
        "(normalize_email(each.email), each.expires_at, each.note)",
        "(normalize_email(each.email), None, each.note)",
        DIFFERENCE,
    ),
    Fault("capitals of users are a difference", "_key", "user_subject(entry.email)", "entry.email", DIFFERENCE),
    Fault(
        "another role with other permissions is a renamed one",
        "_is_same_but_name",
        "_is_same_role(named, other)",
        "True",
        DIFFERENCE,
    ),
    Fault(
        "a Team with other members is a renamed one", "_is_same_but_name", "_is_same(named, other)", "True", DIFFERENCE
    ),
    Fault(
        "of several that are alike one is renamed",
        "_renamed",
        "times[pair[0]] == times[pair[1]] == 1",
        "True",
        DIFFERENCE,
    ),
    Fault(
        "a renamed role leaves its tokens behind",
        "rename_role",
        "('teams', 'users', 'api_tokens')",
        "('teams', 'users')",
        EDITS,
    ),
    Fault("whether a Team is for support is no difference", "_about", "team.support", "False", DIFFERENCE),
    Fault(
        "groups are no difference",
        "_entry",
        "yield from _groups(holder.name, *(team.idp_groups if team else [] for team in teams))",
        "",
        DIFFERENCE,
    ),
    Fault(
        "a role for no Workspace is one for all", "_is_same_role", "restricted[0] == restricted[1]", "True", DIFFERENCE
    ),
    Fault(
        "the order of lists is a difference", "_is_same", "_unordered(one) == _unordered(other)", "False", DIFFERENCE
    ),
    Fault(
        "settings are no difference",
        "changes",
        "not _is_same(getattr(old, key), getattr(new, key))",
        "False",
        DIFFERENCE,
    ),
    Fault("members are no difference", "_entry", "yield from _members(holder.name, *teams)", "", DIFFERENCE),
    Fault(
        "custom roles are no difference", "changes", "_is_same_role(had.get(name), has.get(name))", "True", DIFFERENCE
    ),
    Fault(
        "a new Team or user is no difference",
        "_entry",
        "before is None or after is None or _about(teams[0]) != _about(teams[1])",
        "False",
        DIFFERENCE,
    ),
    Fault(
        "what came is not listed",
        "_parts",
        "yield from (PolicyChange('+', 'grant', grant=grant, note=note) for (grant, note) in came)",
        "",
        DIFFERENCE,
    ),
    Fault("tokens are no difference", "changes", "yield from _tokens(old, new)", "", DIFFERENCE),
    Fault(
        "a new secret is no difference",
        "_tokens",
        "not _is_same(before, after)",
        "before is None or after is None or not _is_same(before.roles, after.roles)",
        DIFFERENCE,
    ),
    # -- edits
    Fault(
        "a grant with another end is there twice",
        "_with_grant",
        "kept if at else [*kept, written]",
        "[*given, written]",
        EDITS,
    ),
    Fault(
        "a revocation takes the role everywhere",
        "_without_grant",
        "each.get('role') == role and _is_in(each, place)",
        "each.get('role') == role",
        EDITS,
    ),
    Fault(
        "a person is removed and stays in Teams",
        "remove_user",
        "[each for each in team['members'] if not _is_member(each, email)]",
        "team['members']",
        EDITS,
    ),
    Fault(
        "groups are compared like e-mails",
        "change_members",
        "_is_member if key == 'members' else str.__eq__",
        "_is_member",
        EDITS,
    ),
    Fault(
        "an edit changes the values that it is given",
        "_removed",
        "return {**values, key: [each for each in values[key] if each is not entry]}",
        "values[key].remove(entry)\nreturn values",
        EDITS,
    ),
    # -- proposals, Owners, templates
    Fault("a proposal with errors is made", "propose", "checked.policy is None", "False", PROPOSAL),
    Fault(
        "the last Owner is lost without a word",
        "propose",
        "bool(organization_owners(old)) and (not organization_owners(document))",
        "False",
        PROPOSAL,
    ),
    Fault("every warning is new", "Proposal.new_warnings", "warning.message not in self.known", "True", PROPOSAL),
    Fault(
        "Workspace Owners count as Organization Owners",
        "organization_owners",
        "_is_lasting(user)",
        "True",
        OWNERS,
    ),
    Fault("Owners whose role ends count", "_is_lasting", "given.expires_at is None", "True", OWNERS),
    Fault("Owners whose membership ends count", "organization_owners", "end is None", "True", OWNERS),
    Fault("Owners through Teams do not count", "organization_owners", "_is_lasting(team)", "False", OWNERS),
    Fault("a template has more than its role", "_template", "bit & held", "bit", TEMPLATES),
    Fault(
        "an API token that ends gives what does not end",
        "_Judge._until",
        "self.token_ends and (end is None or self.token_ends < end)",
        "False",
        RULE,
    ),
    Fault("an API token gives nothing until its own end", "_Judge._until", "self.token_ends < end", "True", RULE),
)
