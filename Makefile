# Every target sets up what it needs once; the second time there is nothing to do.
VENV ?= .venv
BIN := $(VENV)/bin
OTHERS = $(filter-out $(VENV),$(patsubst %/ready,%,$(wildcard .venv-*/ready)))
UNIT := tests lib --ignore=tests/notebooks --ignore=tests/browser
export OMP_NUM_THREADS ?= 1

# The interpreter is the one named in PYTHON, else the first of these that runs, is in range and has venv and pip.
# python3 comes first: it is what this machine, or an environment that is switched on, has chosen.
CANDIDATES := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3)
IN_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
COMPLETE := import venv, ensurepip; $(IN_RANGE)
NONE := found no Python 3.11 to 3.14 (tried $(CANDIDATES)): install one as README.md says, or name one with PYTHON=PATH
BARE := has no venv or no pip: on Debian and Ubuntu `sudo apt install python3-venv` brings both, for others see README.md
first = $(firstword $(foreach each,$(CANDIDATES),$(shell $(each) -c '$(1)' 2>/dev/null && echo $(each))))
missing = $(if $(call first,$(IN_RANGE)),$(call first,$(IN_RANGE)) $(BARE),$(NONE))
python = $(or $(call first,$(COMPLETE)),$(error $(missing)))

.DELETE_ON_ERROR:
.PHONY: run test unit soak lab check bench lessons new gpu
run: $(VENV)/ready  ## train, measure and draw: the first notebook, headless
	$(BIN)/sslens run notebooks/00_first_light.ipynb

test: $(VENV)/ready  ## unit tests, house rules, notebook contract, papermill smoke, nbval
	$(BIN)/python -m pytest
	@$(foreach other,$(OTHERS),$(MAKE) unit VENV=$(other) &&) true

unit: $(VENV)/ready  ## without the notebooks; make unit VENV=.venv-3.13 PYTHON=python3.13 adds a second interpreter
	$(BIN)/python -m pytest $(UNIT)

soak: $(VENV)/ready  ## what make test tries a few times, thousands of times
	$(BIN)/python -m pytest -m soak $(UNIT)

lab: $(VENV)/ready  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks

check: $(VENV)/ready  ## ruff, pyright, layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check lib tests && $(BIN)/pyright && $(BIN)/lint-imports

bench: $(VENV)/ready  ## speed, as ratios to a limit measured in the same run
	$(BIN)/python -m tests.benchmarks

lessons: $(VENV)/ready  ## every notebook executed and stored anew, where its outputs are out of date
	$(BIN)/sslens freeze notebooks/[0-9]*.ipynb && $(BIN)/sslens freeze --reference notebooks/_template.ipynb
	$(BIN)/sslens table

new: $(VENV)/ready  ## make new NAME=12_some_question: a notebook from the template
	$(BIN)/sslens new $(NAME)

gpu:  ## the tests that need a CUDA device, with whatever torch this machine has
	PYTHONPATH=lib $(or $(PYTHON),python3) -m tests.gpu

$(VENV)/ready: pyproject.toml $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[lab,test]"
	touch $@

$(VENV)/pyvenv.cfg:
	$(python) -m venv $(VENV)
