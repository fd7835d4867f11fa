"""Data as Azure ML has it, where runs are submitted and where scripts train: names, tables, addresses of the web.

Training scripts import this in their own Python: the standard library only, and the grammar of Python 3.8. pandas is
given by the caller.
"""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Mapping, Sequence  # noqa: UP035  (Python 3.8)

Step = Callable[[Any], Any]
"""Takes a frame and returns another one."""
_TRUE = ("Yes", "True", "true", "TRUE")
_WORDS = ({"Yes", "No"}, {"True", "False"}, {"true", "false"}, {"TRUE", "FALSE"})
# azureml://subscriptions/S/resourcegroups/G/[providers/...]/workspaces/W/datastores/D/paths/P
_LONG = re.compile(r"azureml://subscriptions/.*?/workspaces/[^/]+/(?=datastores/)", re.IGNORECASE)


def resolve(rules: Mapping[str, str], text: str) -> str | None:
    """Returns what a name of data stands for, None where no rule fits.

    The longest rule wins. ``azureml:iris`` is also ``azureml:iris:3`` and ``azureml:iris@latest``; of a URI the
    rest is put behind what the rule says. The long form of a datastore's URI is the same as the short one.

    Args:
        rules: ``input_mapping``: names, or beginnings of them, and paths or URIs.
        text: The name.
    """
    for name in dict.fromkeys((text, _LONG.sub("azureml://", text))):
        for rule in sorted(rules, key=len, reverse=True):
            rest = name[len(rule) :]
            if not name.startswith(rule):
                continue
            if not rest or (rule.startswith("azureml:") and "//" not in rule and rest[0] in ":@"):
                return rules[rule]
            if rule.endswith("/") or rest[0] == "/":
                return rules[rule].rstrip("/") + "/" + rest.lstrip("/")
    return None


def with_booleans(frame: Any) -> Any:
    """Returns a frame whose columns of Yes and No, or True and False, are boolean, as Azure's reader has them."""
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind not in "OUT" and str(column.dtype) not in ("str", "string"):
            continue
        words = set(column.dropna().unique())
        if words and any(words <= pair for pair in _WORDS):
            known = column.notna().all()
            frame[name] = column.isin(_TRUE) if known else column.map(lambda word: word in _TRUE, na_action="ignore")
    return frame


def frame_of(pandas: Any, read: Callable[[Any, Any], Any], files: Sequence[Any], steps: Sequence[Step]) -> Any:
    """Returns the rows of files as one frame, after some steps.

    Args:
        pandas: The library.
        read: Takes it and a file, and returns a frame.
        files: One or more.
        steps: What is done to the frame, in order.
    """
    frames = [read(pandas, file) for file in files]
    frame = frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)
    for step in steps:
        frame = step(frame)
    return frame


class TableSteps:
    """What the SDK's tables do before they are read."""

    def _then(self, step: Step) -> Any:
        """Returns the same table with one step more."""
        raise NotImplementedError

    def take(self, count: int) -> Any:
        """Returns the first rows."""
        return self._then(lambda frame: frame.head(count))

    def skip(self, count: int) -> Any:
        """Returns the table without its first rows."""
        return self._then(lambda frame: frame.iloc[count:].reset_index(drop=True))

    def keep_columns(self, columns: Any, validate: bool = False) -> Any:
        """Returns the table with these columns only."""
        names = [columns] if isinstance(columns, str) else list(columns)
        return self._then(lambda frame: frame[names])

    def drop_columns(self, columns: Any) -> Any:
        """Returns the table without these columns."""
        names = [columns] if isinstance(columns, str) else list(columns)
        return self._then(lambda frame: frame.drop(columns=names))

    def random_split(self, percentage: float, seed: int | None = None) -> tuple[Any, Any]:
        """Returns two parts, the first with this share of the rows (0 to 1).

        Without a seed both parts are drawn with the same one, so that no row is in both.
        """
        state = int.from_bytes(os.urandom(4), "big") if seed is None else seed
        first = self._then(lambda frame: frame.sample(frac=percentage, random_state=state))
        return first, self._then(lambda frame: frame.drop(frame.sample(frac=percentage, random_state=state).index))


def open_from_files(find: Callable[[str], str | None]) -> None:
    """Has ``pandas.read_csv(URL)``, ``urllib.request.urlopen(URL)`` and the like read files, in this process.

    Args:
        find: Returns the file that stands for a URL of the web, None where the web has it.
    """
    import email.message  # lazy: email.message, 0.02 s
    import urllib.request  # lazy: urllib.request, 0.03 s
    import urllib.response  # lazy: urllib.response, 0.003 s

    class Files(urllib.request.BaseHandler):
        """Opens such addresses before the handlers of the web do."""

        handler_order = 100

        def http_open(self, request: Any) -> Any:
            place = find(request.full_url)
            if place is None:
                return None
            headers = email.message.Message()
            headers["Content-Length"] = str(os.path.getsize(place))
            answer: Any = urllib.response.addinfourl(open(place, "rb"), headers, request.full_url, 200)  # noqa: SIM115
            answer.msg = "OK"
            return answer

        https_open = http_open

    urllib.request.install_opener(urllib.request.build_opener(Files))
