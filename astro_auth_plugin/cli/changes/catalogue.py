"""The commands that change the policy, and those that show what they change, as plain values."""

from __future__ import annotations

from astro_auth_plugin.cli.changes.options import ACTOR, CHANGE, DRY_RUN, EXPIRES_AT, EXPIRES_IN, FORCE, REASON, ROLES
from astro_auth_plugin.cli.command import CLI, DEPLOYMENT, OUTPUT, POLICY, Command, Group, Option

_HOLDERS, _ROLES, _VERSIONS = (f"{CLI}.changes.{module}" for module in ("holders", "roles", "versions"))
_EXIT_CODES = "Exit code: 0 if done, 1 if not, 2 if the user of --as may not make it, 3 invalid policy."

EMAIL = Option(("email",), "The user's e-mail.", {"metavar": "EMAIL"})
TEAM = Option(("team",), "The name of the Team.", {"metavar": "TEAM"})
ROLE = Option(("role",), "The name of the custom role.", {"metavar": "ROLE"})
NEW_NAME = Option(("new_name",), "The new name.", {"metavar": "NEW"})
NOTE = Option(("--note",), "Why, for those who read the policy.", {"metavar": "TEXT"})
DESCRIPTION = Option(("--description",), "A description.", {"metavar": "TEXT"})
GROUPS = Option(
    ("--group",),
    "A group of the identity provider; can be repeated.",
    {"action": "append", "metavar": "GROUP", "dest": "groups"},
)
MEMBERS = Option(("members",), "E-mails of users.", {"nargs": "*", "metavar": "EMAIL"})
GRANT = (*ROLES, EXPIRES_IN, EXPIRES_AT, NOTE, FORCE, *CHANGE)


def _repeated(flag: str, text: str, metavar: str, dest: str) -> Option:
    return Option((flag,), text, {"action": "append", "metavar": metavar, "dest": dest})


MEMBER = _repeated("--member", "The e-mail of a member; can be repeated.", "EMAIL", "members")

USER_COMMANDS = (
    Command("list", "List the users of the policy", f"{_HOLDERS}.list_users", (POLICY, OUTPUT)),
    Command("show", "Show the roles and Teams of a user", f"{_HOLDERS}.show_user", (EMAIL, POLICY, OUTPUT)),
    Command(
        "grant",
        "Give a user roles",
        f"{_HOLDERS}.grant_user",
        (EMAIL, *GRANT),
        f"Give a user roles, or roles that it has another end. {_EXIT_CODES}",
    ),
    Command(
        "revoke",
        "Take roles from a user",
        f"{_HOLDERS}.revoke_user",
        (
            EMAIL,
            *ROLES,
            Option(("--all",), "Take all roles, and remove the user from all Teams.", {"action": "store_true"}),
            FORCE,
            *CHANGE,
        ),
        f"Take roles from a user. Roles of the user's Teams stay. {_EXIT_CODES}",
    ),
)
TEAM_COMMANDS = (
    Command("list", "List the Teams of the policy", f"{_HOLDERS}.list_teams", (POLICY, OUTPUT)),
    Command("show", "Show the roles and members of a Team", f"{_HOLDERS}.show_team", (TEAM, POLICY, OUTPUT)),
    Command(
        "create",
        "Create a Team",
        f"{_HOLDERS}.create_team",
        (
            TEAM,
            DESCRIPTION,
            MEMBER,
            GROUPS,
            Option(("--support",), "A support Team: it can only have roles that read.", {"action": "store_true"}),
            *GRANT,
        ),
        f"Create a Team, with roles if some are named. {_EXIT_CODES}",
    ),
    Command("rename", "Rename a Team", f"{_HOLDERS}.rename_team", (TEAM, NEW_NAME, *CHANGE)),
    Command("delete", "Delete a Team", f"{_HOLDERS}.delete_team", (TEAM, FORCE, *CHANGE)),
    Command(
        "add-member",
        "Add users or groups to a Team",
        f"{_HOLDERS}.add_members",
        (TEAM, MEMBERS, GROUPS, EXPIRES_IN, EXPIRES_AT, NOTE, FORCE, *CHANGE),
        f"Add users or groups to a Team, or give members another end. {_EXIT_CODES}",
    ),
    Command(
        "remove-member",
        "Remove users or groups from a Team",
        f"{_HOLDERS}.remove_members",
        (TEAM, MEMBERS, GROUPS, FORCE, *CHANGE),
    ),
    Command("grant", "Give a Team roles", f"{_HOLDERS}.grant_team", (TEAM, *GRANT)),
    Command("revoke", "Take roles from a Team", f"{_HOLDERS}.revoke_team", (TEAM, *ROLES, FORCE, *CHANGE)),
)
ROLE_COMMANDS = (
    Command("list", "List the custom roles of the policy", f"{_ROLES}.list_roles", (POLICY, OUTPUT)),
    Command("show", "Show a custom role and who has it", f"{_ROLES}.show_role", (ROLE, POLICY, OUTPUT)),
    Command(
        "create",
        "Create a custom role",
        f"{_ROLES}.create_role",
        (
            ROLE,
            Option(("--template",), "The template to begin with; see `role templates`.", {"metavar": "NAME"}),
            Option(("--scope",), "What the role is assigned on.", {"choices": ("DEPLOYMENT", "DAG", "OBJECT")}),
            _repeated("--permission", "A permission; can be repeated.", "PERMISSION", "permissions"),
            DESCRIPTION,
            _repeated("--workspace", "A Workspace to which it is restricted; can be repeated.", "ID", "workspaces"),
            *CHANGE,
        ),
        f"Create a custom role, from a template, of single permissions, or both. {_EXIT_CODES}",
    ),
    Command(
        "update",
        "Change the permissions of a custom role",
        f"{_ROLES}.update_role",
        (
            ROLE,
            _repeated("--add", "A permission to add; can be repeated.", "PERMISSION", "add"),
            _repeated("--remove", "A permission to remove; can be repeated.", "PERMISSION", "remove"),
            DESCRIPTION,
            *CHANGE,
        ),
    ),
    Command(
        "rename",
        "Rename a custom role, wherever it is assigned",
        f"{_ROLES}.rename_role",
        (ROLE, NEW_NAME, *CHANGE),
    ),
    Command("delete", "Delete a custom role that is not assigned", f"{_ROLES}.delete_role", (ROLE, *CHANGE)),
    Command("templates", "List the templates of custom roles", f"{_ROLES}.templates", (OUTPUT,)),
)

_CHANGE_VERSION = (ACTOR, REASON, DRY_RUN, DEPLOYMENT, OUTPUT)
_SETTINGS = ("allowed", "disallowed")
_NEWEST = "Default: the newest one."
VERSION = Option(("version",), f"The number of the version. {_NEWEST}", {"nargs": "?", "metavar": "VERSION"})

POLICY_COMMANDS = (
    Command(
        "init",
        "Begin a policy in the database",
        f"{_VERSIONS}.init",
        (
            Option(("--owner",), "The e-mail of the first Organization Owner.", {"required": True, "metavar": "EMAIL"}),
            Option(("--organization",), "Default: [astro_auth] organization_id.", {"metavar": "ID"}),
            Option(("--workspace",), "Default: [astro_auth] workspace_id.", {"metavar": "ID"}),
            *_CHANGE_VERSION,
        ),
    ),
    Command(
        "import",
        "Import a policy file into the database",
        f"{_VERSIONS}.import_file",
        (Option(("file",), "The policy file.", {"metavar": "FILE"}), FORCE, *_CHANGE_VERSION),
        f"Make the content of a policy file the next version in the database. {_EXIT_CODES}",
    ),
    Command(
        "export",
        "Export a version as a policy file",
        f"{_VERSIONS}.export",
        (
            Option(("--version",), f"The number of the version. {_NEWEST}", {"metavar": "VERSION"}),
            Option(("--out",), "The file to create. Default: print it.", {"metavar": "FILE"}),
            Option(("--without-tokens",), "Leave out the API tokens.", {"action": "store_true"}),
        ),
    ),
    Command(
        "history",
        "List the versions",
        f"{_VERSIONS}.history",
        (
            Option(("--limit",), "The number of versions. Default: 50.", {"metavar": "NUMBER", "default": "50"}),
            Option(("--since",), "Only versions since then, for example 30d or 2027-01-31.", {"metavar": "TIME"}),
            OUTPUT,
        ),
    ),
    Command(
        "show",
        "Show what a version changed",
        f"{_VERSIONS}.show_version",
        (VERSION, Option(("--document",), "Show the whole policy, too.", {"action": "store_true"}), OUTPUT),
    ),
    Command(
        "diff",
        "Show the access gained and lost between two versions",
        f"{_VERSIONS}.diff",
        (
            Option(("old",), "The number of the old version.", {"metavar": "OLD"}),
            Option(("new",), f"The number of the new version. {_NEWEST}", {"nargs": "?", "metavar": "NEW"}),
            OUTPUT,
        ),
    ),
    Command(
        "revert",
        "Return to an older version",
        f"{_VERSIONS}.revert",
        (
            Option(("version",), "The number of the version.", {"metavar": "VERSION"}),
            Option(
                ("--tokens",),
                "Return to the API tokens of that version, too: secrets revoked since are valid again.",
                {"action": "store_true"},
            ),
            FORCE,
            *_CHANGE_VERSION,
        ),
        f"Make the policy of an older version the next version; API tokens stay as they are. {_EXIT_CODES}",
    ),
    Command(
        "support-access",
        "Switch all support Teams on or off",
        f"{_VERSIONS}.support_access",
        (
            Option(("setting",), "Whether the roles of support Teams have an effect.", {"choices": _SETTINGS}),
            *CHANGE,
        ),
        f"Switch all support Teams on or off, in the policy file or in the database. {_EXIT_CODES}",
    ),
    Command(
        "clean",
        "Remove the documents of old versions",
        f"{_VERSIONS}.clean",
        (
            Option(
                ("--keep",),
                "The number of newest versions that stay as they are. Default: 500.",
                {"metavar": "NUMBER", "default": "500"},
            ),
            Option(
                ("--older-than",),
                "Only versions older than this, for example 400d (the default).",
                {"metavar": "TIME", "default": "400d"},
            ),
            Option(("--dry-run",), "Only print the number of versions.", {"action": "store_true"}),
        ),
        "Remove the documents of old versions, never of the newest. Who changed what and why is kept.",
    ),
)

AUDIT_COMMANDS = (
    Command(
        "export",
        "Export sign-ins, account changes, denied requests and changes of the policy",
        f"{CLI}.changes.audit.export",
        (
            Option(
                ("--format",),
                "JSON lines (jsonl, the default) or csv.",
                {"choices": ("jsonl", "csv"), "default": "jsonl"},
            ),
            Option(
                ("--since",),
                "From when on, for example 30d (the default) or 2027-01-31.",
                {"metavar": "TIME", "default": "30d"},
            ),
        ),
        "Print the plugin's events of Airflow's audit log, and the versions of a policy in the database, oldest first.",
    ),
)

GROUPS_OF_COMMANDS = (
    Group("user", "Show and change the roles of users", USER_COMMANDS),
    Group("team", "Show and change Teams", TEAM_COMMANDS),
    Group("role", "Show and change custom roles", ROLE_COMMANDS),
    Group("policy", "Import, export and revert the policy in the database", POLICY_COMMANDS),
    Group("audit", "Export what has happened to access", AUDIT_COMMANDS),
)
