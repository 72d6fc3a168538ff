# `make demo`, `make demo-flare` and `make test` need Python >= 3.10 and make, nothing else: they create .venv and install into it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
# pip's own options, e.g. PIP_ARGS="--index-url ..." for a CPU build of PyTorch
INSTALL = "$(BIN)/python" -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
# MONAI Label runs with other versions of pydicom and others than the project, so it has an environment of its own
LABEL_VENV ?= .venv-monailabel
LABEL_BIN := $(abspath $(LABEL_VENV))/bin
LABEL_FILES := tests/monai_label
LABEL_INSTALL = "$(LABEL_BIN)/python" -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
	-c $(LABEL_FILES)/constraints.txt
DEMO_CONFIG := "['configs/train.yaml','configs/demo.yaml']"
DEMO_FLARE_CONFIG := "['configs/pipeline.yaml','configs/demo.yaml']"

.PHONY: help try try-check serve serve-check demo demo-flare test test-kill test-studies test-slurm test-page docs monailabel test-monailabel lint format verify verify-zoo release clean

# `make try` and `make serve`: the model, the scan or folder of scans, and where label maps, volumes and pictures go
MODEL ?= hippocampus
SCAN ?=
TRY_DIR ?= try
EXAMPLE := $(TRY_DIR)/scan/mni152_hippocampus.nii.gz
MODEL_DIR = $(firstword $(wildcard bundles/*/models/$(MODEL)))

help:
	@echo "make try         label a scan with a trained model: SCAN=FILE_OR_FOLDER MODEL=NAME, by default a template's hippocampus"
	@echo "make serve SCANS=FOLDER   serve a trained model (MODEL=NAME) in MONAI Label, for 3D Slicer"
	@echo "make demo        train BATseg on generated phantoms, evaluate it, show the result (minutes, no GPU needed)"
	@echo "make demo-flare  run the five-stage FLARE recipe on generated phantoms, with two controls (minutes, no GPU)"
	@echo "make test        run the tests, apart from the next three and test-monailabel"
	@echo "make test-kill   kill a recipe and a study at random moments: they must end with the same labels and tables (minutes)"
	@echo "make test-studies  train every row of the papers' tables on phantoms with a few steps (minutes)"
	@echo "make test-slurm  a study and a recipe as jobs of a SLURM that it starts here (Debian's slurm-wlm and munge; minutes)"
	@echo "make test-page   look at a study's page in Chromium (Debian's chromium), at desktop and phone width"
	@echo "make lint        ruff and mypy"
	@echo "make verify      check the bundles as MONAI's model zoo does, and more (VERIFY_ARGS=\"--bundle FOLDER\": another one)"
	@echo "make verify-zoo MODEL_ZOO=FOLDER   run the model zoo's own check, from a checkout of it, on the releases"
	@echo "make release     write the bundles' archives and what belongs to them into dist/ (RELEASE_ARGS: options)"
	@echo "make monailabel  install MONAI Label into $(LABEL_VENV) (Python 3.11 or newer, 2.3 GB)"
	@echo "make test-monailabel   test both bundles in a real MONAI Label server"
	@echo "make docs        build the documentation in site/; fails on a dead link"
	@echo "make format      ruff format"
	@echo "make clean       remove $(VENV), $(LABEL_VENV) and what the demos wrote"

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
	cd bundles/batseg_spine && "$(BIN)/python" -m monai.bundle run --config_file $(DEMO_CONFIG)
	@echo "The table stands above; pictures: bundles/batseg_spine/output/demo/cases.png and curves.png"

demo-flare: $(VENV)/for-demo
	cd bundles/flare_pseudolabel && "$(BIN)/python" -m monai.bundle run --config_file $(DEMO_FLARE_CONFIG)
	@echo "The table stands above; the page of stages, scores and cases: bundles/flare_pseudolabel/output/demo/report.html"

$(VENV)/for-try: $(VENV)/for-demo
	@$(INSTALL) -e ".[try]"
	@touch $@

# before anything is installed
try-check:
	@test -z "$(SCAN)" -o -e "$(SCAN)" || { echo "error: $(SCAN) does not exist: pass SCAN=FILE_OR_FOLDER"; exit 1; }

serve-check:
	@test -n "$(SCANS)" || { echo "error: pass SCANS=FOLDER, the scans to label"; exit 1; }
	@test -d "$(SCANS)" || { echo "error: $(SCANS) is no folder: pass SCANS=FOLDER, the scans to label"; exit 1; }
	@test -n "$(MODEL_DIR)" || { echo "error: there is no model $(MODEL) in bundles/*/models: pass MODEL=NAME"; exit 1; }

try: try-check $(if $(SCAN),$(VENV)/for-demo,$(VENV)/for-try)
	@test -n "$(SCAN)" || "$(BIN)/python" -m custom example_scan "$(EXAMPLE)"
	@"$(BIN)/python" -m custom label "$(or $(SCAN),$(EXAMPLE))" "$(TRY_DIR)/labels" --model "$(MODEL)"
	@echo "Pictures, volumes.csv and label maps: $(TRY_DIR)/labels"; ls "$(TRY_DIR)"/labels/*.png

serve: serve-check $(LABEL_VENV)/installed
	@test -d apps/monaibundle || PATH="$(LABEL_BIN):$$PATH" monailabel apps --download --name monaibundle --output apps
	@test -d apps/monaibundle/model/$(MODEL) || "$(LABEL_BIN)/python" -m custom trained_bundle \
		--bundle $(patsubst %/models/$(MODEL),%,$(MODEL_DIR)) --ckpt_dir $(MODEL_DIR) --output apps/monaibundle/model/$(MODEL)
	PATH="$(LABEL_BIN):$$PATH" monailabel start_server --app apps/monaibundle --studies "$(SCANS)" \
		--conf models $(MODEL) --conf zoo_source local --conf sam2 false

# file by file, as a file's tests share what is slow to make; tests/conftest.py puts the slowest folders first
test: $(VENV)/for-test
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
		-m "not kill and not slurm and not studies" $(PYTEST_ARGS)

test-kill: $(VENV)/for-test
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 2 -m kill tests/end_to_end $(PYTEST_ARGS)

test-studies: $(VENV)/for-test
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 2 -m studies tests/end_to_end $(PYTEST_ARGS)

test-slurm: $(VENV)/for-test
	@PATH="$$PATH:/usr/sbin:/sbin"; command -v slurmctld >/dev/null && command -v munged >/dev/null || \
		{ echo "make test-slurm: no slurmctld or munged here; apt-get install slurm-wlm munge"; exit 1; }
	@$(INSTALL) -e ".[cluster]"
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 0 -m slurm tests/slurm $(PYTEST_ARGS)

test-page: $(VENV)/for-test
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
		{ echo "make test-page: no Chromium here; apt-get install chromium"; exit 1; }
	@$(INSTALL) -e ".[report]"
	"$(BIN)/python" -m pytest -n 0 tests/reports/page/test_page_in_chromium.py $(PYTEST_ARGS)

$(LABEL_VENV)/installed: $(wildcard $(LABEL_FILES)/*.txt) $(LABEL_FILES)/torchvision_operators.py
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" \
		|| { echo "error: $(PYTHON) is older than 3.11: pass PYTHON=/path/to/a/newer/one"; exit 1; }
	@$(PYTHON) -m venv $(LABEL_VENV) \
		|| { echo "error: $(PYTHON) cannot make virtual environments: install its venv package"; exit 1; }
	@echo "installing MONAI Label into $(LABEL_VENV) ..."
	@$(LABEL_INSTALL) torch
	@$(LABEL_INSTALL) -r $(LABEL_FILES)/requirements.txt
	@$(LABEL_INSTALL) --no-deps -r $(LABEL_FILES)/without_dependencies.txt
	@"$(LABEL_BIN)/python" -c "import torchvision" 2>/dev/null || { \
		site=$$("$(LABEL_BIN)/python" -c "import site; print(site.getsitepackages()[0])"); \
		cp $(LABEL_FILES)/torchvision_operators.py "$$site/"; \
		echo "import torchvision_operators" > "$$site/torchvision_operators.pth"; }
	@touch $@

monailabel: $(LABEL_VENV)/installed

test-monailabel: $(VENV)/for-test $(LABEL_VENV)/installed
	MONAI_LABEL_VENV="$(abspath $(LABEL_VENV))" "$(BIN)/python" -m pytest -n 0 $(LABEL_FILES) $(PYTEST_ARGS)

docs: $(VENV)/for-demo
	@$(INSTALL) -e ".[docs]"
	NO_MKDOCS_2_WARNING=1 "$(BIN)/mkdocs" build
	@echo "The documentation: site/index.html"

lint: $(VENV)/for-test
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"

format: $(VENV)/for-test
	"$(BIN)/ruff" format .

verify: $(VENV)/for-test
	OMP_NUM_THREADS=1 "$(BIN)/python" -m pytest -n 0 tests/bundle_checks $(VERIFY_ARGS)

verify-zoo: $(VENV)/for-test
	MODEL_ZOO="$(abspath $(MODEL_ZOO))" OMP_NUM_THREADS=1 \
		"$(BIN)/python" -m pytest -n 0 -s tests/end_to_end/test_zoo_checks.py

release: $(VENV)/for-demo
	"$(BIN)/python" -m custom release $(RELEASE_ARGS)

clean:
	rm -rf $(VENV) $(LABEL_VENV) bundles/batseg_spine/output/demo bundles/batseg_spine/models/demo bundles/batseg_spine/data/phantoms
	rm -rf bundles/flare_pseudolabel/output/demo bundles/flare_pseudolabel/data/phantoms
