"""Rows of facts as a table that sorts by a click on a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st


def table(rows: Sequence[Mapping[str, Any]], *, formats: Mapping[str, str]) -> None:
    """One column per key of the rows, the first one always in sight; a dash for None.

    formats: for each column of numbers how they are written, "%.2f" or "plain".
    """
    first = next(iter(rows[0]))
    columns: dict[str, Any] = {first: st.column_config.TextColumn(pinned=True)}
    for name, written in formats.items():
        columns[name] = st.column_config.NumberColumn(format=written)
    st.dataframe(
        {name: [row[name] for row in rows] for name in rows[0]},
        hide_index=True,
        column_config=columns,
        placeholder="–",
    )
