"""Records from JSON values are checked against their type hints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from dsanet_core.json_values import parse_json, record_from
from dsanet_core.records import Kernel, Protocol
from dsanet_core.text_format import (
    csv_text,
)
from tests.factory import make_analysis, make_kernel

PROTOCOL = make_analysis().protocol


def with_values(**changes: Any) -> dict[str, Any]:
    return asdict(PROTOCOL) | changes


def test_a_record_comes_back_from_its_values_and_defaults_may_be_absent() -> None:
    values = with_values(mean=list(PROTOCOL.mean))
    del values["precision"], values["resolution"]
    assert record_from(Protocol, values) == PROTOCOL


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (3, "Expected `object`, got `int`"),
        (with_values(crop="64"), "crop: Expected `int`, got `str`"),
        (with_values(crop=True), "crop True: Expected `int`, got `bool`"),
        (with_values(crop=64.5), "crop 64.5: Expected `int`, got `float`"),
        (with_values(mean=[1, 2]), "mean: Expected `array` of length 3"),
        (with_values(surplus=1), "unknown field 'surplus' of Protocol"),
        (with_values(sampling={"surplus": 1}), "sampling: Object missing required field"),
        (with_values(sampling=asdict(PROTOCOL.sampling) | {"x": 1}), "unknown field 'x' of sampl"),
        (with_values(group_size=3), "8 snippets do not divide by 3"),
    ],
)
def test_the_error_names_the_field_and_what_is_wrong(values: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        record_from(Protocol, values)


def test_arrays_are_kept_or_unpacked_and_nothing_else_is_an_array() -> None:
    kernel = make_kernel()
    values = {"block": kernel.block, "channels_total": 48}
    assert record_from(Kernel, values | {"values": kernel.values}) == kernel
    listed = values | {"values": kernel.values.tolist()}
    assert record_from(Kernel, listed, unpack=lambda x: np.array(x, np.float32)) == kernel
    for wrong in (listed, values | {"values": None}):
        with pytest.raises(ValueError, match="values: Expected `numpy"):
            record_from(Kernel, wrong)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "true", '{"a": NaN}', '{"a": 1, "a": 2}',
                                  "[" * 100_000])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text, dict)


def test_csv_text_has_a_header_and_no_formula() -> None:
    text = csv_text(["class", "=x"], [["=1+1", -0.5], ['a,"b"', None]])
    assert text == 'class,\'=x\n\'=1+1,-0.5\n"a,""b""",\n'
