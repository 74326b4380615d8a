# Every target sets up what it needs once; the second time there is nothing to do.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: run test lab check bench new gpu
run: .venv/ready  ## train, measure and draw: the first notebook, headless
	$(BIN)/sslens run notebooks/00_first_light.ipynb

test: .venv/ready  ## unit tests, house rules, notebook contract, papermill smoke, nbval
	$(BIN)/python -m pytest

lab: .venv/ready  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks

check: .venv/ready  ## ruff, pyright, layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check lib tests && $(BIN)/pyright && $(BIN)/lint-imports

bench: .venv/ready  ## speed, as ratios to a limit measured in the same run
	$(BIN)/python -m tests.benchmarks

gpu: ## the tests that need a CUDA device, with whatever torch this machine has
	PYTHONPATH=lib $(PYTHON) -m tests.gpu

new: .venv/ready  ## make new NAME=12_some_question: a notebook from the template
	$(BIN)/sslens new $(NAME)

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet --disable-pip-version-check --editable ".[lab,test]"
	touch $@
