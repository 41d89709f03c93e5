"""What README and docs say is what the code does."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin import rbac
from astro_auth_plugin.authorization import route_rules, route_table
from astro_auth_plugin.provider_info import get_provider_info
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import ASTRO_WORDS, DEPLOYMENT_WORDS
from astro_auth_plugin.rbac.policy import loader, policy_schema
from astro_auth_plugin.runtime import metrics
from tools import generated_docs
from tools.demo_people import read_people
from tools.demo_stack import DEV_DAGS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
OPTIONS = set(get_provider_info()["config"]["astro_auth"]["options"])

# A fence, what it says of its language, and what is in it.
BLOCK = re.compile(r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(?<!`)(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
KNOWN_ADDRESSES = (
    "https://keepachangelog.com/",
    "https://semver.org/",
    # Those of the example behind a proxy.
    "https://airflow.example.com",
    "http://airflow",
    # Issuers of tokens.
    "https://sso.example.com",
    "https://workloads.example.com",
    # Astro's API, from which a policy can be made.
    "https://api.astronomer.io",
)


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, *languages: str) -> list[str]:
    """Return what stands between the fences of these languages."""
    return [match["text"] for match in BLOCK.finditer(text_of(name)) if match["language"] in languages]


def prose(name: str) -> str:
    """Return a page without its blocks of code."""
    return BLOCK.sub("", text_of(name))


def code(name: str) -> list[str]:
    """Return every piece of code within the lines of a page."""
    return [match[2] for match in CODE.finditer(prose(name).replace("\n", " "))]


def commands(name: str, program: str) -> set[str]:
    """Return the command lines of a program in a page: a line of a shell, or a piece of code."""
    lines = [line for block in blocks(name, "sh", "console") for line in block.splitlines()]
    lines = [line.split("#")[0].removeprefix("$ ").strip() for line in [*lines, *code(name)]]
    without_variables = [re.sub(r"^(?:[A-Z_]+=\S+ )*", "", line) for line in lines]
    return {line for line in without_variables if line.split(" ")[0] == program}


# -- generated tables, examples ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", generated_docs.GENERATED)
def test_tables_are_fresh(name: str) -> None:
    """A table that comes from the code is what the code makes now; `python -m tools.generated_docs` makes it so."""
    assert text_of(name) == generated_docs.fresh(name)


@pytest.mark.parametrize("name", NAMES)
def test_policies_can_be_used(name: str) -> None:
    """Every policy that is shown is without errors and warnings, and serves the Deployment of the examples."""
    for block in blocks(name, "yaml policy"):
        found = loader.load(block.encode())
        assert [str(problem) for problem in found.problems] == []
        assert found.policy is not None
        assert Engine(found.policy, "cldep0prod", datetime.now(UTC)).subjects()


def test_ways_to_sign_in_are_those_of_the_tests() -> None:
    """Each configuration that is shown is the file that the tests of signing in run, to the letter."""
    folder = ROOT / "tests" / "e2e" / "sign_in" / "config"
    for file in folder.glob("*.py"):
        assert blocks("docs/sign-in.md", f"python {file.name}") == [file.read_text(encoding="utf-8")]


def test_policies_are_shown() -> None:
    """README shows a first policy of ten lines, the page of roles a custom one, and the reference a whole file."""
    (first,) = blocks("README.md", "yaml policy")
    (custom,) = blocks("docs/roles.md", "yaml policy")
    assert len(first.splitlines()) == 10
    assert "\nroles:" in custom
    (whole,) = blocks("docs/policy-file.md", "yaml policy")
    assert set(yaml.safe_load(whole)) == set(loader.PolicyDocument.model_fields)


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_well_formed(name: str) -> None:
    """YAML can be read, and Python compiles."""
    for block in blocks(name, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)
    for block in blocks(name, "python"):
        compile(block, name, "exec")


def test_readme_is_short() -> None:
    """README is what a new user reads first; everything else is on a page of docs."""
    assert len(text_of("README.md").splitlines()) <= 250


def test_demo_is_described() -> None:
    """README says how many Dags and users the demo has."""
    people, dags = len(read_people(DEV_DAGS / "people.yaml")), len(list(DEV_DAGS.glob("*.py")))
    assert f"nine sample Dags and {people} users" in text_of("README.md")
    assert dags == 9


# -- commands and options ------------------------------------------------------------------------------------------


@cache
def airflow_commands() -> dict[str, Any]:
    """Return the commands of the installed Airflow by name, its providers' included."""
    from airflow.cli import cli_parser

    return {command.name: command for command in cli_parser.airflow_commands}


@pytest.mark.parametrize("name", NAMES)
def test_airflow_commands_exist(name: str) -> None:
    """Every `airflow` command that is named exists, with every option that is named."""
    for line in commands(name, "airflow"):
        words = shlex.split(line.split(">")[0].replace("...", ""))[1:]
        known, flags = airflow_commands(), {"--help"}
        while words and known:
            assert words[0] in known, line
            command = known[words.pop(0)]
            known = {sub.name: sub for sub in getattr(command, "subcommands", ())}
            flags |= {flag for arg in getattr(command, "args", ()) for flag in arg.flags}
        assert {word for word in words if word.startswith("-")} <= flags, line


def test_own_commands_are_described() -> None:
    """The docs name every command of `airflow astro-auth`."""
    page = commands("docs/commands.md", "airflow")
    named = {line.split()[2] for line in page if line.startswith("airflow astro-auth ")}
    assert named == {command.name for command in airflow_commands()["astro-auth"].subcommands}


@pytest.mark.parametrize("name", NAMES)
def test_words_of_make_exist(name: str) -> None:
    """Every word after `make` is one of the Makefile."""
    lines = re.findall(r"^([a-z][a-z0-9. -]*):", text_of("Makefile"), re.MULTILINE)
    known = {word for line in lines for word in line.split()}
    requested = {word for line in commands(name, "make") for word in shlex.split(line)[1:] if "=" not in word}
    assert requested <= known


@pytest.mark.parametrize("name", NAMES)
def test_modules_exist(name: str) -> None:
    """Every module that is to be run with `python -m` is there, or is pip."""
    lines = [line.split() for line in commands(name, "python")]
    modules = {words[2] for words in lines if words[1:2] == ["-m"]} - {"pip"}
    assert all((ROOT / f"{module.replace('.', '/')}.py").is_file() for module in modules), modules


@pytest.mark.parametrize("name", NAMES)
def test_options_exist(name: str) -> None:
    """Every option of `[astro_auth]` that is named exists."""
    variables = {found.lower() for found in re.findall(r"AIRFLOW__ASTRO_AUTH__([A-Z_]+)", text_of(name))}
    assert variables | set(re.findall(r"\[astro_auth\] ([a-z_]+)", text_of(name))) <= OPTIONS


def test_options_are_described() -> None:
    """The page of the configuration has a row for every option."""
    assert set(re.findall(r"^\| `([a-z_]+)` \|", text_of("docs/configuration.md"), re.MULTILINE)) == OPTIONS


# -- monitoring ----------------------------------------------------------------------------------------------------


def rows_of(name: str, heading: str) -> list[str]:
    """Return the first cells of the table below a heading."""
    _, _, section = text_of(name).partition(f"## {heading}\n")
    return re.findall(r"^\| (.+?) \|", section.partition("\n## ")[0], re.MULTILINE)[2:]


def test_metrics_are_described() -> None:
    """Every metric has a row, and every row is about one."""
    known = {value for name, value in vars(metrics).items() if name.isupper()}
    assert {row.strip("`") for row in rows_of("docs/monitoring.md", "Metrics")} == known


def test_log_lines_exist() -> None:
    """What operators search a log for is what the code writes."""
    source = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "astro_auth_plugin").rglob("*.py"))
    shown = [part for row in rows_of("docs/monitoring.md", "Log lines") for part in re.findall(r"`(.+?)`", row)]
    assert len(shown) > 10
    assert [part for part in shown if f'"{part}' not in source and f" {part}" not in source] == []


# -- links, files, words -------------------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    """Every relative link leads to a file or folder, and its anchor to a heading there."""
    for link in LINK.findall(prose(name)):
        if link.startswith(KNOWN_ADDRESSES):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", target.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in map(slug, headings), link


def test_every_page_is_in_the_site() -> None:
    """The navigation has every page of docs; the list of decisions has the others."""
    listed = set(re.findall(r"([\w-]+\.md)$", text_of("mkdocs.yml"), re.MULTILINE))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= listed


@pytest.mark.parametrize("image", sorted((ROOT / "docs" / "images").iterdir()), ids=lambda image: image.name)
def test_images(image: Path) -> None:
    """Every image is a small PNG that a page shows."""
    assert image.read_bytes().startswith(b"\x89PNG")
    assert image.stat().st_size < 100_000
    shown = {
        (page.parent / link).resolve() for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))
    }
    assert image in shown


@pytest.mark.parametrize("name", NAMES)
def test_named_files_exist(name: str) -> None:
    """Every file of the project that is named in a page is there."""
    roots = (ROOT, (ROOT / name).parent, ROOT / "astro_auth_plugin", ROOT / "astro_auth_plugin" / "authorization")
    outside = {"policy.yaml", "webserver_config.py", "uv.lock", "pylock.toml", ".pre-commit-config.yaml", "finance/"}
    for word in {word for piece in code(name) for word in piece.split()}:
        in_project = re.fullmatch(r"[\w./-]+\.(md|py|yaml|toml|txt)|[\w-]+/(?:[\w-]+/)*", word)
        if in_project and word not in outside and not word.startswith("/"):
            assert any((root / word).exists() for root in roots), word


@pytest.mark.parametrize("name", NAMES)
def test_no_addresses_and_machines(name: str) -> None:
    """A page names neither an address on the network that is not known here, nor a folder of somebody's machine."""
    text = text_of(name)
    for known in KNOWN_ADDRESSES:
        text = text.replace(known, "")
    assert re.findall(r"\w+://[\w.]+", text) == []
    assert re.findall(r"(?<![\w.])/(?:home|root|work|tmp|Users|mnt|srv)\b\S*", text) == []


@pytest.mark.parametrize("name", NAMES)
def test_dag_is_a_word(name: str) -> None:
    """In prose it is a Dag."""
    assert re.findall(r"\bDAGs?\b", CODE.sub("", prose(name))) == []


# -- the policy file, and the rules of routes ----------------------------------------------------------------------


def messages_of_page() -> list[str]:
    """Return the messages in the tables of errors and warnings, with `…` for what differs."""
    _, _, tables = text_of("docs/policy-file.md").partition("## Errors\n")
    return re.findall(r"^\| `(.+?)` \|", tables, re.MULTILINE)


def messages_of_code() -> Iterator[str]:
    """Yield every message of the checks as it stands in the code, with `…` for what is put in."""
    makers = {"Diagnostic", "warning", "UnreadablePolicy", "PydanticCustomError"}
    for file in (Path(rbac.__file__).parent / "policy").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in makers:
                yield from (spell(arg) for arg in node.args if is_message(arg))
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "message":
                yield spell(node.value)
            elif isinstance(node, ast.Return) and isinstance(node.value, ast.JoinedStr):
                yield from (text for text in [spell(node.value)] if text.startswith("expected"))


def is_message(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr | ast.Constant) and " " in spell(node).strip(" …")


def spell(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return re.sub(r"\{\w+\}", "…", str(node.value))
    parts = node.values if isinstance(node, ast.JoinedStr) else []
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)


def matches(row: str, message: str) -> bool:
    """Whether a row of the page tells of a message; what is in backticks in a message is `…` in the page."""
    pattern = ".*".join(re.escape(part) for part in row.split("…"))
    return re.fullmatch(pattern + "(, did you mean `.*`[?])?…?", message, re.DOTALL) is not None


def test_messages_are_described() -> None:
    """Every error and warning of the checks has a row."""
    rows = messages_of_page()
    found = set(messages_of_code())
    assert len(found) > 40
    assert [message for message in sorted(found) if not any(matches(row, message) for row in rows)] == []


def test_described_messages_exist() -> None:
    """Every row is about a message that the code has."""
    package = ROOT / "astro_auth_plugin"
    files = (*package.glob("rbac/policy/*.py"), package / "runtime" / "policy_source.py")
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    parts = {part for row in messages_of_page() for part in re.split("…|`", row) if len(part.strip()) > 3}
    assert [part for part in sorted(parts) if part.strip() not in source] == []


def test_examples_of_messages_are_described() -> None:
    """Every problem of the collection of broken policies has a row."""
    rows = messages_of_page()
    lines = re.findall(
        r"^>> (?:\d+:\d+: )?(?:[a-z_]+(?:\[\d+\])?[^ :]*: )?(.+)$",
        text_of("tests/rbac/policy/broken_policies.txt"),
        re.MULTILINE,
    )
    assert len(lines) > 100
    assert [line for line in lines if not any(matches(row, line) for row in rows)] == []


def test_keys_are_described() -> None:
    """Every key of the policy file has its place in the page."""
    schema = policy_schema.json_schema()
    keys = {key for model in [schema, *schema["$defs"].values()] for key in model["properties"]}
    named = {word for piece in code("docs/policy-file.md") for word in re.findall(r"\w+", piece)}
    assert keys <= named


def test_permissions_are_described() -> None:
    """The reference names every permission that a role may hold, and README leads to it."""
    table, _, _ = text_of("docs/permissions.md").partition("<!-- end of permissions -->")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([a-z ]+?) \|", table, re.MULTILINE))
    older = {"deployment.airflow.configMenu.get"}
    in_tables = {f"deployment.airflow.{name}.{verb}" for name, verbs in rows.items() for verb in verbs.split()}
    assert set(DEPLOYMENT_WORDS) - older <= in_tables
    words = set(re.findall(r"[\w.]+\w", text_of("docs/permissions.md")))
    assert older | {part for word in ASTRO_WORDS for part in word.split(".")} <= words
    assert "(docs/permissions.md)" in text_of("README.md")


def test_rules_of_routes_are_described() -> None:
    """Every route that the plugin corrects is in the page of route rules."""
    rows = [row for release in ("3.1", "3.2", "3.3") for row in route_table.table(release).values()]
    routes = {row.name for row in rows if route_rules.compiled(row).corrects}
    assert len(routes) > 30
    assert routes <= set(code("docs/route-rules.md"))
