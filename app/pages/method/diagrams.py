"""Diagrams of the two modules whose parts link to the pages that show them.

A click asks Streamlit for the page, which keeps the session and its video; the links have real
addresses, so that they can be opened in a new tab.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import streamlit as st

from dsanet_core.figures import (
    style,
)

CSS = """
svg { width: 100%; min-width: 620px; height: auto; display: block; }
.frame { overflow-x: auto; }
text { fill: var(--st-text-color); font-family: var(--st-font); font-size: 13px; }
.small { font-size: 11.5px; }
.title { font-weight: 600; }
.box { fill: var(--st-secondary-background-color); stroke: var(--st-border-color); }
.arrow { stroke: var(--st-text-color); stroke-width: 1.3; fill: none; opacity: 0.75; }
.head { fill: var(--st-text-color); opacity: 0.75; }
a .box { stroke: var(--st-link-color); stroke-width: 1.8; }
a .title { fill: var(--st-link-color); text-decoration: underline; }
a:hover .box { stroke-width: 3; }
a:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
"""
JS = """
export default function({parentElement, setTriggerValue}) {
  for (const link of parentElement.querySelectorAll("[data-page]")) {
    // Only now: a link without its handler would load the app again and lose the session.
    link.setAttribute("href", link.dataset.page)
    link.onclick = event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return
      event.preventDefault()
      setTriggerValue("page", link.dataset.page)
    }
  }
}
"""


@dataclass(frozen=True)
class Box:
    """A box of a diagram: position, title, a line below it, and the page that it links to."""

    x: float
    y: float
    width: float
    title: str
    below: str = ""
    page: str = ""
    mark: str = ""
    height: float = 46

    def svg(self) -> str:
        middle, top = self.x + self.width / 2, self.y + (20 if self.below else 28)
        parts = [
            f'<rect class="box" x="{self.x}" y="{self.y}" width="{self.width}" '
            f'height="{self.height}" rx="6"/>'
        ]
        if self.mark:
            parts.append(
                f'<rect x="{self.x}" y="{self.y}" width="7" height="{self.height}" rx="3" '
                f'fill="{self.mark}"/>'
            )
        parts.append(f'<text class="title" text-anchor="middle" x="{middle}" y="{top}">'
                     f"{escape(self.title)}</text>")
        if self.below:
            parts.append(f'<text class="small" text-anchor="middle" x="{middle}" y="{top + 17}">'
                         f"{escape(self.below)}</text>")
        drawn = "".join(parts)
        if not self.page:
            return drawn
        label = escape(f"{self.title}: shown on the page {self.page.capitalize()}", quote=True)
        return (
            f'<a target="_self" data-page="{self.page}" aria-label="{label}">'
            f"<title>{label}</title>{drawn}</a>"
        )


def _arrow(path: str) -> str:
    return f'<path class="arrow" d="{path}" marker-end="url(#head)"/>'


def _label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text class="small" text-anchor="{anchor}" x="{x}" y="{y}">{escape(text)}</text>'


def _diagram(name: str, width: int, height: int, parts: list[str]) -> str:
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker></defs>'
    )
    return (
        f'<div class="frame"><svg viewBox="0 0 {width} {height}" role="group" '
        f'aria-label="{escape(name, quote=True)}">{head}{"".join(parts)}</svg></div>'
    )


def dsa_drawing() -> str:
    """DSANet: from snippets to the prediction, with a DSA block in detail."""
    snippets = [
        f'<rect class="box" x="{8 + 7 * place}" y="{150 - 7 * place}" width="74" height="52" '
        'rx="4"/>'
        for place in range(4)
    ]
    boxes = [
        Box(150, 143, 118, "Features V", "C × U × T × H × W"),
        Box(320, 20, 116, "Squeeze g", "mean over T, H, W"),
        Box(476, 20, 150, "MLP F, softmax", "U → αU → L, sum 1"),
        Box(666, 20, 132, "Dynamic kernel K", "βC × L", page="kernels"),
        Box(320, 143, 116, "βC channels", "of every snippet"),
        Box(666, 143, 132, "Mix snippets", "previous, same, next", page="kernels"),
        Box(320, 243, 116, "(1 − β)C channels", "unchanged"),
        Box(840, 143, 90, "Concat Y", "C channels"),
        Box(820, 243, 130, "Snippet scores", "remaining layers", page="inspect"),
        Box(820, 326, 130, "Video prediction", "average", page="compare"),
    ]
    return _diagram(
        "Diagram of a DSA block", 960, 384,
        [
            *snippets,
            _label(56, 222, "U snippets of"), _label(56, 238, "T frames each"),
            _arrow("M110 166H148"),
            _arrow("M268 166H318"),
            _arrow("M294 166V266H318"),
            _arrow("M378 143V68"),
            _arrow("M436 43H474"),
            _arrow("M626 43H664"),
            _arrow("M732 66V141"),
            _arrow("M436 166H664"),
            _arrow("M798 166H838"),
            _arrow("M436 266H818V180H838"),
            _arrow("M885 189V241"),
            _arrow("M885 289V324"),
            _label(550, 158, "convolution along the snippets"),
            *(box.svg() for box in boxes),
        ],
    )  # fmt: skip


def sda_drawing() -> str:
    """SDA: from the features of a block to its gate."""
    marks = style.dependency_marks(("LST", "LT", "LS", "S122"))
    rows = (
        ("LST", "whole video, 1×1×1"),
        ("LT", "pooled over time, 1×3×3"),
        ("LS", "each frame, 3×1×1"),
        ("S122", "2×2 patches, 3×1×1"),
    )
    branches = [
        Box(330, 10 + 66 * place, 168, name, kernels, "dependencies", marks[name][0])
        for place, (name, kernels) in enumerate(rows)
    ]
    boxes = [
        Box(8, 109, 118, "Feature Y", "T × H × W × C"),
        Box(170, 109, 116, "Reduce", "to C / r_c channels"),
        Box(560, 10, 160, "Weights softmax(q Kᵀ)", "one per dependency", "dependencies"),
        Box(560, 109, 160, "Weighted sum R", "of the responses"),
        Box(770, 109, 130, "Gate", "1×1×1, sigmoid", "dependencies"),
        Box(770, 214, 130, "Z = gate ⊙ Y", "to the next layer"),
        Box(560, 214, 160, "Per layer and class", "over a dataset", "layers"),
    ]
    into = [_arrow(f"M286 132H308V{33 + 66 * place}H328") for place in range(4)]
    out = [f'<path class="arrow" d="M498 {33 + 66 * place}H528V132"/>' for place in range(4)]
    return _diagram(
        "Diagram of an SDA block", 910, 300,
        [
            _arrow("M126 132H168"), *into, *out,
            _arrow("M528 132H558"),
            _arrow("M528 33H558"),
            _arrow("M640 56V107"),
            _arrow("M720 132H768"),
            _arrow("M835 155V212"),
            _arrow("M67 155V286H740V237H768"),
            *(box.svg() for box in (*branches, *boxes)),
        ],
    )  # fmt: skip


_dsa = st.components.v2.component("method_dsa", html=dsa_drawing(), css=CSS, js=JS)
_sda = st.components.v2.component("method_sda", html=sda_drawing(), css=CSS, js=JS)


def show_dsa() -> str | None:
    """Draw the diagram; returns the page whose link was clicked, if any."""
    page: str | None = _dsa(key="drawing_dsa", on_page_change=_nothing).page
    return page


def show_sda() -> str | None:
    page: str | None = _sda(key="drawing_sda", on_page_change=_nothing).page
    return page


def _nothing() -> None:
    """Required callback: the value of a trigger arrives with the rerun that it causes."""
