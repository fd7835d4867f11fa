"""What a policy says of a trial, and how the numbers behind it are written."""

from __future__ import annotations

import math
from collections.abc import Callable


class Verdict:
    """What a policy says of a trial, continue, stop or pause, with its reason, which users see word for word.

    There may be 10,000 reports a second and few of them stop a trial, so the reason may be given as a function of no
    arguments; it is called when ``why`` is read, and must say the same at any later time.
    """

    __slots__ = ("_pause", "_stop", "_why")

    def __init__(self, stop: bool, why: str | Callable[[], str], *, pause: bool = False) -> None:
        self._stop = stop
        self._why = why
        self._pause = pause and not stop

    @property
    def stop(self) -> bool:
        """Whether the trial is to end now."""
        return self._stop

    @property
    def pause(self) -> bool:
        """Whether the trial is to give its place to another one; it may continue later, from its checkpoint."""
        return self._pause

    @property
    def why(self) -> str:
        """The reason, with the numbers that were compared, whether it stops or not."""
        return self._why if isinstance(self._why, str) else self._why()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdict) and (
            (self.stop, self.pause, self.why) == (other.stop, other.pause, other.why)
        )

    def __hash__(self) -> int:
        return hash((self.stop, self.pause, self.why))

    def __repr__(self) -> str:
        return f"Verdict(stop={self.stop}, why={self.why!r}{', pause=True' * self.pause})"


def bandit_why(
    own: float | None, k: int, best: float, cut: float, slack: tuple[str, float], by: str, stop: bool, maximize: bool
) -> str:
    """Returns the reason of a bandit's verdict.

    Args:
        own: Best of the trial over intervals 1..k, None without a finite value.
        k: The interval judged.
        best: Best of all trials over intervals 1..k.
        cut: The value beyond which a trial is stopped.
        slack: Which slack it is, ``"factor"`` or ``"amount"``, and its value.
        by: The trial that has the best.
        stop: Whether the trial is stopped.
        maximize: Whether larger is better.
    """
    shown, cut_text, best_text = _tell_apart(own, cut, best)
    kind, value = slack[0], f"{float(slack[1]):.15g}"
    sign = "-" if maximize else "+"
    if kind == "amount":
        formula = f"{best_text}{sign}{value}"
    elif best >= 0:
        formula = f"{best_text}/(1+{value})" if maximize else f"{best_text}*(1+{value})"
    else:
        formula = f"{best_text}{sign}|{best_text}|*{value}" + (f"/(1+{value})" if maximize else "")
    return f"bandit: {_beside(shown, k, stop, maximize)} {cut_text} = {formula}, set by {by}"


def median_why(own: float | None, k: int, median: float, n: int, stop: bool, maximize: bool) -> str:
    """Returns the reason of a median's verdict; the arguments are those of ``bandit_why``, n the trials compared."""
    shown, median_text, _ = _tell_apart(own, median, median)
    means = f"running mean of {n} trial" if n == 1 else f"running means of {n} trials"
    value = f" {median_text}" if math.isfinite(median) else ""
    return f"median: {_beside(shown, k, stop, maximize)} the median{value} of the {means}"


def truncation_why(own: float | None, k: int, rank: int, n: int, worst: int, percentage: int, stop: bool) -> str:
    """Returns the reason of a truncation's verdict: the trial ranks so among n, of which so many are the worst."""
    shown = "no finite value up to" if own is None else f"best {_number(own)} at"
    return (
        f"truncation: {shown} interval {k} ranks {rank} of {n}, "
        f"{'' if stop else 'not '}among the worst {worst} = floor({n}*{percentage}/100)"
    )


def auto_why(
    own: float,
    k: int,
    best: float,
    n: int,
    odds: tuple[float, float, float],
    end: tuple[float, float],
    stop: bool,
) -> str:
    """Returns the reason of a verdict of the policy without settings.

    Args:
        own: Best of the trial over intervals 1..k.
        k: The interval judged.
        best: The best end known.
        n: Finished trials compared with.
        odds: Its chance to end better than that, that of an average trial, and the part of it below which it stops.
        end: Where it will end, and the standard deviation of that.
        stop: Whether the trial is stopped.
    """
    chance, usual, share = (f"{100.0 * part:.2g} %" for part in odds)
    foretold = f"best {_number(own)} at interval {k} foretells an end of {_number(end[0])} +- {_number(end[1], 2)}"
    odds_text = f"a chance of {chance} to be better than {_number(best)}"
    side = "less" if stop else "not less"
    return f"auto: {foretold}, {odds_text}: {side} than {share} of an average trial's {usual} ({n} finished trials)"


def halving_why(
    mode: str,
    own: float | None,
    k: int,
    rung: str,
    place: int,
    n: int,
    best: int,
    cut: float | None,
    factor: int,
    goes_on: bool,
) -> str:
    """Returns the reason of a verdict of successive halving: the rung, and where the trial is there.

    Args:
        mode: ``promote`` or ``stop``.
        own: Best of the trial over intervals 1..k, None without a finite value.
        k: The interval of the rung.
        rung: What the rung is called.
        place: Of the trial among those at the rung, 1 for the best.
        n: How many those are.
        best: How many of them continue.
        cut: The value of the last one that continues; None where none does, or it is not finite.
        factor: The reduction factor.
        goes_on: Whether the trial does.
    """
    head = f"successive halving: {rung} at interval {k}: "
    if own is None:
        return f"{head}no finite value"
    own_text, cut_text, _ = _tell_apart(own, own if cut is None else cut, own)
    formula = f"floor({n}/{factor})" if mode == "promote" else f"ceil({n}/{factor})"
    if mode == "stop" and n < factor:
        return f"{head}best {own_text} ranks {place} of {n}, and fewer than {factor} have reached it"
    from_text = "" if cut is None else f", which begin at {cut_text}"
    among = f"{'' if goes_on else 'not '}among the best {best} = {formula}" if best != 1 or n >= factor else "the best"
    if not goes_on and not best:
        among = f"and none continues before {factor} have reached it"
        from_text = ""
    return f"{head}best {own_text} is at place {place} of {n}, {among}{from_text}"


def trial_name(trial: int) -> str:
    """Returns ``trial 3``; trials of earlier runs have negative numbers."""
    return f"trial {trial}" if trial >= 0 else f"trial {trial} of an earlier run"


def _beside(own: str, k: int, stop: bool, maximize: bool) -> str:
    side = "below" if maximize else "above"
    if not own:
        return f"no finite value up to interval {k}, which counts as {side}"
    return f"best {own} at interval {k} is {'' if stop else 'not '}{side}"


def _tell_apart(own: float | None, cut: float, best: float) -> tuple[str, str, str]:
    """Writes the three numbers with as many digits as it takes to see that the first two differ, unless by rounding."""
    digits = 4
    if own is not None:
        while digits < 12 and own != cut and _number(own, digits) == _number(cut, digits):
            digits += 1
    return ("" if own is None else _number(own, digits)), _number(cut, digits), _number(best, digits)


def _number(value: float, digits: int = 4) -> str:
    """Four significant digits or more; whole parts of up to seven digits are never cut short."""
    size = abs(value)
    if 1e4 <= size < 1e7:
        digits = max(digits, len(str(int(size))))
    return f"{value + 0.0:.{digits}g}"  # + 0.0: never "-0"
