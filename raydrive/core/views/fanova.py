"""Functional ANOVA of a random forest: the share of the variance that each hyperparameter explains by itself.

Hutter, Hoos and Leyton-Brown, *An Efficient Approach for Assessing Hyperparameter Importance* (ICML 2014). A tree is a
function that is constant on boxes. Its mean over all dimensions but one (each distributed evenly over its range) is a
step function of that one; the variance of this step function, over the variance of the tree, is the main effect. It is
averaged over the trees, as in Optuna's ``FanovaImportanceEvaluator``, whose forest is the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from raydrive.core.arrays import Array

TREES = 64
DEPTH = 64


def main_effects(x: Array, y: Array, ranges: Array) -> tuple[Array, float]:
    """Returns the share of each dimension in the variance, and how well the forest predicts.

    Args:
        x: Points, shape ``(n, d)``.
        y: Their values, shape ``(n,)``.
        ranges: Lower and upper end of each dimension, shape ``(d, 2)``; a dimension of no width has no effect.

    Returns:
        Shares of shape ``(d,)`` that add up to 1, or are all 0; and R^2 on out-of-bag points.
    """
    from sklearn.ensemble import RandomForestRegressor  # lazy: sklearn, 0.9 s

    forest = RandomForestRegressor(TREES, max_depth=DEPTH, oob_score=True, random_state=0)
    forest.fit(x, y)
    effects = np.zeros(x.shape[1])
    for one in forest.estimators_:
        effects += _of_tree(one.tree_, ranges)
    total = float(effects.sum())
    return (effects / total if total > 0.0 else effects), float(forest.oob_score_)


def _of_tree(tree: Any, ranges: Array) -> Array:
    """The main effect of each dimension as a share of the tree's variance."""
    boxes, values = _boxes(tree, ranges)
    widths = boxes[:, :, 1] - boxes[:, :, 0]
    whole = ranges[:, 1] - ranges[:, 0]
    # Where a dimension has no width, all boxes span it.
    parts = np.divide(widths, whole, out=np.ones_like(widths), where=whole > 0.0)
    volumes = parts.prod(axis=1)
    mean = float(volumes @ values)
    variance = float(volumes @ (values - mean) ** 2)
    effects = np.zeros(len(ranges))
    if variance <= 0.0:
        return effects
    for j in np.flatnonzero(whole > 0.0):
        ends, places = np.unique(boxes[:, j], return_inverse=True)
        if len(ends) == 2:
            continue  # the tree does not ask for it
        places = places.reshape(-1, 2)
        # The height of the step function changes where a box begins or ends.
        heights = values * volumes / parts[:, j]
        change = np.bincount(places[:, 0], heights, len(ends)) - np.bincount(places[:, 1], heights, len(ends))
        steps = np.cumsum(change)[:-1]
        effects[j] = float(np.diff(ends) @ (steps - mean) ** 2) / whole[j] / variance
    return effects


def _boxes(tree: Any, ranges: Array) -> tuple[Array, Array]:
    """The boxes of a tree's leaves, shape ``(leaves, d, 2)``, and their values."""
    left, right, feature, threshold = tree.children_left, tree.children_right, tree.feature, tree.threshold
    boxes = np.empty((tree.node_count, *ranges.shape))
    boxes[0] = ranges
    for node in np.flatnonzero(left >= 0):  # parents come before their children
        boxes[left[node]] = boxes[right[node]] = boxes[node]
        boxes[left[node], feature[node], 1] = threshold[node]
        boxes[right[node], feature[node], 0] = threshold[node]
    leaves = left < 0
    return boxes[leaves], tree.value[leaves, 0, 0]
