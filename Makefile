# `make demo`, `make demo-flare` and `make test` need Python >= 3.10 and make, nothing else: they create .venv and install into it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
# pip's own options, e.g. PIP_ARGS="--index-url ..." for a CPU build of PyTorch
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
DEMO_CONFIG := "['configs/train.yaml','configs/demo.yaml']"
DEMO_FLARE_CONFIG := "['configs/pipeline.yaml','configs/demo.yaml']"

.PHONY: help demo demo-flare test lint format clean

help:
	@echo "make demo        train BATseg on generated phantoms, evaluate it, show the result (minutes, no GPU needed)"
	@echo "make demo-flare  run the five-stage FLARE recipe on generated phantoms beside two controls (minutes, no GPU)"
	@echo "make test        run all tests"
	@echo "make lint        ruff and mypy"
	@echo "make format      ruff format"
	@echo "make clean       remove $(VENV) and what the demos wrote"

$(VENV)/for-demo: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" \
		|| { echo "error: $(PYTHON) is older than 3.10: pass PYTHON=/path/to/a/newer/one"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "error: $(PYTHON) cannot make virtual environments: install its venv package"; exit 1; }
	@echo "installing into $(VENV) ..."
	@$(INSTALL) torch
	@$(INSTALL) -e .
	@touch $@

$(VENV)/for-test: $(VENV)/for-demo
	@$(INSTALL) -e ".[test]"
	@touch $@

demo: $(VENV)/for-demo
	cd bundles/batseg_spine && $(BIN)/python -m monai.bundle run --config_file $(DEMO_CONFIG)
	@echo "The table stands above; pictures: bundles/batseg_spine/output/demo/cases.png and curves.png"

demo-flare: $(VENV)/for-demo
	cd bundles/flare_pseudolabel && $(BIN)/python -m monai.bundle run --config_file $(DEMO_FLARE_CONFIG)
	@echo "The table stands above; report and picture: bundles/flare_pseudolabel/output/demo/report.md and report.png"

test: $(VENV)/for-test
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

lint: $(VENV)/for-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/for-test
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) bundles/batseg_spine/output/demo bundles/batseg_spine/models/demo bundles/batseg_spine/data/phantoms
	rm -rf bundles/flare_pseudolabel/output/demo bundles/flare_pseudolabel/data/phantoms
