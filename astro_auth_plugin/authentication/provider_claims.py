"""Who an OAuth or OpenID Connect provider says a user is, and whether it verifies the e-mail.

Claims are read from the provider's own documents, the ID token and UserInfo, and not from what FAB or a custom
security manager makes of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from astro_auth_plugin.accounts.identities import Identity
from astro_auth_plugin.accounts.identity_binding import NO_EMAIL, Person, SignInRefused
from astro_auth_plugin.rbac.model.subjects import is_compared_alike, is_email, is_email_denied, normalize_email

log = logging.getLogger(__name__)

UNREADABLE = "the response of the identity provider is invalid. Ask an administrator of this Airflow."
LONGEST_ANSWER = 10
"""Seconds in which a provider has to answer."""
_LONGEST_EMAIL = 320

# Providers that FAB queries with calls of their own; all others have UserInfo where OpenID Connect says.
_USERINFO_PATHS = {"google": "userinfo", "keycloak": "openid-connect/userinfo"}
_USERINFO_PATHS["keycloak_before_17"] = _USERINFO_PATHS["keycloak"]
_ID_TOKEN_ONLY = {"azure", "authentik"}
# Where a provider may say yes in other claims than `email_verified`; a no in any of them denies, of any provider.
_WORDS = {"google": ("email_verified", "verified_email"), "azure": ("email_verified", "xms_edov")}
_WORDS_OF_OTHERS = ("email_verified",)


def limit_waiting(remotes: Mapping[str, Any]) -> None:
    """Limit how long providers may take to answer, unless `webserver_config.py` has set another limit.

    authlib waits without end, and strangers can begin as many sign-ins as the api-server has threads.
    """
    for remote in remotes.values():
        remote.client_kwargs = {"default_timeout": LONGEST_ANSWER, **remote.client_kwargs}


def person_of(manager: Any, provider: str, answer: Any, info: Mapping[str, Any], *, trusted: bool) -> Person:
    """Return who signs in.

    Args:
        manager: FAB's security manager, which queries the provider.
        provider: the name of the provider in `OAUTH_PROVIDERS`.
        answer: the provider's token response; authlib puts the claims of the ID token into it, under `userinfo`.
        info: what FAB, or the installation's own code, has made of it.
        trusted: whether the e-mails of this provider are accepted although it does not mark them as verified.

    Raises:
        SignInRefused: if the provider does not verify an e-mail, or contradicts itself.
    """
    try:
        if provider in ("github", "githublocal"):
            documents, subject = _of_github(manager.oauth_remotes[provider])
        else:
            documents, subject = _of_openid(manager, provider, answer)
    except SignInRefused:
        raise
    except Exception as error:  # noqa: BLE001 - what cannot be read signs no user in
        log.warning("Refused a sign-in through %s: its response is invalid: %s", provider, type(error).__name__)
        raise SignInRefused(UNREADABLE, "not_accepted") from None
    email = verified_email(provider, documents, trusted=trusted)
    said = info.get("email")
    if said and (not isinstance(said, str) or normalize_email(said) != normalize_email(email)):
        raise _refused(provider, "the e-mail in FAB's user info is not the verified one")
    issuer = documents[0].get("iss") or _address_of(manager.oauth_remotes[provider])
    return Person(Identity(f"oauth {provider}", str(issuer), subject), (email,))


def _address_of(remote: Any) -> str:
    """Return where a provider without ID tokens is, since ids of persons are those of one installation of it."""
    return str(remote.api_base_url or remote.authorize_url or "").rstrip("/")


def verified_email(provider: str, documents: list[Mapping[str, Any]], *, trusted: bool) -> str:
    """Return the e-mail that a provider verifies.

    Every document that has an e-mail has to name the same one, and one of these has to say that it is verified, unless
    the operator trusts the provider. No document, with an e-mail or without, may say that it is not.

    Raises:
        SignInRefused: if there is none.
    """
    words = _WORDS.get(provider, _WORDS_OF_OTHERS)
    with_email = [document for document in documents if document.get("email")]
    emails = [document["email"] for document in with_email]
    if not emails and provider == "azure" and trusted:
        # Entra ID's user principal name, which only its administrator guarantees.
        emails = [document["upn"] for document in documents if document.get("upn")]
    if not emails or not all(isinstance(email, str) and is_email(email) for email in emails):
        raise _refused(provider, "it sent no e-mail")
    is_said = any(word in document for document in with_email for word in words)
    if len(set(map(normalize_email, emails))) > 1 or len(emails[0]) > _LONGEST_EMAIL:
        raise _refused(provider, "its documents name different e-mails, or one that is too long")
    if not all(map(is_compared_alike, emails)):
        raise _refused(provider, "the e-mail has letters that compare equal to others")
    if any(map(is_email_denied, documents)) or not (is_said or trusted):
        raise _refused(provider, "the e-mail is not marked as verified")
    return str(emails[0])


def _refused(provider: str, why: str) -> SignInRefused:
    log.warning("Refused a sign-in through %s: %s", provider, why)
    return SignInRefused(NO_EMAIL, "email_not_verified")


def _of_github(remote: Any) -> tuple[list[Mapping[str, Any]], str]:
    """GitHub has no ID token; its number of an account stays, its `login` can be renamed and taken by others."""
    subject = remote.get("user").json()["id"]
    listed = remote.get("user/emails").json()
    primary = [entry for entry in listed if entry["primary"]]
    return [{"email": entry["email"], "email_verified": entry["verified"]} for entry in primary] or [{}], str(subject)


def _of_openid(manager: Any, provider: str, answer: Any) -> tuple[list[Mapping[str, Any]], str]:
    remote = manager.oauth_remotes[provider]
    documents = [claims] if (claims := _id_token_of(manager, provider, answer)) else []
    if not documents and "openid" in str((remote.client_kwargs or {}).get("scope", "")).split():
        raise _refused(provider, "there is no ID token, although the scope `openid` is configured")
    if provider not in _ID_TOKEN_ONLY:
        documents += [_user_info(remote, provider)]
    subjects = {document.get("sub") or document.get("id") for document in documents}
    subject = subjects.pop()
    if subjects or not isinstance(subject, str) or not subject:
        raise _refused(provider, "ID token and UserInfo have different subjects, or none")
    return documents, subject


def _id_token_of(manager: Any, provider: str, answer: Any) -> Mapping[str, Any]:
    """Return the claims of the ID token, verified by authlib or, where FAB does so, by FAB."""
    claims = answer.get("userinfo")
    if claims:
        return dict(claims)
    if provider == "azure":
        return dict(manager._decode_and_validate_azure_jwt(answer["id_token"]))  # noqa: SLF001 - FAB has no other
    if provider == "authentik":
        return dict(manager._get_authentik_token_info(answer["id_token"]))  # noqa: SLF001 - nor here
    return {}


def _user_info(remote: Any, provider: str) -> Mapping[str, Any]:
    path = _USERINFO_PATHS.get(provider)
    if path is None:
        return dict(remote.userinfo())
    answer = remote.get(path)
    answer.raise_for_status()
    return dict(answer.json())
