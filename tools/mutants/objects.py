"""Faults in rights on single connections, Variables and pools."""

from __future__ import annotations

from tools.mutants.fault import RBAC, WEB, Fault

OBJECTS = ("tests/authorization/test_objects.py",)

FAULTS = (
    Fault(
        "what is stored by another spelling is not looked at",
        "_decide_on",
        "lookup.other_spellings(kind, wanted)",
        "set()",
        OBJECTS,
    ),
    Fault("every named object is allowed", "_decide_on", "needed & ~access.on_object(kind, name)", "False", OBJECTS),
    Fault("the body of a batch is not read", "_named_in_body", "rule.is_batch", "False", OBJECTS),
    Fault(
        "the body of a change is not read",
        "_named_in_body",
        """rule.objects not in ("object", "body object")""",
        """rule.objects != "body object\"""",
        OBJECTS,
    ),
    Fault(
        "a request without an id is about what its body names, on any route",
        "_decide",
        """is_unclear or not (opens_list or rule.objects == "body object")""",
        "is_unclear",
        OBJECTS,
    ),
    Fault("an id that is no text names nothing", "_decide", "is_unclear = True", "pass", OBJECTS),
    Fault(
        "a list opens for every grant",
        "_decide",
        "not identity.access.objects_with(kind, every).nothing",
        "True",
        OBJECTS,
    ),
    Fault(
        "the pool's second name is not looked at",
        "_ID_KEYS",
        """("name", "pool")""",
        """("name",)""",
        OBJECTS,
    ),
    Fault(
        "to overwrite is to create alone",
        "_needed_of",
        """action.get("action_on_existence", "fail") not in ("fail", "skip")""",
        "False",
        OBJECTS,
    ),
    Fault(
        "a test that keeps what it tests is no change",
        "named_in_body",
        """isinstance(body, dict) and body.get("commit_on_success", False) is not False""",
        "False",
        OBJECTS,
    ),
    Fault("an id that is no text is left out", "_ids_in", "not isinstance(entity[key], str)", "False", OBJECTS),
    Fault(
        "a menu item is shown for every grant",
        "is_shown",
        "not identity.access.objects_with(kind, needed).nothing",
        "True",
        OBJECTS,
    ),
    Fault(
        "bodies that name objects are not kept",
        "names_objects",
        """method in ("POST", "PATCH") and path.startswith(_OBJECTS)""",
        "False",
        WEB,
    ),
    Fault(
        "a prefix reaches whatever contains it",
        "GrantScope.is_on",
        "self.id in prefixes_of(resource.id)",
        "self.id in resource.id",
        RBAC,
    ),
    Fault(
        "an id has as many prefixes as it has separators",
        "prefixes_of",
        "min(len(text), LONGEST_PREFIX)",
        "len(text)",
        RBAC,
    ),
    Fault("a prefix needs no separator at its end", "fault_of_prefix", "text[-1] not in SEPARATORS", "False", RBAC),
    Fault(
        "a grant on one kind is one on all",
        "GrantScope.is_on",
        "kind.object_kind != resource.kind",
        "kind.object_kind is None",
        RBAC,
    ),
    Fault(
        "a role gives what it has on other kinds, too",
        "GrantScope.narrowed",
        "permissions & ON_OBJECTS[kind]",
        "permissions",
        RBAC,
    ),
    Fault("grants on objects open Dags", "compile_access", "continue", "pass", RBAC),
    Fault("`*` is an id", "fault_of_id", """text.endswith("*")""", "False", RBAC),
)
