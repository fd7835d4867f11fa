// The metrics chart: a line per trial over intervals, with the policy over it; and the best so far.
import { el, fill, esc, num, clock, select, check, quantile, remembered, remember, css } from "./util.js";
import { STATES } from "./store.js";
import { Frame, layout, plot, empty, stateColour, describe } from "./chart.js";

const MANY_POINTS = 20000;
const MOST_COLOURED = 24;
const COLOURS = ["#7b61ff", "#e4572e", "#00a5cf", "#c2185b", "#6a994e", "#bc6c25", "#3a86ff", "#9d4edd"];

export function points(curve) {
  if (!curve) return [[], []];
  return Array.isArray(curve) ? [curve.map((_, i) => i + 1), curve] : [curve.k, curve.v];
}

export function smooth(values, weight) {
  if (!weight) return values;
  let last = null, norm = 0;
  return values.map((value) => {
    if (value === null) return null;
    last = last === null ? (1 - weight) * value : weight * last + (1 - weight) * value;
    norm = norm * weight + (1 - weight);
    return last / norm;
  });
}

// One trace for many trials: their lines one after another with gaps between.
function joined(trials, curveOf, weight) {
  const x = [], y = [], data = [];
  for (const trial of trials) {
    const [k, v] = points(curveOf(trial));
    if (!k.length) continue;
    const s = smooth(v, weight);
    for (let i = 0; i < k.length; i++) { x.push(k[i]); y.push(s[i]); data.push(trial.number); }
    x.push(null); y.push(null); data.push(null);
  }
  return { x, y, customdata: data };
}

export class MetricsChart {
  constructor(store, source, open) {
    this.store = store; this.source = source; this.open = open;
    this.metric = null; this.other = new Map();
    this.log = false; this.clip = true; this.weight = 0; this.top = remembered("top", "all"); this.overlay = true; this.earlier = true;
    this.plotNode = el("div", { class: "plot tall", id: "chart-metrics" });
    this.controls = el("div", { class: "controls" });
    this.node = el("div", {}, this.controls, this.plotNode);
    this.frame = new Frame(this.plotNode, () => this.draw());
    this.names = "";
  }

  update(what) { this.rebuild(); if (what === "data" && this.metric) this.fetch(this.metric); this.frame.soil(); }

  rebuild() {
    const names = JSON.stringify([this.store.metric, this.store.head.metrics, this.store.ancestors.length]);
    if (names === this.names) return;
    this.names = names;
    const redraw = () => this.frame.soil();
    const metrics = [["", this.store.metric], ...this.store.head.metrics.map((name) => [`=${name}`, name])];
    fill(this.controls, 
      select("Metric", metrics, this.metric === null ? "" : `=${this.metric}`, (v) => { this.metric = v ? v.slice(1) : null; this.fetch(this.metric); }),
      select("Trials", [["all", "all"], ["10", "best 10"], ["25", "best 25"], ["selected", "selected only"]], this.top,
        (v) => { this.top = v; remember("top", v); redraw(); }),
      el("label", { class: "pick" }, el("span", {}, "Smoothing"),
        el("input", { type: "range", min: 0, max: 0.95, step: 0.05, value: this.weight, "aria-label": "Smoothing",
          oninput: (e) => { this.weight = Number(e.target.value); redraw(); } })),
      check("log axis", this.log, (v) => { this.log = v; redraw(); }),
      check("clip outliers", this.clip, (v) => { this.clip = v; redraw(); }, "Leave far-off values out of the range of the axis"),
      check("policy", this.overlay, (v) => { this.overlay = v; redraw(); }, "Draw the early termination policy and where it stopped trials"),
      this.store.ancestors.length ? check("earlier runs", this.earlier, (v) => { this.earlier = v; redraw(); }, "Draw the curves of earlier runs that this one was warm-started from") : null,
    );
  }

  async fetch(name) {
    if (name !== null) {
      try {
        const found = await this.source.series(name);
        this.other.set(name, found ? new Map(found) : null);
      } catch { this.other.set(name, null); }
    }
    this.frame.soil();
  }

  draw() {
    const { store } = this, primary = this.metric === null;
    const name = primary ? store.metric : this.metric;
    const curves = primary ? null : this.other.get(name);
    if (!primary && !curves) {
      return empty(this.plotNode, curves === null ? "The curves of this metric are not in this report: open the run in the studio to see them." : "Loading …");
    }
    const curveOf = primary ? (t) => t.curve : (t) => curves.get(t.number);
    const shown = this.chosen().filter((t) => points(curveOf(t))[0].length);
    if (!shown.length) return empty(this.plotNode, store.trials.length ? `No trial has logged ${name}.` : "No trials yet.");
    const longest = Math.max(...shown.map((t) => points(curveOf(t))[0].length));
    const [traces, shape] = longest <= 1 ? this.single(shown, curveOf, name) : this.lines(shown, curveOf, name, primary);
    plot(this.plotNode, traces, shape, `${name} of ${shown.length} trials over intervals, a line per trial`);
    if (!this.wired) {
      this.wired = true;
      this.plotNode.on("plotly_click", (event) => {
        const number = event.points[0]?.customdata;
        if (Number.isInteger(number)) this.store.toggle(number);
      });
    }
  }

  chosen() {
    if (this.top === "all") return this.store.trials;
    if (this.top === "selected") return this.store.selected();
    return this.store.ranked().slice(0, Number(this.top));
  }

  lines(shown, curveOf, name, primary) {
    const { store } = this, count = shown.reduce((sum, t) => sum + points(curveOf(t))[0].length, 0);
    const type = count > MANY_POINTS ? "scattergl" : "scatter", crowd = shown.length > 60;
    const hovertemplate = "trial %{customdata}<br>interval %{x}<br>%{y:.6g}<extra></extra>";
    const dim = store.selecting, traces = [];
    if (primary && this.earlier && store.ancestors.length) traces.push(...this.ancestors(type));
    for (const state of STATES) {
      const of = shown.filter((t) => t.state === state);
      if (!of.length) continue;
      traces.push({ type, mode: of.some((t) => points(curveOf(t))[0].length === 1) ? "lines+markers" : "lines", marker: { size: 3 },
        name: state, ...joined(of, curveOf, this.weight), hovertemplate, opacity: dim ? 0.1 : shown.length > 600 ? 0.12 : shown.length > 300 ? 0.2 : crowd ? 0.4 : 0.7,
        line: { color: stateColour(state), width: crowd ? 1 : 1.4 }, connectgaps: false, showlegend: false });
      // Many lines are drawn faint; in the legend their colour has to be seen.
      traces.push({ type, mode: "lines", name: state, x: [null], y: [null], line: { color: stateColour(state), width: 2 }, hoverinfo: "skip" });
    }
    const picked = dim ? shown.filter((t) => store.isSelected(t.number)) : [];
    if (picked.length > MOST_COLOURED) {
      traces.push({ type, mode: "lines", name: `selected (${picked.length})`, ...joined(picked, curveOf, this.weight), hovertemplate,
        line: { color: css("--accent"), width: 1.2 }, opacity: 0.8 });
    } else {
      picked.forEach((t, i) => traces.push({ type, mode: "lines", name: `trial ${t.number}`, ...joined([t], curveOf, this.weight),
        hovertemplate, line: { color: COLOURS[i % COLOURS.length], width: 2 } }));
    }
    const best = store.head.best && shown.find((t) => t.number === store.head.best.trial);
    if (best) {
      traces.push({ type, mode: "lines", name: `best: trial ${best.number}`, ...joined([best], curveOf, this.weight), hovertemplate,
        line: { color: css("--best"), width: 3 } });
    }
    if (primary && this.overlay) this.policy(shown, traces, type);
    return [traces, this.shape(traces, name, { xaxis: { title: { text: "interval: the trial's n-th value", standoff: 6 }, rangemode: "tozero" } })];
  }

  // Curves of earlier runs that this one is compared with.
  ancestors(type) {
    const { ancestors, head } = this.store, x = [], y = [], text = [];
    for (const [parent, number, , curve] of ancestors) {
      const [k, v] = points(curve), s = smooth(v, this.weight), label = `trial ${number} of ${esc(head.lineage.parents[parent].run, 60)}`;
      for (let i = 0; i < k.length; i++) { x.push(k[i]); y.push(s[i]); text.push(`${label}<br>interval ${k[i]}<br>${num(v[i])}`); }
      x.push(null); y.push(null); text.push(null);
    }
    const look = { color: css("--faint"), width: 1, dash: "dot" }, name = `earlier runs (${ancestors.length})`;
    return [{ type, mode: "lines", name, x, y, hoverinfo: "text", hovertext: text, line: look, opacity: ancestors.length > 60 ? 0.25 : 0.5, showlegend: false },
      { type, mode: "lines", name, x: [null], y: [null], line: { ...look, width: 2 }, hoverinfo: "skip" }];
  }

  // WebGL lines lie above all others: where the trials are drawn so, the policy has to be, too.
  policy(shown, traces, type) {
    const { policy } = this.store.head, stops = shown.filter((t) => t.cut);
    if (policy.k.length) {
      traces.push({ type, mode: "lines", name: policy.label, x: policy.k, y: policy.v, hoverinfo: "text",
        hovertext: policy.k.map((k, i) => `stopped at interval ${k} when ${this.store.maximize ? "below" : "above"} ${num(policy.v[i])}<br>(in the present state of the run)`),
        line: { color: css("--policy"), width: 2, dash: "dash", shape: "hv" } });
    }
    if (stops.length) {
      const at = (t) => { const [k, v] = points(t.curve); return v[k.findLastIndex((one) => one <= t.cut[0])]; };
      traces.push({ type, mode: "markers", name: `stopped by the policy (${stops.length})`, x: stops.map((t) => t.cut[0]), y: stops.map(at),
        customdata: stops.map((t) => t.number), hoverinfo: "text", hovertext: stops.map((t) => `<b>trial ${t.number} stopped</b><br>${esc(t.why, 160)}`),
        marker: { symbol: "x", size: stops.length > 100 ? 5 : 8, color: css("--policy"), opacity: stops.length > 100 ? 0.45 : 1 } });
    }
  }

  single(shown, curveOf, name) {
    const sign = this.store.maximize ? 1 : -1;
    const traces = STATES.map((state) => ({ state, of: shown.filter((t) => t.state === state) })).filter(({ of }) => of.length).map(({ state, of }) => ({
      type: of.length > 3000 ? "scattergl" : "scatter", mode: "markers", name: state, x: of.map((t) => t.number), y: of.map((t) => points(curveOf(t))[1][0]),
      customdata: of.map((t) => t.number), hoverinfo: "text", hovertext: of.map((t) => describe(this.store, t)),
      marker: { color: stateColour(state), size: 7, opacity: of.map((t) => (this.store.isSelected(t.number) ? 0.9 : 0.15)) } }));
    let top = null;
    const x = [], y = [];
    for (const t of shown) {
      const value = points(curveOf(t))[1][0];
      if (value !== null && (top === null || sign * (value - top) > 0)) top = value;
      if (top !== null) { x.push(t.number); y.push(top); }
    }
    traces.push({ type: "scatter", mode: "lines", name: "best so far", x, y, line: { color: css("--best"), width: 2.5, shape: "hv" }, hoverinfo: "skip" });
    return [traces, this.shape(traces, name, { xaxis: { title: { text: "trial", standoff: 6 } } })];
  }

  shape(traces, name, { xaxis }) {
    const yaxis = { title: { text: esc(name, 40), standoff: 8 } };
    const values = traces.flatMap((t) => Array.from(t.y)).filter((v) => v !== null && v !== undefined && Number.isFinite(v)).sort((a, b) => a - b);
    if (this.log && values.length && values[values.length - 1] > 0) yaxis.type = "log";
    else if (this.clip && values.length > 20) {
      const low = quantile(values, 0.03), high = quantile(values, 0.97), span = high - low || 1;
      if (values[0] < low - 2 * span || values[values.length - 1] > high + 2 * span) yaxis.range = [Math.max(values[0], low - 0.3 * span), Math.min(values[values.length - 1], high + 0.3 * span)];
    }
    return layout({ xaxis, yaxis, uirevision: `${name}${this.log}${this.clip}`, margin: { l: 56, r: 36, t: 8, b: 40 } });
  }
}

// Seconds worked on the run until a time: what lies between a driver's last word and its successor's first does not count.
export function worked(epochs, at) {
  const i = epochs.findLastIndex(([, began]) => began <= at);
  if (i < 0) return 0;
  const [, began, before] = epochs[i], next = epochs[i + 1];
  return next ? Math.min(before + at - began, next[2]) : before + at - began;
}

export class BestChart {
  constructor(store) {
    this.store = store; this.by = remembered("best-by", "time");
    this.plotNode = el("div", { class: "plot tall", id: "chart-best" });
    this.node = el("div", {}, el("div", { class: "controls" },
      select("Over", [["time", "time"], ["trials", "trials"]], this.by, (v) => { this.by = v; remember("best-by", v); this.frame.soil(); })), this.plotNode);
    this.frame = new Frame(this.plotNode, () => this.draw());
  }

  update() { this.frame.soil(); }

  draw() {
    const { store } = this, { head } = store, passed = (at) => worked(head.epochs, at), whole = passed(head.run.last);
    if (!head.rises.length) return empty(this.plotNode, "No trial has logged a finite value.");
    const time = this.by === "time", unit = whole > 7200 ? [3600, "hours"] : whole > 180 ? [60, "minutes"] : [1, "seconds"];
    const ended = store.trials.filter((t) => t.best !== null);
    const place = (t) => (time ? passed(t.ended || head.now) / unit[0] : t.number);
    const traces = [{ type: ended.length > 3000 ? "scattergl" : "scatter", mode: "markers", name: "trials", x: ended.map(place), y: ended.map((t) => t.best),
      customdata: ended.map((t) => t.number), hoverinfo: "text", hovertext: ended.map((t) => describe(store, t)),
      marker: { size: 6, color: css("--faint"), opacity: ended.map((t) => (store.isSelected(t.number) ? 0.55 : 0.1)) } }];
    const x = [], y = [], text = [];
    if (time) {
      for (const [at, trial, interval, value] of head.rises) {
        x.push(passed(at) / unit[0]); y.push(value); text.push(`${num(value)}<br>trial ${trial}, interval ${interval}<br>after ${clock(passed(at))}`);
      }
      x.push(whole / unit[0]); y.push(y[y.length - 1]); text.push("");
    } else {
      const sign = store.maximize ? 1 : -1;
      let top = null;
      for (const t of ended) {
        if (top === null || sign * (t.best - top) > 0) top = t.best;
        x.push(t.number); y.push(top); text.push(`${num(top)} after trial ${t.number}`);
      }
    }
    traces.push({ type: "scatter", mode: "lines+markers", name: "best so far", x, y, hoverinfo: "text", hovertext: text,
      line: { color: css("--best"), width: 2.5, shape: "hv" }, marker: { size: x.length > 60 ? 1 : 5 } });
    const values = ended.map((t) => t.best).sort((a, b) => a - b), low = quantile(values, 0.05), high = quantile(values, 0.95), span = high - low;
    const yaxis = { title: { text: esc(store.label, 40), standoff: 8 } };
    if (span > 0 && (values[0] < low - 2 * span || values[values.length - 1] > high + 2 * span)) yaxis.range = [Math.max(values[0], low - 0.3 * span), Math.min(values[values.length - 1], high + 0.3 * span)];
    plot(this.plotNode, traces, layout({ xaxis: { title: { text: time ? unit[1] : "trial", standoff: 6 } }, yaxis, uirevision: this.by, margin: { l: 56, r: 36, t: 8, b: 40 } }), `best ${store.label} so far over ${time ? "time" : "trials"}: ${num(y[y.length - 1])} now`);
  }
}
