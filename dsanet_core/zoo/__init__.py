"""The networks this package knows: a table of rows, each holding all that must travel with weights.

References: DSANet (Wu et al., 2021), SDA (Tan et al., 2021).
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from functools import cache

from dsanet_core.errors import ModelError
from dsanet_core.models.base import VideoNetwork
from dsanet_core.records import SNIPPET_MIXING
from dsanet_core.zoo.protocols import TEST_PROTOCOLS, with_protocol
from dsanet_core.zoo.rows import ENSEMBLES, all_rows, unnamed
from dsanet_core.zoo.spec import BUILDERS, ModelSpec, build_model

__all__ = [
    "BUILDERS",
    "ENSEMBLES",
    "SNIPPET_MIXING",
    "TEST_PROTOCOLS",
    "ModelSpec",
    "build_model",
    "create_model",
    "list_models",
    "model_spec",
    "with_protocol",
]


@cache
def _table() -> dict[str, ModelSpec]:
    return {spec.name: spec for spec in all_rows()}


def list_models() -> list[str]:
    """Names of all rows of the zoo."""
    return list(_table())


def model_spec(name: str) -> ModelSpec:
    """The row of that name. Raises ModelError, with the closest names, if there is none."""
    table = _table()
    if name not in table:
        close = get_close_matches(name, table, n=3, cutoff=0) or list(table)
        raise ModelError(f"no model {name!r}", "a name of the zoo", f"Close: {', '.join(close)}.")
    return table[name]


def create_model(name: str, num_classes: int | None = None) -> VideoNetwork:
    """The network of a zoo row with random weights.

    num_classes: another number of outputs than the row's; they are called "class 0", ...
    """
    spec = model_spec(name)
    if num_classes is not None and num_classes != len(spec.classes):
        spec = replace(spec, classes=unnamed(num_classes))
    return build_model(spec)
