# Everything from a fresh clone: needs Python 3.11+, make and a network.
#   make app              the page on http://localhost:8501
#   make test             the tests, with a real browser
#   make lint             ruff and mypy
#   make bench            what things cost on this machine: docs/benchmarks.md
#   make bench-gpu        these networks on one CUDA GPU: docs/benchmarks_gpu.md
#   make screenshots      pictures of all pages: docs/screenshots (some ten minutes)
#   make train-embedded   train the weights in checkpoints/ again (some two hours on two cores)
#   make runs             run them on the benchmark again: checkpoints/runs/ and docs/embedded.md
#   make trust            how far attributions can be trusted: docs/trust.md (some hours)
#   make ablations        the papers' ablations in small: docs/ablations.md
# PYTHON=/path/to/python3.12 make ... chooses the interpreter of the environment.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := app
.PHONY: app test lint bench bench-gpu screenshots train-embedded runs trust ablations environment

environment: $(STAMP)

$(STAMP): requirements.txt tools/setup.sh
	@sh tools/setup.sh environment $(VENV)
	@sh tools/setup.sh libraries $(VENV)
	@touch $@

app: $(STAMP)
	$(BIN)/streamlit run streamlit_app.py

test: $(STAMP)
	@sh tools/setup.sh browser $(VENV)
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)
	@sh tools/setup.sh browser $(VENV)
	$(BIN)/python -m tools.bench

bench-gpu: $(STAMP)
	$(BIN)/python -m tools.bench.gpu --write docs/benchmarks_gpu.md

screenshots: $(STAMP)
	@sh tools/setup.sh browser $(VENV)
	$(BIN)/python -m tools.screenshots

train-embedded: $(STAMP)
	$(BIN)/python -m tools.embedded train

runs: $(STAMP)
	$(BIN)/python -m tools.embedded runs
	$(BIN)/python -m tools.embedded tables

trust: $(STAMP)
	$(BIN)/python -m tools.trust

ablations: $(STAMP)
	$(BIN)/python -m tools.ablations
