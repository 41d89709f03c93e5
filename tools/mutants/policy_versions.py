"""Faults in the policy in the database, and in how changes of it are published."""

from __future__ import annotations

from tools.mutants.fault import Fault

_VERSIONS = ("tests/runtime/test_policy_versions.py",)
_PUBLISHER = ("tests/access_management/test_publisher.py",)
_ACCOUNTS = ("tests/accounts/test_account_guard.py",)
_SIGN_IN = ("tests/authentication/test_policy_in_database.py",)

FAULTS = (
    Fault(
        "a version that was changed by hand is taken", "_stored", "digest == _digest(number, data)", "True", _VERSIONS
    ),
    Fault("a version of a newer format is read", "_stored", "policy_format > FORMAT", "False", _VERSIONS),
    Fault(
        "the document of the newest version can be removed",
        "remove_documents",
        "VERSIONS.c.id < select(func.max(VERSIONS.alias().c.id)).scalar_subquery()",
        "VERSIONS.c.id > 0",
        _VERSIONS,
    ),
    Fault(
        "a version is taken for the one that was checked last",
        "check_version",
        "held is None or held.digest != stored.digest",
        "held is None",
        _PUBLISHER,
    ),
    Fault("any user may put a policy in the place of none", "_newest", "not actor.subject", "True", _PUBLISHER),
    Fault(
        "the last Organization Owner may go", "_try", "proposal.loses_owner and (not wanted.force)", "False", _PUBLISHER
    ),
    Fault("a change does not wait for its turn", "publish", "range(TRIES)", "range(1)", _PUBLISHER),
    Fault(
        "an Owner without an account counts as one who stays",
        "loses_last_owner",
        "any((accounts.has_access(each, database) for each in has))",
        "bool(has)",
        _ACCOUNTS,
    ),
    Fault(
        "the last Owner's account may be disabled",
        "_on_update",
        "_keep_last_owner(account, connection, lost if account.active else {*lost, account.email})",
        "pass",
        _ACCOUNTS,
    ),
    Fault(
        "the last Owner's account may be deleted",
        "ask_before_delete",
        "_keep_last_owner(account, connection, accounts.email_of(account.id, connection))",
        "pass",
        _ACCOUNTS,
    ),
    Fault(
        "the version is read in a statement of its own",
        "_along",
        "Along() if policy_column is None else Along((policy_column,))",
        "Along()",
        _SIGN_IN,
    ),
    Fault(
        "API tokens are decided on by the version that was read last",
        "Authenticator._newest_engine",
        "await _in_thread_of(self._look_threads, self._policy_store.has_changed)",
        "False",
        _SIGN_IN,
    ),
    Fault(
        "a change of the policy file is recorded by every worker",
        "_is_known",
        "moment > since and (entry.get('before'), entry.get('digest')) == (before, digest)",
        "False",
        ("tests/access_management/test_policy_audit.py",),
    ),
    Fault(
        "a cell of the export is a formula",
        "_cell",
        "text.startswith(_FORMULA)",
        "False",
        ("tests/access_management/test_audit_export.py",),
    ),
)
