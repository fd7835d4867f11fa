"""``raydrive init``: options of scripts, spaces, metrics, and sweep files that are valid as they are drafted."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from raydrive.core.reports.finding_reader import FindingReader
from raydrive.sweepfile.draft.drafted_file import drafted_sweep, tuned_options
from raydrive.sweepfile.draft.metric_guess import goal_of, logged_metric, printed_metric
from raydrive.sweepfile.draft.script_options import ScriptFacts, script_facts
from raydrive.sweepfile.loader import load_sweep

ARGPARSE = """
import argparse
from raydrive import Run
parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("--lr", "--learning-rate", type=float, default=3e-3)
parser.add_argument("-b", "--batch-size", type=int, default=32)
parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
parser.add_argument("--use-amp", action="store_true")
parser.add_argument("--nesterov", action="store_true")
parser.add_argument("--no-dropout", action="store_false", dest="dropout")
parser.add_argument("--num-layers", type=int)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--tags", nargs="*")
run = Run.get_context()
run.log("train_loss", 1.0)
run.log("val_loss", 0.5)
"""
CLICK = """
import click
@click.command()
@click.option("--lr", default=0.1)
@click.option("--nesterov/--no-nesterov", default=False)
@click.option("--kernel", type=click.Choice(["rbf", "linear"]), default="rbf")
@click.option("--epochs", type=int, default=3)
def main(lr, nesterov, kernel, epochs):
    print("accuracy", lr)
"""
TYPER = """
from typing import Annotated
import typer
app = typer.Typer()
@app.command()
def main(data: str, lr: float = 0.01, hidden_units: Annotated[int, typer.Option("--hidden")] = 64,
         nesterov: bool = False, dropout: float = typer.Option(0.1)):
    print("accuracy", lr)
"""
ABSL = """
from absl import app, flags
FLAGS = flags.FLAGS
flags.DEFINE_float("learning_rate", 0.001, "step size")
flags.DEFINE_integer("num_layers", 2, "layers")
flags.DEFINE_bool("nesterov", False, "momentum")
flags.DEFINE_enum("optimizer", "adam", ["adam", "sgd"], "which")
flags.DEFINE_string("data_dir", "/data", "where")
"""
HYDRA = """
import hydra
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    print(config)
"""
EXPECTED = {
    "argparse": ["lr", "batch_size", "optimizer", "nesterov", "num_layers"],
    "click": ["lr", "nesterov", "kernel"],
    "typer": ["lr", "hidden_units", "nesterov", "dropout"],
    "absl": ["learning_rate", "num_layers", "nesterov", "optimizer"],
    "Hydra": ["optimizer_lr", "model_hidden", "batch_size"],
}
SOURCES = {"argparse": ARGPARSE, "click": CLICK, "typer": TYPER, "absl": ABSL, "Hydra": HYDRA}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text(
        "defaults: [{optimizer: adam}, _self_]\nmodel: {hidden: 64}\nbatch_size: 32\nseed: 1\nname: ${now:x}\n"
    )
    (tmp_path / "conf" / "optimizer" / "adam.yaml").write_text("lr: 0.001\n")
    return tmp_path


def facts_of(source: str, folder: Path) -> ScriptFacts:
    (folder / "train.py").write_text(source)
    return script_facts(folder / "train.py")


@pytest.mark.parametrize("library", SOURCES)
def test_options_of_each_library_become_a_valid_sweep(library: str, folder: Path) -> None:
    facts = facts_of(SOURCES[library], folder)
    assert facts.library == library
    assert [one.option.name for one in tuned_options(facts)] == EXPECTED[library]
    text = drafted_sweep("train.py", ".", facts, logged_metric(facts.metrics))
    (folder / "sweep.yml").write_text(text)
    config = load_sweep(folder / "sweep.yml").submission.config
    assert sorted(config.sampling.space.expressions) == sorted(EXPECTED[library])


def test_a_command_line_has_the_scripts_own_words(folder: Path) -> None:
    commands = {}
    for library, source in SOURCES.items():
        facts = facts_of(source, folder)
        text = drafted_sweep("train.py", ".", facts, None)
        commands[library] = YAML(typ="safe").load(text)["trial"]["command"]
    assert "--lr ${{search_space.lr}} --batch-size ${{search_space.batch_size}}" in commands["argparse"]
    assert "${{flag.nesterov}}" in commands["argparse"]
    assert "--hidden ${{search_space.hidden_units}}" in commands["typer"]
    assert "--nesterov=${{search_space.nesterov}}" in commands["absl"]
    assert "optimizer.lr=${{search_space.optimizer_lr}}" in commands["Hydra"]
    assert "flags: both" in drafted_sweep("train.py", ".", facts_of(CLICK, folder), None)


def test_spaces_are_around_the_defaults(folder: Path) -> None:
    spaces = {one.option.name: one.space for one in tuned_options(facts_of(ARGPARSE, folder))}
    assert spaces["lr"] == {"type": "log_range", "min_value": 0.0003, "max_value": 0.03}
    assert spaces["batch_size"] == {"type": "choice", "values": [16, 32, 64, 128]}
    assert spaces["optimizer"] == {"type": "choice", "values": ["adam", "sgd"]}
    assert spaces["num_layers"] == {"type": "int_range", "min_value": 1, "max_value": 8}


def test_nothing_of_the_script_is_executed(folder: Path) -> None:
    facts = facts_of(ARGPARSE + "\nopen('executed', 'w')\nraise SystemExit(1)\n", folder)
    assert facts.metrics == ("train_loss", "val_loss")
    assert not (folder / "executed").exists()


def test_what_is_logged_is_the_metric() -> None:
    guess = logged_metric(("train_loss", "val_loss", "val_acc"))
    assert guess is not None
    assert (guess.name, guess.goal, guess.pattern) == ("val_acc", "maximize", "")
    assert logged_metric(()) is None


@pytest.mark.parametrize(
    ("printed", "name", "goal"),
    [
        ("epoch 1: train_loss=0.9 val_acc=0.5\nepoch 2: train_loss=0.8 val_acc=0.6\n", "val_acc", "maximize"),
        ("[1] eval-rmse:0.5\n[2] eval-rmse:0.4\n", "eval-rmse", "minimize"),
        ("[01/15] val loss 0.44 | val acc 76.8%\n[02/15] val loss 0.40 | val acc 78.8%\n", "val_acc", "maximize"),
        ("Epoch 1: train loss 0.5, test loss 0.6\nEpoch 2: train loss 0.4, test loss 0.5\n", "test_loss", "minimize"),
        ("Accuracy of the network on the 10000 test images: 54 %\n", "Accuracy", "maximize"),
        ("epoch 1 quality 0.3\nepoch 2 quality 0.4\n", "quality", "maximize"),
        ('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.4}\n', "loss", "minimize"),
    ],
)
def test_what_is_printed_is_the_metric(printed: str, name: str, goal: str) -> None:
    guess = printed_metric(printed)
    assert guess is not None
    assert (guess.name, guess.goal) == (name, goal)
    assert bool(guess.pattern) != guess.json_lines
    reader = FindingReader(guess.name, python=False)  # what `metrics: {format: auto}` does in the run
    assert [message for message in reader.feed(printed.encode(), last=True)]


def test_a_script_that_prints_nothing_has_no_metric() -> None:
    assert printed_metric("training\ndone\n") is None


@pytest.mark.parametrize(("name", "goal"), [("val_loss", "minimize"), ("rmse", "minimize"), ("f1", "maximize")])
def test_goals_of_names(name: str, goal: str) -> None:
    assert goal_of(name) == goal


def test_a_draft_without_options_and_metric_is_valid(folder: Path) -> None:
    facts = facts_of("print('hello')", folder)
    (folder / "sweep.yml").write_text(drafted_sweep("train.py", ".", facts, None))
    assert load_sweep(folder / "sweep.yml").submission.config.metric.name == "accuracy"
