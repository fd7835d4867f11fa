// State of the page: the run, its trials and what is selected. Views listen and draw.

export const STATES = ["Running", "Interrupted", "Paused", "Completed", "Canceled", "Failed", "Queued"];
const OPEN = ["Running", "Queued"];

export class Store {
  constructor() {
    this.head = null;
    this.trials = [];
    this.analysis = null;
    this.ancestors = [];
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
    this.reselect();
    this.tell("data");
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
    return [...this.head.params].sort((a, b) => (order.get(a.name) ?? 999) - (order.get(b.name) ?? 999));
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
  isSelected(number) { return this.selection.set === null || this.selection.set.has(number); }
  selected() { return this.selecting ? this.trials.filter((t) => this.selection.set.has(t.number)) : []; }

  toggle(number) {
    const set = new Set(this.selection.set || []);
    if (set.has(number)) set.delete(number); else set.add(number);
    this.select("table", set.size ? { set } : {});
  }
}
