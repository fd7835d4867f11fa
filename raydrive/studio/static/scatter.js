// Scatter charts of any two or three columns, coloured by the metric.
import { el, fill, esc, num, select, css } from "./util.js";
import { Frame, layout, plot, empty, scale, goodness, axisOf, describe, colourAt, fewLogTicks, meansBox } from "./chart.js";

class Scatter {
  constructor(store, open, id, letters) {
    this.store = store; this.open = open; this.letters = letters; this.keys = {};
    this.controls = el("div", { class: "controls" });
    this.plotNode = el("div", { class: "plot tall", id });
    this.node = el("div", {}, this.controls, this.plotNode);
    this.frame = new Frame(this.plotNode, () => this.draw());
    this.built = "";
  }

  update(what) {
    if ((what === "analysis" || what === "means") && !this.touched) this.keys = {};
    this.defaults();
    this.rebuild();
    this.frame.soil();
  }

  // The most important parameters; the metric where there are too few.
  defaults() {
    const columns = this.store.columns(), known = new Set(columns.map((c) => c.key));
    const order = [...this.store.paramsByImportance().map((c) => `p:${c.name}`), "best", "intervals", "number"];
    this.letters.forEach((letter, i) => { if (!known.has(this.keys[letter])) this.keys[letter] = order[i]; });
    if (!known.has(this.keys.colour)) this.keys.colour = "best";
  }

  rebuild() {
    const columns = this.store.columns(), now = JSON.stringify([columns.map((c) => c.key), this.keys, this.store.means, this.store.configurations.length > 0]);
    if (now === this.built) return;
    this.built = now;
    const options = columns.map((c) => [c.key, c.label]);
    const pick = (label, letter, list) => select(label, list, this.keys[letter], (v) => { this.keys[letter] = v; this.touched = true; this.built = ""; this.rebuild(); this.frame.soil(); });
    fill(this.controls, ...this.letters.map((letter) => pick(letter.toUpperCase(), letter, options)),
      pick("Colour", "colour", options.filter(([key]) => this.store.column(key).kind === "number")), meansBox(this.store));
  }

  label(trials) { return `${trials.length} ${trials[0].means ? "configurations" : "trials"} by ${this.letters.map((letter) => this.store.column(this.keys[letter]).label).join(", ")}, coloured by ${this.store.column(this.keys.colour).label}`; }

  ready() {
    const { store } = this, columns = this.letters.map((letter) => store.column(this.keys[letter])), colour = store.column(this.keys.colour);
    if (!colour || columns.some((c) => !c)) return null;
    const trials = store.drawn().filter((t) => colour.get(t) !== null && columns.every((c) => c.get(t) !== null));
    if (!trials.length) { empty(this.plotNode, store.trials.length ? "No trial has values for these axes." : "No trials yet."); return null; }
    // A metric other than the run's has no goal of its own: more is drawn as more.
    const good = goodness(trials, colour.get, colour.key === "best" || colour.key === "last" ? store.maximize : true);
    return { trials, axes: columns.map((c) => axisOf(c, trials)), colour, good };
  }
}

export class Scatter2 extends Scatter {
  constructor(store, open) { super(store, open, "chart-scatter2", ["x", "y"]); }

  draw() {
    const ready = this.ready();
    if (!ready) return;
    const { trials, axes: [x, y], colour, good } = ready, { store } = this, stops = scale();
    const reverse = colour.key === "best" || colour.key === "last" ? !store.maximize : false;
    const colorscale = stops.map((c, i) => [i / (stops.length - 1), reverse ? stops[stops.length - 1 - i] : c]);
    const jitter = (axis) => (axis.steps ? axis.values.map((v, i) => v + (((trials[i].number * 0.618034) % 1) - 0.5) * 0.3) : axis.values);
    const trace = { type: trials.length > 3000 ? "scattergl" : "scatter", mode: "markers", x: jitter(x), y: jitter(y), customdata: trials.map((t) => t.number),
      hoverinfo: "text", hovertext: trials.map((t) => describe(store, t)),
      marker: { size: trials.length > 1500 ? 5 : 8, color: trials.map(colour.get), colorscale, cmin: good.high === good.low && !reverse ? good.low - 1 : good.low, cmax: good.high === good.low && reverse ? good.high + 1 : good.high,
        line: { width: 0.6, color: css("--card") }, colorbar: { thickness: 10, outlinewidth: 0, tickfont: { size: 10 }, len: 1, title: { text: esc(colour.label, 24), side: "right", font: { size: 11 } } } },
      unselected: { marker: { opacity: 0.12 } }, selected: { marker: { opacity: 1 } } };
    trace.selectedpoints = store.selecting ? trials.flatMap((t, i) => (store.isDrawnSelected(t) ? [i] : [])) : null;
    const before = this.repeats(trials, trace);
    // plotly keeps the box that was drawn, and what is in it, until it is cleared.
    const own = store.selection.source === "scatter";
    if (!own) this.past = (this.past || 0) + 1;
    this.drawing = true;
    plot(this.plotNode, [...before, trace], layout({ xaxis: x.layout, yaxis: y.layout, showlegend: false, dragmode: "select", uirevision: JSON.stringify(this.keys), selectionrevision: this.past || 0, ...(own ? {} : { selections: [] }), margin: { l: 60, r: 8, t: 8, b: 44 } }), this.label(trials));
    this.drawing = false;
    if (!this.wired) {
      this.wired = true;
      this.plotNode.on("plotly_selected", (event) => {
        if (this.drawing) return;
        if (!event || !event.points.length) { if (this.store.selection.source === "scatter") this.store.clear(); return; }
        this.store.select("scatter", { set: event.points.flatMap((p) => (this.store.means && this.store.configurationOf(p.customdata)?.trials) || [p.customdata]) });
      });
      this.plotNode.on("plotly_deselect", () => this.store.clear());
      this.plotNode.on("plotly_click", (event) => {
        const number = event.points[0]?.customdata;
        if (Number.isInteger(number)) this.store.toggle(number, this.store.means);
      });
    }
  }

  // Means get their standard errors where an axis shows them, and the trials stand behind them as small points.
  repeats(trials, trace) {
    const { store } = this;
    if (!trials[0].means) return [];
    trace.marker.symbol = "diamond"; trace.marker.size = 10;
    const array = trials.map((t) => t.means.standard_error);
    for (const letter of this.letters) if (this.keys[letter] === "best") trace[`error_${letter}`] = { type: "data", array, thickness: 1.2, width: 3, color: css("--faint") };
    // Along hyperparameters alone each would lie exactly behind its mean.
    if (this.letters.every((letter) => this.keys[letter].startsWith("p:"))) return [];
    const [x, y] = this.letters.map((letter) => store.column(this.keys[letter])), single = store.trials.filter((t) => x.get(t) !== null && y.get(t) !== null);
    return [{ type: single.length > 3000 ? "scattergl" : "scatter", mode: "markers", x: axisOf(x, single).values, y: axisOf(y, single).values, customdata: single.map((t) => t.number),
      hoverinfo: "text", hovertext: single.map((t) => describe(store, t)), marker: { size: 4, color: css("--faint"), opacity: 0.5 } }];
  }
}

export class Scatter3 extends Scatter {
  constructor(store, open) { super(store, open, "chart-scatter3", ["x", "y", "z"]); }

  draw() {
    const ready = this.ready();
    if (!ready) return;
    const { trials, axes, colour, good } = ready, { store } = this, line = css("--line"), text = css("--text");
    const shape = (axis) => ({ ...axis.layout, ...(axis.log ? fewLogTicks(axis.values) : { nticks: 6 }), title: { text: axis.layout.title.text, font: { size: 12 } }, gridcolor: line, color: text, showbackground: false, tickfont: { size: 10 } });
    const trace = { type: "scatter3d", mode: "markers", x: axes[0].values, y: axes[1].values, z: axes[2].values, customdata: trials.map((t) => t.number),
      hoverinfo: "text", hovertext: trials.map((t) => describe(store, t)),
      marker: { size: trials.length > 1500 ? 2.5 : 4.5, color: trials.map((t) => colourAt(good.of(colour.get(t)), store.isDrawnSelected(t) ? 1 : 0.08)) } };
    const scene = { xaxis: shape(axes[0]), yaxis: shape(axes[1]), zaxis: shape(axes[2]), aspectmode: "cube", camera: { eye: { x: 1.7, y: 1.7, z: 0.85 }, center: { x: 0, y: 0, z: -0.12 } } };
    plot(this.plotNode, [trace], layout({ scene, uirevision: JSON.stringify(this.keys), margin: { l: 0, r: 0, t: 0, b: 0 } }), this.label(trials));
    if (!this.wired) {
      this.wired = true;
      this.plotNode.on("plotly_click", (event) => {
        const number = event.points[0]?.customdata;
        if (Number.isInteger(number)) this.store.toggle(number, this.store.means);
      });
    }
  }
}
