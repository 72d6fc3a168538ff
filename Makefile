# `make demo` and `make test` need Python >= 3.10 and make, nothing else: they create .venv and install into it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
DEMO_CONFIG := "['configs/train.yaml','configs/demo.yaml']"

.PHONY: help demo test lint format clean

help:
	@echo "make demo    train BATseg on generated phantoms, evaluate it, show the result (minutes, no GPU needed)"
	@echo "make test    run all tests"
	@echo "make lint    ruff and mypy"
	@echo "make format  ruff format"
	@echo "make clean   remove $(VENV) and what the demo wrote"

# CPU builds of PyTorch come from the index of your choice: make test PIP_ARGS="..."
$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10))" || { echo "error: $(PYTHON) is older than 3.10: pass PYTHON=/path/to/newer"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "error: $(PYTHON) cannot make virtual environments: install its venv package"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e ".[test]"
	@touch $@

demo: $(VENV)/installed
	cd bundles/batseg_spine && $(BIN)/python -m monai.bundle run --config_file $(DEMO_CONFIG)
	@echo "The table stands above; pictures: bundles/batseg_spine/output/demo/cases.png and curves.png"

test: $(VENV)/installed
	PATH=$(BIN):$$PATH OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) bundles/batseg_spine/output/demo bundles/batseg_spine/models/demo bundles/batseg_spine/data/phantoms
