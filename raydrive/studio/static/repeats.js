// Configurations that are tried several times: a column for each, its mean with the standard error, its repeats as points.
import { el, css, esc, num } from "./util.js";
import { Frame, layout, plot, empty } from "./chart.js";

const MOST_DRAWN = 40;

export class Repeats {
  constructor(store, open) {
    this.store = store; this.open = open;
    this.plotNode = el("div", { class: "plot tall", id: "chart-repeats" });
    this.note = el("p", { class: "hint" });
    this.node = el("div", {}, this.plotNode, this.note);
    this.frame = new Frame(this.plotNode, () => this.draw());
  }

  // A run that tries each configuration once has no such panel.
  update() {
    const panel = this.node.closest(".card");
    if (panel) panel.hidden = !this.store.configurations.length;
    this.frame.soil();
  }

  draw() {
    const { store } = this, found = store.configurations.filter((one) => one.mean !== null), shown = found.slice(0, MOST_DRAWN);
    if (!shown.length) return empty(this.plotNode, "No configuration has a trial that has completed with a value.");
    const name = (one) => `trial ${one.configuration}`, bright = (one) => one.trials.some((n) => store.isSelected(n));
    const points = shown.flatMap((one) => one.trials.map((n) => store.trials[n]).filter((t) => t && t.best !== null).map((t) => ({ t, x: name(one) })));
    const of = (title, list, marker) => ({ type: "scatter", mode: "markers", name: title, x: list.map((p) => p.x), y: list.map((p) => p.t.best), customdata: list.map((p) => p.t.number),
      hoverinfo: "text", hovertext: list.map((p) => `trial ${p.t.number}  ${p.t.state}<br>${esc(store.label, 30)} ${num(p.t.best)}`), marker: { size: 6, color: css("--faint"), opacity: list.map((p) => (store.isSelected(p.t.number) ? 0.6 : 0.12)), ...marker } });
    const counted = points.filter((p) => p.t.state === "Completed"), open = points.filter((p) => p.t.state !== "Completed");
    const means = (title, list, colour) => ({ type: "scatter", mode: "markers", name: title, x: list.map(name), y: list.map((one) => one.mean), customdata: list.map((one) => one.configuration),
      error_y: { type: "data", array: list.map((one) => one.standard_error), thickness: 1.5, width: 5, color: colour }, hoverinfo: "text", hovertext: list.map((one) => store.configurationText(one)),
      marker: { symbol: "diamond", size: 10, color: colour, opacity: list.map((one) => (bright(one) ? 1 : 0.2)) } });
    const groups = [["mean ± standard error, may be best", true, css("--best")], ["mean ± standard error, worse by the race", false, css("--accent")]];
    const traces = [of("repeats", counted, {}), ...(open.length ? [of("not completed, not in the mean", open, { symbol: "circle-open" })] : []),
      ...groups.map(([title, contends, colour]) => [title, shown.filter((one) => one.contends === contends), colour]).filter(([, list]) => list.length).map((one) => means(...one))];
    this.note.textContent = found.length > shown.length ? `The best ${shown.length} of ${found.length} configurations.` : "";
    const xaxis = { type: "category", categoryorder: "array", categoryarray: shown.map(name), title: { text: "configuration, by its first trial", standoff: 6 } };
    plot(this.plotNode, traces, layout({ xaxis, yaxis: { title: { text: esc(store.label, 40), standoff: 8 } }, margin: { l: 56, r: 36, t: 8, b: 40 } }),
      `Means of ${shown.length} configurations; the best: ${num(shown[0].mean)}, ${name(shown[0])}`);
    if (!this.wired) {
      this.wired = true;
      this.plotNode.on("plotly_click", (event) => {
        const point = event.points[0], number = point?.customdata;
        if (Number.isInteger(number)) store.select("scatter", { set: point.data.error_y ? store.configurationOf(number).trials : [number] });
      });
    }
  }
}
