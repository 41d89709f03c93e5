"""Faults in roles on bundles and folders, and in the ids that stay in their bundle."""

from __future__ import annotations

from tools.mutants.fault import Fault

UNITS = ("tests/rbac/engine/test_bundles.py",)
FILTERS = ("tests/authorization/test_dag_filters.py",)
BUNDLES = ("tests/authorization/test_bundles.py",)
ERRORS = ("tests/tag_protection/test_import_errors.py",)
PARSING = ("tests/tag_protection/test_dag_processor.py",)

FAULTS = (
    Fault("a path that leaves a folder is in it", "folders_around", "LEAVES not in path", "True", UNITS),
    Fault(
        "a grant on a folder is one on its bundle",
        "compile_access",
        "grant.scope.id, grant.scope.folder",
        '''grant.scope.id, ""''',
        UNITS,
    ),
    Fault(
        "a grant on a bundle reaches no Dag of it",
        "Access.on",
        "self.by_place and dag.file is not None",
        "False",
        UNITS,
    ),
    Fault(
        "lists leave out the Dags of a bundle",
        "DagSelection.matches",
        "each.has_place_of(dag)",
        "False",
        UNITS,
    ),
    Fault("a folder needs no `/` at its end", "fault_of_folder", """not text.endswith("/")""", "False", UNITS),
    Fault(
        "to take a role on a bundle takes the one on a folder",
        "_is_in",
        """given.get("folder") == place.get("folder")""",
        "True",
        UNITS,
    ),
    Fault(
        "SQL finds what begins like the folder",
        "_is_below",
        "func.substr(path, 1, len(begin)) == begin",
        "func.substr(path, 1, len(begin) - 1) == begin[:-1]",
        FILTERS,
    ),
    Fault(
        "SQL finds a path that leaves the folder",
        "_is_below",
        "func.instr(path.concat(end), text) == 0",
        "func.instr(path.concat(end), text) > -1",
        FILTERS,
    ),
    Fault(
        "SQL looks into every bundle",
        "_is_below",
        "is_one_of(_dags.c.bundle_name, [bundle], dialect)",
        "_dags.c.bundle_name.is_not(None)",
        FILTERS,
    ),
    Fault(
        "the menu leaves out those with a role on a bundle",
        "may_see_menu_item",
        "*access.by_place.values()",
        "*()",
        BUNDLES,
    ),
    Fault("ids move between bundles", "IdRules.objection", "bundle in self.bundles", "False", PARSING),
    Fault(
        "ids move to the bundle of a grant",
        "IdRules.objection",
        "(owner.bundle, file.bundle)",
        "(owner.bundle,)",
        PARSING,
    ),
    Fault("the option to protect ids does nothing", "IdRules.objection", "self.everywhere", "False", PARSING),
    Fault(
        "owners are looked up for tags only",
        "_sift",
        "found.tag_rules or found.id_rules",
        "found.tag_rules",
        PARSING,
    ),
    Fault(
        "grants of other Deployments protect ids",
        "id_rules",
        "scope.deployment_id == deployment_id",
        "scope.deployment_id",
        PARSING,
    ),
    Fault(
        "commands give ids to other bundles",
        "_before_storing_bag",
        "dag_processor.check_bag(bag, bundle)",
        "",
        PARSING,
    ),
    Fault(
        "commands without a policy give ids to other bundles",
        "check_bag",
        """sys.exit(_STOPPED.format("id", dag_id, error))""",
        "return",
        PARSING,
    ),
    Fault(
        "an import error is one of every bundle",
        "_keep_to_bundle",
        """statement.where(DagModel.bundle_name == values["bundle_name"])""",
        "statement",
        ERRORS,
    ),
    Fault("an import error of a command is lost", "check_bag", "bag.import_errors.get(file.path)", "None", PARSING),
)
