"""The faults of `make mutants` can be put in: what they replace is still there."""

from __future__ import annotations

import pytest

from tools.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_fault_can_be_put_in(mutant: Mutant) -> None:
    """A change of the package that moves a line takes its fault along."""
    text = (ROOT / "astro_auth_plugin" / mutant.file).read_text()
    assert text.count(mutant.old) == 1
    assert all((ROOT / test).exists() for test in mutant.tests)
