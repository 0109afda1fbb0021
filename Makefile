# make demo     simulate a cohort, extract, fit, predict, score
# make test     run the tests; COVER=1 also measures coverage
# make check    format, lint, spelling, types, docstrings
# make docs     build the documentation site into build/site (for its search: python -m http.server -d build/site)
# make screenshots  take the documentation's pictures of the pages of `make demo`
# make lowest   test readers, heads and stackers with the lowest versions that pyproject.toml allows
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOWEST ?= build/lowest
DEMO ?= demo
STUDIES ?= 60
PACKAGES := runtime cohort phantom metrics slice_selector features models pretraining ensemble report
PIP := -m pip install --quiet --disable-pip-version-check

.PHONY: demo screenshots test check docs lowest typing clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("lsdc needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python $(PIP) -e '.[test]'
	touch $@

# AGPL, so neither the default installation nor the tests ask for it; the test of YOLOv8 runs where it is.
$(VENV)/installed-yolo: $(VENV)/installed-test
	$(BIN)/python $(PIP) -e '.[yolo]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/python benchmarks/pipeline.py --work $(DEMO) --studies $(STUDIES) --seed 1

screenshots: demo $(VENV)/installed-test
	$(BIN)/python benchmarks/screenshots.py $(DEMO)/report

test: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(if $(COVER),--cov --cov-report=term:skip-covered)

# The folders import as lsdc.FOLDER; tools that follow paths find them so below build/typing.
typing:
	rm -rf build/typing && mkdir -p build/typing/lsdc
	for item in lsdc/*; do ln -s "../../../$$item" "build/typing/lsdc/$$(basename $$item)"; done
	for package in $(PACKAGES); do ln -s ../../../$$package build/typing/lsdc/$$package; done

check: $(VENV)/installed-test typing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	MYPYPATH=build/typing $(BIN)/mypy --namespace-packages -p lsdc
	cd build && MYPYPATH=typing:../tests:../benchmarks ../$(BIN)/mypy --config-file ../pyproject.toml \
		--explicit-package-bases ../tests ../benchmarks
	$(BIN)/python -m pytest -q tests/test_docstrings.py tests/test_architecture.py

docs: $(VENV)/installed-test typing
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) .ci/lowest.py > build/lowest.txt
	$(LOWEST)/bin/python $(PIP) -r build/lowest.txt
	$(LOWEST)/bin/python $(PIP) --no-deps -e .
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n 2 --dist loadfile -m 'not slow' \
		tests/test_imports.py tests/cohort tests/metrics tests/models/test_prepare.py tests/models/test_members.py \
		tests/ensemble/test_stackers.py

clean:
	rm -rf $(DEMO) build
