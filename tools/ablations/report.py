"""`docs/ablations.md` from the finished cells."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dsanet_core.synthetic import GROUPS
from tools import markdown
from tools.ablations.claims import CONFIDENCE, RULE, Spread, judge
from tools.ablations.settings import SDA, SETTINGS, TEST_SEED, TRAINING_SEED, Budget
from tools.ablations.tables import TABLES, Row, Table

Cells = Sequence[dict[str, Any]]

HEAD = """# The papers' ablations in small

Tables 2a to 2h of DSANet (Wu et al., 2021) and 1 and 2 of SDA (Tan et al., 2021), repeated on the
embedded benchmark: networks of a quarter of the width and mostly 18 instead of 50 layers, videos of
48x48 pixels, trainings of about a minute on one CPU core. So an accuracy here is not the papers',
and neither is the size of a difference; what can be compared is which setting is the better one,
where the spread over training seeds decides it. This page is written by

    python -m tools.ablations           # trains what .cache/ablations lacks, then writes it
    python -m tools.ablations --write   # writes it from docs/ablations.json alone
"""

START = """Every setting starts from embedded weights, as the papers' start from ImageNet's, and
what is put into the network starts at random. `i3d_synth` learned all 25 categories from single
snippets, `tsn_synth` from single frames (5000 videos of seed 1 at 72x72 pixels, 10 epochs): they
know what a snippet or a frame shows, but no order of events. The DSANet tables therefore train and
test on the group *order* alone, in which what one snippet shows leaves two categories to choose
from: averaging reaches 50%, and the gain of DSA lies above. A setting that
stays at 50% has not begun to use the order within so short a training; a longer one may. The
page compares settings at this budget."""


def report(cells: Cells) -> str:
    """The whole page."""
    tops = tops_of(cells)
    sections = [section(table, cells) for table in TABLES]
    verdicts = Counter(
        judge(claim, tops, VIDEOS_OF, names_of(table)).verdict
        for table in TABLES for claim in table.claims
    )
    counted = ", ".join(f"{count} \"{verdict}\"" for verdict, count in verdicts.most_common())
    claims = sum(verdicts.values())
    return "\n".join([
        HEAD,
        "## How it was measured",
        "",
        *(f"- {protocol(budget, cells)}" for budget in budgets()),
        "",
        START,
        "",
        "Training: batches of 32 videos, SGD with momentum 0.9, a quarter of warm-up and a cosine, "
        "bfloat16; testing: float32. Ours is the mean top-1 over training seeds, with the lowest "
        "and the highest. Parameters and multiply-adds are counted, the latter of one view: a "
        "single snippet for networks trained on one, else all 4 or 8 that meet in a forward.",
        "",
        "## How claims are judged",
        "",
        RULE,
        "",
        f"Of {claims} claims: {counted}. So many at {CONFIDENCE:.0%} let one or two be wrong by "
        "chance.",
        "",
        *sections,
    ])


VIDEOS_OF = {name: " and ".join(setting.budget.groups) for name, setting in SETTINGS.items()}
"""Setting -> its training and test data; settings with the same data share a spread over seeds."""


def budgets() -> list[Budget]:
    """In the order of the settings."""
    return list(dict.fromkeys(setting.budget for setting in SETTINGS.values()))


def tops_of(cells: Cells) -> dict[str, list[float]]:
    """Setting -> top-1 in per cent of each of its seeds, in their order."""
    tops: dict[str, list[float]] = defaultdict(list)
    for cell in sorted(cells, key=lambda cell: cell["seed"]):
        tops[cell["setting"]].append(100 * cell["top1"])
    return dict(tops)


def names_of(table: Table) -> dict[str, str]:
    """Setting -> label of the first row that it stands for."""
    return {row.setting: row.label for row in reversed(table.rows)}


def protocol(budget: Budget, cells: Cells) -> str:
    """Data, length, seeds and test protocols of a budget, as an item of a list."""
    settings = [setting for setting in SETTINGS.values() if setting.budget == budget]
    mine = {setting.name for setting in settings}
    seeds = {cell["seed"] for cell in cells if cell["setting"] in mine}
    kin = VIDEOS_OF[settings[0].name]
    spread = Spread.pooled(top for name, top in tops_of(cells).items() if VIDEOS_OF[name] == kin)
    shown = list(dict.fromkeys(setting.spec.protocol.describe() for setting in settings))
    groups = "all groups" if budget.groups == tuple(GROUPS) else " and ".join(budget.groups)
    return (
        f"**{budget.title}** ({', '.join(tables_of(budget))}): {groups} of the benchmark, "
        f"{len(budget.labels)} categories; "
        f"{budget.training_videos} training videos (seed {TRAINING_SEED}), {budget.epochs} epochs, "
        f"start `{budget.start}`, {budget.test_videos} test videos (seed {TEST_SEED}), training "
        f"seeds {', '.join(map(str, sorted(seeds))) or 'none'}; standard deviation between seeds "
        f"{spread.deviation:.1f} points ({spread.freedom} degrees of freedom). Tested on\n"
        + "\n".join(f"  - {line}" for line in shown)
    )


def tables_of(budget: Budget) -> Iterable[str]:
    return (table.name for table in TABLES if budget in table.budgets)


def section(table: Table, cells: Cells) -> str:
    """Heading, the paper's figures beside ours, claims and notes of one table."""
    columns = [column for column in ("top1", "top5", "params", "macs")
               if any(getattr(row, column) for row in table.rows)]
    groups = SDA.groups if SDA in table.budgets else ()
    titles = {"top1": "top-1", "top5": "top-5", "params": "params, M", "macs": "multiply-adds, G"}
    head = ["", *(f"paper: {titles[column]}" for column in columns),
            "**ours: top-1**", "seeds", *(f"ours: {group}" for group in groups),
            "ours: params, M", "ours: multiply-adds, M"]
    lines = [f"## {table.name}: {table.title}", "", f"Paper: {table.paper}. Here: "
             f"{' and '.join(f'budget {budget.title}' for budget in table.budgets)}.", "",
             markdown.table(head, [
                 [row.label, *(getattr(row, column) or "-" for column in columns),
                  *ours(row, cells, groups)]
                 for row in table.rows
             ]), ""]
    tops, names = tops_of(cells), names_of(table)
    judged = [(claim.text, judge(claim, tops, VIDEOS_OF, names)) for claim in table.claims]
    lines.append(markdown.table(
        ["the paper says", "in small", "the difference that decides"],
        [[claim, f"**{verdict.verdict}**", verdict.reason] for claim, verdict in judged],
    ))
    lines += ["", *(f"{note}\n" for note in table.notes)]
    return "\n".join(lines)


def ours(row: Row, cells: Cells, groups: Sequence[str]) -> list[str]:
    """Our columns of a row."""
    mine = [cell for cell in cells if cell["setting"] == row.setting]
    if not mine:
        return ["left out" if not row.setting else "not measured", *["-"] * (len(groups) + 3)]
    tops = [100 * cell["top1"] for cell in mine]
    spread = f" ({min(tops):.1f} to {max(tops):.1f})" if len(tops) > 1 else ""
    return [
        f"**{np.mean(tops):.1f}**{spread}",
        str(len(mine)),
        *(f"{100 * np.mean([cell['groups'][group] for cell in mine]):.1f}" for group in groups),
        f"{mine[0]['params'] / 1e6:.3f}",
        f"{mine[0]['macs'] / 1e6:.1f}",
    ]
