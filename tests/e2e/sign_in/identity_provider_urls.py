"""The pages of the identity provider, and what it says of people; Django imports this once it is configured."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.views import LoginView
from django.urls import include, path
from oauth2_provider.oauth2_validators import OAuth2Validator


class Claims(OAuth2Validator):
    """Says a person's groups, in the ID token and at /userinfo.

    What a test wants it to say instead, in which of the two, stands in the last name; null takes a claim away.
    """

    oidc_claim_scope = None

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        """Return what is said of a person besides who it is."""
        user = request.user
        groups = [group.name for group in user.groups.all()]
        return {
            "email": user.email,
            "email_verified": True,
            "preferred_username": user.username,
            "given_name": user.first_name,
            "groups": groups,
        }

    def get_oidc_claims(self, token: Any, token_handler: Any, request: Any) -> dict[str, Any]:
        """Return the claims of the ID token, or those of /userinfo, which has no handler of tokens."""
        claims = super().get_oidc_claims(token, token_handler, request)
        changes = json.loads(request.user.last_name or "{}")
        claims |= changes.get("id_token" if token_handler else "userinfo", {})
        return {name: value for name, value in claims.items() if value is not None}


urlpatterns = [
    path("login/", LoginView.as_view()),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]
