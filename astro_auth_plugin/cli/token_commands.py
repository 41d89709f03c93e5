"""The commands of `astro-auth token`, as plain values."""

from __future__ import annotations

from astro_auth_plugin.cli.command import CLI, DEPLOYMENT, OUTPUT, POLICY, Command, Option

TOKEN = Option(("token",), "The token's id, or its name if no other token has the same.", {"metavar": "TOKEN"})
EXPIRES_IN = Option(
    ("--expires-in",),
    "After how long it expires: a number of minutes (m), hours (h), days (d) or weeks (w), such as 30d; or never.",
    {"metavar": "TIME"},
)
WRITE = Option(("--write",), "Write it into the policy file; all else in it stays as it is.", {"action": "store_true"})
CREATOR = Option(
    ("--as",),
    "Who does it; refused when this person may not give all of the token's roles.",
    {"metavar": "EMAIL", "dest": "creator"},
)


def _role_option(level: str, what: str, *words: str) -> Option:
    more = {"nargs": len(words), "metavar": words, "action": "append", "default": [], "dest": f"{level}_roles"}
    return Option((f"--{level}-role",), f"A role on {what}; may be given several times.", more)


TOKEN_COMMANDS = (
    Command(
        "create",
        "Make an API token and show its secret, once",
        f"{CLI}.tokens.create",
        (
            Option(("--name",), "What logs call it.", {"required": True, "metavar": "NAME"}),
            Option(EXPIRES_IN.flags, EXPIRES_IN.help, {**EXPIRES_IN.more, "required": True}),
            _role_option("organization", "the Organization", "ROLE"),
            _role_option("workspace", "a Workspace", "WORKSPACE", "ROLE"),
            _role_option("deployment", "a Deployment", "DEPLOYMENT", "ROLE"),
            _role_option("dag", "a Dag", "DEPLOYMENT", "DAG", "ROLE"),
            _role_option("tag", "the Dags with a tag", "DEPLOYMENT", "TAG", "ROLE"),
            CREATOR,
            WRITE,
            POLICY,
            DEPLOYMENT,
        ),
        "Make an API token. Its secret goes to standard output, and everything else to standard error. "
        "Exit code: 0 when made, 1 when not, 2 when the person of --as may not make it, 3 when the policy has errors.",
    ),
    Command(
        "list",
        "List the API tokens of the policy",
        f"{CLI}.tokens.list_tokens",
        (
            Option(
                ("--last-use",),
                "Also tell when each was last used, to the hour, as the metadata database knows it.",
                {"action": "store_true"},
            ),
            POLICY,
            OUTPUT,
        ),
    ),
    Command(
        "rotate",
        "Give an API token a new secret and show it, once",
        f"{CLI}.tokens.rotate",
        (
            TOKEN,
            Option(
                ("--overlap",),
                "For how long the old secret works besides, such as 24h. Without it, it ends at once.",
                {"metavar": "TIME"},
            ),
            EXPIRES_IN,
            CREATOR,
            WRITE,
            POLICY,
            DEPLOYMENT,
        ),
        "Give an API token a new secret. The secret goes to standard output, and everything else to standard error. "
        "Exit codes are those of create.",
    ),
    Command(
        "revoke",
        "Take an API token out of the policy file",
        f"{CLI}.tokens.revoke",
        (TOKEN, POLICY),
        "Take an API token out of the policy file; all else in it stays as it is.",
    ),
    Command(
        "inspect",
        "Tell whether the secret of an API token is good, without showing it",
        f"{CLI}.tokens.inspect",
        (
            Option(
                ("file",),
                "A file with the secret. Without it, the secret is read from standard input.",
                {"nargs": "?", "metavar": "FILE"},
            ),
            POLICY,
        ),
        "Tell which token a secret is of, and whether it is whole, current and not expired. "
        "Exit code: 0 when it works now, 2 when not.",
    ),
)
