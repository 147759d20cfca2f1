"""Evidence for a prediction, and its reliability.

Attribution says how much every part of the input adds to a category's logit; the curves, the
comparison with random weights and the measured truth say whether to believe it.
"""

from dsanet_core.attribution.attribute import attribute
from dsanet_core.attribution.faithfulness import faithfulness
from dsanet_core.attribution.trust import offered, randomised, rank_correlation, trust_of
from dsanet_core.serialize import attribution_to_csv, attribution_to_dict, attribution_to_json

__all__ = [
    "attribute",
    "attribution_to_csv",
    "attribution_to_dict",
    "attribution_to_json",
    "faithfulness",
    "offered",
    "randomised",
    "rank_correlation",
    "trust_of",
]
