"""What a user reads of a script that only prints: how its metric can be read, in the print styles of frameworks."""

from __future__ import annotations

from recorded_trouble import expect

from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.core.reports.finding_reader import FindingReader, proposal
from raydrive.core.reports.stdout_parser import PrintedReader

STYLES = {
    "own": ("val_acc", "epoch 1: loss=0.72 val_acc=0.27\nepoch 2: loss=0.6 val_acc=0.28\n"),
    "own, with spaces": ("val_acc", "Epoch 1 train_loss 0.53 val_acc 0.81\nEpoch 2 train_loss 0.43 val_acc 0.85\n"),
    "Keras": (
        "val_accuracy",
        "Epoch 1/2\n32/32 ━━━━━━━ 1s 3ms/step - accuracy: 0.2 - loss: 2.2 - val_accuracy: 0.4 - val_loss: 2.0\n"
        "Epoch 2/2\n32/32 ━━━━━━━ 1s 3ms/step - accuracy: 0.3 - loss: 2.1 - val_accuracy: 0.5 - val_loss: 1.9\n",
    ),
    "PyTorch's examples": (
        "accuracy",
        "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.3\n\nTest set: Average loss: 0.0298, Accuracy: 9901/10000 (99%)\n\n",
    ),
    "PyTorch's examples, the loss": (
        "test_loss",
        "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.3\n\nTest set: Average loss: 0.0298, Accuracy: 9901/10000 (99%)\n\n",
    ),
    "PyTorch's tutorial": ("accuracy", "Accuracy of the network on the 10000 test images: 54 %\n"),
    "Hugging Face": (
        "accuracy",
        "{'loss': 0.69, 'learning_rate': 5e-05, 'epoch': 1.0}\n"
        "{'eval_loss': 0.51, 'eval_accuracy': 0.81, 'eval_runtime': 1.2, 'epoch': 1.0}\n",
    ),
    "Lightning": (
        "val_acc",
        "Epoch 0: 100%|███| 10/10 [00:01<00:00,  8.2it/s, v_num=0, train_loss=0.53, val_acc=0.81]\n"
        "Epoch 1: 100%|███| 10/10 [00:01<00:00,  8.2it/s, v_num=0, train_loss=0.43, val_acc=0.85]\n",
    ),
    "Lightning's table": ("test_acc", "┃  Test metric  ┃ DataLoader 0 ┃\n│   test_acc    │   0.9812000393867493   │\n"),
    "XGBoost": ("eval-rmse", "[0]\ttrain-rmse:0.92\teval-rmse:0.95\n[10]\ttrain-rmse:0.12\teval-rmse:0.3\n"),
    "LightGBM": (
        "auc",
        "[LightGBM] [Info] Number of positive: 500, number of negative: 500\n"
        "[100]\ttraining's auc: 0.99\tvalid_0's auc: 0.83\n[200]\ttraining's auc: 0.995\tvalid_0's auc: 0.84\n",
    ),
    "scikit-learn": ("loss", "Iteration 1, loss = 2.1\nIteration 2, loss = 1.9\n"),
    "scikit-learn's search": ("score", "[CV 1/5] END ........C=1, gamma=0.1;, score=0.933 total time=   0.0s\n"),
    "scikit-learn's report": ("accuracy", "      precision    recall  f1-score\n\n    accuracy          0.97    30\n"),
    "tqdm": ("acc", " 33%|███▎ | 1/3 [00:00, acc=0.5, loss=0.7]\r100%|█████| 3/3 [00:00, acc=0.8, loss=0.4]\n"),
    "training and test": ("accuracy", "train accuracy: 0.99\ntest accuracy: 0.91\n"),
    "a sentence": ("accuracy", "Loading data...\nFinal test accuracy is 0.9312\n"),
    "JSON lines": ("val_acc", '{"epoch": 1, "val_acc": 0.5}\n{"epoch": 2, "val_acc": 0.6}\n'),
    "only a number": ("accuracy", "0.9123\n"),
    "other names": ("accuracy", "epoch 1 top1=0.5 nll=0.3\nepoch 2 top1=0.6 nll=0.2\n"),
    "nothing": ("accuracy", "hello\n"),
}


def found(primary: str, text: str) -> str:
    """What ``metric_from_stdout`` makes of it: the notice and the values, or why there are none."""
    reader = FindingReader(primary, python=False)
    messages = reader.feed(text.encode(), last=True)
    values = ", ".join(str(message["m"][primary]) for message in messages)
    told = " | ".join(text for text, _ in reader.notices() if "overwritten" not in text)
    return f"{told} -> {values}" if values else reader.nearly()


def test_the_print_styles_of_frameworks() -> None:
    parts = []
    for name, (primary, text) in STYLES.items():
        told = proposal(text, primary, python=False, logged=False)
        parts += [f"--- {name}: {primary}", told or "(no proposal)", found(primary, text)]
    expect("printed_styles", "\n".join(parts))


def test_in_python_the_proposal_is_python() -> None:
    primary, text = STYLES["LightGBM"]
    expect("printed_python", proposal(text, primary, python=True, logged=False))


def test_a_pattern_tells_how_many_lines_it_matched() -> None:
    reader = PrintedReader(PrintedMetrics(("acc=([0-9.]+)", "val-acc: ([0-9.]+)")), "val_acc")
    reader.feed(b"epoch 1\nval_acc: 0.27\nepoch 2\nval_acc: 0.28", last=True)
    expect("printed_pattern", reader.nearly())
