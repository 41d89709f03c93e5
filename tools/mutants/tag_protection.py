"""Faults in the protection of tags."""

from __future__ import annotations

from tools.mutants.fault import RBAC, Fault

FAULTS = (
    Fault(
        "a protected tag counts anywhere",
        "Engine.with_effective_tags",
        "dag._replace(tags=self.tag_rules.effective_tags(dag)) if self.tag_rules else dag",
        "dag",
        RBAC,
    ),
    Fault("another entry than the tag's own decides", "TagRules.places", "tag in self._exact", "False", RBAC),
    Fault("a path leaves its folder", "TagRules._has", "not _NOWHERE.isdisjoint(file.split('/'))", "False", RBAC),
    Fault(
        "another bundle's file counts",
        "TagRules.may_carry",
        "place.bundle == bundle and self._has(place, path)",
        "self._has(place, path)",
        RBAC,
    ),
    Fault(
        "a command without a policy makes import errors of Dags",
        "check_dag",
        "_being_parsed is None and threading.current_thread() is threading.main_thread()",
        "_being_parsed and threading.current_thread() is threading.main_thread()",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "secrets of the dag-processor pass",
        "secrets",
        "value and value != PLACEHOLDER and (not source.startswith(('default', 'provider')))",
        "value == PLACEHOLDER and (not source.startswith(('default', 'provider')))",
        ("tests/doctor/test_check_parsing.py",),
    ),
    Fault(
        "a writable policy passes",
        "_can_write",
        "not is_read_only",
        "is_read_only",
        ("tests/doctor/test_check_parsing.py",),
    ),
    Fault(
        "each request waits for a mount that hangs",
        "_Turn.__enter__",
        "0 if self._hangs else self._seconds",
        "self._seconds",
        ("tests/runtime/test_policy_store.py",),
    ),
    Fault(
        "what is stored has not been checked on Airflow 3.3",
        "_before_storing",
        "_check(kwargs)",
        "",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "a Dag that Airflow converts after the check passes",
        "objection",
        "type(version) is not int or version != own",
        "False",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "a Dag with other attributes than a Dag has passes",
        "objection",
        "_serializer().validate_schema(data)",
        "pass",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "Airflow creates what a Dag's data name",
        "_objection_to_values",
        "isinstance(kind, str) and kind in known and kind not in _VALUES",
        "False",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "another class than a callback is in a deadline",
        "_objection_to_deadlines",
        "named not in _CALLBACKS",
        "False",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "a class of Airflow is in the arguments of a callback",
        "_objection_to_deadlines",
        "'__type' in value or (str(other).startswith('airflow.') and not is_of_deadline)",
        "False",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "the schema of a Param refers to another document",
        "_references",
        "':' in text if key in _BASES else not text.startswith('#')",
        "False",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "Airflow 3.1 imports the class of a Param",
        "name_params",
        "value['__class'] = _PARAM",
        "",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "a Dag's path below its file passes",
        "_is_own",
        "file.path.lower().endswith('.zip')",
        "True",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "a file gives warnings to the Dags of others",
        "_sift",
        "_dag_of(warning) in own",
        "True",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
    Fault(
        "a file takes the id of another file's Dag with a tag that is protected there",
        "_claims",
        "found.tag_rules.objection(tag, owners_file.bundle, owners_file.path)",
        "None",
        ("tests/tag_protection/test_dag_processor.py",),
    ),
)
