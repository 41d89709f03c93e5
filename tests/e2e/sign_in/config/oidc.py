import os

from flask_appbuilder.const import AUTH_OAUTH

AUTH_TYPE = AUTH_OAUTH
# Whoever the provider lets in gets an account at the first sign-in. It holds what the policy gives, and nothing else.
AUTH_USER_REGISTRATION = True
OAUTH_PROVIDERS = [
    {
        "name": "sso",
        "icon": "fa-key",
        "token_key": "access_token",
        "remote_app": {
            "client_id": os.environ["OIDC_CLIENT_ID"],
            "client_secret": os.environ["OIDC_CLIENT_SECRET"],
            "server_metadata_url": os.environ["OIDC_ISSUER"] + "/.well-known/openid-configuration",
            "client_kwargs": {"scope": "openid email profile", "code_challenge_method": "S256"},
        },
    }
]
