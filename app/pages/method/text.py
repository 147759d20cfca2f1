"""Text of the page Method: the papers' equations, differences from them, and a glossary."""

from __future__ import annotations

from dsanet_core.records import METHOD_NAMES, SNIPPET_MIXING
from dsanet_core.report import captions
from dsanet_core.report.text import dependency_meaning

DSA_PAPER = "[DSANet (Wu et al., 2021)](https://doi.org/10.1145/3474085.3475344)"
SDA_PAPER = "[SDA (Tan et al., 2021)](https://doi.org/10.1145/3474085.3475218)"

Step = tuple[str, str, int]
"""An explanation, its equation, and the number of the equation in the paper."""

DSA_STEPS: list[Step] = [
    (
        "A model for short clips processes $U$ snippets of a video with the same weights and "
        "averages their scores, so their order makes no difference. DSA mixes the snippets inside "
        "the model. In each block it reduces every channel of every snippet to one number, "
        "$g(V)$, the mean over time and space. A small MLP $\\mathcal{F}$ maps the $U$ numbers of "
        "a channel to the $L = 3$ weights of a kernel; a softmax makes them sum to 1. The kernel "
        "is *dynamic*: it depends on the video.",
        r"K = \mathrm{Softmax}(\mathcal{F}(\theta, g(V)))",
        2,
    ),
    (
        "The kernel mixes each snippet $u$ with its neighbours, channel by channel: its weights "
        "apply to the previous snippet, the snippet itself and the next snippet. The sequence is "
        "zero-padded. A kernel $(0, 1, 0)$ leaves snippets unchanged; equal weights average them.",
        r"O_{c,u,t,h,w} = \sum_{l} K_{c,l}\, V_{c,u+l,t,h,w}",
        3,
    ),
    (
        "Only a fraction $\\beta$ (1/8) of the channels, $V_1$, is mixed; the others, $V_2$, pass "
        "unchanged. DSA therefore adds almost no cost: a few small MLPs.",
        r"Y_{c,u,t,h,w} = \mathrm{Concat}\Big(\sum_{l} K_{c,l}\, V_{1_{c,u+l,t,h,w}},\; V_2\Big)",
        4,
    ),
]
SDA_STEPS: list[Step] = [
    (
        "SDA computes in every block a gate for each location, frame and channel. It reduces the "
        "block's features to $C / r_c$ channels, $\\mathbf{Y}'$, and pools them over a different "
        "extent for each *dependency* ...",
        r"\mathbf{A} = \mathrm{Pool}_{avg}\big(\mathbf{Y}';\, W^{Pool}_{p_t,p_h,p_w}\big)",
        2,
    ),
    (
        "... followed by a small convolution, which gives the response of the dependency.",
        r"\mathbf{R} = \mathrm{ReLU}\big(\mathrm{Conv3d}\big(\mathbf{A};\, "
        r"W^{Conv}_{c_t,c_h,c_w}\big)\big)",
        3,
    ),
    (
        "The simple way to combine the responses is to average them (AVG) ...",
        r"\mathbf{R}_{avg} = \frac{1}{M}\sum_{i=1}^{M} \mathbf{R}_i",
        5,
    ),
    (
        "... SDA selects (SEC): the mean of each response is its key, which is multiplied by a "
        "learned query $\\mathbf{q}$; a softmax gives the weights, which depend on the video.",
        r"\mathrm{Attention}(\mathbf{q}, \mathbf{K}) = "
        r"\mathrm{softmax}\big(\mathbf{q} \times \mathbf{K}^{T}\big)",
        6,
    ),
    (
        "The weighted sum of the responses "
        "$\\mathbf{V} = [\\mathbf{R}_1; \\dots; \\mathbf{R}_M]$ ...",
        r"\mathbf{R}_{sec} = \mathrm{Attention}(\mathbf{q}, \mathbf{K}) \times \mathbf{V}",
        7,
    ),
    (
        "... is resized to full size and becomes a gate between 0 and 1 for every feature element.",
        r"\mathbf{Z} = \mathrm{Sigmoid}\big(\mathrm{Conv3d}(\mathbf{R}_{sec};\, "
        r"1\times1\times1)\big) \odot \mathbf{Y}",
        8,
    ),
]

CAPTIONS: dict[str, list[tuple[str, str]]] = {
    "inspect": [("Scores over time", captions.timeline())],
    "compare": [
        ("Top class of each snippet", captions.comparison()),
        (
            "Where the models disagree",
            captions.disagreement("the first model", "the second model"),
        ),
    ],
    "explain": [
        ("Contributions over time", captions.importance()),
        ("Heat maps", captions.HEAT),
        ("Insertion and deletion", captions.INSERTION_DELETION),
    ],
    "whatif": [("Block importance", captions.BLOCK_IMPORTANCE)],
    "kernels": [
        ("Kernel and triangle", captions.KERNEL),
        ("All blocks", captions.KERNEL_DISTANCES),
    ],
    "dependencies": [
        ("Weights in all blocks", captions.DEPENDENCY_WEIGHTS),
        ("Gate maps", captions.GATE_MAPS),
        ("Gate over time", captions.GATE_OVER_TIME),
        ("Responses", captions.RESPONSES),
    ],
    "categories": [("Accuracy per class", captions.CLASS_ACCURACY)],
    "layers": [
        ("All layers", captions.LAYERS_SUMMARY),
        ("Per class", captions.LAYERS_CURVES),
        ("Map", captions.layers_map()),
    ],
    "errors": [("Confusion matrix", captions.CONFUSION_MATRIX)],
    "zoo": [("Accuracy against cost", captions.ACCURACY_AGAINST_COST)],
}
"""Page -> titles and captions of its figures."""

DIFFERENCES = [
    ("Kernel network of DSA", "An MLP with normalisation and ReLU (section 3.2).",
     "Where the paper gives no details, this follows the authors' code: one MLP for all channels "
     "of a block, without biases; only the first βC channels enter the squeeze and the MLP."),
    ("More snippets than U", "8 clips at test time (section 4.2); their grouping is not "
     "specified.",
     "Interleaved groups of U = 4; the scores of the groups are averaged. The authors' test code "
     "orders a batch by snippet and crop but reads it by crop and snippet, so with three crops it "
     "mixes the two; this tool does not."),
    ("Place of SDA in a block", "Plugged into the residual block (section 3).",
     "After the second normalisation and before its ReLU, as in the authors' code."),
    ("Short-range dependencies at full size", "By copying elements (section 3.1).",
     "By copying if the sizes are multiples, otherwise by adaptive average pooling; a pooled map "
     "keeps at least 2 positions per axis. Both follow the authors' code."),
    ("SDA with 16 frames", "8 and 16 frames (section 4.2).",
     "The authors' code assumes 8 frames and regroups 16 incorrectly; here the number of frames "
     "follows the model."),
    ("Cost", "FLOPs; the numbers appear to include normalisation and pooling.",
     "Multiply-adds of convolutions, linear layers, DSA, SDA and SE: about 0.5% lower."),
    ("Weights and data", "Kinetics, Something-Something, Diving48, EPIC-KITCHENS, ActivityNet.",
     "The papers' weights and data are not included: the embedded models are small and were "
     "trained on synthetic videos of 25 classes. Other weights can be loaded."),
]
"""Subject, the papers, this tool."""

GLOSSARY = {
    "video": "a file, or a part of one.",
    "frames": "decoded images with their timestamps.",
    "snippet": "the T frames sampled from one segment; it gives one score vector. A snippet of a "
    "single frame is called a frame.",
    "segment": "one of the equal parts of a video, from each of which a snippet is sampled.",
    "clip": "the U snippets of one forward pass.",
    "view": "one clip and crop at test time; the probabilities of the views are averaged.",
    "consensus": "the way from snippets to a video score: "
    + "; ".join(dict.fromkeys(SNIPPET_MIXING.values())) + ".",
    "dynamic kernel": "the K of DSA: for every aggregated channel the weights (taps) of the "
    "previous, the same and the next snippet.",
    "dependency": "one of the pooling and convolution branches of an SDA block: "
    + "; ".join(f"{name}, {dependency_meaning(name)}" for name in ("LST", "LT", "LS", "S122"))
    + ".",
    "weights (of dependencies)": "their shares in the gate; equal with plain averaging.",
    "gate": "the factor, 0 to 1, by which an SDA block multiplies its features at every location "
    "and frame.",
    "energy": "the mean square of a dependency's response, independent of its weight.",
    "familiarity": "similarity of a video to the training data of the weights.",
    "attribution": "the contribution of each part of the input to the score of a class: "
    + ", ".join(METHOD_NAMES.values()) + ".",
    "run": "one model on every video of a dataset, with one protocol.",
    "protocol": "snippets, frames, stride, crops and sizes used for a measurement.",
    "multiply-adds (MACs)": "multiplications with their additions; called FLOPs in the papers.",
    "res2 to res5": "the stages of a ResNet; Residual Blocks 1 to 4 in the SDA paper.",
    "AVG, SEC": "SDA's two ways to combine dependencies: averaging, and selection by attention.",
}


def without_prefix(caption: str) -> str:
    """A caption as a sentence of its own."""
    text = caption.removeprefix(captions.PREFIX)
    return text[0].upper() + text[1:]


def differences() -> str:
    """The differences as a Markdown table."""
    rows = [("", "Papers", "This tool"), ("---",) * 3]
    rows += [(f"**{subject}**", paper, here) for subject, paper, here in DIFFERENCES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
