"""Faults in the role engine, hints and plans."""

from __future__ import annotations

from tools.mutants.fault import RBAC, Fault

FAULTS = (
    Fault("a grant counts after its end", "Grant.has_ended", "self.expires_at <= at", "False", RBAC),
    Fault(
        "a grant counts in the second of its end",
        "Grant.has_ended",
        "self.expires_at <= at",
        "self.expires_at < at",
        RBAC,
    ),
    Fault("an engine does not know when the next grant ends", "Engine.__init__", "end > at", "False", RBAC),
    Fault(
        "a grant that ends makes one that does not redundant",
        "Grants._covers",
        "other.outlives(grant)",
        "True",
        RBAC,
    ),
    Fault("a later end of a grant does not widen", "_ends", "not before.outlives(grant)", "False", RBAC),
    Fault(
        "a hint names another role than the misspelled one",
        "_likeness",
        "alike and all(alike)",
        "alike",
        ("tests/rbac/policy/test_hints.py",),
    ),
    Fault(
        "a hint names a word with many letters more",
        "_is_longer",
        "len(longer) - len(shorter) > _FEW_LETTERS",
        "False",
        ("tests/rbac/policy/test_hints.py",),
    ),
    Fault(
        "a problem quotes a secret",
        "in_text",
        "(tuple(map(_masked, found.path)), masked(found.message))",
        "(found.path, found.message)",
        ("tests/rbac/policy/test_checks.py",),
    ),
    Fault(
        "a plan gives every subject what one of them gains",
        "GrowingLines.lines",
        "changes.key",
        "None",
        ("tests/rbac/review/test_policy_diff.py",),
    ),
    Fault(
        "a plan leaves out custom roles that make API tokens",
        "Side._read",
        "word.removeprefix('deployment.')",
        "word",
        ("tests/rbac/review/test_policy_diff.py",),
    ),
    Fault(
        "a role in a Workspace without a Deployment is never wider",
        "_grants",
        "not _covered(place, role, before)",
        "False",
        ("tests/rbac/review/test_declared_changes.py",),
    ),
    Fault(
        "an action is taken for a method",
        "_is_request",
        "method.upper() in _METHODS and bool(rest) and (method in _METHODS or '/' in rest[0])",
        "method.upper() in _METHODS and bool(rest)",
        ("tests/cli/explain/test_commands.py",),
    ),
    Fault("tags compared case-insensitively", "Access.on", "dag.tags", "[t.lower() for t in dag.tags]", RBAC),
    Fault("an id is taken for a tag", "reaches", "dag.tags", "{*dag.tags, dag.id}", RBAC),
    Fault("any clause for all clauses", "DagSelection.matches", "all", "any", RBAC),
    Fault("seeing the Dag is not requested for", "Engine.check", "required |= _SEE_DAG", "", RBAC),
    Fault("grants on any Dag count for every Dag", "Engine.check", "access.on(dag)", "access.anywhere", RBAC),
    Fault(
        "grants of other Deployments count",
        "Engine._is_here",
        "scope.deployment_id == self.deployment_id",
        "True",
        RBAC,
    ),
    Fault("Dag Authors write XComs", "", "_DAG_AUTHOR &= ~mask('xcom.create', 'xcom.update')", "", RBAC),
    Fault(
        "nothing required is allowed",
        "Decision.allowed",
        "bool(self.required) and (not self.missing)",
        "not self.missing",
        RBAC,
    ),
    Fault(
        "Workspace Owners change Organization Owners",
        "_may_give",
        """if given.level not in role.gives:
    return False""",
        "",
        RBAC,
    ),
    Fault(
        "a policy with errors counts",
        "from_text",
        "document is not None and (not findings)",
        "document is not None",
        RBAC,
    ),
    Fault(
        "a restricted role goes anywhere", "_restricted", "workspace_id and workspace_id not in allowed", "False", RBAC
    ),
    Fault("a repeated key is not noticed", "_Builder._key", "key in top.value", "False", RBAC),
    Fault(
        "hints are looked for without an end",
        "Hints._nearest",
        "self._left <= 0",
        "self._left is None",
        ("tests/rbac/policy/test_cost.py",),
    ),
)
