"""Faults in what FAB's pages, API and accounts are guarded by."""

from __future__ import annotations

from tools.mutants.fault import BRIDGE, LOGIN, Fault

FAULTS = (
    Fault(
        "users give themselves a password past the provider",
        "users_sign_in_with_passwords",
        "app.config.get('AUTH_TYPE', AUTH_DB) == AUTH_DB",
        "True",
        ("tests/accounts/test_account_guard.py",),
    ),
    Fault(
        "sessions from before an account was bound get what the identity brings",
        "bind",
        "end_all(session, account_id)",
        "pass",
        ("tests/accounts/test_identity_binding.py",),
    ),
    Fault(
        "sessions from before a sign-in get its groups",
        "keep",
        "end_all(session, account_id)",
        "pass",
        ("tests/accounts/test_sign_ins.py",),
    ),
    Fault(
        "sessions under another e-mail live on",
        "_on_update",
        "{'password', 'active', 'email'}",
        "{'password', 'active'}",
        ("tests/accounts/test_account_guard.py",),
    ),
    Fault(
        "the tokens of FAB's API outlive a sign-out",
        "fab_token_has_ended",
        "issued_at < _fab_tokens_end(account_id) or has_ended(account_id, issued_at)",
        "has_ended(account_id, issued_at)",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "a page of a plugin is changed with customMenu.get",
        "_authorize_plugin_page",
        "request.method in action_map.CHANGING_METHODS or (context is not None and context.writes)",
        "request.method in action_map.CHANGING_METHODS",
        ("tests/test_auth_manager.py",),
    ),
    Fault("one override removed", "AstroAuthManager.get_authorized_connections", "", "", BRIDGE),
    Fault("a failing hook says yes", "denies_on_error.decorate.guarded", "nothing()", "True", BRIDGE),
    Fault(
        "FAB's role pages open",
        "authorize_custom_view",
        "request.entity in action_map.FAB_ROLE_VIEWS or identity.id == 0",
        "identity.id == 0",
        BRIDGE,
    ),
    Fault(
        "FAB's public role counts",
        "AstroAuthManager.is_logged_in",
        "not user.is_anonymous and bool(user.is_active)",
        "True",
        (*BRIDGE, *LOGIN),
    ),
    Fault(
        "inactive accounts come in",
        "active",
        "account is None or not account.active",
        "account is None",
        LOGIN,
    ),
    Fault(
        "two accounts of one person hold roles",
        "_account",
        "(user_subject(email), sign_in.groups) if only else ('', frozenset[str]())",
        "(user_subject(email), sign_in.groups)",
        LOGIN,
    ),
    Fault("the old e-mail is not requested about", "_guard", "connection is not None", "connection is None", LOGIN),
    Fault(
        "accounts are not guarded",
        "_guard",
        """if text:
    log.warning('Refused a change of the account %s by %s: %s', account.id, context.actor, text)
    note_refusal(account.id, account.email, changed, _reason_of(text))
    raise AccountChangeRefused(text)""",
        """if False:
    log.warning('Refused a change of the account %s by %s: %s', account.id, context.actor, text)
    note_refusal(account.id, account.email, changed, _reason_of(text))
    raise AccountChangeRefused(text)""",
        LOGIN,
    ),
    Fault(
        "a person gets a second active account",
        "_second_account",
        "known.active and known.id != account_id",
        "False",
        LOGIN,
    ),
    Fault(
        "an account looks like an API token in the audit log",
        "_is_shown",
        "character.isspace() or (character.isprintable() and (not is_mark))",
        "True",
        ("tests/accounts/test_account_guard.py",),
    ),
    Fault(
        "user names are as long as one likes",
        "refusal_of_name",
        "len(name) > _LONGEST_NAME",
        "False",
        ("tests/accounts/test_account_guard.py",),
    ),
    Fault(
        "API tokens change accounts",
        "refusal",
        """if actor and actor.is_token:
    return NO_TOKENS""",
        "",
        LOGIN,
    ),
    Fault(
        "Deployment Admins change accounts",
        "Role.changes_accounts",
        "'WORKSPACE' in self.gives",
        "bool(self.gives)",
        ("tests/rbac/engine/test_delegation.py",),
    ),
    Fault(
        "a custom role makes tokens beyond the own access",
        "_may_give_as_custom_role",
        "not permissions & ~held",
        "True",
        ("tests/rbac/engine/test_delegation.py",),
    ),
    Fault(
        "commands change the policy file at the same time",
        "_locked",
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "",
        ("tests/cli/tokens/test_commands.py",),
    ),
    Fault(
        "exceptions are logged however long they are",
        "FewLines.filter",
        "_cut_exception(record)",
        "",
        ("tests/runtime/test_log_filters.py",),
    ),
    Fault(
        "readers of the policy can lock it",
        "policy_file_to_change",
        "path.with_name(f'.{path.name}.lock')",
        "path",
        ("tests/cli/tokens/test_commands.py",),
    ),
    Fault("check-dags does not follow links", "_files", "True", "False", ("tests/cli/test_check_dags.py",)),
    Fault(
        "an odd module of an archive hides the others",
        "_check",
        "Exception",
        "(OSError, ValueError, SyntaxError)",
        ("tests/cli/test_check_dags.py",),
    ),
    Fault(
        "commands take variables of the policy file as they are",
        "setting_if_set",
        "_expanded(os.environ[variable])",
        "os.environ[variable]",
        ("tests/cli/test_inputs.py",),
    ),
    Fault(
        "a configuration that ends the process ends the doctor",
        "_all",
        "(Exception, SystemExit)",
        "Exception",
        ("tests/cli/test_doctor.py",),
    ),
    Fault(
        "the tag guard works beside another auth manager",
        "_is_set_up",
        """if not policy_is_named():
    return False""",
        """if policy_is_named():
    return True
if not policy_is_named():
    return False""",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "a stale Dag loses its id though its file is there",
        "_is_gone",
        "not any((folder / part).is_file() for part in (place, *place.parents))",
        "True",
        ("tests/tag_protection/test_dag_id_owners.py",),
    ),
    Fault(
        "a stale Dag loses its id where its bundle is not there",
        "_is_gone",
        """if folder is None:
    return False""",
        "folder = folder or Path()",
        ("tests/tag_protection/test_dag_id_owners.py",),
    ),
    Fault(
        "owners of a Dag id are looked for with too many parameters",
        "read_dags_with_files",
        "len(wanted) <= MAX_PARAMETERS",
        "len(wanted) > 0",
        ("tests/tag_protection/test_dag_id_owners.py",),
    ),
    Fault(
        "strangers fill the audit log",
        "_Budget.take",
        "self._taken[payer] <= ROWS_A_MINUTE",
        "True",
        ("tests/runtime/test_audit_log.py",),
    ),
    Fault(
        "changes that were rolled back are in the audit log",
        "after_rollback",
        "session.info.pop(_NOTED, None)",
        "pass",
        ("tests/accounts/test_account_guard.py",),
    ),
    Fault(
        "what was issued during a slow change stays valid",
        "end_again",
        "time.monotonic() - at > LONGEST_WAIT - 1",
        "False",
        ("tests/accounts/test_account_guard.py",),
    ),
    Fault(
        "a change that was rolled back ends something",
        "forget_ends",
        "session.info.pop(_ENDED, None)",
        "pass",
        ("tests/accounts/test_account_guard.py",),
    ),
    Fault(
        "pages of accounts look for files",
        "refuse_early.AskingListView.download",
        "abort(404)",
        "return super().download(filename)",
        ("tests/e2e/test_account_pages.py",),
    ),
)
