"""Breaks the package on purpose, one fault at a time, and sees whether the tests notice.

Run as `make mutants`. Each fault is put into a copy of the project, in which the quick tests that should notice run
until one fails. A fault that all of them pass is reported, and the exit code is 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
COPIED = ("astro_auth_plugin", "tests", "tools", "dev_dags", "docs", "README.md", "pyproject.toml")

RBAC = ("tests/rbac",)
BRIDGE = ("tests/airflow_bridge", "tests/test_overrides.py")
LOGIN = ("tests/login", "tests/airflow_bridge")
WEB = ("tests/web", "tests/airflow_bridge")


class Mutant(NamedTuple):
    """A fault: in a file of the package, `old` becomes `new`. `tests` are those that should notice."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    # -- API tokens
    Mutant(
        "an expired token counts",
        "rbac/api_tokens.py",
        "if matched and good:",
        "if matched:",
        ("tests/rbac/test_api_tokens.py",),
    ),
    Mutant(
        "any secret of a token counts",
        "rbac/api_tokens.py",
        "if matched and good:",
        "if good:",
        ("tests/rbac/test_api_tokens.py",),
    ),
    Mutant(
        "a JWT outlives its token",
        "auth_manager.py",
        "seconds = api_tokens.seconds_left(user, seconds)",
        "pass",
        LOGIN,
    ),
    Mutant(
        "a JWT prolongs itself",
        "login/api_tokens.py",
        "min(jwt_ends_at, held.ends_at or jwt_ends_at)",
        "held.ends_at",
        LOGIN,
    ),
    Mutant("a token's JWT names an account", "login/api_tokens.py", "if key is not None:", "if False:", LOGIN),
    # -- protected tags
    Mutant(
        "a protected tag counts anywhere",
        "rbac/engine.py",
        "return dag._replace(tags=self.tag_rules.counted(dag)) if self.tag_rules else dag",
        "return dag",
        RBAC,
    ),
    Mutant(
        "another entry than the tag's own decides", "rbac/tag_rules.py", "if tag in self._exact:", "if False:", RBAC
    ),
    Mutant(
        "a path leaves its folder",
        "rbac/tag_rules.py",
        'if not _NOWHERE.isdisjoint(file.split("/")):',
        "if False:",
        RBAC,
    ),
    Mutant("another bundle's file counts", "rbac/tag_rules.py", "any(place.bundle == bundle and ", "any(", RBAC),
    # -- other issuers
    Mutant(
        "a JWT chooses its algorithm",
        "airflow_bridge/issuers.py",
        'if key is None or header.get("alg") not in issuer.algorithms:',
        "if key is None:",
        ("tests/airflow_bridge/test_issuers.py",),
    ),
    Mutant(
        "an e-mail that is not verified counts",
        "airflow_bridge/issuers.py",
        'return str(claims.get("email_verified", True)).lower() == "true"',
        "return True",
        ("tests/airflow_bridge/test_issuers.py",),
    ),
    Mutant(
        "a person's JWT prolongs itself",
        "auth_manager.py",
        'identity.ends_at = vouched.time_of(token["exp"])',
        "pass",
        LOGIN,
    ),
    Mutant(
        "another issuer's JWT from before a sign-out counts",
        "login/vouched.py",
        "as_person(account, vouched.issued_at)",
        'as_person(account, float("inf"))',
        LOGIN,
    ),
    Mutant(
        "an account of ASCII has no twin that is not",
        "login/accounts.py",
        "return or_(ascii_alike, _is_not_ascii(other), _is_not_ascii(one))",
        "return ascii_alike",
        LOGIN,
    ),
    Mutant("one of two accounts is taken", "login/accounts.py", "if len(found) == 1 else", "if found else", LOGIN),
    # -- signing in
    Mutant(
        "anybody is the proxy",
        "login/proxy.py",
        "if facts is None or not _is_from(settings.trusted_proxies, facts.scope):",
        "if facts is None:",
        LOGIN,
    ),
    Mutant(
        "a second header counts",
        "login/proxy.py",
        'if _sent(facts, name) != [(name.replace("_", "-"), username)]:',
        "if not _sent(facts, name):",
        LOGIN,
    ),
    Mutant("groups stay with another e-mail", "airflow_bridge/sign_ins.py", "if then != email:", "if False:", LOGIN),
    Mutant(
        "passwords of the database count beside OAuth",
        "login/security_manager.py",
        "if self.auth_type != AUTH_DB and not read_settings().allow_database_passwords:",
        "if False:",
        LOGIN,
    ),
    Mutant(
        "no password is a password",
        "login/security_manager.py",
        "if self.auth_type != AUTH_LDAP or not password:",
        "if self.auth_type != AUTH_LDAP:",
        LOGIN,
    ),
    Mutant(
        "a name at the provider opens another's account",
        "login/security_manager.py",
        "if user and said and normalize_email(said) != normalize_email(user.email):",
        "if False:",
        LOGIN,
    ),
    Mutant(
        "passwords may be tried for ever",
        "login/security_manager.py",
        "if rate_limit.is_reached(self):",
        "if False:",
        LOGIN,
    ),
    Mutant("what has ended goes on", "auth_manager.py", "if since < account.not_before:", "if False:", LOGIN),
    Mutant(
        "a sign-in outlives the password that it was made with",
        "login/security_manager.py",
        "            return check()",
        "            return user",
        LOGIN,
    ),
    Mutant(
        "the password from before is looked at again",
        "login/security_manager.py",
        "            self.session.expire_all()  # type: ignore[attr-defined]\n",
        "",
        ("tests/e2e/test_freshness.py",),
    ),
    Mutant(
        "a JWT outlives the password that it was made with",
        "auth_manager.py",
        "if since is not None and",
        "if False and",
        LOGIN,
    ),
    Mutant(
        "a session that was signed out of goes on",
        "login/handed_out.py",
        " and not _is_revoked(session.get(_ID))",
        "",
        ("tests/login", "tests/e2e/behind_proxy/test_sessions.py"),
    ),
    Mutant(
        "signing out only deletes the session",
        "login/handed_out.py",
        "                _end_signed_in(app)",
        "                pass",
        ("tests/e2e/behind_proxy/test_sessions.py",),
    ),
    Mutant(
        "a session that has ended lives on",
        "login/handed_out.py",
        "    session.clear()\n    return True",
        "    return True",
        ("tests/login",),
    ),
    Mutant(
        "pictures hand out sessions",
        "login/handed_out.py",
        "        session.modified = False",
        "        pass",
        ("tests/login/test_handed_out.py",),
    ),
    Mutant(
        "each answer writes the session back",
        "login/handed_out.py",
        '    app.config["SESSION_REFRESH_EACH_REQUEST"] = False',
        "    pass",
        ("tests/login/test_handed_out.py",),
    ),
    Mutant("API tokens have groups", "rbac/engine.py", 'if "@" in subject and not', "if not", RBAC),
    # -- the core
    Mutant(
        "tags compared case-insensitively",
        "rbac/engine.py",
        "for tag in dag.tags:",
        "for tag in [t.lower() for t in dag.tags]:",
        RBAC,
    ),
    Mutant(
        "an id is taken for a tag",
        "rbac/decision.py",
        "return reach.id in dag.tags if",
        "return reach.id in {*dag.tags, dag.id} if",
        RBAC,
    ),
    Mutant(
        "any clause for all clauses",
        "rbac/engine.py",
        "return all(dag.id in clause.dag_ids",
        "return any(dag.id in clause.dag_ids",
        RBAC,
    ),
    Mutant("seeing the Dag is not asked for", "rbac/engine.py", "        required |= _SEE_DAG\n", "", RBAC),
    Mutant(
        "grants on any Dag count for every Dag",
        "rbac/engine.py",
        "required & ~access.on(dag)",
        "required & ~access.anywhere",
        RBAC,
    ),
    Mutant(
        "grants of other Deployments count",
        "rbac/engine.py",
        "if grant.deployment_id == self.deployment_id",
        "if grant.deployment_id",
        RBAC,
    ),
    Mutant(
        "Dag Authors write XComs", "rbac/roles.py", '_DAG_AUTHOR &= ~mask("xcom.create", "xcom.update")\n', "", RBAC
    ),
    Mutant(
        "nothing required is allowed",
        "rbac/decision.py",
        "return bool(self.required) and not self.missing",
        "return not self.missing",
        RBAC,
    ),
    Mutant(
        "Workspace Owners change Organization Owners",
        "rbac/delegation.py",
        "    if given.level not in role.gives:\n        return False\n",
        "",
        RBAC,
    ),
    Mutant(
        "a policy with errors counts",
        "rbac/policy.py",
        "valid = document is not None and not findings",
        "valid = document is not None",
        RBAC,
    ),
    Mutant(
        "a restricted role goes anywhere",
        "rbac/policy_checks.py",
        "if workspace_id and workspace_id not in allowed:",
        "if False:",
        RBAC,
    ),
    Mutant("a repeated key is not noticed", "rbac/policy_text.py", "if key in top.value:", "if False:", RBAC),
    # -- Airflow's questions
    Mutant(
        "narrowing off",
        "airflow_bridge/decide.py",
        "needed |= identity.asked | route_rules",
        "needed |= route_rules",
        BRIDGE,
    ),
    Mutant(
        "a batch is checked on its first item",
        "airflow_bridge/decide.py",
        "return all(dag(identity, method, entity, dag_id) for method, entity, dag_id in asked)",
        "return all(dag(identity, method, entity, dag_id) for method, entity, dag_id in asked[:1])",
        BRIDGE,
    ),
    Mutant(
        "`~` is any Dag", "airflow_bridge/decide.py", '_NOBODYS_DAGS = ("", EVERY_DAG)', '_NOBODYS_DAGS = ("",)', BRIDGE
    ),
    Mutant(
        "an unknown question is allowed",
        "airflow_bridge/decide.py",
        "    if needed is None:\n        return False\n    facts = current_request()\n    asked",
        "    if needed is None:\n        return True\n    facts = current_request()\n    asked",
        BRIDGE,
    ),
    Mutant(
        "an unknown view is allowed",
        "airflow_bridge/decide.py",
        '        action_map.warn_unknown(f"view {name}")\n        return False',
        '        action_map.warn_unknown(f"view {name}")\n        return True',
        BRIDGE,
    ),
    Mutant(
        "a missing Dag is allowed",
        "airflow_bridge/decide.py",
        "return found is not None and identity",
        "return found is None or identity",
        BRIDGE,
    ),
    Mutant(
        "tags are not compared again",
        "airflow_bridge/metadata.py",
        "return {dag.id for dag in _read(statement) if selection.matches(dag)}",
        "return {dag.id for dag in _read(_dags_with_tags())}",
        BRIDGE,
    ),
    Mutant(
        "the audit log's rows of no Dag for all",
        "airflow_bridge/decide.py",
        'if entity_name == "AUDIT_LOG" and',
        'if entity_name == "AUDIT" and',
        BRIDGE,
    ),
    Mutant(
        "writes without a Dag for who writes one",
        "airflow_bridge/decide.py",
        "if facts and facts.route in route_rules.FILTERED_WRITES:",
        "if facts:",
        BRIDGE,
    ),
    Mutant(
        "assets for who reads a Dag's",
        "airflow_bridge/route_rules.py",
        "if facts is None or facts.route == _UPSTREAM_EVENTS:",
        "if facts is None:",
        BRIDGE,
    ),
    Mutant(
        "a row of the audit log goes by the query",
        "airflow_bridge/route_rules.py",
        "    _EVENT_LOG: _event,\n",
        "",
        BRIDGE,
    ),
    Mutant(
        "a backfill goes by the query",
        "airflow_bridge/route_rules.py",
        "    **dict.fromkeys(_BACKFILLS, _backfill),\n",
        "",
        BRIDGE,
    ),
    Mutant("waiting gives XComs away", "airflow_bridge/route_rules.py", "    _WAIT: _wait,\n", "", BRIDGE),
    Mutant(
        "graph of 3.1 names neighbours", "airflow_bridge/route_rules.py", "    _STRUCTURE: _structure,\n", "", BRIDGE
    ),
    Mutant("edges of 3.2 name outsiders", "airflow_bridge/neighbours.py", ")) <= dag_ids}", ")) is not None}", BRIDGE),
    Mutant("who is started goes unseen", "airflow_bridge/neighbours.py", "in (owner, each.target)", "== owner", BRIDGE),
    Mutant(
        "reprocessing is no update", "airflow_bridge/route_rules.py", 'not in (None, "none")', 'in ("all",)', BRIDGE
    ),
    Mutant(
        "the Dag of the query counts for writes",
        "airflow_bridge/route_rules.py",
        "    if not reads and _only_in_query(facts, dag_id):\n        dag_id = None\n",
        "",
        BRIDGE,
    ),
    Mutant(
        "a bad new version replaces the good one",
        "airflow_bridge/policy_store.py",
        "        self._seen = signature\n\n",
        "        self._seen = None\n\n",
        BRIDGE,
    ),
    Mutant(
        "a change is not looked for",
        "airflow_bridge/policy_store.py",
        "return _signature(self._settings) != self._seen",
        "return False",
        BRIDGE,
    ),
    Mutant(
        "a task assigned to somebody else",
        "airflow_bridge/decide.py",
        "matches = entry == identity.get_id()",
        "matches = True",
        BRIDGE,
    ),
    # -- FAB
    Mutant(
        "one override removed",
        "auth_manager.py",
        "    def get_authorized_connections(self,",
        "    def get_authorized_connections_(self,",
        BRIDGE,
    ),
    Mutant(
        "a failing hook says yes", "auth_manager.py", 'return cast("R", nothing())', 'return cast("R", True)', BRIDGE
    ),
    Mutant(
        "FAB's role pages open",
        "auth_manager.py",
        "if resource_name in action_map.FAB_ROLE_VIEWS or identity.id == 0:",
        "if identity.id == 0:",
        BRIDGE,
    ),
    Mutant(
        "FAB's public role counts",
        "auth_manager.py",
        "        return not user.is_anonymous and bool(user.is_active)",
        "        return True",
        (*BRIDGE, "tests/login"),
    ),
    Mutant(
        "inactive accounts come in",
        "auth_manager.py",
        "if account is None or not account.active:",
        "if account is None:",
        LOGIN,
    ),
    Mutant(
        "two accounts of one person hold roles",
        "login/accounts.py",
        '("", frozenset[str]()) if twins else (user_subject(email), sign_in.groups)',
        "(user_subject(email), sign_in.groups)",
        LOGIN,
    ),
    Mutant(
        "the old e-mail is not asked about",
        "login/account_guard.py",
        "    if connection is not None:\n",
        "    if connection is None:\n",
        LOGIN,
    ),
    Mutant(
        "accounts are not guarded",
        "login/account_guard.py",
        "    if text:\n        log.warning",
        "    if False:\n        log.warning",
        LOGIN,
    ),
    # -- the web edge
    Mutant(
        "an answer is complete before its refusal is recorded",
        "web/middleware.py",
        "leaves_a_row = facts.denial is not None or",
        "leaves_a_row =",
        WEB,
    ),
    Mutant(
        "a refused write says Forbidden",
        "web/middleware.py",
        'message["status"] == FORBIDDEN and facts.write_refusal',
        "False",
        WEB,
    ),
    Mutant(
        "a large body is not looked at",
        "web/middleware.py",
        "            raise _BodyTooLarge\n",
        "            break\n",
        WEB,
    ),
    Mutant("the page repeats an e-mail unescaped", "web/pages.py", "email=escape(email)", "email=email", WEB),
)


def main() -> int:
    """Try every fault, or those whose words contain the arguments; return the exit code."""
    wanted = [mutant for mutant in MUTANTS if all(word in mutant.what for word in sys.argv[1:])]
    survivors = [mutant.what for mutant in wanted if not _is_noticed(mutant)]
    print(f"{len(wanted) - len(survivors)} of {len(wanted)} faults were noticed.")
    for what in survivors:
        print(f"not noticed: {what}")
    return 1 if survivors else 0


def _is_noticed(mutant: Mutant) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copy_project(copy)
        _break(copy / "astro_auth_plugin" / mutant.file, mutant)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
        done = subprocess.run(
            command, cwd=copy, env=os.environ | {"PYTHONPATH": folder}, capture_output=True, text=True, check=False
        )
    # Only failed tests count: 2 and more say that pytest itself could not run them.
    noticed = done.returncode == 1
    by = next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), done.stdout[-300:])
    print(f"{'noticed' if noticed else 'MISSED '} {time.monotonic() - began:4.0f} s  {mutant.what}: {by}", flush=True)
    return noticed


def _copy_project(copy: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)


def _break(path: Path, mutant: Mutant) -> None:
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise SystemExit(
            f"{mutant.what}: expected {mutant.old!r} once in {mutant.file}, found {text.count(mutant.old)}"
        )
    path.write_text(text.replace(mutant.old, mutant.new))


if __name__ == "__main__":
    sys.exit(main())
