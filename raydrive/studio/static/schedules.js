// Population based training: each hyperparameter over the intervals of its members, and who took over whose training.
import { el, fill, num, esc, css, select } from "./util.js";
import { Frame, layout, plot, empty, goodness, colourAt } from "./chart.js";

export class Schedules {
  constructor(store) {
    this.store = store; this.name = null; this.names = "";
    this.controls = el("div", { class: "controls" });
    this.plotNode = el("div", { class: "plot", id: "chart-schedules" });
    this.note = el("p", { class: "hint" }, "A line per member, brighter to darker by its result; a dot where it took over another member's training. The dashed lines lead from there.");
    this.node = el("div", {}, this.controls, this.plotNode, this.note);
    this.frame = new Frame(this.plotNode, () => this.draw());
  }

  update() {
    const population = this.store.head.population;
    this.node.parentElement.hidden = !population;
    if (!population) return;
    const names = JSON.stringify(population.parameters);
    if (names !== this.names) {
      this.names = names;
      this.name = population.parameters[0];
      fill(this.controls, select("Hyperparameter", population.parameters.map((name) => [`=${name}`, name]), `=${this.name}`, (v) => { this.name = v.slice(1); this.frame.soil(); }));
    }
    this.frame.soil();
  }

  draw() {
    const { store, name } = this, { members, scheduled } = store.head.population;
    if (!members.length) return empty(this.plotNode, "No trials yet.");
    const lengths = new Map(store.trials.map((t) => [t.number, t.intervals])), good = goodness(store.trials, (t) => t.best, store.head.run.goal === "maximize");
    const best = new Map(store.trials.map((t) => [t.number, t.best])), at = (one, interval) => { let value = null; for (const [from, params] of members[one]) if (from <= interval) value = params[name]; return value; };
    const values = members.flatMap((parts) => parts.map(([, params]) => params[name])), numbers = values.every((v) => typeof v === "number");
    const place = numbers ? (v) => v : (() => { const seen = [...new Set(values.map(String))]; return (v) => seen.indexOf(String(v)); })();
    const low = Math.min(...values.map(place)), high = Math.max(...values.map(place)), log = numbers && low > 0 && high / low > 20;
    const lines = members.map((parts, trial) => {
      const x = [], y = [], text = [], end = Math.max(lengths.get(trial) || 0, parts[parts.length - 1][0]);
      parts.forEach(([from, params], i) => {
        const to = i + 1 < parts.length ? parts[i + 1][0] : end, shown = `<b>trial ${trial}</b><br>${esc(name, 40)} ${esc(num(params[name]), 40)}`;
        x.push(from, to); y.push(place(params[name]), place(params[name])); text.push(shown, shown);
      });
      const f = good.of(best.get(trial)), chosen = store.isSelected(trial);
      return { type: "scatter", mode: "lines", x, y, text, customdata: x.map(() => trial), hoverinfo: "text", opacity: chosen ? 1 : 0.15, line: { width: 2, color: f === null ? css("--faint") : colourAt(f) }, showlegend: false };
    });
    const tie = { type: "scatter", mode: "lines", x: [], y: [], hoverinfo: "skip", line: { width: 1, dash: "dot", color: css("--faint") }, showlegend: false };
    const dots = { type: "scatter", mode: "markers", x: [], y: [], text: [], customdata: [], hoverinfo: "text", marker: { size: 7, color: css("--accent") }, showlegend: false };
    members.forEach((parts, trial) => parts.slice(1).forEach(([from, params, source, why]) => {
      dots.x.push(from); dots.y.push(place(params[name])); dots.customdata.push(trial); dots.text.push(`<b>trial ${trial}</b> at interval ${from}<br>${esc(why, 160)}`);
      if (source === null) return;
      tie.x.push(from, from, null); tie.y.push(place(at(source, from)), place(params[name]), null);
    }));
    const ticks = numbers ? {} : { tickvals: [...new Set(values.map(place))], ticktext: [...new Set(values.map(String))].map((v) => esc(v, 20)) };
    plot(this.plotNode, [...lines, tie, dots], layout({ uirevision: `schedules ${name}`, showlegend: false,
      xaxis: { title: { text: "interval" }, rangemode: "tozero" }, yaxis: { title: { text: esc(name, 40) }, type: log ? "log" : "linear", ...ticks } }),
      `${name} of ${members.length} ${scheduled ? "trials with a schedule" : "members"} over intervals`);
    if (!this.wired) {
      this.wired = true;
      this.plotNode.on("plotly_click", (event) => { const number = event.points[0]?.customdata; if (Number.isInteger(number)) store.toggle(number); });
    }
  }
}
