"""Faults in signing in: passwords, identity providers, API tokens, trusted issuers."""

from __future__ import annotations

from tools.mutants.fault import LOGIN, RBAC, Fault

FAULTS = (
    Fault(
        "a password opens an account of an identity",
        "SignInMixin._without_identity",
        "identity is None or not self._is_live(identity.provider)",
        "True",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "a JWT outlives its token",
        "jwt_lifetime",
        "seconds_left(user, seconds) if isinstance(user, AstroIdentity) else seconds",
        "seconds",
        LOGIN,
    ),
    Fault("a JWT prolongs itself", "by_claims", "min(jwt_ends_at, held.ends_at or jwt_ends_at)", "held.ends_at", LOGIN),
    Fault("a token's JWT names an account", "is_of_token", "KEY_CLAIM in claims", "False", LOGIN),
    Fault(
        "a person's JWT prolongs itself",
        "identity_of",
        "identity.ends_at = external_tokens.time_of(claims['exp'])",
        "pass",
        LOGIN,
    ),
    Fault(
        "another issuer's JWT from before a sign-out counts", "identity_of", "external.issued_at", "float('inf')", LOGIN
    ),
    Fault(
        "an account of ASCII has no twin that is not",
        "may_be_same",
        "or_(ascii_alike, is_not_ascii(other), is_not_ascii(one))",
        "ascii_alike",
        LOGIN,
    ),
    Fault("one of two accounts is taken", "only_account", "len(active) == 1", "active", LOGIN),
    Fault(
        "a number as a password tells whether there is an account",
        "SignInMixin._limited",
        "sign_in() if can_be_right else None",
        "sign_in()",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "a stranger begins a line of the log",
        "FewLines.filter",
        "escaped(shortened(record.getMessage()))",
        "shortened(record.getMessage())",
        ("tests/runtime/test_log_filters.py",),
    ),
    Fault("a stranger fills the log", "FewLines.filter", "lines < few", "True", ("tests/runtime/test_log_filters.py",)),
    Fault(
        "a stranger writes a line of megabytes",
        "FewLines.filter",
        "shortened(record.getMessage())",
        "record.getMessage()",
        ("tests/runtime/test_log_filters.py",),
    ),
    Fault(
        "tracebacks that strangers cause are written without end",
        "FewLines.filter",
        "FEW_FAULTS",
        "10 ** 9",
        ("tests/runtime/test_log_filters.py",),
    ),
    Fault("anybody is the proxy", "refusal", "not _is_among(settings.trusted_proxies, peer)", "False", LOGIN),
    Fault(
        "a second header counts",
        "refusal",
        "_sent(context, name) != [(name.replace('_', '-'), username)]",
        "not _sent(context, name)",
        LOGIN,
    ),
    Fault(
        "a database of a newer version cannot be migrated",
        "AstroDBManager._is_newer",
        "current is None or current in known",
        "True",
        ("tests/accounts/test_db_manager.py",),
    ),
    Fault("groups stay with another e-mail", "sign_in_of", "then != email", "False", LOGIN),
    Fault(
        "passwords of the database count beside OAuth",
        "SignInMixin.auth_user_db",
        "self.auth_type != AUTH_DB and (not read_settings().allow_database_passwords)",
        "False",
        LOGIN,
    ),
    Fault(
        "no password is a password",
        "SignInMixin.auth_user_ldap",
        "self.auth_type != AUTH_LDAP or not password",
        "self.auth_type != AUTH_LDAP",
        LOGIN,
    ),
    Fault(
        "a name at the provider opens another's account",
        "ArrivingMixin.find_user",
        "None if _arriving() else super().find_user(username=username, email=email)",
        "super().find_user(username=username, email=email)",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "an e-mail that is given again opens the account of the one who had it",
        "find_account_of",
        "person.identity and held and is_live(held.provider)",
        "False",
        ("tests/accounts/test_identity_binding.py",),
    ),
    Fault(
        "of two first sign-ins at the same moment the second takes the account",
        "bind",
        "held and (not may_replace(held)) or (bound and bound[0] != account_id)",
        "bound and bound[0] != account_id",
        ("tests/accounts/test_identity_binding.py",),
    ),
    Fault(
        "UserInfo of somebody else counts",
        "_of_openid",
        "subjects or not isinstance(subject, str) or (not subject)",
        "not isinstance(subject, str) or not subject",
        ("tests/authentication/test_provider_claims.py",),
    ),
    Fault(
        "an id at one installation of a provider is that at another one",
        "person_of",
        "documents[0].get('iss') or _address_of(manager.oauth_remotes[provider])",
        "documents[0].get('iss', '')",
        ("tests/authentication/test_provider_claims.py",),
    ),
    Fault(
        "an e-mail counts that nobody vouches for",
        "verified_email",
        "any(map(is_email_denied, documents)) or not (is_said or trusted)",
        "any(map(is_email_denied, documents))",
        ("tests/authentication/test_provider_claims.py",),
    ),
    Fault(
        "a document without an e-mail may say that it is not verified",
        "verified_email",
        "map(is_email_denied, documents)",
        "map(is_email_denied, with_email)",
        ("tests/authentication/test_provider_claims.py",),
    ),
    Fault(
        "one provider's word for an unverified e-mail is not another's",
        "is_email_denied",
        "('email_verified', 'verified_email', 'xms_edov')",
        "('email_verified',)",
        ("tests/rbac/model/test_subjects.py",),
    ),
    Fault(
        "an e-mail that several entries of a directory have counts",
        "_not_shared",
        "email in person.shared",
        "False",
        ("tests/accounts/test_identity_binding.py",),
    ),
    Fault(
        "an e-mail counts that another entry has, where the own one is not found by it",
        "_is_shared",
        "any((dn != own for dn, _ in found if dn is not None))",
        "len([dn for dn, _ in found if dn is not None]) > 1",
        ("tests/authentication/test_ldap_directory.py",),
    ),
    Fault(
        "an e-mail of a directory counts as another one",
        "_emails",
        "is_email(email) and is_compared_alike(email)",
        "is_email(email)",
        ("tests/authentication/test_ldap_directory.py",),
    ),
    Fault(
        "the password of one entry of a directory opens the account of another",
        "SignInMixin._search_ldap",
        "user_dn is not None and (not self._is_of_password(user_dn))",
        "False",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "a directory that is down uses up the tries of a password",
        "answering",
        "rate_limit.do_not_count()",
        "",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "passwords that FAB shows to nobody, since it cannot start TLS, use up the tries",
        "SignInMixin.auth_user_ldap.sign_in",
        "not g.astro_auth_asked",
        "False",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "an address that nobody knows counts as one address",
        "_limits",
        """if tried.address:
    yield (limit, _key('both', tried.account, tried.address))""",
        """if True:
    yield (limit, _key('both', tried.account, tried.address))""",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "the application of plugins has a sign-in of its own",
        "SignInMixin.register_views",
        "not self._is_for_plugins",
        "True",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "a session in the application of plugins outlives a sign-out",
        "SignInMixin.load_user",
        "self._is_for_plugins and (not revocation.plugins_share_sessions())",
        "False",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "strangers choose how large the address is that a web session keeps",
        "lead_on.LeadingView.login",
        "len(request.query_string) > LONGEST_QUERY",
        "False",
        ("tests/authentication/test_redirect_loop_guard.py",),
    ),
    Fault(
        "an identity provider that does not answer is waited for without end",
        "limit_waiting",
        "{'default_timeout': LONGEST_ANSWER, **remote.client_kwargs}",
        "remote.client_kwargs",
        ("tests/authentication/test_provider_claims.py",),
    ),
    Fault(
        "the limit of waiting for identity providers is never set",
        "SignInMixin.__init__",
        "provider_claims.limit_waiting(getattr(self, 'oauth_remotes', {}))",
        "pass",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "each spelling that a directory takes for a name has its own tries",
        "_account",
        "letters_shown(typed)",
        "exact",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "passwords may be tried for ever",
        "SignInMixin._limited",
        """if seconds:
    context = current_request()
    if context is not None:
        context.retry_after = seconds
    because('too_many_wrong_passwords')
    log.warning('Refused a password without checking it: too many wrong ones for this account or from this address')
    return None""",
        """if False:
    context = current_request()
    if context is not None:
        context.retry_after = seconds
    because('too_many_wrong_passwords')
    log.warning('Refused a password without checking it: too many wrong ones for this account or from this address')
    return None""",
        LOGIN,
    ),
    Fault(
        "wrong passwords are counted by an address that the client chooses",
        "sender",
        "context.peer",
        "parse_address(context.scope['client'][0]) if 'client' in context.scope else context.peer",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault(
        "one person's wrong passwords keep out everybody behind a proxy",
        "sender",
        "trusted + _believed()",
        "trusted[:0]",
        ("tests/authentication/test_security_manager.py",),
    ),
    Fault("what has ended goes on", "identity_of", "issued_at < account.tokens_valid_after", "False", LOGIN),
    Fault(
        "a sign-in outlives the password that it was made with",
        "SignInMixin.auth_user_db",
        "self.session.expire_all()\nuser = self._stored(self._without_identity(check()), ())",
        "pass",
        LOGIN,
    ),
    Fault(
        "groups that come while a password is looked at stay",
        "SignInMixin.auth_user_db",
        "self.session.expire_all()\nuser = self._stored(self._without_identity(check()), ())",
        "self.session.expire_all(); user = check()",
        LOGIN,
    ),
    Fault(
        "the password from before is looked at again",
        "SignInMixin.auth_user_db",
        "self.session.expire_all()",
        "",
        ("tests/e2e/test_freshness.py",),
    ),
    Fault(
        "a JWT outlives the password that it was made with",
        "AstroAuthManager.generate_jwt",
        "since is not None",
        "False",
        LOGIN,
    ),
    Fault(
        "a session that was signed out of goes on",
        "empty_ended_session",
        "not has_ended(account_id, session.get(_SINCE, 0)) and (not _is_revoked(session.get(_ID)))",
        "not has_ended(account_id, session.get(_SINCE, 0))",
        (*LOGIN, "tests/e2e/behind_proxy/test_sessions.py"),
    ),
    Fault(
        "signing out only deletes the session",
        "end_session",
        "_end_signed_in(app)",
        "pass",
        ("tests/e2e/behind_proxy/test_sessions.py",),
    ),
    Fault("a session that has ended lives on", "empty_ended_session", "session.clear()", "", (*LOGIN,)),
    Fault(
        "API tokens have groups",
        "Engine.teams_of",
        "'@' in subject and (not self.groups.isdisjoint(groups))",
        "not self.groups.isdisjoint(groups)",
        RBAC,
    ),
    Fault(
        "a provider's e-mail counts in letters that are compared as others",
        "verified_email",
        "not all(map(is_compared_alike, emails))",
        "False",
        ("tests/authentication/test_provider_claims.py",),
    ),
    Fault(
        "loading a policy keeps others from looking",
        "Authenticator._newest_engine",
        "_in_thread_of(self._load_threads, store.engine)",
        "_in_thread_of(self._look_threads, store.engine)",
        ("tests/test_auth_manager.py",),
    ),
)
