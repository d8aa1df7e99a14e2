# What people run, and what CI runs. GNU make; `make` alone lists the targets.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -qq

# The stamps carry a checksum of pyproject.toml and of this directory's name: a change of either installs again.
KEY := $(shell { cat pyproject.toml; pwd; } | cksum | cut -d' ' -f1)
DEV := $(VENV)/installed-dev-$(KEY)
DOCK := $(VENV)/installed-dock-$(KEY)
FUZZ := $(VENV)/installed-fuzz-$(KEY)

CODE := src tests $(patsubst %/,%,$(sort $(dir $(wildcard demo/*.py benchmarks/*.py scripts/*.py fuzz/*.py))))
BENCHMARKS := $(filter-out soak,$(basename $(notdir $(wildcard benchmarks/[!_]*.py))))
MINUTES := 30

.DEFAULT_GOAL := help
.PHONY: help demo test check peers bench soak fuzz docs clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf '  make %-6s  %s\n' "$$name" "$$what"; done

demo: $(DOCK) ## a made-up study goes through the dock, in under a minute
	@$(PY) -m demo

test: peers check ## everything: peers, check, pytest (PYTEST_ARGS="-k name" narrows it)
	@$(PY) -m pytest -n 4 --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

check: $(DEV) ## style, types and the direction of imports
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m mypy --strict --no-error-summary $(CODE)
	@report=$$($(PY) -c 'from importlinter.cli import lint_imports_command as main; main()' 2>&1) || { printf '%s\n' "$$report"; exit 1; }
	@echo "check: ruff, mypy and import-linter are content"

peers: ## install the Debian programs that tests run against, where that is allowed
	@scripts/peers.sh

bench: $(DEV) peers ## our figures and the peers', from one run
	@test -n "$(BENCHMARKS)" || echo "bench: there is no benchmark yet"
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(PY) -m "benchmarks.$$name"; done

soak: $(DEV) peers ## the dock under senders that come, go, stall and die, for MINUTES=30
	@$(PY) -m benchmarks.soak --minutes $(MINUTES)

fuzz: MINUTES := 5
fuzz: $(FUZZ) peers ## all that reads what others wrote, with atheris, for MINUTES=5 in all (TARGET=name: one parser)
	@$(PY) -m fuzz --minutes $(MINUTES) $(addprefix --target ,$(TARGET))

docs: $(DEV) ## the manual, as site/index.html
	@$(PY) -m mkdocs --quiet build --strict
	@echo "docs: site/index.html"

clean: ## remove everything that make made, .venv too
	@rm -rf $(VENV) site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment: any Python from 3.11 on; PYTHON=/path/to/python chooses one.
$(PY):
	@for python in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  "$$python" -m venv --clear $(VENV) >/dev/null 2>&1 && exit 0; \
	  rm -rf $(VENV); \
	  echo "make: $$python cannot make a virtual environment; on Debian, apt-get install python3-venv helps." >&2; exit 1; \
	done; echo "make: mrdock needs Python 3.11 or later, and none was found; PYTHON=/path/to/python names one." >&2; exit 1

$(DEV): $(PY) pyproject.toml
	@test -e $@ || { echo "make: installing mrdock and what its tests need into $(VENV)"; $(PIP) install -e '.[dev]'; }
	@find $(VENV) -maxdepth 1 -name 'installed-*' ! -name '*-$(KEY)' -exec rm -f {} +
	@touch $@

$(FUZZ): $(DEV)
	@$(PIP) install -e '.[fuzz]' || { echo "make: atheris cannot be installed: it has wheels for Python 3.11 to 3.14 on x86-64 Linux only." >&2; exit 1; }
	@touch $@

$(DOCK): $(PY) pyproject.toml
	@test -e $@ || test -e $(DEV) || { echo "make: installing mrdock into $(VENV)"; $(PIP) install -e '.[dock]'; }
	@find $(VENV) -maxdepth 1 -name 'installed-*' ! -name '*-$(KEY)' -exec rm -f {} +
	@touch $@
