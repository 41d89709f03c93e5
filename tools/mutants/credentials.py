"""Faults in tokens, sessions, issuers and the header of a proxy."""

from __future__ import annotations

from tools.mutants.fault import Fault

FAULTS = (
    Fault(
        "a web session that has just ended is given a token",
        "AstroAuthManager.generate_jwt",
        "revocation.refuse_ended_session(user.id)",
        "pass",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "JWTs of issuers get groups where a proxy signs users in",
        "account_of",
        "bound is None or _proxies_sign_in()",
        "bound is None",
        ("tests/authentication/test_external_tokens.py",),
    ),
    Fault(
        "pages take all connections of the database",
        "few_at_a_time",
        "threading.BoundedSemaphore(at_once)",
        "threading.BoundedSemaphore(1000)",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "pages of plugins take all threads",
        "prepared",
        "few_at_a_time(app)",
        "app",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "sessions without a user last for weeks",
        "_limit_sessions_of_strangers.keep_for",
        "min(lifetime, OF_STRANGERS)",
        "lifetime",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "JWTs of issuers get the groups of whoever signed in by the same user name",
        "account_of",
        "account._replace(groups=frozenset())",
        "account",
        ("tests/authentication/test_external_tokens.py",),
    ),
    Fault("an expired token counts", "_held", "matched and good", "matched", ("tests/rbac/engine/test_api_tokens.py",)),
    Fault(
        "any secret of a token counts", "_held", "matched and good", "good", ("tests/rbac/engine/test_api_tokens.py",)
    ),
    Fault(
        "a slow issuer is waited for without end",
        "_fetch",
        "anyio.fail_after(_DEADLINE)",
        "anyio.CancelScope()",
        ("tests/authentication/test_trusted_issuers.py",),
    ),
    Fault(
        "every JWT waits for the keys that another one requested for",
        "Keys.fetch",
        "not self._older_than(self._tried, _RETRY_AFTER)",
        "False",
        ("tests/authentication/test_trusted_issuers.py",),
    ),
    Fault(
        "a JWT chooses its algorithm",
        "Issuers.verify",
        "key is None or header.get('alg') not in issuer.algorithms",
        "key is None",
        ("tests/authentication/test_trusted_issuers.py",),
    ),
    Fault(
        "an e-mail that is not verified counts",
        "_who",
        "is_email_denied(claims)",
        "False",
        ("tests/authentication/test_trusted_issuers.py",),
    ),
    Fault(
        "Airflow is requested to end a token that it cannot verify",
        "revoke",
        """try:
    verifier._get_token_validator().validated_claims(token)
except InvalidTokenError:
    return""",
        """try:
    verifier._get_token_validator().validated_claims(token)
except InvalidTokenError:
    pass""",
        ("tests/authentication/test_api_tokens.py",),
    ),
    Fault(
        "X-Forwarded-For makes anybody the proxy",
        "RequestContext.peer",
        "PEER",
        "'client'",
        ("tests/authentication/test_proxy_auth.py",),
    ),
    Fault(
        "the peer is taken as the layer of X-Forwarded-For leaves it",
        "keep",
        "config.loaded_app = PeerKeeper(config.loaded_app)",
        "config.loaded_app.app = PeerKeeper(config.loaded_app.app)",
        ("tests/web/test_peer.py",),
    ),
    Fault(
        "a JWT of somebody who was given the e-mail later counts",
        "account_of",
        "bound.issuer == external.issuer and bound.subject != external.subject",
        "False",
        ("tests/authentication/test_external_tokens.py",),
    ),
    Fault(
        "strangers fill a web session with sign-ins at a provider that they begin",
        "_drop_oldest",
        "del session[key]",
        "pass",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "strangers fill a web session with messages",
        "_drop_oldest",
        "session[_MESSAGES][-MOST_MESSAGES:]",
        "session[_MESSAGES]",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "passwords take all threads",
        "_Door.serve",
        "await self._free.acquire()",
        "pass",
        ("tests/web/test_passwords.py",),
    ),
    Fault(
        "sign-ins at a provider that does not answer take all threads",
        "Doors.serve",
        "not _queries_provider(path)",
        "True",
        ("tests/web/test_passwords.py",),
    ),
    Fault(
        "pictures hand out sessions",
        "_write_back",
        "session.modified = False",
        "pass",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "each answer writes the session back",
        "prepared",
        "app.config['SESSION_REFRESH_EACH_REQUEST'] = False",
        "pass",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "a token of FAB's API outlives the sign-out during which it was made",
        "_end_fab_tokens",
        "sign_ins.LONGEST_WAIT",
        "1",
        ("tests/authentication/test_revocation.py",),
    ),
    Fault(
        "a sign-out of a web session leaves no event",
        "end",
        """if of_session:
    signed_out.setdefault(of_session.payer, of_session)""",
        """if False:
    signed_out.setdefault(of_session.payer, of_session)""",
        ("tests/web/test_logout.py",),
    ),
    Fault(
        "a trusted issuer has the name of this Airflow",
        "parse_issuers",
        "sorted(own.intersection(names))",
        "[]",
        ("tests/authentication/test_trusted_issuers.py",),
    ),
)
