"""A terminal recording as an animated SVG, for the README: `python docs/site/cast.py record` and `... draw`.

``record`` runs the commands of the first tutorial in a temporary folder and writes what they print, with its times, as
docs/images/first-run.cast (asciinema's format, version 2). ``draw`` makes docs/images/first-run.svg of it: no script,
and nothing from elsewhere. Long waits are shortened, so that all of it takes about 20 seconds.
"""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
CAST, SVG = IMAGES / "first-run.cast", IMAGES / "first-run.svg"
COMMANDS = ("raydrive init train.py --run", "raydrive submit sweep.yml", "raydrive best last")
COLUMNS, ROWS, LENGTH_S, REST_S = 112, 22, 20.0, 4.0
CHARACTER, LINE, EDGE = 7.25, 17, 14
"""Pixels: width of a character, height of a line, and the space around the text."""
LONGEST_WAIT_S = 0.6


def record() -> None:
    """Runs the commands and writes the recording."""
    page = (ROOT / "docs" / "tutorials" / "first-run.md").read_text()
    script = page.split("```python\n# train.py\n", 1)[1].split("```", 1)[0]
    events: list[tuple[float, str, str]] = []
    began = time.monotonic()

    def write(text: str) -> None:
        events.append((round(time.monotonic() - began, 3), "o", text))

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train.py").write_text(script)
        storage = Path(folder).parent / f"{Path(folder).name}-runs"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "RAYDRIVE_STORAGE": str(storage)}
        for command in COMMANDS:
            write(f"$ {command}\r\n")
            words = [sys.executable, "-c", "from raydrive.cli import main; main()", *command.split()[1:]]
            with subprocess.Popen(
                words, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as process:
                for line in process.stdout or ():
                    shown = line.replace(str(storage), "~/raydrive").replace(folder, "~/project")
                    write(shown.replace(sys.executable, "python").replace("\n", "\r\n"))
        write("$ ")
    head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": "raydrive: from a script to the best model"}
    CAST.write_text("\n".join(json.dumps(one) for one in (head, *events)) + "\n")


def frames() -> list[tuple[float, list[str]]]:
    """Returns what is on the screen from which second on; waits are shortened, and the whole fits ``LENGTH_S``."""
    events = [json.loads(line) for line in CAST.read_text().splitlines()[1:]]
    screen, now, last, found = list[str](), 0.0, 0.0, list[tuple[float, list[str]]]()
    for at, _, text in events:
        now += min(at - last, LONGEST_WAIT_S)
        last = at
        if text.startswith("$ ") and found:
            now += 1.0  # time to read what the command before has printed
        line = text.rstrip("\r\n")
        screen.append(line if len(line) <= COLUMNS else f"{line[: COLUMNS - 1]}…")
        found.append((now, screen[-ROWS:]))
    scale = min(1.0, LENGTH_S / max(now, 1.0))
    return [(at * scale, lines) for at, lines in found]


def draw() -> None:
    """Writes the picture."""
    shown = frames()
    total = shown[-1][0] + REST_S
    width, height = COLUMNS * CHARACTER + 2 * EDGE, ROWS * LINE + 2 * EDGE + 24
    rules, groups = [], []
    for number, (at, lines) in enumerate(shown):
        until = shown[number + 1][0] if number + 1 < len(shown) else total
        if until - at < 0.02 and number + 1 < len(shown):
            continue  # too short to be seen
        start, end = 100 * at / total, 100 * until / total
        before = f"0%,{start:.3f}%{{visibility:hidden}}" if number else ""
        after = f"{end:.3f}%,100%{{visibility:hidden}}" if number + 1 < len(shown) else ""
        during = f"{start:.3f}%,{max(start, end - 0.001):.3f}%{{visibility:visible}}"
        rules.append(f"@keyframes f{number}{{{before}{during}{after}}}")
        texts = "".join(_text(row, line) for row, line in enumerate(lines))
        groups.append(f'<g style="animation:f{number} {total:.2f}s steps(1,end) infinite">{texts}</g>')
    style = "text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d6dbe1;white-space:pre}"
    style += ".c{fill:#7ee2a8;font-weight:bold}.s{fill:#f2b36b}.g{fill:#8ab4f8}g{visibility:hidden}"
    colours = ("#f66", "#fc5", "#5c6")
    dots = "".join(f'<circle cx="{18 + 16 * n}" cy="14" r="5" fill="{one}"/>' for n, one in enumerate(colours))
    SVG.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="A terminal: raydrive init, raydrive submit, raydrive best">'
        f"<style>{style}{''.join(rules)}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="#1b1f24"/>{dots}{"".join(groups)}</svg>\n'
    )


def _text(row: int, line: str) -> str:
    kind = "c" if line.startswith("$ ") else "s" if " Canceled: " in line else "g" if "Best trial" in line else ""
    mark = f' class="{kind}"' if kind else ""
    place = f'x="{EDGE}" y="{EDGE + 30 + row * LINE}"'
    return f'<text {place}{mark} xml:space="preserve">{html.escape(line)}</text>' if line else ""


if __name__ == "__main__":
    {"record": record, "draw": draw}[sys.argv[1]]()
