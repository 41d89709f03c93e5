"""Errors that the core raises on purpose.

::

    AccessModelError
    ├── UnknownPermission      a permission name that is in no table
    ├── UnknownDeployment      the policy does not list the requested Deployment
    └── UnreadablePolicy       the text is not YAML that can be read safely; carries where

Problems *inside* a readable policy are values (`policy.Problem`), all reported at once, not exceptions.
"""

from __future__ import annotations


class AccessModelError(Exception):
    """The root: catch this to catch everything that the core raises on purpose."""


class UnknownPermission(AccessModelError, KeyError):
    """A permission name that no table has; always a mistake of the caller, never of a policy author."""


class UnknownDeployment(AccessModelError):
    """The policy does not list the Deployment of the decisions."""


class UnreadablePolicy(AccessModelError):
    """The policy's text cannot be read; nothing after `line` was looked at.

    Args:
        message: what is wrong, lower case, without a full stop.
        line: 1-based, 0 where no place can be named.
        column: 1-based, 0 where no place can be named.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
