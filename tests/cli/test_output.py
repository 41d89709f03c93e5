"""What commands print for machines: YAML that says what it was given, and nothing that steers a terminal."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from astro_auth_plugin.cli.output import as_yaml
from astro_auth_plugin.rbac.policy import yaml_reader
from tests.rbac.helpers import checked

TEXT = st.text(st.characters(codec="utf-8")) | st.text(
    "a\u202e\u2066\x85\u2028\u00a0\U000e0041\x1b\n\t'\"\\# :", max_size=12
)


@given(st.dictionaries(TEXT, TEXT | st.lists(TEXT), max_size=4))
@checked
def test_yaml_says_the_same(values: dict[str, str | list[str]]) -> None:
    """Whatever is in a text is read again, and every line is printable."""
    text = as_yaml(values)
    assert yaml.safe_load(text) == values
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", ["a\u202eb", "\u2066x\u2069", "a\x9bb", "a\U000e0041"])
def test_direction_of_text(name: str) -> None:
    """A character that turns the text after it is spelled out; the reader of policies has it back."""
    text = as_yaml({"teams": [{"name": name}]})
    assert text.replace("\n", "").isprintable()
    assert yaml_reader.read(text.encode()).values == {"teams": [{"name": name}]}
