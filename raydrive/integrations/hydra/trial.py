"""What a trial of a Hydra program does: composes the configuration with its values, and calls the task function.

The configuration files are those of the submission: they travel with the run, as code does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import run_job, setup_globals
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from raydrive.context import Run
from raydrive.context import current as context_of_trial
from raydrive.core.errors import ConfigError, Problem
from raydrive.integrations.hydra.overrides import override_of
from raydrive.runtime.fork_server.return_value import send_returned

MOST_BYTES = 10_000_000
"""Bytes of the configuration files of a program."""
_LEFT_OUT = frozenset({"outputs", "multirun", "logs", "__pycache__", "node_modules"})
_SCHEME = "file://"


@dataclass(frozen=True)
class HydraTrial:
    """Runs a Hydra program with the values of a trial; the training function of its sweep."""

    task: Callable[[DictConfig], Any]
    config: DictConfig
    """The configuration of the program that sweeps."""
    search_path: ConfigSearchPath
    callbacks: Any
    """Hydra's callbacks."""
    singletons: Any
    """What the program has registered with Hydra: configurations in its ``ConfigStore``, resolvers."""
    files: Mapping[int, Mapping[str, bytes]]
    """Configuration files by their path, of each folder of the search path by its place there."""
    fixed: tuple[str, ...]
    """Overrides that hold for all trials."""
    metric: str
    """Name of the primary metric."""

    def __call__(self, params: dict[str, Any]) -> Any:
        """Calls the task function; a number that it returns is logged, anything else is returned.

        Raises:
            Exception: What it raises.
            HydraException: If the configuration cannot be composed with these values.
        """
        run = Run.get_context()
        Singleton.set_state(self.singletons)
        setup_globals()
        loader = ConfigLoaderImpl(config_search_path=self._unpacked(Path(tempfile.mkdtemp(prefix="hydra-"))))
        overrides = [*self.fixed, *(override_of(key, value) for key, value in params.items())]
        config = loader.load_sweep_config(self.config, overrides)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.job.id, config.hydra.job.num = run.id, int(os.environ.get("RAYDRIVE_TRIAL", "0"))
            config.hydra.sweep.dir, config.hydra.sweep.subdir = os.environ["RAYDRIVE_OUTPUT_DIR"], "."
            # Where get_original_cwd() and to_absolute_path() start from.
            config.hydra.runtime.cwd = os.environ.get("RAYDRIVE_SUBMIT_DIR") or config.hydra.runtime.cwd
        HydraConfig.instance().set_config(config)
        context = HydraContext(config_loader=loader, callbacks=self.callbacks)
        places = {"job_dir_key": "hydra.sweep.dir", "job_subdir_key": "hydra.sweep.subdir"}
        result = run_job(self.task, config, hydra_context=context, **places).return_value
        if not isinstance(result, float | int) or isinstance(result, bool):
            return OmegaConf.to_container(result) if OmegaConf.is_config(result) else result
        logged = context_of_trial().metrics.get(self.metric, [])
        if not logged and not run.offline:  # perhaps it continued from its last epoch
            send_returned({self.metric: result})
        elif not logged or logged[-1] != result:  # the last value once more is not a new interval
            run.log(self.metric, result)
        return None

    def _unpacked(self, folder: Path) -> ConfigSearchPath:
        """The search path with the files of the submission, which are written to this folder."""
        for place, files in self.files.items():
            for name, content in files.items():
                path = folder / str(place) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            (folder / str(place)).mkdir(parents=True, exist_ok=True)
            self.search_path.get_path()[place].path = f"{_SCHEME}{folder / str(place)}"
        return self.search_path


def configuration_files(search_path: ConfigSearchPath) -> dict[int, dict[str, bytes]]:
    """Returns the configuration files of the folders of a search path, by their place in it.

    Hidden folders, and those of outputs, are left out.

    Raises:
        ConfigError: If they are larger than 10 MB together.
        OSError: If one cannot be read.
    """
    found: dict[int, dict[str, bytes]] = {}
    left = MOST_BYTES
    for place, element in enumerate(search_path.get_path()):
        path = element.path or ""
        if not path.startswith(_SCHEME) and "://" in path:
            continue
        root = Path(path.removeprefix(_SCHEME)).absolute()
        files = found.setdefault(place, {})
        for file in _yaml_files(root):
            left -= file.stat().st_size
            if left < 0:
                fix = "Keep configuration files in a separate folder: @hydra.main(config_path='conf')."
                raise ConfigError(
                    Problem("config_path", f"{root} with more than {MOST_BYTES:,} bytes of YAML", "less", fix)
                )
            files[str(file.relative_to(root))] = file.read_bytes()
    return found


def _yaml_files(root: Path) -> list[Path]:
    found = []
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in sorted(folders) if name not in _LEFT_OUT and not name.startswith(".")]
        found += [Path(folder, name) for name in sorted(names) if name.endswith((".yaml", ".yml"))]
    return found
