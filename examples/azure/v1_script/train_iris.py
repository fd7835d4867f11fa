"""A training script as the documentation of Azure ML's SDK v1 teaches it: ``Run.get_context()`` and ``outputs``."""

import argparse
import os

import joblib
import numpy as np
from azureml.core.run import Run
from sklearn import datasets
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

run = Run.get_context()


def main():
    """Trains a support vector machine on the iris flowers and logs how good it is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kernel", type=str, default="linear", help="Kernel type to be used in the algorithm")
    parser.add_argument("--penalty", type=float, default=1.0, help="Penalty parameter of the error term")
    args = parser.parse_args()
    run.log("Kernel type", str(args.kernel))
    run.log("Penalty", float(args.penalty))

    iris = datasets.load_iris()
    X_train, X_test, y_train, y_test = train_test_split(iris.data, iris.target, random_state=0)

    model = SVC(kernel=args.kernel, C=args.penalty).fit(X_train, y_train)
    predictions = model.predict(X_test)

    accuracy = model.score(X_test, y_test)
    print(f"Accuracy of SVM classifier on test set: {accuracy:.2f}")
    run.log("Accuracy", np.float64(accuracy))

    matrix = confusion_matrix(y_test, predictions)
    run.log_confusion_matrix(
        "Confusion matrix",
        {
            "schema_type": "confusion_matrix",
            "schema_version": "1.0.0",
            "data": {"class_labels": ["0", "1", "2"], "matrix": matrix.tolist()},
        },
    )

    # Files saved in the "outputs" folder are uploaded to the run.
    os.makedirs("outputs", exist_ok=True)
    joblib.dump(model, "outputs/model.joblib")
    run.register_model(model_name="iris-svm", model_path="outputs/model.joblib", tags={"kernel": args.kernel})


if __name__ == "__main__":
    main()
