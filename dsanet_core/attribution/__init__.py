"""Attribution of a prediction to parts of its input, and the reliability of attributions.

An attribution gives the contribution of every part of the input to a category's logit; insertion
and deletion curves, the comparison with random weights and videos with known truth test it.
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
