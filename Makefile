# Everything here needs Python 3.10-3.13 and make, nothing else. `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
QUALITY := .venv-quality
INTEGRATIONS := .venv-integrations
DOCS := .venv-docs
CODE_SERVER := .code-server
# The first interpreter on PATH that raydrive supports; `make PYTHON=/path/to/python3.12 demo` chooses another.
PYTHON ?= $(shell for p in python3 python python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)

# Some machines set this to keep source trees clean. Then every process Ray starts compiles Ray from source again:
# measured 2 to 3 times the start-up time of a cluster and of every actor.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP_INSTALL := $(BIN)/python -m pip install --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test wheel-test matrix check bench bench-scale chaos fuzz bench-peers bench-quick bench-e2e quality quality-peers integrations examples gpu docs screenshots vscode venv browser clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed ## Install, tune a digits classifier on an embedded local Ray, show the best model
	@echo
	@echo "Tuning examples/digits/train.py: 20 trials on an embedded local Ray (less than a minute on 2 cores)."
	@echo "\$$ raydrive submit configs/digits.yaml"
	@$(BIN)/raydrive submit configs/digits.yaml
	@echo
	@echo "\$$ raydrive best last"
	@$(BIN)/raydrive best last

test: browser $(VENV)/installed-test ## Run the whole test suite
	@$(BIN)/python tests/script_environment.py
	$(BIN)/python -m pytest -q -n 3 --dist loadscope

# The studio's tests look at its pages in a real browser; this says what it installs and why, or what to run instead.
browser: | $(BIN)/python
	@$(BIN)/python tests/chromium.py

wheel-test: $(VENV)/installed-test ## Build the wheel, install it into an empty environment, try it there, on Python 3.10 if that is found (two minutes)
	$(BIN)/python tests/wheel/check_wheel.py

matrix: $(VENV)/installed-test ## Try the wheel on each Python and Ray; writes docs/compatibility.md (half an hour; MATRIX="--python 3.11")
	nice $(BIN)/python tests/wheel/matrix.py $(MATRIX)

check: $(VENV)/installed-test ## Lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=.:raydrive/shims $(BIN)/mypy --explicit-package-bases \
		$$(find raydrive/shims/azureml raydrive/shims/raydrive_azureml raydrive/shims/raydrive_mlflow \
		raydrive/shims/raydrive_trackers raydrive/shims/wandb raydrive/shims/nni raydrive/shims/determined -name '*.py')
	$(BIN)/lint-imports

bench: $(VENV)/installed-test ## Measure what raydrive itself costs, beside bare Ray (20 minutes; TIMES=3 for three times)
	$(BIN)/python benchmarks/suite.py --write --times $(or $(TIMES),1)

bench-scale: $(VENV)/installed-test ## What the judge costs as a run grows: flat, or this fails (five minutes)
	$(BIN)/python benchmarks/scale.py

bench-peers: $(VENV)/installed-test $(PEERS)/installed ## The same beside Ray Tune and Optuna, in an environment of their own (20 minutes; TIMES=3)
	$(BIN)/python benchmarks/suite.py --write --times $(or $(TIMES),1) --peers-python $(PEERS)/bin/python

bench-quick: $(VENV)/installed-test ## Name the ratios that got worse (two minutes)
	$(BIN)/python benchmarks/suite.py --quick --compare

chaos: $(VENV)/installed-test ## Kill drivers, trials, nodes and storage at random and look what is lost (half an hour)
	$(BIN)/python tests/chaos/loop.py --seeds $(or $(SEEDS),50) --first $(or $(FIRST),1) --record chaos.jsonl
	$(BIN)/python tests/chaos/loop.py --gangs --nodes 4 --seeds 20 --first $(or $(FIRST),1) --record chaos.jsonl
	$(BIN)/python tests/chaos/loop.py --halving --seeds 30 --first $(or $(FIRST),1) --record chaos.jsonl
	$(BIN)/python tests/chaos/loop.py --edits --seeds 30 --first $(or $(FIRST),1) --record chaos.jsonl
	$(BIN)/python tests/chaos/takeover.py
	$(BIN)/python tests/chaos/out_of_memory.py

fuzz: $(VENV)/installed-test ## Damage files, configurations, calls and messages at random and look what is told (ten minutes)
	$(BIN)/python tests/fuzz/table.py --seconds $(or $(FUZZ_S),600) --seed $(or $(FIRST),1)

quality: $(VENV)/installed-test ## Compare the samplers' regret on optimisation tasks, beside Optuna (an hour)
	$(BIN)/python benchmarks/quality.py --seeds 10

quality-peers: $(VENV)/installed-test ## The sampler beside HEBO, SMAC3, Ax, BoTorch and others, each in an environment of its own (days; it goes on after a cut)
	nice -n 15 $(BIN)/python benchmarks/quality_peers.py --seeds $(or $(SEEDS),10) --environments $(QUALITY) --torch '$(TORCH)' $(if $(ONLY),--peers $(ONLY))

bench-e2e: $(PEERS)/installed-e2e ## Real training to a target accuracy beside Ray Tune and Optuna; leave the machine alone (25 minutes)
	$(PEERS)/bin/python benchmarks/end_to_end.py --seeds $(or $(SEEDS),5)

integrations: $(INTEGRATIONS)/installed ## Test the callbacks with their real libraries, on CPU (ten minutes; 3 GB the first time)
	$(INTEGRATIONS)/bin/python -m pytest -q -m integrations tests/integrations tests/trackers tests/test_examples.py \
		tests/cluster/test_ray_in_trials.py tests/cluster/test_ray_train_resume.py

examples: $(INTEGRATIONS)/installed ## Run the examples that need large libraries (five minutes; 3 GB the first time)
	$(INTEGRATIONS)/bin/python -m pytest -q -m integrations tests/test_examples.py

gpu: $(VENV)/installed-test ## Test the sharing of a GPU on a real one; without one this tells so (a minute)
	$(BIN)/python -m pip install --quiet 'nvidia-ml-py>=12'
	$(BIN)/python -m pytest -q -rs tests/runtime/gpus

docs: $(DOCS)/installed ## Build the site of the documentation into build/docs/html: offline, warnings are errors (two minutes)
	$(DOCS)/bin/python docs/site/build.py

screenshots: $(VENV)/installed-test browser ## Make the pictures of docs/studio.md again
	$(BIN)/python docs/screenshots.py

vscode: $(VENV)/installed-test browser $(CODE_SERVER)/installed ## Look at a notebook in the real VS Code (three minutes; npm, Node 20, a C++ compiler)
	$(BIN)/python tests/vscode/look.py --code-server $(CODE_SERVER)

venv: $(VENV)/installed-test ## Make .venv with raydrive (editable) and the test tools

clean: ## Remove the environment and every cache
	rm -rf $(VENV) .venv-scripts $(PEERS) $(QUALITY) $(INTEGRATIONS) $(DOCS) $(CODE_SERVER) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are written last and depend on pyproject.toml: an interrupted or outdated environment is completed.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing raydrive and what it needs into $(VENV) (a few minutes the first time) ..."
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	@echo "Installing the test tools into $(VENV) ..."
	@$(PIP_INSTALL) --editable '.[test]'
	@touch $@

# Installed by pip, which compiles: without bytecode every process of a peer would compile its imports again.
$(PEERS)/installed: | $(BIN)/python
	@echo "Installing Ray Tune and Optuna into $(PEERS) ..."
	@$(BIN)/python -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet "ray[tune]==$$($(BIN)/python -c 'from importlib.metadata import version; print(version("ray"))')" 'optuna>=5' scikit-learn
	@touch $@

# All tools of the end-to-end benchmark in one environment: the same Ray, the same torch.
$(PEERS)/installed-e2e: pyproject.toml $(PEERS)/installed
	@echo "Installing torch and raydrive into $(PEERS) ..."
	@$(PEERS)/bin/python -m pip install --quiet '$(TORCH)'
	@$(PEERS)/bin/python -m pip install --quiet --editable .
	@touch $@

# torch first and by itself, so that nothing after it chooses another build: TORCH="torch --index-url URL" for one without
# CUDA where pip would not find it. xgboost-cpu is xgboost without what it needs for GPUs.
TORCH ?= torch==2.13.0
$(INTEGRATIONS)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing the libraries of the callbacks into $(INTEGRATIONS) (3 GB, a few minutes) ..."
	@$(BIN)/python -m venv $(INTEGRATIONS)
	@$(INTEGRATIONS)/bin/python -m pip install --quiet $(TORCH)
	@$(INTEGRATIONS)/bin/python -m pip install --quiet --editable '.[lightgbm,catboost,lightning,keras,accelerate,transformers,ray-train,wandb,hydra]' \
		mlflow jax flax optax 'tensorflow-cpu; platform_machine == "x86_64"' xgboost-cpu pytest pytest-timeout pytest-xdist hypothesis psutil pandas 'optuna>=5' optuna-integration
	@touch $@

$(DOCS)/installed: pyproject.toml | $(BIN)/python
	@echo "Installing Sphinx into $(DOCS) (a few minutes the first time) ..."
	@$(BIN)/python -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --editable '.[docs]'
	@touch $@

$(CODE_SERVER)/installed: tests/vscode/install.sh
	@echo "Installing VS Code (code-server) into $(CODE_SERVER) ..."
	@sh tests/vscode/install.sh $(CODE_SERVER)
	@touch $@

$(BIN)/python:
	@if [ -z '$(PYTHON)' ]; then \
		echo "raydrive needs Python 3.10, 3.11, 3.12 or 3.13; none is on PATH (python3 is: `python3 --version 2>&1`)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 demo" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] < (3, 14); \
		ok or print("raydrive needs Python 3.10-3.13; $(PYTHON) is", sys.version.split()[0], file=sys.stderr); sys.exit(not ok)'
	@echo "Making $(VENV) with `$(PYTHON) --version` ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
