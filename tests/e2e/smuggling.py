"""Dag files that try to carry the tag `guard:finance` outside of `finance/`, each in its own way.

Each stands in `ops/`, where only `guard:ops` may be carried, and defines the Dag of its own name unless it says so.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

TAG = "guard:finance"

PLAIN = "from airflow.sdk import DAG\ndag = DAG('{id}', schedule=None, tags={tags})\n"

SERIALIZED = """\
from airflow.sdk import DAG
from airflow.serialization import serialized_objects as serialized
Serializer = getattr(serialized, "DagSerialization", None) or serialized.SerializedDAG
"""

# Tells the question of the policy from that of the serializer.
ON_ITS_WAY = """\
import sys
def on_its_way():
    frame = sys._getframe()
    while frame and 'serializ' not in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None
"""

FORGED_RESULT = (
    SERIALIZED
    + """\
import os
from airflow.dag_processing.processor import DagFileParsingResult
from airflow.sdk.execution_time import task_runner

def send(dag_id, tags, path, errors):
    data = Serializer.to_dict(DAG(dag_id, schedule=None))
    data["dag"].update(tags=tags, relative_fileloc=path, fileloc=__file__)
    dags = [serialized.LazyDeserializedDAG(data=data)]
    task_runner.SUPERVISOR_COMMS.send(
        DagFileParsingResult(fileloc=__file__, serialized_dags=dags, import_errors=errors)
    )
    os._exit(0)

"""
)

# What each file says; `{id}` is its name.
WAYS = {
    "plain": PLAIN.replace("{tags}", "['guard:finance']"),
    "generated": PLAIN.replace("{tags}", "[':'.join(['guard', 'fin' + 'ance'])]"),
    "among_others": PLAIN.replace("{tags}", "['guard:ops', 'daily', 'guard:finance']"),
    "a_dict": PLAIN.replace("{tags}", "dict.fromkeys(['guard:finance'])"),
    "added_later": PLAIN.replace("{tags}", "[]") + "dag.tags.add('guard:finance')\n",
    "decorated": """\
from airflow.sdk import dag
@dag(dag_id='{id}', schedule=None, tags=['guard:finance'])
def made(): ...
made()
""",
    "default_args": """\
from airflow.sdk import DAG
arguments = {'tags': ['guard:finance'], 'owner': 'ops'}
dag = DAG('{id}', schedule=None, default_args=arguments, **{'tags': arguments['tags']})
""",
    "factory": """\
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
from finance.factory import make
dag = make('{id}')
""",
    "imported": """\
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent.parent))
from finance.good import dag
""",
    "copied_file_name": "__file__ = __file__.replace('/ops/{id}.py', '/finance/good.py')\n"
    + PLAIN.replace("{tags}", "['guard:finance']"),
    "file_name_with_dots": "__file__ = __file__.replace('/ops/{id}.py', '/finance/../finance/{id}.py')\n"
    + PLAIN.replace("{tags}", "['guard:finance']"),
    "moves_itself": """\
from airflow.sdk import DAG
class Elsewhere(DAG):
    def validate(self):
        object.__setattr__(self, 'relative_fileloc', 'finance/{id}.py')
        object.__setattr__(self, 'fileloc', self.fileloc.replace('/ops/', '/finance/'))
    def check_cycle(self):
        self.validate()
dag = Elsewhere('{id}', schedule=None, tags=['guard:finance'])
""",
    "tags_of_a_subclass": ON_ITS_WAY
    + """\
from airflow.sdk import DAG
class Sly(DAG):
    @property
    def tags(self):
        return {'guard:finance'} if on_its_way() else set()
    @tags.setter
    def tags(self, value): ...
dag = Sly('{id}', schedule=None)
""",
    "tags_that_change": ON_ITS_WAY
    + """\
from airflow.sdk import DAG
class Sly(set):
    def __iter__(self):
        return iter(['guard:finance'] if on_its_way() else [])
dag = DAG('{id}', schedule=None)
object.__setattr__(dag, 'tags', Sly(['daily']))
""",
    "tags_from_a_thread": """\
import threading, time
from airflow.sdk import DAG
dag = DAG('{id}', schedule=None)
def later():
    while getattr(dag, 'last_loaded', None) is None:
        time.sleep(0.0001)
    while True:
        dag.tags.add('guard:finance')
threading.Thread(target=later, daemon=True).start()
""",
    "text_that_lies": """\
from airflow.sdk import DAG
class Lie(str):
    __hash__ = str.__hash__
    def __eq__(self, other): return other == 'guard:ops'
    def __str__(self): return 'guard:ops'
    def __getitem__(self, key): return 'guard:ops'[key]
dag = DAG('{id}', schedule=None, tags=[Lie('guard:finance')])
""",
    "guard_replaced": """\
from airflow.sdk import DAG
from astro_auth_plugin.tag_protection import cluster_policy, dag_processor
cluster_policy.check_dag = dag_processor.check_dag = lambda dag: None
dag_processor._check = dag_processor._sift = dag_processor._after_parsing = None
dag = DAG('{id}', schedule=None, tags=['guard:finance'])
""",
    "rules_replaced": """\
from airflow.sdk import DAG
from astro_auth_plugin.rbac.policy.tag_rules import TagRules
TagRules.may_carry = TagRules.may_carry_in_some_bundle = lambda *_: True
dag = DAG('{id}', schedule=None, tags=['guard:finance'])
""",
    "policies_removed": """\
from airflow import settings
from airflow.sdk import DAG
settings.dag_policy = lambda dag: None
dag = DAG('{id}', schedule=None, tags=['guard:finance'])
""",
    "tag_in_the_json": SERIALIZED
    + """\
before = Serializer.to_dict
def with_tag(dag):
    data = before(dag)
    data['dag']['tags'] = ['guard:finance']
    return data
Serializer.to_dict = with_tag
dag = DAG('{id}', schedule=None)
""",
    "place_in_the_json": SERIALIZED
    + """\
before = Serializer.to_dict
def elsewhere(dag):
    data = before(dag)
    data['dag'].update(tags=['guard:finance'], relative_fileloc='finance/{id}.py')
    return data
Serializer.to_dict = elsewhere
dag = DAG('{id}', schedule=None)
""",
    "older_form": SERIALIZED
    + """\
before = Serializer.to_dict
def older(dag):
    data = before(dag)
    data['__version'] = 1
    data['dag']['_dag_id'] = 'owned'
    return data
Serializer.to_dict = older
dag = DAG('{id}', schedule=None)
""",
    "other_attributes": SERIALIZED
    + """\
before = Serializer.to_dict
def with_attributes(dag):
    data = before(dag)
    data['dag']['__dict__'] = {'dag_id': 'owned', 'tags': ['guard:finance']}
    return data
Serializer.to_dict = with_attributes
dag = DAG('{id}', schedule=None)
""",
    "made_when_read": SERIALIZED
    + """\
before = Serializer.to_dict
def forged(dag):
    data = before(dag)
    call = {'exc_cls_name': 'os.system', 'args': ['touch ' + __file__ + '.ran'], 'kwargs': {'__type': 'dict', '__var': {}}}
    value = {'__type': 'airflow_exc_ser', '__var': {'__type': 'dict', '__var': call}}
    data['dag']['default_args'] = {'__type': 'dict', '__var': {'x': value}}
    return data
Serializer.to_dict = forged
dag = DAG('{id}', schedule=None)
""",
    "result_of_its_own": FORGED_RESULT + "send('{id}', ['guard:finance'], 'finance/{id}.py', {})\n",
    "tags_of_another_kind": FORGED_RESULT + "send('{id}', {'guard:finance': 1}, 'ops/{id}.py', {})\n",
    "error_of_another_file": FORGED_RESULT
    + "send('{id}', ['guard:finance'], 'ops/{id}.py', {'finance/good.py': 'forged', 'finance/owned.py': 'forged'})\n",
    "id_of_another": PLAIN.replace("{id}", "owned").replace("{tags}", "['guard:ops']"),
    "id_of_another_forged": FORGED_RESULT + "send('owned', ['guard:ops'], 'finance/owned.py', {})\n",
    "look_alike": PLAIN.replace(
        "{tags}", "['guard:fin\\u0430nce', 'guard:finance ', 'Guard:Finance', '\\uff47uard:finance']"
    ),
    "database": """\
from airflow.sdk import DAG
from airflow.models.dag import DagModel, DagTag
from airflow.utils.session import create_session
with create_session() as session:
    session.add(DagModel(dag_id='{id}', bundle_name='dags-folder', relative_fileloc='finance/{id}.py'))
    session.flush()
    session.add(DagTag(dag_id='{id}', name='guard:finance'))
""",
    "module_of_airflow": "import airflow.smuggled\n" + PLAIN.replace("{tags}", "['guard:finance']"),
}

# Loaded into the dag-processor itself, this would switch the guard off: Airflow imports what a file names of Airflow.
SMUGGLED_MODULE = """\
from airflow.dag_processing import manager
manager.process_parse_results = manager.process_parse_results.__wrapped__
"""

SILENT = {
    "look_alike": "the tags are others, which nothing protects and no grant uses",
    "text_that_lies": "the process of the file cannot send it, and ends without a word",
    "tags_from_a_thread": "who is first is luck: without the tag it is a Dag like any other",
}


def write(ops: Path) -> None:
    """Puts every way into the folder of the bundle that may carry `guard:ops`."""
    ops.mkdir(parents=True)
    for name, text in WAYS.items():
        (ops / f"{name}.py").write_text(text.replace("{id}", name))
    (ops / "linked.py").symlink_to("../finance/good.py")
    # Within one bundle Airflow itself stops at a folder that it finds twice.
    (ops / "linked_folder").symlink_to("../../other-finance/deep", target_is_directory=True)
    with zipfile.ZipFile(ops / "packed.zip", "w") as archive:
        archive.writestr("packed.py", PLAIN.replace("{id}", "packed").replace("{tags}", "['guard:finance']"))
    (ops.parent / "airflow").mkdir()
    (ops.parent / "airflow" / "smuggled.py").write_text(SMUGGLED_MODULE)
