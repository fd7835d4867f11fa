"""Trials by configuration, where configurations are tried several times: means, errors, and which is best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raydrive.core.records import Params
from raydrive.core.repeats.groups import Group, Noise, key_of
from raydrive.core.repeats.race import contenders
from raydrive.core.sweep.packed_params import plain_params
from raydrive.core.sweep.sweep import Sweep


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration and what its trials say of it together."""

    trials: tuple[int, ...]
    """Their numbers, ascending."""
    params: Params
    """Without the parameter by which they differ."""
    values: int
    """Trials that have completed with a finite value."""
    mean: float | None
    """Mean of these values; None without any."""
    error: float | None
    """Standard error of the mean, by the deviation within all configurations; None where nothing tells."""
    running: int
    """Trials that are not over."""
    contends: bool
    """Whether it may still be best: by the race it is not worse than the leader."""
    repeats: tuple[tuple[int, float], ...]
    """Trials that have completed with a finite value, and these values: the mean is theirs."""

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
        return {
            "configuration": self.trials[0],
            "trials": list(self.trials),
            "values": self.values,
            "mean": self.mean,
            "standard_error": self.error,
            "running": self.running,
            "contends": self.contends,
            "params": dict(self.params),
        }


def configurations(sweep: Sweep) -> list[Configuration]:
    """Returns the configurations of a run that repeats them, the best mean first; none of any other run.

    Those without a value follow in the order of their first trials, as do those with a trial that failed or was
    stopped: their mean leaves that trial out.

    Args:
        sweep: The run.
    """
    rule = sweep.config.rules.repeats
    if rule is None:
        return []
    groups, params = dict[str, Group](), dict[str, Params]()
    repeats: dict[str, list[tuple[int, float]]] = {}
    for trial in sweep.trials:
        plain = plain_params(trial.params)
        key = key_of(plain, rule.parameter)
        group = groups.setdefault(key, Group())
        params.setdefault(key, {name: value for name, value in plain.items() if name != rule.parameter})
        before = len(group.values)
        group.take(trial.number, sweep.curves.objective(trial.number), trial.state)
        repeats.setdefault(key, []).extend((trial.number, one) for one in group.values[before:])
    found, sign = list(groups.items()), 1.0 if sweep.config.metric.maximize else -1.0
    noise = Noise.of([group for _, group in found if not group.unsound])
    open_to = set(contenders([group for _, group in found], sign > 0))
    rows = [
        Configuration(
            trials=tuple(group.trials),
            params=params[key],
            values=len(group.values),
            mean=group.mean if group.values else None,
            error=noise.error(len(group.values)),
            running=group.running,
            contends=place in open_to,
            repeats=tuple(repeats[key]),
        )
        for place, (key, group) in enumerate(found)
    ]
    sound = [bool(group.values) and not group.unsound for _, group in found]
    order = sorted(
        range(len(rows)), key=lambda place: (not sound[place], -sign * (rows[place].mean or 0.0) if sound[place] else 0)
    )
    return [rows[place] for place in order]


def best_configuration(sweep: Sweep) -> Configuration | None:
    """Returns the configuration with the best mean; None where none has a value, or the run repeats none."""
    found = configurations(sweep)
    return found[0] if found and found[0].mean is not None else None


def configuration_text(found: Configuration) -> str:
    """Returns it in a line: ``trials 3, 7, 9: mean 0.93 ± 0.01``."""
    error = "" if found.error is None else f" \N{PLUS-MINUS SIGN} {found.error:.2g} (standard error)"
    trials = f"trial{'s' * (len(found.trials) > 1)} {', '.join(map(str, found.trials[:8]))}"
    mean = "no value" if found.mean is None else f"mean {found.mean:.6g}{error}"
    return f"{trials}: {mean}"


def best_repeated(sweep: Sweep) -> int | None:
    """Returns the best trial of the configuration with the best mean; None where configurations are not repeated."""
    found = best_configuration(sweep)
    if found is None:
        return None
    sign = 1.0 if sweep.config.metric.maximize else -1.0
    values = [(sweep.curves.objective(number), number) for number in found.trials]
    known = [(sign * value, -number) for value, number in values if value is not None]
    return -max(known)[1] if known else None
