"""A training script as Azure ML's courses teach it: a table by ``TabularDatasetFactory``, metrics by ``run.log``."""

import argparse
import os

import joblib
from azureml.core import Dataset
from azureml.core.run import Run
from azureml.data.dataset_factory import TabularDatasetFactory
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

run = Run.get_context()


def load(path):
    """Returns features and labels: from a path, or from the dataset that the run was given as an input."""
    if path:
        table = TabularDatasetFactory.from_delimited_files(path=path)
    else:
        table = Dataset.get_by_name(run.experiment.workspace, name="iris")
    frame = table.to_pandas_dataframe().dropna()
    return frame.drop(columns=["species"]), frame["species"]


def main():
    """Trains a logistic regression."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=str, default="", help="Where the table is; by default the input 'iris'")
    parser.add_argument("--C", type=float, default=1.0, help="Inverse of regularization strength")
    parser.add_argument("--max_iter", type=int, default=100, help="Maximum number of iterations to converge")
    args = parser.parse_args()
    run.log("Regularization Strength:", float(args.C))
    run.log("Max iterations:", int(args.max_iter))

    x, y = load(args.data)
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
    model = LogisticRegression(C=args.C, max_iter=args.max_iter).fit(x_train, y_train)
    run.log("Accuracy", float(model.score(x_test, y_test)))

    os.makedirs("outputs", exist_ok=True)
    joblib.dump(model, "outputs/model.joblib")


if __name__ == "__main__":
    main()
