"""The commands about custom roles."""

from __future__ import annotations

from argparse import Namespace

from astro_auth_plugin.cli.changes.applying import change
from astro_auth_plugin.cli.exit_codes import CommandFailed, command
from astro_auth_plugin.cli.inputs import good_policy, policy_file
from astro_auth_plugin.cli.output import print_entry, print_table, print_values
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import EditError, Values
from astro_auth_plugin.rbac.model.role_templates import TEMPLATES
from astro_auth_plugin.rbac.policy.document import CustomRole
from astro_auth_plugin.rbac.policy.grants import Principal, grants
from astro_auth_plugin.rbac.policy.hints import did_you_mean


@command
def list_roles(args: Namespace) -> None:
    """List the custom roles of the policy."""
    document = good_policy(policy_file(args)).document
    rows = [role.model_dump() for role in document.roles]
    if args.output != "table":
        print_values(rows, args.output)
        return
    cells = [(role.name, role.scope, len(role.permissions), role.description) for role in document.roles]
    print_table(("name", "scope", "permissions", "description"), cells)


@command
def show_role(args: Namespace) -> None:
    """Show one custom role, and who has it."""
    document = good_policy(policy_file(args)).document
    known: dict[str, CustomRole] = {role.name: role for role in document.roles}
    if args.role not in known:
        raise CommandFailed(f"there is no custom role `{args.role}`{did_you_mean(args.role, known)}")
    held: dict[Principal, None] = {grant.principal: None for grant in grants(document) if grant.role == args.role}
    values = {**known[args.role].model_dump(), "held_by": [*map(str, held)]}
    print_entry(values, args.output)


@command
def create_role(args: Namespace) -> None:
    """Add a custom role, from a template or of single permissions."""
    words = list(args.permissions or ())
    scope = args.scope
    if args.template:
        if args.template not in TEMPLATES:
            raise CommandFailed(f"there is no template `{args.template}`{did_you_mean(args.template, TEMPLATES)}")
        template = TEMPLATES[args.template]
        scope = scope or template.scope
        words = [*template.permissions, *(word for word in words if word not in template.permissions)]
    if not words:
        raise CommandFailed("which permissions? Name a --template, or each with --permission")
    role: Values = {"name": args.role, "scope": scope or "DEPLOYMENT", "permissions": words}
    role |= {"description": args.description} if args.description else {}
    role |= {"restricted_workspace_ids": args.workspaces} if args.workspaces else {}
    change(args, edits.add_role(role))


@command
def update_role(args: Namespace) -> None:
    """Add permissions to a custom role, or remove some."""

    def update(role: Values) -> Values:
        words = list(role["permissions"])
        for word in args.remove or ():
            if word not in words:
                raise EditError(f"role `{args.role}` has no permission `{word}`{did_you_mean(word, words)}")
            words.remove(word)
        new = {**role, "permissions": [*words, *(word for word in args.add or () if word not in words)]}
        return {**new, "description": args.description} if args.description is not None else new

    if not args.add and not args.remove and args.description is None:
        raise CommandFailed("what is to change? Use --add, --remove or --description")
    change(args, edits.change_role(args.role, update))


@command
def rename_role(args: Namespace) -> None:
    """Give a custom role another name, wherever it is assigned."""
    change(args, edits.rename_role(args.role, args.new_name))


@command
def delete_role(args: Namespace) -> None:
    """Remove a custom role that is not assigned."""
    change(args, edits.remove_role(args.role))


@command
def templates(args: Namespace) -> None:
    """List the templates of custom roles."""
    if args.output != "table":
        print_values([template._asdict() for template in TEMPLATES.values()], args.output)
        return
    rows = [(each.name, each.scope, len(each.permissions), each.description) for each in TEMPLATES.values()]
    print_table(("name", "scope", "permissions", "description"), rows)
