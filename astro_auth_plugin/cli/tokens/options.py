"""The commands of `astro-auth token`, as plain values."""

from __future__ import annotations

from astro_auth_plugin.cli.changes.options import ACTOR, EXPIRES_IN, REASON, ROLES
from astro_auth_plugin.cli.command import CLI, DEPLOYMENT, OUTPUT, POLICY, Command, Option

TOKEN = Option(("token",), "The token's id, or its name if it is unique.", {"metavar": "TOKEN"})
WRITE = Option(
    ("--write",),
    "Write it into the policy file; the rest of the file is unchanged. A policy in the database is always changed.",
    {"action": "store_true"},
)

TOKEN_COMMANDS = (
    Command(
        "create",
        "Create an API token and print its secret once",
        f"{CLI}.tokens.commands.create",
        (
            Option(("--name",), "The name of the token, for logs.", {"required": True, "metavar": "NAME"}),
            Option(EXPIRES_IN.flags, EXPIRES_IN.help, {**EXPIRES_IN.more, "required": True}),
            *ROLES,
            ACTOR,
            REASON,
            WRITE,
            POLICY,
            DEPLOYMENT,
        ),
        "Create an API token. Its secret is printed on standard output, everything else on standard error. "
        "Exit code: 0 if created, 1 if not, 2 if the user of --as may not create it, 3 invalid policy.",
    ),
    Command(
        "list",
        "List the API tokens of the policy",
        f"{CLI}.tokens.commands.list_tokens",
        (
            Option(
                ("--last-use",),
                "Also show the hour of the last use of each token, from the metadata database.",
                {"action": "store_true"},
            ),
            POLICY,
            OUTPUT,
        ),
    ),
    Command(
        "rotate",
        "Replace the secret of an API token and print the new one once",
        f"{CLI}.tokens.commands.rotate",
        (
            TOKEN,
            Option(
                ("--overlap",),
                "How long the old secret stays valid, for example 24h. Default: it is revoked at once.",
                {"metavar": "TIME"},
            ),
            EXPIRES_IN,
            ACTOR,
            REASON,
            WRITE,
            POLICY,
            DEPLOYMENT,
        ),
        "Replace the secret of an API token. The secret is printed on standard output, everything else on standard "
        "error. Exit codes are those of create.",
    ),
    Command(
        "revoke",
        "Remove an API token from the policy",
        f"{CLI}.tokens.commands.revoke",
        (TOKEN, ACTOR, REASON, POLICY, DEPLOYMENT),
        "Remove an API token from the policy; the rest of a policy file is unchanged. Exit codes are those of create.",
    ),
    Command(
        "inspect",
        "Check whether the secret of an API token is valid, without printing it",
        f"{CLI}.tokens.commands.inspect",
        (
            Option(
                ("file",),
                "A file with the secret. Default: standard input.",
                {"nargs": "?", "metavar": "FILE"},
            ),
            POLICY,
        ),
        "Show the token of a secret, and whether the secret is complete, current and not expired. "
        "Exit code: 0 if it is valid now, 2 if not.",
    ),
)
