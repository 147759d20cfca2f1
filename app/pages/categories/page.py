"""Categories: accuracy of several runs per class, with SDA's weights beside it (SDA, Figure 4)."""

from functools import partial

from app.pages.categories import text, widgets
from app.ui import run_widgets
from app.ui.page_frame import page

with page(
    "Categories",
    "Compare runs class by class: which classes improve over a baseline, and which dependencies "
    "the model uses for them.",
):
    runs = widgets.choose_runs()
    table = widgets.choose_table(runs)
    rows = widgets.choose_rows(table)
    class_index = widgets.chosen_class(table, rows)

    widgets.accuracies(table, rows, class_index)
    rows_of_class = widgets.one_class(runs, table, class_index)

    run_widgets.sources(runs)
    run_widgets.export(
        "categories",
        csv=partial(text.to_csv, table, rows),
        json=partial(text.to_json, runs, table, rows, class_index, rows_of_class),
    )
