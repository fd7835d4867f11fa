// Parallel coordinates: drag a label to move an axis, drag along an axis to brush a range, click it to let go.
import { el, fill, esc, num, check, cut, css } from "./util.js";
import { Frame, plot, empty, layout, scale, goodness, meansBox } from "./chart.js";
import { nameAxes, nextBrush } from "./axiskeys.js";

const MOST_AXES = 8;
const AXIS_APART = 84;
const MOST_LINES = 2000;
const ABSENT = -0.12;
const STOPS = 250;

export class ParallelChart {
  constructor(store) {
    this.store = store;
    this.keys = null;
    this.brushes = {};
    this.drawn = {};
    this.plotNode = el("div", { class: "plot parallel", id: "chart-parallel" });
    this.axes = el("details", { class: "menu" });
    this.legend = el("span", { class: "scale" });
    this.grouping = el("span");
    this.node = el("div", {}, el("div", { class: "controls" }, this.axes, this.grouping, this.legend,
      el("span", { class: "hint" }, "Drag a label to move its axis; drag along an axis to brush a range.")), el("div", { class: "sideways" }, this.plotNode));
    this.frame = new Frame(this.plotNode, () => this.draw());
  }

  update(what) {
    if (what === "selection" && this.store.selection.source !== "parallel") this.brushes = {};
    if ((what === "analysis" || what === "means") && !this.touched) this.keys = null;
    fill(this.grouping, meansBox(this.store));
    this.frame.soil();
  }

  menu() {
    const columns = this.store.columns();
    fill(this.axes, el("summary", {}, `Axes (${this.keys.length})`), el("div", { class: "sheet" }, columns.map((c) =>
      check(cut(c.label, 40), this.keys.includes(c.key), (on) => {
        this.touched = true;
        this.keys = on ? [...this.keys, c.key] : this.keys.filter((k) => k !== c.key);
        delete this.brushes[c.key];
        this.frame.soil();
      }))));
  }

  draw() {
    const { store } = this, all = store.drawn().filter((t) => t.best !== null), trials = this.some(all);
    if (!trials.length) return empty(this.plotNode, store.trials.length ? "No trial has a value to colour by." : "No trials yet.");
    const columns = new Map(store.columns().map((c) => [c.key, c]));
    if (!this.keys) {
      const important = store.paramsByImportance().slice(0, MOST_AXES).map((c) => `p:${c.name}`);
      this.keys = [...store.head.params.map((c) => `p:${c.name}`).filter((k) => important.includes(k)), "best"];
    }
    this.keys = this.keys.filter((key) => columns.has(key));
    if (!this.axes.open) this.menu();
    const dimensions = this.keys.map((key) => this.dimension(columns.get(key), trials));
    const good = goodness(trials, (t) => t.best, store.maximize);
    const picked = store.selecting && store.selection.source !== "parallel";
    // Below 0 is grey: what is not selected elsewhere. plotly draws higher colours on top.
    const colour = trials.map((t) => (picked && !store.isDrawnSelected(t) ? -0.5 : good.of(t.best)));
    const stops = scale(), grey = css("--grid");
    const colorscale = [[0, grey], [0.33, grey], ...stops.map((c, i) => [0.334 + (0.666 * i) / (stops.length - 1), c])];
    colorscale[colorscale.length - 1][0] = 1;
    const trace = { type: "parcoords", dimensions, line: { color: colour, cmin: -0.5, cmax: 1, colorscale },
      labelangle: dimensions.length > 7 ? -18 : 0, labelside: "top", labelfont: { size: 12, color: css("--text") },
      tickfont: { size: 11, color: css("--text") }, rangefont: { size: 1, color: "rgba(0,0,0,0)" },
      unselected: { line: { color: css("--grid"), opacity: 0.25 } } };
    fill(this.legend, el("span", {}, `worse ${num(store.maximize ? good.low : good.high)}`),
      el("span", { class: "bar", style: { background: `linear-gradient(90deg, ${stops.join(",")})` } }),
      el("span", {}, `better ${num(store.maximize ? good.high : good.low)}`),
      all.length > trials.length ? el("span", {}, `${trials.length} of ${all.length} ${trials[0].means ? "configurations" : "trials"} drawn`) : null);
    // On a phone the axes keep a distance in which their labels can be read, and the chart is moved sideways.
    this.plotNode.style.minWidth = `${140 + AXIS_APART * (dimensions.length - 1)}px`;
    const focused = this.plotNode.contains(document.activeElement) ? document.activeElement.dataset?.key : undefined;
    const name = () => this.name(dimensions, columns, focused);
    Promise.resolve(plot(this.plotNode, [trace], layout({ margin: { l: 70, r: 70, t: dimensions.length > 7 ? 64 : 44, b: 24 } }), null)).then(name, () => {});
    if (!this.wired) {
      this.wired = true;
      this.plotNode.on("plotly_restyle", () => this.moved());
    }
  }

  // Names the axes for screen readers and keyboards; the one that had the focus gets it back.
  name(dimensions, columns, focused) {
    const axes = dimensions.map((d, i) => {
      const column = columns.get(this.keys[i]), { log } = this.drawn[column.key] || {}, numeric = column.kind === "number";
      return { key: column.key, label: d.label, low: d.range[0], high: d.range[1], brush: flat(this.brushes[column.key]), values: numeric ? null : column.values, text: (v) => num(log ? Number((10 ** v).toPrecision(3)) : Number(v.toPrecision(6))) };
    });
    nameAxes(this.plotNode, axes, (axis, key) => this.press(axis, key));
    if (focused) this.plotNode.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  press(axis, key) {
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const at = this.keys.indexOf(axis.key), to = at + (key === "ArrowLeft" ? -1 : 1);
      if (to < 0 || to >= this.keys.length) return;
      const keys = [...this.keys];
      [keys[at], keys[to]] = [keys[to], keys[at]];
      this.keys = keys; this.touched = true; this.frame.soil();
      return;
    }
    const brush = nextBrush(key, axis.brush, axis.low, axis.high, axis.values ? axis.values.length : 0);
    const brushes = { ...this.brushes, [axis.key]: brush };
    if (!brush) delete brushes[axis.key];
    this.brushes = brushes;
    this.brushed();
    this.frame.soil();
  }

  // Of very many trials a part is drawn: the best, what is selected, and an even spread of the rest. Brushes hold for all.
  some(all) {
    if (all.length <= MOST_LINES) return all;
    const keep = new Set(this.store.ranked().slice(0, MOST_LINES / 4).map((t) => t.number)), step = all.length / (MOST_LINES / 2);
    if (this.store.selecting && this.store.selection.source !== "parallel") this.store.selected().slice(0, MOST_LINES / 4).forEach((t) => keep.add(t.number));
    for (let i = 0; i < all.length; i += step) keep.add(all[Math.floor(i)].number);
    return all.filter((t) => keep.has(t.number));
  }

  dimension(column, trials) {
    const raw = trials.map(column.get), base = { label: esc(column.label, 22), name: column.key };
    const brush = this.brushes[column.key];
    if (column.kind !== "number") {
      const place = new Map(column.values.map((v, i) => [typeof v + String(v), i]));
      const values = raw.map((v) => (v === null ? -1 : place.get(typeof v + String(v)) ?? -1)), absent = values.includes(-1);
      const every = Math.ceil(column.values.length / 20), ticks = column.values.map((_, i) => i).filter((i) => i % every === 0);
      return { ...base, values, range: [absent ? -1 : -0.3, Math.max(column.values.length - 0.7, 0.3)], tickvals: [...(absent ? [-1] : []), ...ticks],
        ticktext: [...(absent ? ["–"] : []), ...ticks.map((i) => esc(num(column.values[i]), 14))], ...(brush ? { constraintrange: brush } : {}) };
    }
    const log = column.log && raw.every((v) => v === null || v > 0), to = (v) => (log ? Math.log10(v) : v);
    const known = raw.filter((v) => v !== null && Number.isFinite(v)).map(to);
    let low = Math.min(...known), high = Math.max(...known);
    if (!known.length) { low = 0; high = 1; }
    if (low === high) { low -= 0.5; high += 0.5; }
    const absent = known.length < raw.length, bottom = low + ABSENT * (high - low);
    this.drawn[column.key] = { log, bottom };
    const text = (v) => num(log ? Number((10 ** v).toPrecision(3)) : Number(v.toPrecision(6)));
    const ticks = [...(absent ? [[bottom, "–"]] : []), ...niceTicks(low, high, log).map((v) => [v, text(v)]), ...stops(low, high)].sort((a, b) => a[0] - b[0]);
    return { ...base, values: raw.map((v) => (v === null || !Number.isFinite(v) ? bottom : to(v))), range: [absent ? bottom : low, high],
      tickvals: ticks.map(([v]) => v), ticktext: ticks.map(([, t]) => t), ...(brush ? { constraintrange: brush } : {}) };
  }

  // The axes were moved or brushed: keep both, so that they are still there after an update.
  moved() {
    const dimensions = this.plotNode.data[0].dimensions;
    const keys = dimensions.map((d) => d.name);
    if (keys.join("\n") !== this.keys.join("\n")) { this.keys = keys; this.touched = true; this.menu(); }
    const brushes = {};
    for (const d of dimensions) if (d.constraintrange && d.constraintrange.length) brushes[d.name] = d.constraintrange;
    const same = JSON.stringify(brushes) === JSON.stringify(this.brushes);
    this.brushes = brushes;
    if (!same) this.brushed();
  }

  brushed() {
    const { brushes } = this;
    if (!Object.keys(brushes).length) { if (this.store.selection.source === "parallel") this.store.clear(); return; }
    this.store.select("parallel", { test: this.rule(brushes) });
  }

  // Whether a trial is inside all brushes, by its values: holds for trials and values that come later, too.
  rule(brushes) {
    const parts = Object.entries(brushes).map(([key, ranges]) => {
      const column = this.store.columns().find((c) => c.key === key), list = Array.isArray(ranges[0]) ? ranges : [ranges];
      const { log, bottom } = this.drawn[key] || {}, place = new Map(column.values.map((v, i) => [typeof v + String(v), i]));
      return (t) => {
        const v = column.get(t);
        let at;
        if (column.kind !== "number") at = v === null ? -1 : place.get(typeof v + String(v)) ?? -1;
        else at = v === null || !Number.isFinite(v) ? bottom : log ? Math.log10(v) : v;
        return list.some(([low, high]) => at >= low - 1e-12 && at <= high + 1e-12);
      };
    });
    return (t) => t.best !== null && parts.every((part) => part(t));
  }
}

// One range for several brushes of an axis: what the keyboard moves.
function flat(ranges) {
  if (!ranges) return null;
  const ends = ranges.flat();
  return [Math.min(...ends), Math.max(...ends)];
}

// plotly lets a brush end only at ticks where an axis has ticks of its own: so many that cannot be seen that it ends anywhere.
// Ticks of the same text would be one tick: theirs is a number in characters of no width.
function stops(low, high) {
  const unseen = (i) => i.toString(2).replace(/0/g, "\u200b").replace(/1/g, "\u200c");
  return Array.from({ length: STOPS + 1 }, (_, i) => [low + ((high - low) * i) / STOPS, unseen(i)]);
}

export function niceTicks(low, high, log) {
  if (log) {
    const out = [], first = Math.ceil(low - 1e-9), last = Math.floor(high + 1e-9), step = Math.max(1, Math.ceil((last - first) / 6));
    for (let p = first; p <= last; p += step) out.push(p);
    return out.length >= 2 ? out : [low, (low + high) / 2, high];
  }
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const out = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) out.push(v);
  return out;
}
