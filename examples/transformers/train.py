"""Transformers: a callback logs each evaluation of the Trainer, with the Trainer's own checkpoint."""

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

import raydrive
from raydrive.integrations.transformers import RaydriveCallback


def sentences(count):
    """Sequences of 12 numbers; the label is whether the first number comes again."""
    words = torch.randint(5, 20, (count, 12), generator=torch.Generator().manual_seed(0))
    words[::2, 1:] += (words[::2, 1:] == words[::2, :1]).long()  # half of them without it
    return [{"input_ids": row, "labels": (row[1:] == row[0]).any().long()} for row in words]


def train(params):
    torch.set_num_threads(1)
    set_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = BertForSequenceClassification(BertConfig(vocab_size=32, max_position_embeddings=16, **sizes))
    rows = sentences(1200)
    arguments = TrainingArguments(
        output_dir="model",
        num_train_epochs=6,
        per_device_train_batch_size=32,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        **params,
    )
    callback = RaydriveCallback(metrics={"loss": "eval_loss"})
    trainer = Trainer(model, arguments, None, rows[:1000], rows[1000:], callbacks=[callback])
    trainer.train(resume_from_checkpoint=callback.ckpt_path)


if __name__ == "__main__":
    run = raydrive.tune(
        train,
        {"learning_rate": raydrive.log_range(1e-5, 1e-2), "weight_decay": raydrive.uniform(0, 0.1)},
        metric="loss",
        goal="minimize",
        policy={"type": "median_stopping", "delay_evaluation": 3},
        max_total_runs=6,
        preload=["transformers.trainer", "transformers.models.bert.modeling_bert"],
    )
    best = run.get_best_run_by_primary_metric()
    print(f"best loss {best.best_value:.4f} with {best.params}")
