"""Commands that change API tokens in the policy file."""
