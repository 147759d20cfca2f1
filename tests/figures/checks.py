"""What every figure must be."""

from __future__ import annotations

import plotly.graph_objects as go

from dsanet_core.figures import (
    style,
)


def check_suits_both_pages(figure: go.Figure) -> None:
    """It survives JSON, and takes its ground and text colour from the page, light or dark."""
    assert go.Figure(figure.to_plotly_json()) == figure
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == style.TRANSPARENT
    assert figure.layout.font.color is None, "text colour comes from the page"
