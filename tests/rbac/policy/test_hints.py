"""Which known word is named beside a misspelled one."""

from __future__ import annotations

import pytest

from astro_auth_plugin.rbac.policy.hints import did_you_mean, misspelling_of


@pytest.mark.parametrize(
    ("word", "known", "hinted"),
    [
        ("deployment.airflow.taskInstnace.get", "deployment.airflow.taskInstance.get", True),
        ("deployment.airflow.dagSource.get", "deployment.airflow.dagCode.get", False),
        ("deployment.airflow.dagCodes.get", "deployment.airflow.dagCode.get", True),
        # Alike as a whole, and another word in one part.
        ("deployment.airflow.taskLogger.get", "deployment.airflow.taskLog.get", False),
        ("deployment.airflow.dagDependants.get", "deployment.airflow.dagDependencies.get", True),
        ("deployment.airflow.myVariable.get", "deployment.airflow.variable.get", False),
        ("deployment.airflow.connect.get", "deployment.airflow.connection.get", False),
        ("DEPLOY_ADMIN", "DEPLOYMENT_ADMIN", False),
        ("DEPLOYMENT_ADM", "DEPLOYMENT_ADMIN", True),
        ("DEPLOYMEN_ADM", "DEPLOYMENT_ADMIN", False),
        ("deployment_admin", "DEPLOYMENT_ADMIN", True),
        ("task_instance", "taskInstance", True),
        ("taskinstance", "taskInstance", True),
    ],
)
def test_misspellings(word: str, known: str, *, hinted: bool) -> None:
    """Words in camelCase are compared by their parts, and no word is a misspelling of one with more than two letters more."""
    assert misspelling_of(word, [known]) == (f", did you mean `{known}`?" if hinted else "")


def test_unlike_words() -> None:
    """A word that is like none of the known ones gets no hint."""
    assert did_you_mean("finance", ["DAG_VIEWER"]) == did_you_mean("finance", []) == ""
    assert did_you_mean("DAG_VIEVER", ["DAG_VIEWER", "DAG_AUTHOR"]) == ", did you mean `DAG_VIEWER`?"
