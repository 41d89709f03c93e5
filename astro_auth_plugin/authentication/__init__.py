"""Signs users in, and verifies sessions, API tokens and tokens of trusted issuers."""
