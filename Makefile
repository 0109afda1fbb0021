# make demo   simulate a cohort, extract, fit, predict, score
# make test   run the tests
# make check  format, lint, types
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
STUDIES ?= 60
PACKAGES := runtime cohort phantom metrics slice_selector features models pretraining ensemble report

.PHONY: demo test check clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("lsdc needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

# AGPL, so neither the default installation nor the tests ask for it; the test of YOLOv8 runs where it is.
$(VENV)/installed-yolo: $(VENV)/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[yolo]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/python benchmarks/pipeline.py --work $(DEMO) --studies $(STUDIES) --seed 1

test: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	rm -rf build/typing && mkdir -p build/typing/lsdc
	for package in $(PACKAGES); do ln -s ../../../$$package build/typing/lsdc/$$package; done
	MYPYPATH=build/typing $(BIN)/mypy --namespace-packages -p lsdc

clean:
	rm -rf $(DEMO) build
