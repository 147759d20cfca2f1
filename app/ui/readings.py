"""How to read the figures of the dataset pages and the zoo, in Markdown: what holds for any run.

The readings of one video's figures are the core's (`dsanet_core.report.readings`).
"""

RUNS = (
    "How to read it: runs made here stand first, the newest on top; then those that come with the "
    "project. The box before a row chooses it. A run goes on in a process of its own, whether a "
    "page is open or not, and keeps what is done whatever stops it."
)
CATEGORIES = (
    "How to read it: the bars of a category are the share of its videos that each run gets right."
)
LAYERS_SUMMARY = (
    "How to read it: one line per quantity through the blocks, from the input on, every video "
    "counted once."
)
LAYERS_CURVES = "How to read it: the categories from left to right, the same in every row."
CONFUSIONS = (
    "How to read it: a row is a true category, a column what its videos were taken for. Green, on "
    "the diagonal from the top left, is right; red is wrong; each has a scale of its own. Per "
    "cents are shares of a row."
)
ZOO_PAPERS = (
    "How to read it: further up is more often right, further left is cheaper, each step of the "
    "axis a factor. All points are printed in the paper and none was measured here; hollow marks "
    "say so. The cost of a video is that of a view times the views of that network's own test "
    "protocol, which the hover text names. A line joins one network's protocols; its name stands "
    "at the most accurate one, or in the hover text alone where it is crowded."
)


def layers_map(column: str = "block or stage") -> str:
    return f"How to read it: a row per category, a column per {column}, a panel per quantity."
