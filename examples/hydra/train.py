"""A Hydra program whose sweep raydrive runs: `python train.py -m hydra/sweeper=raydrive` and what is swept."""

import hydra
import numpy as np
from omegaconf import DictConfig
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from raydrive import Run


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config: DictConfig) -> float:
    run = Run.get_context()
    X, y = load_digits(return_X_y=True)
    X, X_valid, y, y_valid = train_test_split(X / 16, y, random_state=0)
    model = SGDClassifier(
        loss=config.loss,
        alpha=config.alpha,
        learning_rate=config.optimizer.schedule,
        eta0=config.optimizer.rate,
        random_state=0,
    )
    for epoch in range(1, config.epochs + 1):
        model.partial_fit(X, y, classes=np.unique(y))
        error = 1 - model.score(X_valid, y_valid)
        run.log("error", error, step=epoch)
    return error


if __name__ == "__main__":
    main()
