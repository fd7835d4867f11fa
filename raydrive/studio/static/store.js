// State of the page: the run, its trials and what is selected. Views listen and draw.
import { esc, num } from "./util.js";

export const STATES = ["Running", "Interrupted", "Paused", "Completed", "Canceled", "Failed", "Queued"];
const OPEN = ["Running", "Queued"];

export class Store {
  constructor() {
    this.head = null;
    this.trials = [];
    this.analysis = null;
    this.ancestors = [];
    this.means = true;
    this.selection = { source: null, test: null, set: null };
    this.listeners = [];
  }

  on(call) { this.listeners.push(call); }
  tell(what) { for (const call of this.listeners) call(what); }

  // A whole document, or the head and the rows that changed.
  take(document, whole) {
    if (whole || (this.head && this.head.generation !== document.head.generation)) this.trials = [];
    const names = document.head.row;
    this.head = document.head;
    if (document.ancestors) this.ancestors = document.ancestors;
    for (const row of document.rows) {
      const trial = {};
      names.forEach((name, i) => { trial[name] = row[i]; });
      trial.p = {};
      trial.recorded = trial.state;
      this.trials[trial.number] = trial;
    }
    // That its driver was interrupted is said of the run; its open trials then neither train nor wait for room.
    const interrupted = ["Interrupted", "Damaged"].includes(this.head.run.state);
    for (const trial of this.trials) trial.state = interrupted && OPEN.includes(trial.recorded) ? "Interrupted" : trial.recorded;
    const params = this.head.params;
    for (const trial of this.trials) params.forEach((column, i) => { trial.p[column.name] = trial.params[i] ?? null; });
    this.configured = new Map(this.configurations.flatMap((one) => one.trials.map((number) => [number, one])));
    this.reselect();
    this.tell("data");
  }

  // Configurations that are tried several times, the best mean first; none in a run that tries each once.
  get configurations() { return this.head?.configurations || []; }
  configurationOf(number) { return this.configured?.get(number); }
  configurationText(one) {
    const error = one.standard_error === null ? "" : ` ± ${num(Number(one.standard_error.toPrecision(2)))}`;
    return [`<b>configuration of trial ${one.configuration}</b>`, one.mean === null ? "no value" : `mean ${num(one.mean)}${error} of ${one.values}`, `trials ${one.trials.slice(0, 12).join(", ")}`,
      ...Object.entries(one.params).slice(0, 12).map(([name, value]) => `${esc(name, 30)} ${esc(typeof value === "object" ? JSON.stringify(value) : num(value), 40)}`)].join("<br>");
  }

  // What a chart draws: trials, or the configurations in their place, each as its first trial with the mean as value.
  drawn() {
    if (!this.means || !this.configurations.length) return this.trials;
    return this.configurations.filter((one) => one.mean !== null && this.trials[one.configuration]).map((one) => ({ ...this.trials[one.configuration], best: one.mean, means: one }));
  }

  get label() { return this.head.run.label; }
  get objective() { return this.head.run.objective; }
  get maximize() { return this.head.run.goal === "maximize"; }
  get metric() { return this.head.run.metric; }

  // What a trial uses of its GPUs while it trains; undefined when that is not known.
  usageNow(t) { return t.state === "Running" ? this.head.run.gpu_use?.[t.number] : undefined; }
  knowsUsage() { return this.trials.some((t) => Object.keys(this.usageNow(t) || t.usage || {}).length); }

  ranked() {
    const sign = this.maximize ? -1 : 1;
    return this.trials.filter((t) => t.best !== null).sort((a, b) => sign * (a.best - b.best) || a.number - b.number);
  }

  // Parameters, the most important first; without an analysis, as declared.
  paramsByImportance() {
    const order = new Map((this.analysis?.importance || []).map(([name], i) => [name, i]));
    // What repeats differ by is no axis of their means.
    const seed = this.means && this.configurations.length ? this.head.run.config.rules?.repeats?.parameter : undefined;
    return this.head.params.filter((one) => one.name !== seed).sort((a, b) => (order.get(a.name) ?? 999) - (order.get(b.name) ?? 999));
  }

  // Every column a chart or table can show: { key, label, kind, log, values, get }.
  columns() {
    const out = this.head.params.map((c) => ({ ...c, key: `p:${c.name}`, label: c.name, get: (t) => t.p[c.name] }));
    const plain = (key, label, get, kind = "number", log = false) => out.push({ key, label, get, kind, log, values: [] });
    plain("best", `${this.objective} ${this.metric}`, (t) => t.best);
    if (this.objective !== "last") plain("last", `last ${this.metric}`, (t) => t.last);
    this.head.metrics.forEach((name, i) => plain(`m:${name}`, `last ${name}`, (t) => (typeof t.extras[i] === "number" ? t.extras[i] : null)));
    plain("intervals", "intervals", (t) => t.intervals);
    plain("seconds", "seconds", (t) => t.seconds);
    plain("number", "trial", (t) => t.number);
    return out;
  }

  column(key) { return this.columns().find((c) => c.key === key); }

  // ---------------------------------------------------------------- selection

  // By a rule (a brush): trials that come later are judged by it too. By a list: it stays as it is.
  select(source, { test = null, set = null } = {}) {
    this.selection = { source, test, set: set ? new Set(set) : null };
    this.reselect();
    this.tell("selection");
  }

  clear() { this.select(null); }

  reselect() {
    const { test } = this.selection;
    if (test) this.selection.set = new Set(this.trials.filter(test).map((t) => t.number));
  }

  get selecting() { return this.selection.set !== null; }
  isDrawnSelected(t) { return t.means ? t.means.trials.some((number) => this.isSelected(number)) : this.isSelected(t.number); }
  isSelected(number) { return this.selection.set === null || this.selection.set.has(number); }
  selected() { return this.selecting ? this.trials.filter((t) => this.selection.set.has(t.number)) : []; }

  toggle(number, whole = false) {
    const set = new Set(this.selection.set || []), had = set.has(number);
    for (const one of (whole && this.configurationOf(number)?.trials) || [number]) if (had) set.delete(one); else set.add(one);
    this.select("table", set.size ? { set } : {});
  }
}
