"""Who is let in: everybody where nothing is configured, nobody where that cannot be told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit import config

from app.ui.sign_in import is_allowed
from tests.app.conftest import OpenPage, page_text


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Path]:
    """A file of secrets, not there yet."""
    before = config.get_option("secrets.files")
    file = tmp_path / "secrets.toml"
    config.set_option("secrets.files", [str(file)])
    st.secrets._reset()
    yield file
    config.set_option("secrets.files", before)
    st.secrets._reset()


@pytest.mark.parametrize("content", [None, "[other]\nkey = 1\n"])
def test_without_a_provider_nobody_is_asked(
    open_page: OpenPage, secrets: Path, content: str | None
) -> None:
    if content is not None:
        secrets.write_text(content)
    at = open_page("method")
    assert not at.error
    assert not at.warning
    assert "How to read each figure" in page_text(at)
    assert "Sign in" not in [button.label for button in at.button]


@pytest.mark.parametrize("content", ["[auth\nclient_id = 1", "\xff\xfe"])
def test_secrets_that_cannot_be_read_let_nobody_in(
    open_page: OpenPage, secrets: Path, content: str
) -> None:
    secrets.write_text(content, encoding="latin-1")
    at = open_page()
    assert "nobody can sign in" in at.error[0].value
    assert not at.title
    assert not at.button


def test_with_a_provider_every_page_asks_first(open_page: OpenPage, secrets: Path) -> None:
    secrets.write_text('[auth]\nclient_id = "lens"\n')
    at = open_page("method")
    assert [button.label for button in at.button] == ["Sign in"]
    assert not at.subheader


@pytest.mark.parametrize(
    ("claims", "allowed", "let_in"),
    [
        ({"email": "ann@lab.org"}, None, True),
        ({"sub": "1"}, None, True),
        ({"email": "Ann@Lab.org"}, ["ann@lab.org"], True),
        ({"email": "ann@lab.org"}, ["@LAB.org"], True),
        ({"email": "ann@lab.org"}, ["@org", "lab.org", "nn@lab.org"], False),
        ({"email": "ann@not-lab.org"}, ["@lab.org"], False),
        ({"email": "ann@lab.org@evil.example"}, ["@lab.org", "ann@lab.org"], False),
        ({"email": "ann@lab.org", "email_verified": False}, ["ann@lab.org"], False),
        ({"email": "ann@lab.org", "email_verified": True}, ["ann@lab.org"], True),
        ({"sub": "1"}, ["ann@lab.org"], False),
        ({"sub": "1"}, [""], False),
        ({"email": "ann@lab.org"}, [], False),
        ({"email": "ann@lab.org"}, "ann@lab.org", False),
    ],
)
def test_a_list_lets_in_whom_it_names(
    claims: dict[str, object], allowed: list[str] | None, let_in: bool
) -> None:
    assert is_allowed(claims, allowed) is let_in
