"""Numbers as text."""

import pytest

from dsanet_core import text_format


@pytest.mark.parametrize(
    ("number", "text"),
    [(12, "12"), (999_600, "1.00 M"), (2_004_321, "2.00 M"), (309e6, "309 M"), (83.8e9, "83.8 G")],
)
def test_si_numbers_have_three_digits(number: float, text: str) -> None:
    assert text_format.si_number(number) == text


def test_shares_become_percentages_without_a_space() -> None:
    assert text_format.percent(0.995) == "99.5%"
    assert text_format.percent(0.25, 0) == "25%"
    assert text_format.percent(-0.031) == "\u22123.1%"


def test_signs_are_written_out_with_a_real_minus() -> None:
    assert text_format.signed(0.125) == "+0.125"
    assert text_format.signed(-0.125, 1) == "\u22120.1"
    assert text_format.decimal(-3.25) == "\u22123.2"
    assert text_format.points(-0.013) == "\u22121.3 points"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1 << 20, "1 MiB"), (3 << 29, "1.5 GiB")],
)
def test_sizes_have_binary_prefixes(count: int, text: str) -> None:
    assert text_format.file_size(count) == text


def test_counted_nouns_agree_in_number() -> None:
    assert text_format.plural(1, "video") == "1 video"
    assert text_format.plural(0, "video") == "0 videos"
    assert text_format.plural(2, "class", "classes") == "2 classes"


def test_a_single_frame_has_one_moment() -> None:
    assert text_format.seconds_range(1, 2.5) == "1.0 to 2.5 s"
    assert text_format.seconds_range(1, 1) == "at 1.0 s"
