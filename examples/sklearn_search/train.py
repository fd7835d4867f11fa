"""A search inside scikit-learn: a pipeline, five folds, and a policy that stops candidates after the first bad ones."""

from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from raydrive import RaydriveSearchCV

if __name__ == "__main__":
    X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
    search = RaydriveSearchCV(
        make_pipeline(StandardScaler(), SVC()),
        {"svc__C": loguniform(1e-2, 1e3), "svc__gamma": loguniform(1e-5, 1), "svc__kernel": ["rbf", "poly"]},
        n_trials=20,
        sampling="tpe",
        policy={"type": "bandit", "slack_amount": 0.05},
        random_state=0,
    ).fit(X, y)
    stopped = list(search.cv_results_["state"]).count("Canceled")
    print(f"{len(search.cv_results_['params'])} candidates, of which {stopped} were stopped before their last fold")
    print(f"best accuracy {search.best_score_:.4f}, on test samples {search.score(X_test, y_test):.4f}")
