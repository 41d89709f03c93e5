"""A real OpenLDAP: Debian's slapd with the overlay that tells people their groups."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.e2e.live import free_port

BASE = "dc=example,dc=com"
ADMIN = f"cn=airflow,{BASE}"
PASSWORD = "directory-password-of-the-tests"
CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
moduleload memberof
pidfile {home}/slapd.pid
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw {password}
directory {home}/data
overlay memberof
"""


def find() -> tuple[str, ModuleType]:
    """The server and its client. Without one the test is skipped, or fails where `CI` is `true`."""
    slapd = shutil.which("slapd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    reason = "needs OpenLDAP's server: install it (on Debian: apt-get install slapd)"
    if slapd:
        reason = "needs python-ldap: install gcc, libldap-dev and libsasl2-dev (Debian's names), then `make -B install`"
        try:
            import ldap
        except ImportError:
            pass
        else:
            return slapd, ldap
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Directory:
    """A running directory, with people whose password is their name."""

    def __init__(self, home: Path) -> None:
        self._program, self._ldap = find()
        self.home = home
        self.url = f"ldap://127.0.0.1:{free_port()}"
        (home / "data").mkdir(parents=True)
        modules = next(path for path in ("/usr/lib/ldap", "/usr/lib64/openldap") if Path(path).is_dir())
        config = CONFIG.format(modules=modules, home=home, base=BASE, admin=ADMIN, password=PASSWORD)
        (home / "slapd.conf").write_text(config)

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        command = [self._program, "-h", self.url, "-f", str(self.home / "slapd.conf"), "-d", "0"]
        with (self.home / "slapd.log").open("w") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._server.poll() is None and time.monotonic() < deadline, (self.home / "slapd.log").read_text()
            time.sleep(0.05)
        self._add(BASE, "domain", dc="example")
        for unit in ("people", "groups"):
            self._add(f"ou={unit},{BASE}", "organizationalUnit", ou=unit)

    def stop(self) -> None:
        """Ends it."""
        self._server.terminate()
        self._server.wait(60)

    def _answers(self) -> bool:
        try:
            self._client = self._ldap.initialize(self.url)
            self._client.simple_bind_s(ADMIN, PASSWORD)
        except self._ldap.SERVER_DOWN:
            return False
        return True

    def _add(self, dn: str, kind: str, **attributes: str) -> None:
        entry = [("objectClass", [kind.encode()]), *((name, [value.encode()]) for name, value in attributes.items())]
        self._client.add_s(dn, entry)

    def person(self, uid: str) -> None:
        """Adds somebody."""
        names = {"uid": uid, "cn": uid, "sn": uid, "givenName": uid.title()}
        self._add(_dn(uid), "inetOrgPerson", **names, mail=f"{uid}@example.com", userPassword=uid)

    def emails(self, uid: str, *emails: str) -> None:
        """Gives somebody these e-mails and no other."""
        self._client.modify_s(_dn(uid), [(self._ldap.MOD_REPLACE, "mail", [email.encode() for email in emails])])

    def remove(self, uid: str) -> None:
        """Takes somebody away, so that another person can have the name."""
        self._client.delete_s(_dn(uid))

    def group(self, name: str, *uids: str) -> None:
        """Adds a group of these people; it never is empty, since the schema forbids it."""
        entry: list[Any] = [("objectClass", [b"groupOfNames"])]
        self._client.add_s(name, [*entry, ("member", [_dn(uid).encode() for uid in ("nobody", *uids)])])

    def leave(self, name: str, uid: str) -> None:
        """Takes somebody out of a group."""
        self._client.modify_s(name, [(self._ldap.MOD_DELETE, "member", [_dn(uid).encode()])])


def _dn(uid: str) -> str:
    return f"uid={uid},ou=people,{BASE}"
