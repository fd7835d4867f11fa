// What all charts share: colours of the theme, a lazy frame, scales of the metric.
import { css, quantile, esc, num, check } from "./util.js";

// plotly.js offers to upload a chart to its maker's cloud by default: never here.
export const CONFIG = {
  showSendToCloud: false, displaylogo: false, responsive: true, showLink: false, plotlyServerURL: "",
  modeBarButtonsToRemove: ["sendDataToCloud", "autoScale2d"],
};

export function layout(extra) {
  const text = css("--text"), grid = css("--grid");
  const axis = {
    gridcolor: grid, zerolinecolor: grid, linecolor: grid, tickcolor: grid, automargin: true, title: { standoff: 8 },
  };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: css("--font"), size: 12, color: text },
    margin: { l: 56, r: 16, t: 8, b: 40 }, hovermode: "closest",
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: text, size: 12 }, align: "left" },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--faint"), activecolor: css("--accent"), orientation: "v" },
    ...extra,
    xaxis: { ...axis, ...(extra.xaxis || {}) }, yaxis: { ...axis, ...(extra.yaxis || {}) },
  };
}

export function stateColour(state) { return css(`--${state.toLowerCase()}`); }

// Worse to better, readable on the background of the theme.
export function scale() {
  return document.documentElement.dataset.dark === "yes"
    ? ["#33415c", "#2f6f9f", "#35a7b8", "#8fdc8a", "#f5f06b"]
    : ["#c9d3e2", "#8fb8dc", "#4a90c8", "#2757a5", "#1b1f5e"];
}

function mix(a, b, f) {
  const part = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  return [0, 1, 2].map((i) => Math.round(part(a, i) + (part(b, i) - part(a, i)) * f));
}

export function colourAt(fraction, alpha = 1) {
  const stops = scale(), at = Math.min(0.9999, Math.max(0, fraction)) * (stops.length - 1), i = Math.floor(at);
  return `rgba(${mix(stops[i], stops[i + 1], at - i).join(",")},${alpha})`;
}

// 0 = the worst tenth, 1 = the best: a few diverged trials must not take the whole scale.
export function goodness(trials, get, maximize) {
  const values = trials.map(get).filter((v) => v !== null && v !== undefined).sort((a, b) => a - b);
  const low = maximize ? quantile(values, 0.1) : values[0];
  const high = maximize ? values[values.length - 1] : quantile(values, 0.9);
  const range = (high ?? 0) - (low ?? 0) || 1;
  const of = (value) => {
    if (value === null || value === undefined) return null;
    if (low === high) return 1;
    const f = Math.min(1, Math.max(0, (value - low) / range));
    return maximize ? f : 1 - f;
  };
  return { of, low, high };
}

// One chart a task: what is above it, and the table, are on the screen while a large run's charts are still being drawn.
const waiting = new Set();
let painting = false;

function queue(frame) {
  waiting.add(frame);
  if (!painting) { painting = true; requestAnimationFrame(() => setTimeout(paintNext)); }
}

function paintNext() {
  const [frame] = waiting;
  waiting.delete(frame);
  frame.paint();
  painting = waiting.size > 0;
  if (painting) requestAnimationFrame(() => setTimeout(paintNext));
}

// Where configurations are tried several times, charts show one point for each, unless the trials are wanted.
export function meansBox(store) {
  if (!store.configurations.length) return null;
  return check("means of configurations", store.means, (on) => { store.means = on; store.tell("means"); });
}

// Draws when first seen, then at each request while in sight.
export class Frame {
  constructor(node, draw) {
    this.node = node; this.draw = draw; this.dirty = false; this.seen = false;
    this.watch = new IntersectionObserver((entries) => {
      this.seen = entries.some((entry) => entry.isIntersecting);
      this.refresh();
    }, { rootMargin: "200px" });
    this.watch.observe(node);
  }
  soil() { this.dirty = true; this.refresh(); }
  refresh() { if (this.dirty && this.seen) queue(this); }
  paint() {
    if (!this.dirty || !this.seen) return;
    this.dirty = false;
    try { this.draw(this.node); } catch (error) { console.error(error); this.node.textContent = `This chart could not be drawn: ${error.message}`; }
  }
}

export function empty(node, text) {
  if (node.data) Plotly.purge(node);
  node.classList.add("nothing");
  node.textContent = "";
  const note = document.createElement("p");
  note.className = "empty";
  note.textContent = text;
  node.append(note);
}

// `label`: what is read aloud in place of the drawing. Null: the drawing names its parts itself.
export function plot(node, traces, shape, label) {
  if (!node.data) node.textContent = "";
  node.classList.remove("nothing");
  const drawn = Plotly.react(node, traces, shape, CONFIG);
  const name = () => { nameDrawing(node, label); oneStop(node.querySelector(".modebar")); };
  name();
  if (drawn && drawn.then) drawn.then(name, () => {});
  return drawn;
}

// Hundreds of ticks and legends are no text: the drawing is one picture with a name.
function nameDrawing(node, label) {
  node.querySelectorAll("svg.main-svg").forEach((svg, i) => {
    if (label === null) { if (i === 0) svg.setAttribute("aria-hidden", "true"); return; }
    svg.setAttribute(i === 0 ? "role" : "aria-hidden", i === 0 ? "img" : "true");
    if (i === 0) svg.setAttribute("aria-label", label);
  });
  node.querySelectorAll("canvas, .modebar svg").forEach((one) => one.setAttribute("aria-hidden", "true"));
}

// A chart's buttons are one tab stop; arrows go from one to the next.
function oneStop(bar) {
  if (!bar) return;
  const buttons = [...bar.querySelectorAll("button")], now = Math.max(0, buttons.indexOf(document.activeElement));
  buttons.forEach((button, i) => { button.tabIndex = i === now ? 0 : -1; });
  bar.onkeydown = (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], at = buttons.indexOf(document.activeElement);
    if (!way || at < 0) return;
    event.preventDefault();
    const next = buttons[(at + way + buttons.length) % buttons.length];
    buttons.forEach((button) => { button.tabIndex = button === next ? 0 : -1; });
    next.focus();
  };
}

// Plain numbers on a log axis, as everywhere else on the page; with little room, at powers of ten alone.
export const LOG_TICKS = { tickformat: "~g", nticks: 6 };
export function fewLogTicks(values) {
  const seen = values.filter((v) => v > 0), decades = seen.length ? Math.log10(Math.max(...seen) / Math.min(...seen)) : 0;
  return decades > 1.2 ? { tickformat: "~g", dtick: Math.ceil(decades / 5) } : { tickformat: "~g", nticks: 3 };
}

// An axis for a column: positions of values, and what plotly needs to show them.
export function axisOf(column, trials) {
  const values = trials.map(column.get);
  if (column.kind === "number") {
    const log = column.log && values.every((v) => v === null || v > 0);
    return { values, layout: { type: log ? "log" : "linear", title: { text: esc(column.label, 40), standoff: 8 },
      ...(log ? LOG_TICKS : {}) }, log };
  }
  const place = new Map(column.values.map((value, i) => [typeof value + String(value), i]));
  return {
    values: values.map((v) => (v === null ? null : place.get(typeof v + String(v)) ?? null)),
    layout: { type: "linear", tickvals: column.values.map((_, i) => i), ticktext: column.values.map((v) => esc(num(v), 16)),
      range: [-0.5, Math.max(0.5, column.values.length - 0.5)], title: { text: esc(column.label, 40), standoff: 8 } },
    steps: true,
  };
}

export function describe(store, trial) {
  if (trial.means) return store.configurationText(trial.means);
  const lines = [`<b>trial ${trial.number}</b>  ${trial.state}`, `${esc(store.label, 30)} ${num(trial.best)}`];
  for (const column of store.head.params.slice(0, 12)) {
    const value = trial.p[column.name];
    if (value !== null) lines.push(`${esc(column.name, 30)} ${esc(num(value), 40)}`);
  }
  const one = store.configurationOf(trial.number);
  if (one && one.mean !== null) lines.push(`mean of its configuration (${one.values}): ${num(one.mean)}`);
  return lines.join("<br>");
}
