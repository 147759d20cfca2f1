"""What the networks of the zoo and of the papers cost, counted once for all sessions."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dsanet_core import catalogue, checkpoints
from dsanet_core.catalogue import Comparison, Network


def networks() -> list[Network]:
    """Every row of the zoo with its cost, counted once, and the weights that are at hand."""
    return _networks(checkpoints.read_manifest())


@st.cache_data(max_entries=2, show_spinner="Counting the networks of the zoo …")
def _networks(manifest: dict[str, dict[str, Any]]) -> list[Network]:
    return catalogue.list_networks(manifest)


@st.cache_data(max_entries=1, show_spinner="Counting the networks of the papers …")
def comparisons() -> list[Comparison]:
    """The papers' printed figures beside ours, counted once."""
    return catalogue.compare_with_papers()
