"""The vocabulary: permissions, roles, scopes, subjects, actions."""
