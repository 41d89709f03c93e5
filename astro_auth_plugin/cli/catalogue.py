"""The commands, as plain values: Airflow's CLI and `astro-auth` are both made from these.

Nothing here takes time to import, since every `airflow` command reads it.
"""

from __future__ import annotations

from dataclasses import replace

from astro_auth_plugin.cli.command import CLI, DEPLOYMENT, OUTPUT, POLICY, Command, Group, Option
from astro_auth_plugin.cli.token_commands import TOKEN_COMMANDS

POLICY_FILE = Option(
    ("file",),
    "The policy file to look at. Without it, the one of [astro_auth] policy_file.",
    {"nargs": "?", "metavar": "FILE"},
)
DAGS = Option(
    ("--dags",),
    "A YAML or JSON file with the Dags and their tags. Without it, they are read from the metadata database.",
    {"metavar": "FILE"},
)
OPTIONAL_DAGS = Option(
    ("--dags",),
    "A YAML or JSON file with the Dags and their tags. Without it, they are read from the metadata database where an "
    "Airflow is set up, and else left out.",
    {"metavar": "FILE"},
)
AS = Option(
    ("--as",),
    "Who is asked about: an e-mail, or `token:` and the id of an API token.",
    {"dest": "who", "metavar": "EMAIL|token:ID", "required": True},
)
GROUPS = Option(
    ("--group",),
    "A group of this person at the identity provider, once for each. Without it, those of the last sign-in count where "
    "the metadata database is read.",
    {"action": "append", "metavar": "GROUP", "dest": "groups"},
)
WORDS = Option(
    ("words",),
    "A plain name such as `trigger`, or a permission, and a Dag; or a method and a path of Airflow's REST API, and the "
    "Dag if only the body or an id tells it.",
    {"nargs": "+", "metavar": "ACTION"},
)
TAGS = Option(
    ("--tag",),
    "A tag that the Dag carries, once for each; then the Dag is not looked up.",
    {"action": "append", "metavar": "TAG"},
)
EMAIL = Option(("email",), "The person's e-mail.", {"metavar": "EMAIL"})
PROXY_HEADERS = Option(
    ("--proxy-headers",),
    "The api-server is started with --proxy-headers, too, which no option of Airflow tells.",
    {"action": "store_true"},
)
DRY_RUN = Option(("--dry-run",), "Only say how many rows would be deleted.", {"action": "store_true"})

ORGANIZATION_ID = Option(
    ("--organization",),
    "The Organization that the policy is to be of. Without it, the one of [astro_auth] organization_id.",
    {"metavar": "ID"},
)
OUT = Option(("--out",), "The new file to write. Without it, the policy is printed.", {"metavar": "FILE"})

_IMPORT = Group(
    "import",
    "Write a policy from what there is",
    (
        Command(
            "fab",
            "Write a policy from FAB's roles and users",
            f"{CLI}.importing.fab",
            (
                ORGANIZATION_ID,
                Option(
                    ("--workspace",),
                    "The Workspace that the Deployment is in. Without it, the one of [astro_auth] workspace_id.",
                    {"metavar": "ID"},
                ),
                Option(
                    ("--deployment",),
                    "The Deployment that this Airflow is. Without it, the one of [astro_auth] deployment_id.",
                    {"metavar": "ID"},
                ),
                OUT,
            ),
            "Read the roles and users of Airflow's FAB provider from the metadata database, and write a policy that "
            "gives nobody more than they did. What cannot be expressed is left out and listed.",
        ),
        Command(
            "terraform",
            "Write a policy from a Terraform state",
            f"{CLI}.importing.terraform",
            (
                Option(
                    ("file",),
                    "What `terraform show -json` prints, a terraform.tfstate, or resources as .tf.json.",
                    {"metavar": "FILE"},
                ),
                Option(
                    ("--emails",),
                    "A YAML or JSON file that says the e-mail of each user id, where the state does not.",
                    {"metavar": "FILE"},
                ),
                ORGANIZATION_ID,
                OUT,
            ),
            "Read the resources of Astronomer's Terraform provider that say who may do what, and write them as a "
            "policy. What cannot be expressed is left out and listed; no secret is read.",
        ),
    ),
)
_VERSION = "The version before: a file, REV:PATH of git, a revision for the file of --policy, or the word running."

COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "validate",
        "Check a policy file",
        f"{CLI}.commands.validate",
        (POLICY_FILE,),
        "Report everything that is wrong with a policy file, and what is likely not meant. "
        "Exit code: 0 when it can be used, 3 when not.",
    ),
    Command(
        "explain",
        "Say whether somebody may do something, and why",
        f"{CLI}.asking.explain",
        (AS, GROUPS, WORDS, TAGS, DAGS, POLICY, DEPLOYMENT, OUTPUT),
        "Answer yes or no, with the grants that decide; on no also what is missing, and the smallest grant that gives "
        "it. "
        "Exit code: 0 yes, 1 when it failed or depends on what was not said, 2 no, 3 when the policy cannot be used.",
    ),
    Command(
        "who-can",
        "List everybody who may do something",
        f"{CLI}.asking.who_can",
        (WORDS, TAGS, DAGS, POLICY, DEPLOYMENT, OUTPUT),
        "List every person and API token of the policy who may, and through what. "
        "Exit code: 0 when there is somebody, 2 when nobody, 3 when the policy cannot be used.",
    ),
    Command(
        "access",
        "List all that somebody may do, or everybody for a Dag or tag",
        f"{CLI}.asking.access",
        (
            replace(AS, more={**AS.more, "required": False}),
            GROUPS,
            Option(("--dag",), "A Dag: everybody who may do something with it, and through what.", {"metavar": "ID"}),
            Option(("--tag",), "A tag: everybody to whom it gives something.", {"metavar": "TAG"}),
            DAGS,
            POLICY,
            DEPLOYMENT,
            OUTPUT,
        ),
        "With --as: all that somebody may do, by Dag. Exit code: 0 when there is something, 2 when nothing.",
    ),
    Command(
        "whoami",
        "Say who somebody is here",
        f"{CLI}.whoami.whoami",
        (EMAIL, POLICY, DEPLOYMENT, OUTPUT),
        "Print a person's account, the groups that the last sign-in brought, and the Teams and roles that follow.",
    ),
    Command(
        "clean-sessions",
        "Delete web sessions that have expired",
        f"{CLI}.commands.clean_sessions",
        (DRY_RUN,),
        "Delete the rows of sign-ins that have expired from FAB's table `session`, which "
        "`airflow db clean` does not clean for this auth manager. Nobody is signed out.",
    ),
    _IMPORT,
    Command(
        "check-dags",
        "Check which tags the Dag files of a folder give",
        f"{CLI}.check_dags.check_dags",
        (
            Option(("folder",), "The root of a bundle.", {"metavar": "FOLDER"}),
            Option(
                ("--bundle",), "The bundle's name. Without it, any bundle of the policy will do.", {"metavar": "NAME"}
            ),
            Option(("--strict",), "Refuse tags that cannot be read from the text, too.", {"action": "store_true"}),
            POLICY,
            DEPLOYMENT,
            OUTPUT,
        ),
        "Say which Dag files give a protected tag that they may not give, and where tags cannot be read from the text. "
        "No code of a Dag is run. Exit code: 0 when nothing is refused, 2 when something is, 3 when the policy is bad.",
    ),
    Command(
        "lint",
        "Report what is odd about a policy: too wide, unused, superfluous",
        f"{CLI}.lint.lint_policy",
        (
            POLICY_FILE,
            DEPLOYMENT,
            OPTIONAL_DAGS,
            Option(("--ignore",), "A rule to leave out; may be repeated.", {"action": "append", "metavar": "RULE"}),
            Option(
                ("--fail-on",),
                "End with 2 if there is a warning, or anything (info).",
                {"choices": ("warning", "info")},
            ),
            OUTPUT,
        ),
        "Report all that `validate` warns of, and more. Exit code: 0; 2 for what --fail-on names; 3 when the policy "
        "cannot be used.",
    ),
    Command(
        "plan",
        "Tell who gains and who loses what between two versions of a policy",
        f"{CLI}.plan.plan",
        (
            Option(("old",), _VERSION, {"metavar": "OLD"}),
            Option(("new",), "The version after it, named likewise.", {"metavar": "NEW"}),
            Option(("--policy",), "The file that a revision is of, from this folder.", {"metavar": "FILE"}),
            Option(("--deployment",), "The only Deployment to look at.", {"metavar": "ID"}),
            OPTIONAL_DAGS,
            Option(("--new-dags",), "The Dags as they are afterwards, if their tags change too.", {"metavar": "FILE"}),
            Option(
                ("--fail-on",),
                "End with 2 if somebody gains access (widening), or if anything changes (any).",
                {"choices": ("widening", "any")},
            ),
            Option(
                ("--output", "-o"),
                "How to print: for people (table), for a pull request (markdown), for machines (json, yaml).",
                {"choices": ("table", "markdown", "json", "yaml"), "default": "table"},
            ),
        ),
        "Compare what people may do, not what the files say: whoever keeps a power in another way loses nothing. "
        "Exit code: 0; 2 for what --fail-on names; 3 when one of the two cannot be used.",
    ),
    Command(
        "test",
        "Check that policies answer as scenario files expect",
        f"{CLI}.scenarios.run_scenarios",
        (Option(("files",), "The scenario files.", {"nargs": "+", "metavar": "FILE"}), OUTPUT),
        "Exit code: 0 when all answers are as expected; 2 when one is not; 3 when a policy cannot be used; 1 when a "
        "scenario file has mistakes.",
    ),
    Command(
        "schema",
        "Print the JSON Schema of the policy file, or of scenario files",
        f"{CLI}.commands.schema",
        (Option(("of",), "Which file: policy or test.", {"nargs": "?", "choices": ("policy", "test")}),),
    ),
    Group("token", "Make, list, rotate, revoke and inspect API tokens", TOKEN_COMMANDS),
    Command(
        "doctor",
        "Say what is wrong with the configuration",
        f"{CLI}.doctor.doctor",
        (PROXY_HEADERS, OUTPUT),
        "Check what the api-server reads: the policy, its address and what a proxy in front makes of it, redirect "
        "URIs, cookies, secrets, FAB's settings and accounts. Nothing is changed. "
        "Exit code: 0 when all is well or worth a hint, 1 when something is wrong.",
    ),
)
"""Every command, in the order of the help text."""
