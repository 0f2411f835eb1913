# WhyNot: every task, for people and for CI alike. `make` or `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8501
# Who may connect. Empty: what .streamlit/config.toml says, this machine only.
HOST ?=
# Whether the dashboard notices edited files: none, or auto while developing.
WATCH ?= none
# More for pip: --no-compile leaves it to Python to compile what is imported, as .ci/run does.
INSTALL_ARGS ?=

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
# Each list is installed again only when it changed.
APP_STAMP := $(VENV)/.installed-requirements
DEV_STAMP := $(VENV)/.installed-requirements-dev
BROWSER_TESTS := $(wildcard tests/browser/test_*.py)
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help run test check-format lint types unit browser format bench clean

help: ## list the tasks
	@echo "make run     install what is missing, start the dashboard (HOST=, PORT=, WATCH=auto)"
	@echo "make test    install what is missing, run every check: format, lint, types, tests, browser"
	@echo "make format  format the code and mend what the linter can mend"
	@echo "make bench   measure speed, as ratios in one run"
	@echo "make clean   remove caches; the virtual environment stays"
	@echo "One check alone: make check-format | lint | types | unit | browser"
	@echo "Another Python:  make run PYTHON=python3.12"

run: $(APP_STAMP)
	@exec $(PY) -m streamlit run app.py --server.port $(PORT) --server.fileWatcherType $(WATCH) \
		$(if $(HOST),--server.address $(HOST))

# In order even under `make -j`: the first failure ends the run. What uses one core or the network
# goes on beside the unit tests, and is shown after them: types, and Chromium for the browser tests.
test: $(DEV_STAMP)
	@$(MAKE) check-format
	@$(MAKE) lint
	@beside=$$(mktemp); \
	{ $(MAKE) types && sh tests/browser/ensure_chromium.sh $(PY); } >"$$beside" 2>&1 & \
	$(MAKE) unit; unit=$$?; \
	wait $$!; types=$$?; \
	cat "$$beside"; rm -f "$$beside"; \
	exit $$((unit + types))
	@$(MAKE) browser
	@echo "All checks passed."

check-format: $(DEV_STAMP)
	@echo "== format"
	@$(PY) -m ruff format --check .

lint: $(DEV_STAMP)
	@echo "== lint"
	@$(PY) -m ruff check .

types: $(DEV_STAMP)
	@echo "== types"
	@$(PY) -m mypy --strict explain_core

unit: $(DEV_STAMP)
	@echo "== tests: unit, contracts, ui"
	@$(PY) -m pytest -m "not browser" -n auto --maxprocesses 4 --dist worksteal

browser: $(DEV_STAMP)
	@echo "== tests in a browser"
ifeq ($(BROWSER_TESTS),)
	@echo "There are no browser tests (tests/browser/test_*.py)."
else
	@sh tests/browser/ensure_chromium.sh $(PY)
	@$(PY) -m pytest -m browser -n 3 --dist loadfile --no-loadscope-reorder --reruns 2
endif

format: $(DEV_STAMP)
	@$(PY) -m ruff check --fix --exit-zero .
	@$(PY) -m ruff format .

bench: $(DEV_STAMP)
	@$(PY) -m benchmarks.speed $(ARGS)
	@$(PY) -m benchmarks.bank --rows 50000
	@$(PY) -m benchmarks.metrics
	@OMP_NUM_THREADS=1 $(PY) -m benchmarks.classroom
	@sh tests/browser/ensure_chromium.sh $(PY)
	@$(PY) -m benchmarks.viewer
	@$(PY) -m benchmarks.films
	@$(PY) -m benchmarks.reading_room

clean:
	@rm -rf .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

# Debian ships Python without ensurepip: there, the pip at hand fills the new environment.
$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "WhyNot needs Python 3.11 or newer. Name one: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		rm -f $(VENV)/bin/python* && $(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --disable-pip-version-check --python $(PY) install --quiet pip; \
	} || { \
		rm -f $(VENV)/bin/python*; \
		echo "Could not make $(VENV). On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(APP_STAMP): requirements.txt | $(PY)
	@echo "Installing requirements.txt (with PyTorch about 5 GB, once)"
	@$(PIP) install $(INSTALL_ARGS) -r requirements.txt
	@touch $@

# Both lists in one run of pip.
$(DEV_STAMP): requirements.txt requirements-dev.txt | $(PY)
	@echo "Installing requirements.txt and requirements-dev.txt (with PyTorch about 5 GB, once)"
	@$(PIP) install $(INSTALL_ARGS) -r requirements.txt -r requirements-dev.txt
	@touch $(APP_STAMP) $@
