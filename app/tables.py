"""Rows of facts as a table that sorts by a click on a head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st


def table(rows: Sequence[dict[str, Any]], *, digits: dict[str, int] | None = None) -> None:
    """One column per key of the rows, the first one always in sight; cells that are None are empty.

    digits: decimals of a column of numbers, 2 for those not named.
    """
    first = next(iter(rows[0]))
    columns: dict[str, Any] = {first: st.column_config.TextColumn(pinned=True)}
    for name in rows[0]:
        if any(isinstance(row[name], int | float) for row in rows):
            places = (digits or {}).get(name, 2)
            columns[name] = st.column_config.NumberColumn(format=f"%.{places}f")
    st.dataframe(
        {name: [row[name] for row in rows] for name in rows[0]},
        hide_index=True,
        column_config=columns,
    )
