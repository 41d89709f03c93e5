"""The commands, as plain values: Airflow's CLI and `astro-auth` are both made from these.

Nothing here takes time to import, since every `airflow` command reads it.
"""

from __future__ import annotations

from dataclasses import replace

from astro_auth_plugin.cli.changes.catalogue import GROUPS_OF_COMMANDS
from astro_auth_plugin.cli.command import CLI, DEPLOYMENT, OUTPUT, POLICY, Command, Group, Option
from astro_auth_plugin.cli.tokens.options import TOKEN_COMMANDS

POLICY_FILE = Option(
    ("file",),
    "The policy file. Default: the policy that [astro_auth] names.",
    {"nargs": "?", "metavar": "FILE"},
)
DAGS = Option(
    ("--dags",),
    "A YAML or JSON file with the Dags and their tags. Default: read from the metadata database.",
    {"metavar": "FILE"},
)
OPTIONAL_DAGS = Option(
    ("--dags",),
    "A YAML or JSON file with the Dags and their tags. Default: read from the metadata database if Airflow is "
    "configured, otherwise no Dags.",
    {"metavar": "FILE"},
)
AS = Option(
    ("--as",),
    "The user's e-mail, or `token:` and the id of an API token.",
    {"dest": "who", "metavar": "EMAIL|token:ID", "required": True},
)
GROUPS = Option(
    ("--group",),
    "A group of this user at the identity provider; can be repeated. Default: the groups of the last sign-in, if the "
    "metadata database is read.",
    {"action": "append", "metavar": "GROUP", "dest": "groups"},
)
WORDS = Option(
    ("words",),
    "An action such as `trigger`, or a permission, and a Dag; or a method and a path of Airflow's REST API, and the "
    "Dag if the path does not contain it.",
    {"nargs": "+", "metavar": "ACTION"},
)
TAGS = Option(
    ("--tag",),
    "A tag of the Dag; can be repeated. The Dag is then not looked up.",
    {"action": "append", "metavar": "TAG"},
)
BUNDLE = Option(("--bundle",), "The bundle of the Dag, which is then not looked up.", {"metavar": "NAME"})
FILE = Option(("--file",), "The path of the Dag in the bundle, for example finance/loads.py.", {"metavar": "PATH"})
EMAIL = Option(("email",), "The user's e-mail.", {"metavar": "EMAIL"})
PROXY_HEADERS = Option(
    ("--proxy-headers",),
    "The api-server is started with --proxy-headers, which Airflow's configuration does not contain.",
    {"action": "store_true"},
)
DAG_PROCESSOR = Option(
    ("--dag-processor",),
    "Run in the dag-processor's environment: check what code in Dag files can read and write there.",
    {"action": "store_true"},
)
DRY_RUN = Option(("--dry-run",), "Only print the number of rows to delete.", {"action": "store_true"})

ORGANIZATION_ID = Option(
    ("--organization",),
    "The Organization of the new policy. Default: [astro_auth] organization_id.",
    {"metavar": "ID"},
)
EMAILS = Option(
    ("--emails",),
    "A YAML or JSON file that maps user ids to e-mails, for users without a known e-mail.",
    {"metavar": "FILE"},
)
OUT = Option(("--out",), "The file to create. Default: print the policy.", {"metavar": "FILE"})

_IMPORT = Group(
    "import",
    "Create a policy from existing roles and users",
    (
        Command(
            "fab",
            "Create a policy from FAB's roles and users",
            f"{CLI}.importers.commands.fab",
            (
                ORGANIZATION_ID,
                Option(
                    ("--workspace",),
                    "The Workspace of the Deployment. Default: [astro_auth] workspace_id.",
                    {"metavar": "ID"},
                ),
                Option(
                    ("--deployment",),
                    "The id of this Deployment. Default: [astro_auth] deployment_id.",
                    {"metavar": "ID"},
                ),
                Option(
                    ("--exact",),
                    "Never grant more than FAB. Default: what is harmless and roles of Airflow 2 lack is rounded up.",
                    {"action": "store_true"},
                ),
                OUT,
            ),
            "Read the roles and users of Airflow's FAB provider from the metadata database and create a policy that "
            "grants what they did. What is rounded up, what a policy cannot express, and what each person has before "
            "and after are listed on the error stream.",
        ),
        Command(
            "terraform",
            "Create a policy from a Terraform state",
            f"{CLI}.importers.commands.terraform",
            (
                Option(
                    ("file",),
                    "The output of `terraform show -json`, a terraform.tfstate, or resources as .tf.json.",
                    {"metavar": "FILE"},
                ),
                EMAILS,
                ORGANIZATION_ID,
                OUT,
            ),
            "Read the resources and data sources of Astronomer's Terraform provider and create a policy from them. "
            "What is not in the policy is listed with the reason. Secrets are not read.",
        ),
        Command(
            "astro",
            "Create a policy from responses of Astro's API",
            f"{CLI}.importers.commands.astro",
            (
                Option(
                    ("folder",),
                    "The folder of users.json, teams.json, team-members-ID.json, roles.json, role-ID.json, "
                    "tokens.json, workspaces.json and deployments.json.",
                    {"metavar": "FOLDER"},
                ),
                EMAILS,
                ORGANIZATION_ID,
                OUT,
            ),
            "Read responses of Astro's API from a folder and create a policy from them. What is not in the policy is "
            "listed with the reason. Secrets are not read.",
        ),
    ),
)
_VERSION = "The old version: a file, a git REV:PATH, a revision of the file of --policy, or `configured`."

COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "validate",
        "Check a policy file",
        f"{CLI}.commands.validate",
        (POLICY_FILE,),
        "Report the errors and warnings of a policy file. Exit code: 0 if the policy is valid, 3 if not.",
    ),
    Command(
        "explain",
        "Explain why a user or API token has access or not",
        f"{CLI}.explain.commands.explain",
        (AS, GROUPS, WORDS, TAGS, BUNDLE, FILE, DAGS, POLICY, DEPLOYMENT, OUTPUT),
        "Print yes or no with the grants concerned; if no, also the missing permissions and the smallest grant that "
        "adds them. Exit code: 0 yes, 1 on failure or if the answer depends on missing input, 2 no, 3 invalid policy.",
    ),
    Command(
        "who-can",
        "List the users and API tokens with access",
        f"{CLI}.explain.commands.who_can",
        (WORDS, TAGS, BUNDLE, FILE, DAGS, POLICY, DEPLOYMENT, OUTPUT),
        "List every user and API token of the policy with access, and the grants that give it. "
        "Exit code: 0 if there are any, 2 if there are none, 3 invalid policy.",
    ),
    Command(
        "access",
        "List all access of a user or API token, or to a Dag, tag or bundle",
        f"{CLI}.explain.commands.access",
        (
            replace(AS, more={**AS.more, "required": False}),
            GROUPS,
            Option(("--dag",), "List all access to this Dag, and the grants that give it.", {"metavar": "ID"}),
            Option(("--tag",), "List all access that grants on this tag give.", {"metavar": "TAG"}),
            Option(("--bundle",), "List all access that grants on this bundle give.", {"metavar": "NAME"}),
            Option(("--folder",), "With --bundle: also grants on this folder of it.", {"metavar": "FOLDER"}),
            DAGS,
            POLICY,
            DEPLOYMENT,
            OUTPUT,
        ),
        "With --as: list everything that the user or API token can do, by Dag. "
        "Exit code: 0 if there is any access, 2 if there is none.",
    ),
    Command(
        "whoami",
        "Show a user's account, groups, Teams and roles",
        f"{CLI}.explain.whoami.whoami",
        (EMAIL, POLICY, DEPLOYMENT, OUTPUT),
        "Print a user's account, the groups of the last sign-in, and the resulting Teams and roles.",
    ),
    Command(
        "unbind",
        "Remove the binding of an account to its identity",
        f"{CLI}.explain.whoami.unbind",
        (EMAIL,),
        "Remove the binding of a user's account to an identity. The next sign-in with this e-mail, if the provider "
        "says that it is verified, binds the account again. Make sure that the e-mail still belongs to that user.",
    ),
    Command(
        "clean-sessions",
        "Delete expired web sessions",
        f"{CLI}.commands.clean_sessions",
        (DRY_RUN,),
        "Delete expired sessions from FAB's table `session`, which `airflow db clean` does not clean for this auth "
        "manager. No user is signed out.",
    ),
    _IMPORT,
    Command(
        "check-dags",
        "Check the Dag files of a folder for protected tags",
        f"{CLI}.check_dags.check_dags",
        (
            Option(("folder",), "The root of a bundle.", {"metavar": "FOLDER"}),
            Option(("--bundle",), "The bundle's name. Default: any bundle of the policy.", {"metavar": "NAME"}),
            Option(("--strict",), "Also reject tags that are not literals.", {"action": "store_true"}),
            POLICY,
            DEPLOYMENT,
            OUTPUT,
        ),
        "Report Dag files that use a protected tag without permission, and tags that are not literals. "
        "Dag code is not executed. Exit code: 0 if nothing is rejected, 2 if something is, 3 invalid policy.",
    ),
    Command(
        "lint",
        "Report grants that are too broad, unused or redundant",
        f"{CLI}.review.lint.lint_policy",
        (
            POLICY_FILE,
            DEPLOYMENT,
            OPTIONAL_DAGS,
            Option(("--ignore",), "A rule to skip; can be repeated.", {"action": "append", "metavar": "RULE"}),
            Option(
                ("--fail-on",),
                "Exit with 2 if there is a warning (warning) or any finding (info).",
                {"choices": ("warning", "info")},
            ),
            OUTPUT,
        ),
        "Report all warnings of `validate`, and more. Exit code: 0; 2 for the findings of --fail-on; 3 invalid policy.",
    ),
    Command(
        "plan",
        "Show the access gained and lost between two versions of a policy",
        f"{CLI}.review.plan.plan",
        (
            Option(("old",), f"{_VERSION} Or `fab`: what FAB's roles give today.", {"metavar": "OLD"}),
            Option(("new",), "The new version, in the same form but `fab`.", {"metavar": "NEW"}),
            Option(("--policy",), "The file of a git revision, relative to this folder.", {"metavar": "FILE"}),
            Option(("--deployment",), "The Deployment to compare. Default: all.", {"metavar": "ID"}),
            OPTIONAL_DAGS,
            Option(("--new-dags",), "The Dags after the change, if their tags change too.", {"metavar": "FILE"}),
            Option(
                ("--fail-on",),
                "Exit with 2 if a user or API token gains access (widening), or on any change (any).",
                {"choices": ("widening", "any")},
            ),
            Option(
                ("--output", "-o"),
                "The output format; markdown is for pull requests.",
                {"choices": ("table", "markdown", "json", "yaml"), "default": "table"},
            ),
        ),
        "Compare the effective permissions, not the files: a permission that another grant still gives is not lost. "
        "`plan fab POLICY` compares a policy with FAB's roles and users in the metadata database, by person and Dag. "
        "Exit code: 0; 2 for the changes of --fail-on; 3 if one of the two policies is invalid.",
    ),
    Command(
        "test",
        "Run scenario files against their policies",
        f"{CLI}.review.scenarios.run_scenarios",
        (Option(("files",), "The scenario files.", {"nargs": "+", "metavar": "FILE"}), OUTPUT),
        "Exit code: 0 if all answers are as expected, 2 if one is not, 3 if a policy is invalid, 1 if a scenario file "
        "is invalid.",
    ),
    Command(
        "schema",
        "Print the JSON Schema of the policy file, or of scenario files",
        f"{CLI}.commands.schema",
        (Option(("of",), "The kind of file: policy or test.", {"nargs": "?", "choices": ("policy", "test")}),),
    ),
    *GROUPS_OF_COMMANDS,
    Group(
        "shadow",
        "Compare the answers of another auth manager with the policy",
        (
            Command(
                "report",
                "List the answers that the policy would give otherwise",
                f"{CLI}.shadow.report",
                (OUTPUT,),
                "List what shadow mode has found on all api-servers, the latest difference first. "
                "Exit code: 0 if there is no difference, 2 if there are any, 1 if no answer was compared.",
            ),
            Command(
                "reset",
                "Forget what shadow mode has found",
                f"{CLI}.shadow.reset",
                (),
                "Delete all differences and counters, for example after a change of the policy.",
            ),
        ),
    ),
    Group("token", "Create, list, rotate, revoke and inspect API tokens", TOKEN_COMMANDS),
    Command(
        "doctor",
        "Check the configuration for problems",
        f"{CLI}.doctor.doctor",
        (PROXY_HEADERS, DAG_PROCESSOR, OUTPUT),
        "Check what the api-server reads: the policy, its address behind a proxy, redirect URIs, cookies, secrets, "
        "FAB's settings and accounts. Nothing is changed. "
        "Exit code: 0 if there are no problems or only hints, 1 otherwise.",
    ),
)
"""Every command, in the order of the help text."""
