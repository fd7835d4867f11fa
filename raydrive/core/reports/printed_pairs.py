"""Metrics in a script's output without a given pattern: names with numbers, and the patterns that match them.

A pair is a name and a number as frameworks and people print them: ``val_acc=0.91``, ``Accuracy: 9901/10000``,
``'eval_loss': 0.5`` (Hugging Face), ``eval-rmse:0.3`` (XGBoost), ``valid_0's auc: 0.83`` (LightGBM),
``| val_acc | 0.9 |`` (Lightning), ``val_acc 0.91``, and the numbers of a JSON line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from raydrive.core.config.stdout_metrics import PrintedMetrics
from raydrive.core.reports.terminal_lines import COLOURS

MOST_LINES, LONGEST_LINE = 5_000, 2_000
"""Lines of a log that are looked at, and characters of each."""
MOST_PAIRS = 64
"""Number of pairs of a line that are looked at."""
ALONE = "only a number"
"""Name of a number that is in a line of its own."""
VALUES_SHOWN = 3
"""Number of values that are shown of a metric."""
_NUMBER = r"[-+]?[0-9]{0,30}\.?[0-9]{1,30}(?:[eE][-+]?[0-9]{1,4})?(?![A-Za-z0-9_]|\.[0-9])"
"""A number, and no 3ms, 1s or 2nd; of bounded length, for a pattern must not spend seconds on a line of digits."""
_SHORT_NUMBER = "[-+0-9.eE]*[0-9]"
"""A number, as a proposed pattern has it: short enough to be read."""
_PAIR = re.compile(
    rf"""
    (?P<before>(?:(?<![\w.'-])[A-Za-z]\w*(?:'s)?[ ]){{0,2}})     # words before it: Average loss, valid_0's auc
    (?P<quote>['"]?)
    (?<![\w./@-])(?P<name>[A-Za-z][\w./@-]*?)
    (?P=quote)
    (?P<gap>\s*[:=]\s*|\s*[|│┃]\s*|[ ]+is[ ]+|[ ]+)
    (?P<value>{_NUMBER})
    """,
    re.VERBOSE,
)
_ALONE = re.compile(rf"\s*({_NUMBER})\s*\Z")
_SENTENCE = re.compile(rf"(?P<head>[^:=]{{1,300}})[:=]\s*(?P<value>{_NUMBER})\s*%?\s*\Z")
"""A line such as ``Accuracy of the network on the 10000 test images: 54 %``."""
_STEP = re.compile(
    r"(?i)(?P<head>(?<![A-Za-z])(?:epochs?|steps?|iter(?:ation)?s?|rounds?)[\s:=#\[(]*|^\[)(?P<step>[0-9]+)(?![0-9.])"
)
_NO_METRICS = frozenset({
    "epoch", "epochs", "step", "steps", "iter", "iteration", "iterations", "round", "batch", "time", "eta", "lr",
    "seed", "rank", "gpu", "cpu", "size", "total", "port", "pid", "is", "was", "learning_rate", "v_num", "runtime",
    "elapsed", "version", "seconds", "minutes", "hours", "it", "fold", "trial", "samples",
})  # fmt: skip
_WORD = re.compile(r"[a-z]+[0-9]*|[0-9]+")
_OF_VALIDATION = frozenset(["val", "valid", "validation", "eval", "evaluation", "test", "dev", "cv", "holdout"])
_OF_TRAINING = frozenset(["train", "training", "trn", "fit"])
_GENERAL = (
    _OF_VALIDATION
    | _OF_TRAINING
    | frozenset(["best", "mean", "avg", "average", "set", "metric", "score", "total", "final"])
)
_SHORT = {"acc": "accuracy", "prec": "precision", "rec": "recall", "ppl": "perplexity", "err": "error"}


@dataclass(slots=True)
class PrintedPair:
    """A metric that is printed, and how it can be read."""

    name: str
    """As it is printed, with the words before it where they tell it from another one."""
    pattern: str
    """The regular expression that finds it, empty for a JSON line."""
    lines: int = 0
    """Number of lines that have it."""
    values: list[str] = field(default_factory=list)
    """The first values, as they are printed."""
    example: str = ""
    """The first line that has it."""

    def spec(self) -> PrintedMetrics:
        """Returns the setting that reads it."""
        return PrintedMetrics((self.pattern,)) if self.pattern else PrintedMetrics(json_lines=True)

    def setting(self, python: bool) -> str:
        """Returns what to write so that it is read.

        Args:
            python: Whether the run was configured in Python; else in a sweep file.
        """
        if python:
            text = repr(self.pattern).replace("\\\\", "\\")
            return f"metrics=r{text}" if self.pattern else 'metrics={"format": "json"}'
        quoted = self.pattern.replace("'", "''")
        return f"metrics: {{pattern: '{quoted}'}}" if self.pattern else "metrics: {format: json}"


@dataclass(slots=True)
class _Seen:
    """A pair in the log so far."""

    word: str
    gap: str
    quote: str
    phrase: str
    context: frozenset[str] = frozenset()
    """Words before it in its line that tell training from validation."""
    lines: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    json: bool = False


class PrintedPairs:
    """Collects the pairs of a log, line by line."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._phrases: dict[str, set[str]] = {}
        self._twice: set[str] = set()
        """Phrases that come several times in a line: no pattern tells which is which."""
        self._sentences: list[tuple[str, str, str]] = []
        self._alone: list[str] = []
        self.lines = 0
        """Number of lines that say something."""
        self.repeated = False
        """Whether some pair has come for the second time: what a script prints of an epoch has been seen once."""

    def add(self, line: str) -> None:
        """Looks at one line, without its end."""
        line = COLOURS.sub("", line)[:LONGEST_LINE]
        if not line.strip() or line.startswith("raydrive: ") or self.lines >= MOST_LINES:
            return
        self.lines += 1
        if line.lstrip().startswith("{") and self._add_json(line):
            return
        if alone := _ALONE.match(line):
            self._alone.append(alone[1])
            return
        if sentence := _SENTENCE.match(line):
            self._sentences.append((sentence["head"], sentence["value"], line))
        phrases: list[str] = []
        for match in islice(_PAIR.finditer(line), MOST_PAIRS):
            name, phrase = match["name"], f"{match['before']}{match['name']}"
            if name.casefold() in _NO_METRICS:
                continue
            seen = self._seen.get(phrase)
            if seen is None:
                context = frozenset(_words(line[: match.start()]) & (_OF_VALIDATION | _OF_TRAINING))
                seen = self._seen[phrase] = _Seen(name, match["gap"].strip(), match["quote"], phrase, context)
            self.repeated = self.repeated or bool(seen.lines)
            if not seen.lines or seen.lines[-1] is not line:
                seen.lines.append(line)
            seen.values.append(match["value"])
            self._phrases.setdefault(name, set()).add(phrase)
            phrases.append(phrase)
        self._twice.update(phrase for phrase in phrases if phrases.count(phrase) > 1)

    def _add_json(self, line: str) -> bool:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return False
        for name, value in found.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and name.casefold() not in _NO_METRICS:
                seen = self._seen.setdefault(f"{{{name}", _Seen(name, ":", '"', name, json=True))
                self.repeated = self.repeated or bool(seen.lines)
                seen.lines.append(line)
                seen.values.append(repr(value))
        return True

    def found(self, primary: str) -> PrintedPair | None:
        """Returns the pair that is the primary metric, by its name; None where none is.

        Args:
            primary: The primary metric's name.
        """
        pairs = [seen for key, seen in self._seen.items() if key not in self._twice]
        scores = [nearness(primary, seen.phrase, seen.context) for seen in pairs]
        best = max(scores, default=0.0)
        if best > 0:
            return self._pair(pairs[scores.index(best)], primary)
        return self._sentence(primary)

    def _sentence(self, primary: str) -> PrintedPair | None:
        """A line that names the metric somewhere before its only number with a sign."""
        fitting = [one for one in self._sentences if nearness(primary, one[0]) > 0]
        if not fitting:
            return None
        wanted = _words(primary) - _GENERAL or _words(primary)
        word = next(word for word in re.findall(r"[A-Za-z]+", fitting[0][0]) if _words(word) & wanted)
        lines = [one for one in fitting if word in one[0]]
        pattern = rf"\b{word}\b[^:=]*[:=]\s*{_group(primary)}{_SHORT_NUMBER})"
        return PrintedPair(word, pattern, len(lines), [value for _, value, _ in lines][:VALUES_SHOWN], lines[0][2])

    def is_surely(self, primary: str) -> bool:
        """Returns whether a pair has exactly the primary metric's name."""
        return any(_plain(seen.phrase) == _plain(primary) for key, seen in self._seen.items() if key not in self._twice)

    def alone(self, primary: str) -> PrintedPair | None:
        """Returns the numbers that are in a line of their own, where nothing else is printed with a name."""
        if self._seen or not self._alone:
            return None
        pattern = rf"^\s*{_group(primary)}{_SHORT_NUMBER})\s*$"
        count = len(self._alone)
        return PrintedPair(ALONE, pattern, count, self._alone[:VALUES_SHOWN], self._alone[0])

    def names(self) -> list[str]:
        """Returns the names of all pairs with a sign between name and number, those in most lines first."""
        pairs = sorted((seen for seen in self._seen.values() if seen.gap), key=lambda seen: -len(seen.lines))
        return list(dict.fromkeys(seen.word for seen in pairs))

    def unsigned_names(self) -> dict[str, int]:
        """Returns the names of pairs with nothing but a blank between name and number, with how many values differ.

        Words before a name that tell validation from training are a part of it: ``val acc 76.8`` is ``val_acc``.
        """
        split = _OF_VALIDATION | _OF_TRAINING
        names: dict[str, int] = {}
        for key, seen in self._seen.items():
            if seen.gap or seen.json or key in self._twice:
                continue
            before = [word for word in seen.phrase.split()[:-1] if word.casefold() in split]
            names.setdefault("_".join([*before, seen.word]), len(set(seen.values)))
        return names

    def sentence_words(self) -> list[str]:
        """Returns the words of lines whose only number with a sign is at their end."""
        return list(dict.fromkeys(word for head, *_ in self._sentences for word in re.findall(r"[A-Za-z]\w*", head)))

    def _pair(self, seen: _Seen, primary: str) -> PrintedPair:
        if seen.json:
            same = _plain(seen.word) == _plain(primary) and seen.word == primary
            pattern = "" if same else rf'"{re.escape(seen.word)}"\s*:\s*{_group(primary)}{_NUMBER})'
            return PrintedPair(seen.word, pattern, len(seen.lines), seen.values[:VALUES_SHOWN], seen.lines[0])
        # The words before a name count where the name alone would find other numbers, too.
        name = seen.phrase if len(self._phrases[seen.word]) > 1 else seen.word
        gap = {"": r"\s+", ":": r"\s*:\s*", "=": r"\s*=\s*", "is": r"\s+is\s+"}.get(seen.gap, r"\s*[|│┃]\s*")
        quote = seen.quote
        # A word ends at these signs, and a name may not: rmse is not a part of train-rmse.
        part = any(
            other != seen.word and re.search(rf"[./@-]{re.escape(seen.word)}\Z", other) for other in self._phrases
        )
        before = quote or (r"(?<![\w./@-])" if part else r"\b")
        pattern = f"{before}{_readable(name)}{quote}{gap}{_group(primary)}{_SHORT_NUMBER})"
        step = _step_before(seen.lines, pattern)
        return PrintedPair(name, step + pattern, len(seen.lines), seen.values[:VALUES_SHOWN], seen.lines[0])


def pairs_of(lines: Iterable[str]) -> PrintedPairs:
    """Returns the pairs of a log.

    Args:
        lines: Its lines; of one that was overwritten, as a progress bar is, its states as lines.
    """
    pairs = PrintedPairs()
    for line in lines:
        for state in line.split("\r"):
            pairs.add(state)
    return pairs


def nearness(primary: str, printed: str, context: frozenset[str] = frozenset()) -> float:
    """Returns how well a printed name stands for the primary metric: 0 = not at all, 1 = it is that name.

    Args:
        primary: Name of the primary metric.
        printed: The name, with words before it.
        context: Words such as ``test`` further before it, which count where the name has none of its own.
    """
    if _plain(primary) == _plain(printed):
        return 1.0
    wanted, words = _words(primary), _words(printed)
    core, others = wanted - _GENERAL or wanted, words - _GENERAL or words
    if not core <= others:
        return 0.0
    score = 0.6 + 0.2 / (1 + len(others - core))
    split = wanted & (_OF_VALIDATION | _OF_TRAINING)
    of = words & (_OF_VALIDATION | _OF_TRAINING) or context
    if split and of and (split <= _OF_TRAINING) != (of <= _OF_TRAINING):
        return 0.0  # val_acc is asked for, train_acc is printed
    if of & _OF_TRAINING and not split:
        score -= 0.2
    return score + (0.1 if of & _OF_VALIDATION else 0.0)


def _words(name: str) -> set[str]:
    """The words of a name or a text, abbreviations as what they stand for."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold()
    return {_SHORT.get(word, word) for word in _WORD.findall(spaced.replace("_", " "))}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _readable(name: str) -> str:
    """A name for a regular expression, without the backslashes that ``re.escape`` needs for spaces and signs only."""
    return re.sub(r"([.+*?()\[\]{}|^$\\])", r"\\\1", name)


def _group(primary: str) -> str:
    return f"(?P<{primary}>" if primary.isidentifier() and primary not in ("step", "name", "value") else "("


def _step_before(lines: Sequence[str], pattern: str) -> str:
    """What finds the step before a metric, where each line has another one, and a larger one; empty otherwise."""
    steps, heads = [], set()
    for line in lines:
        match, metric = _STEP.search(line), re.search(pattern, line)
        if match is None or metric is None or match.end() > metric.start():
            return ""
        steps.append(int(match["step"]))
        heads.add(match["head"])
    if len(steps) < 2 or len(heads) > 1 or any(a >= b for a, b in pairwise(steps)):
        return ""
    head = heads.pop()
    return ("^" if head == "[" else "") + _readable(head) + "(?P<step>[0-9]+).*?"
