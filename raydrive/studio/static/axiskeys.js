// The axes of parallel coordinates for people without a mouse: each is a tab stop, arrows brush a range and move the axis.
import { num } from "./util.js";

const WINDOW = 0.2;
const STEP = 0.05;
const NAVIGATION = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Escape", "Delete", "Backspace"];
export const AXIS_HELP = "Up and down brush a range, page up and page down widen and narrow it, left and right move the axis, escape lets go.";

// The next brush of an axis, in the axis' own numbers; null = none. Categories are brushed one at a time.
export function nextBrush(key, brush, low, high, count) {
  if (["Escape", "Delete", "Backspace"].includes(key)) return null;
  const up = key === "ArrowUp", move = up || key === "ArrowDown";
  if (count) {
    if (!move) return brush;
    const at = brush ? Math.round((brush[0] + brush[1]) / 2) + (up ? 1 : -1) : up ? 0 : count - 1, place = Math.min(count - 1, Math.max(0, at));
    return [place - 0.25, place + 0.25];
  }
  const span = high - low;
  if (!brush) return move ? (up ? [low, low + WINDOW * span] : [high - WINDOW * span, high]) : null;
  let [from, to] = brush;
  if (move) {
    const by = up ? Math.min(STEP * span, high - to) : -Math.min(STEP * span, from - low);
    return [from + by, to + by];
  }
  const wider = key === "PageUp" ? STEP * span / 2 : -STEP * span / 2;
  from = Math.max(low, from - wider); to = Math.min(high, to + wider);
  return to - from < (STEP * span) / 2 ? brush : [from, to];
}

// Makes plotly's axes tab stops. `axes`: for each its key, label, lowest and highest place, categories, brush, and `text(place)`.
export function nameAxes(node, axes, press) {
  const groups = [...node.querySelectorAll(".y-axis")];
  for (const group of groups) {
    // plotly keeps what it draws an axis from as the data of its element.
    const axis = axes.find((one) => one.key === group.__data__?.key || one.label === group.querySelector(".axis-title")?.textContent);
    if (!axis) continue;
    const { brush, low, high } = axis, at = brush ? (brush[0] + brush[1]) / 2 : low;
    const text = !brush ? "all values" : axis.values ? num(axis.values[Math.round(at)]) : `${axis.text(brush[0])} to ${axis.text(brush[1])}`;
    const marks = { tabindex: 0, role: "slider", "data-key": axis.key, "aria-label": axis.label, "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 100,
      "aria-valuenow": Math.round((100 * (at - low)) / (high - low || 1)), "aria-valuetext": text, "aria-description": AXIS_HELP };
    for (const [name, value] of Object.entries(marks)) group.setAttribute(name, value);
    for (const part of group.children) part.setAttribute("aria-hidden", "true");
    group.onkeydown = (event) => {
      if (!NAVIGATION.includes(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      press(axis, event.key);
    };
  }
}
