# Everything from a fresh clone: needs Python 3.11+, make and a network.
#   make app              the page on http://localhost:8501
#   make test             the tests, with a real browser
#   make lint             ruff and mypy
#   make bench            cost of hook points, DSA, decoding and analysis on this machine
#   make train-embedded   train the weights in checkpoints/ again
# PYTHON=/path/to/python3.12 make ... chooses the interpreter of the environment.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RECIPES := i3d_synth tsn_i3d_synth dsa_i3d_synth tsn_synth sda_tsn_synth

.DEFAULT_GOAL := app
.PHONY: app test lint bench train-embedded environment

environment: $(STAMP)

$(STAMP): requirements.txt tools/setup.sh
	@sh tools/setup.sh environment $(VENV)
	@sh tools/setup.sh libraries $(VENV)
	@touch $@

app: $(STAMP)
	$(BIN)/streamlit run streamlit_app.py

test: $(STAMP)
	@sh tools/setup.sh browser $(VENV)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m dsanet_core bench

train-embedded: $(STAMP)
	set -e; for recipe in $(RECIPES); do \
		$(BIN)/python -m dsanet_core train $$recipe --out checkpoints/$$recipe.safetensors; done
