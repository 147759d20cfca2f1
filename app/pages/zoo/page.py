"""Zoo: all models that can be built, their cost and accuracy, and the figures of the papers."""

from app.pages.zoo import weights_panel, widgets
from app.ui.page_frame import page

with page("Zoo", "All models of the two papers: their cost, and their accuracy where measured."):
    weights_panel.upload()
    weights_panel.library()

    widgets.paper_chart()
    models = widgets.models()
    widgets.measured_charts(models)
    widgets.model_table(models)
    widgets.paper_comparison()
