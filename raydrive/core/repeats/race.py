"""Which configurations may still be best.

A race as in Birattari, *Tuning Metaheuristics* (Springer 2009, chapter 4), with the t-test (t-race; the race of irace,
López-Ibáñez et al., Operations Research Perspectives 3, 2016, offers the same): a configuration i leaves when its mean
m_i of n_i values is worse than the leader's m_b of n_b by

    (m_b - m_i) / (s sqrt(1 / n_b + 1 / n_i)) > t_{0.95, f}                                             (1)

turned so that larger is better, where s is the deviation within configurations, pooled over all of them, and f its
degrees of freedom: a one-sided test at 5 %, without a correction for the number of configurations, which would keep
more of them. Configurations are taken to differ in their mean and not in their noise. As all are tried with the same
seeds, what a seed does to all of them is part of s here, and makes the test careful.

Until some configuration has two values nothing is known of s; then only the leader is tried again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from raydrive.core.repeats.groups import Group, Noise

ALPHA = 0.05
"""A configuration that is as good as the leader leaves with this probability in one comparison."""


def contenders(groups: Sequence[Group], maximize: bool) -> list[int]:
    """Returns the indices of the groups that may still be best, the best mean first.

    Args:
        groups: Of all configurations; those with a trial that is unsound, or without a value, are none.
        maximize: Whether larger values are better.
    """
    sign = 1.0 if maximize else -1.0
    sound = [place for place, group in enumerate(groups) if group.values and not group.unsound]
    sound.sort(key=lambda place: (-sign * groups[place].mean, place))
    if not sound:
        return []
    noise = Noise.of([groups[place] for place in sound])
    leader = groups[sound[0]]
    if not noise.freedom:
        return sound[:1]
    limit = quantile(noise.freedom)
    return [place for place in sound if stays(groups[place], leader, noise, limit, sign)]


def stays(group: Group, leader: Group, noise: Noise, limit: float, sign: float) -> bool:
    """Whether a configuration may still be best, by (1).

    Args:
        group: Of it, with a value.
        leader: That of the best mean.
        noise: The deviation within configurations.
        limit: ``quantile`` of its degrees of freedom.
        sign: 1 where larger values are better, else -1.
    """
    error = noise.deviation * math.sqrt(1.0 / len(leader.values) + 1.0 / len(group.values))
    return sign * (leader.mean - group.mean) <= limit * error


def quantile(freedom: int) -> float:
    """Returns the 95 % quantile of the t-distribution with so many degrees of freedom, 1 or more."""
    from scipy.special import stdtrit  # lazy: scipy.special, 0.08 s

    return float(stdtrit(freedom, 1.0 - ALPHA))
