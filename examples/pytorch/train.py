"""PyTorch: a loop of your own. One call logs the values of an epoch with the checkpoint that holds them."""

import os

import torch
from sklearn.datasets import load_digits

import raydrive

EPOCHS = 15


def train(params):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = (torch.tensor(each) for each in load_digits(return_X_y=True))
    X = X.float() / 16
    model = torch.nn.Sequential(
        torch.nn.Linear(64, params["width"]), torch.nn.ReLU(), torch.nn.Linear(params["width"], 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=params["lr"], momentum=0.9)
    run, done = raydrive.Run.get_context(), 0
    if run.resume_from:
        state = torch.load(os.path.join(run.resume_from, "state.pt"))
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done = state["epoch"]
    for epoch in range(done + 1, EPOCHS + 1):
        for rows in torch.randperm(1200, generator=torch.Generator().manual_seed(epoch)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (model(X[1200:]).argmax(1) == y[1200:]).float().mean()
        os.makedirs("state", exist_ok=True)
        state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(state, "state/state.pt")
        run.report({"accuracy": accuracy}, step=epoch, checkpoint="state")


if __name__ == "__main__":
    run = raydrive.tune(
        train,
        {"lr": raydrive.log_range(1e-4, 1), "width": raydrive.log_int(8, 128)},
        metric="accuracy",
        policy={"type": "bandit", "slack_factor": 0.1, "delay_evaluation": 3},
        max_total_runs=12,
        preload=["torch", "sklearn.datasets"],
    )
    best = run.get_best_run_by_primary_metric()
    print(f"best accuracy {best.best_value:.4f} with {best.params}")
