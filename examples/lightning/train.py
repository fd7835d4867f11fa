"""Lightning: a callback logs each validation with Lightning's checkpoint."""

import warnings

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import raydrive
from raydrive.integrations.lightning import RaydriveCallback


class Model(LightningModule):
    def __init__(self, lr, width):
        super().__init__()
        self.save_hyperparameters()
        self.layers = torch.nn.Sequential(torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10))

    def training_step(self, batch, index):
        return torch.nn.functional.cross_entropy(self.layers(batch[0]), batch[1])

    def validation_step(self, batch, index):
        self.log("accuracy", (self.layers(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr, momentum=0.9)


def train(params):
    warnings.filterwarnings("ignore", module="lightning")
    torch.set_num_threads(1)
    seed_everything(0, verbose=False)
    X, y = (torch.tensor(each) for each in load_digits(return_X_y=True))
    rows = TensorDataset(X.float() / 16, y)
    train_loader = DataLoader(torch.utils.data.Subset(rows, range(1200)), 64, shuffle=True)
    valid_loader = DataLoader(torch.utils.data.Subset(rows, range(1200, len(y))), 597)
    callback = RaydriveCallback(metrics=["accuracy"])
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = Trainer(max_epochs=6, accelerator="cpu", callbacks=[callback], **quiet)
    trainer.fit(Model(**params), train_loader, valid_loader, ckpt_path=callback.ckpt_path)


if __name__ == "__main__":
    run = raydrive.tune(
        train,
        {"lr": raydrive.log_range(1e-4, 1), "width": raydrive.log_int(8, 128)},
        metric="accuracy",
        policy={"type": "bandit", "slack_factor": 0.1, "delay_evaluation": 3},
        max_total_runs=6,
        preload=["lightning.pytorch", "sklearn.datasets"],
    )
    best = run.get_best_run_by_primary_metric()
    print(f"best accuracy {best.best_value:.4f} with {best.params}")
