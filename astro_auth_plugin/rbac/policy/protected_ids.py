"""Which Dag ids belong to the bundle that has them, by what a policy says."""

from __future__ import annotations

from typing import NamedTuple

from astro_auth_plugin.rbac.model.scopes import DagFile
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from astro_auth_plugin.rbac.policy.grants import grants


class IdRules(NamedTuple):
    """Between which bundles a Dag id may not move while the file that has it is there.

    Attributes:
        everywhere: whether between none.
        bundles: those that grants name: no id moves to one of them, or away.
    """

    everywhere: bool
    bundles: frozenset[str]

    def __bool__(self) -> bool:
        """Whether any id is protected."""
        return self.everywhere or bool(self.bundles)

    def objection(self, owner: DagFile, file: DagFile) -> str:
        """Return why a file may not have the id of another file's Dag, as text; '' if it may."""
        if owner.bundle == file.bundle:
            return ""
        if self.everywhere:
            return "`protect_dag_ids` of the policy is set"
        named = [bundle for bundle in (owner.bundle, file.bundle) if bundle in self.bundles]
        return f"the policy has roles on bundle `{named[0]}`" if named else ""


def id_rules(document: PolicyDocument, deployment_id: str) -> IdRules:
    """Return the rules of a document without errors for one of its Deployments."""
    scopes = (grant.scope for grant in grants(document))
    named = (scope.id for scope in scopes if scope.kind == "bundle" and scope.deployment_id == deployment_id)
    return IdRules(document.protect_dag_ids, frozenset(named))
