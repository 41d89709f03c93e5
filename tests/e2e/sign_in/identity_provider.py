"""An OpenID Connect provider: Django with django-oauth-toolkit, with people and groups of its own.

`python -m tests.e2e.sign_in.identity_provider PORT DATABASE CLIENT_ID CLIENT_SECRET REDIRECT_URI` makes its database
and serves. It wants PKCE from everybody. Its people sign in with the password `idp`; who is in which group stands in
the tables of Django.
"""

from __future__ import annotations

import sys
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

PASSWORD = "idp"
PEOPLE = ("ana", "bo", "cleo", "mallory", "newcomer")
FORM = "<form method=post>{% csrf_token %}{{ form }}<button>Sign in</button></form>"


def configure(port: int, database: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    settings.configure(
        SECRET_KEY="identity-provider-of-the-tests",
        ALLOWED_HOSTS=["localhost"],
        ROOT_URLCONF="tests.e2e.sign_in.identity_provider_urls",
        LOGIN_URL="/login/",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        # A quick hash: everybody has the same password anyway.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"registration/login.html": FORM})]},
            }
        ],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"http://localhost:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": pem.decode(),
            "OAUTH2_VALIDATOR_CLASS": "tests.e2e.sign_in.identity_provider_urls.Claims",
            "PKCE_REQUIRED": True,
            "SCOPES": {"openid": "", "email": "", "profile": ""},
        },
    )
    django.setup()


def fill(client_id: str, client_secret: str, redirect_uri: str) -> None:
    """Makes the tables, the people without any group, and the one client."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    for name in PEOPLE:
        User.objects.create_user(name, f"{name}@example.com", PASSWORD, first_name=name.title())
    Application.objects.create(
        client_id=client_id,
        client_secret=client_secret,
        client_type="confidential",
        authorization_grant_type="authorization-code",
        redirect_uris=redirect_uri,
        algorithm="RS256",
        skip_authorization=True,
    )


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """Serves while a browser keeps a connection open."""

    daemon_threads = True


def serve(port: int) -> None:
    from django.core.wsgi import get_wsgi_application

    application: Any = get_wsgi_application()
    with make_server("localhost", port, application, ThreadingServer) as server:
        server.serve_forever()


if __name__ == "__main__":
    configure(int(sys.argv[1]), sys.argv[2])
    fill(*sys.argv[3:6])
    serve(int(sys.argv[1]))
