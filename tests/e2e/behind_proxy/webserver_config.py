import os

from flask_appbuilder.const import AUTH_OAUTH

AUTH_TYPE = AUTH_OAUTH
AUTH_USER_REGISTRATION = True
OAUTH_PROVIDERS = [
    {
        "name": "sso",
        "remote_app": {
            "client_id": "airflow",
            "client_secret": os.environ["OIDC_CLIENT_SECRET"],
            "server_metadata_url": "https://sso.example.com/.well-known/openid-configuration",
            "client_kwargs": {"scope": "openid email profile"},
        },
    }
]
