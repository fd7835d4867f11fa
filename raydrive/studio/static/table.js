// The table of trials: sort, filter, choose columns, select, copy, CSV.
import { el, fill, num, clock, bytes, cut, csvCell, download, copy, check, debounce } from "./util.js";

const PAGE = 50;
const FILTER_HELP = "Words match anywhere; also state:failed, lr<0.01, accuracy>=0.9, node:gpu-2, selected";

export function parseFilter(text, columns) {
  const tests = [];
  for (const word of text.match(/\S+/g) || []) {
    const found = word.match(/^(.+?)(<=|>=|!=|<|>|=|:)(.+)$/);
    const column = found && columns.find((c) => c.label.toLowerCase() === found[1].toLowerCase())
      || found && columns.find((c) => c.label.toLowerCase().endsWith(found[1].toLowerCase()));
    if (word.toLowerCase() === "selected") tests.push((t, store) => store.selecting && store.isSelected(t.number));
    else if (column) {
      const [, , op, raw] = found, wanted = Number(raw), low = raw.toLowerCase();
      tests.push((t) => {
        const value = column.get(t);
        if (op === ":") return String(value ?? "").toLowerCase().includes(low);
        if (value === null || value === undefined) return op === "!=";
        if (raw !== "" && typeof value === "number" && !Number.isNaN(wanted)) {
          return { "<": value < wanted, ">": value > wanted, "<=": value <= wanted, ">=": value >= wanted, "=": value === wanted, "!=": value !== wanted }[op];
        }
        const same = String(value).toLowerCase() === low;
        return op === "=" ? same : op === "!=" ? !same : false;
      });
    } else {
      const low = word.toLowerCase();
      tests.push((t) => columns.some((c) => String(c.get(t) ?? "").toLowerCase().includes(low)));
    }
  }
  return (t, store) => tests.every((test) => test(t, store));
}

export class Table {
  constructor(store, open) {
    this.store = store; this.open = open; this.page = 0; this.filter = ""; this.sort = { key: "best", down: null }; this.hidden = new Set(["last", "attempt", "gpus"]);
    this.only = false;
    this.count = el("span", { class: "hint", id: "table-count", role: "status" });
    this.box = el("input", { type: "search", placeholder: "Filter: words, lr<0.01, state:failed", title: FILTER_HELP, "aria-label": "Filter the trials",
      oninput: debounce(() => { this.filter = this.box.value; this.page = 0; this.draw(); }, 120) });
    this.menu = el("details", { class: "menu" });
    this.onlyBox = check("selected only", false, (on) => { this.only = on; this.page = 0; this.draw(); });
    this.head = el("thead");
    this.body = el("tbody");
    this.pager = el("div", { class: "pager" });
    this.node = el("div", {},
      el("div", { class: "controls" }, this.box, this.onlyBox, this.menu, this.count, el("span", { class: "spring" }),
        el("button", { onclick: (e) => this.copy(e.target) }, "Copy"), el("button", { onclick: () => this.save() }, "CSV")),
      el("div", { class: "scroll", tabIndex: 0, role: "group", "aria-label": "Table of trials" }, el("table", { id: "trials" }, this.head, this.body)), this.pager);
  }

  // Leads to the table; with a filter, to the trials that it lets through.
  go(filter) {
    if (filter !== null) { this.box.value = this.filter = filter; this.page = 0; this.only = false; this.onlyBox.firstChild.checked = false; this.draw(); }
    const panel = this.node.closest(".card");
    if (panel.classList.contains("folded")) panel.querySelector(".fold").click();
    panel.scrollIntoView({ block: "start" });
    this.box.focus({ preventScroll: true });
  }

  columns() {
    const { store } = this, best = store.maximize;
    const out = [
      { key: "number", label: "trial", get: (t) => t.number, right: true },
      { key: "state", label: "state", get: (t) => t.state },
      { key: "best", label: store.label, get: (t) => t.best, right: true, down: best },
      ...(store.objective === "last" ? [] : [{ key: "last", label: `last ${store.metric}`, get: (t) => t.last, right: true }]),
      ...(store.configurations.length ? [
        { key: "configuration", label: "configuration", get: (t) => store.configurationOf(t.number)?.configuration ?? null, right: true },
        { key: "mean", label: "its mean", get: (t) => store.configurationOf(t.number)?.mean ?? null, right: true, down: best }] : []),
      { key: "intervals", label: "intervals", get: (t) => t.intervals, right: true },
      { key: "seconds", label: "time", get: (t) => t.seconds, show: clock, right: true },
    ];
    for (const c of store.head.params) out.push({ key: `p:${c.name}`, label: c.name, get: (t) => t.p[c.name], right: c.kind !== "category" });
    store.head.metrics.forEach((name, i) => out.push({ key: `m:${name}`, label: name, get: (t) => t.extras[i], right: true }));
    out.push({ key: "node", label: "node", get: (t) => { const nodes = t.tries[t.tries.length - 1]?.[8]; return nodes?.length > 1 ? nodes.join(", ") : t.node; } }, { key: "gpus", label: "GPU", get: (t) => t.gpus },
      ...(store.knowsUsage() ? [
        { key: "gpu_percent", label: "GPU use %", get: (t) => (store.usageNow(t) || t.usage).gpu_percent ?? null, right: true },
        { key: "gpu_memory", label: "GPU memory", get: (t) => (store.usageNow(t) || t.usage).gpu_memory_bytes ?? null, show: bytes, right: true }] : []),
      { key: "attempt", label: "attempt", get: (t) => t.attempt, right: true }, { key: "origin", label: "origin", get: (t) => t.origin },
      { key: "why", label: "why it ended", get: (t) => t.why, wide: true });
    if (!this.defaulted) {
      this.defaulted = true;
      // A first look that fits a screen; the rest is one click away.
      store.head.params.slice(10).forEach((c) => this.hidden.add(`p:${c.name}`));
      store.head.metrics.slice(2).forEach((name) => this.hidden.add(`m:${name}`));
      this.hidden.add("origin");
      if (store.trials.every((t) => !t.gpus)) this.hidden.add("gpus"); else this.hidden.delete("gpus");
    }
    return out;
  }

  rows(columns) {
    const { store } = this, keep = parseFilter(this.filter, columns), sort = columns.find((c) => c.key === this.sort.key) || columns[0];
    const down = this.sort.down ?? sort.down ?? false, sign = down ? -1 : 1;
    const rows = store.trials.filter((t) => keep(t, store) && (!this.only || !store.selecting || store.isSelected(t.number)));
    return rows.sort((a, b) => {
      const x = sort.get(a), y = sort.get(b), none = (v) => v === null || v === undefined || v === "";
      if (none(x) || none(y)) return none(x) - none(y) || a.number - b.number;
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
      return sign * order || a.number - b.number;
    });
  }

  update(what) {
    // After a brush the table shows the trials that were brushed.
    if (what === "selection" && this.store.selecting && this.store.selection.source !== "table" && !this.only) { this.only = true; this.onlyBox.firstChild.checked = true; this.page = 0; }
    if (what === "selection" && !this.store.selecting) { this.only = false; this.onlyBox.firstChild.checked = false; }
    this.draw();
  }

  draw() {
    const { store } = this, all = this.columns(), columns = all.filter((c) => !this.hidden.has(c.key)), rows = this.rows(all);
    this.all = all; this.shown = rows;
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    this.page = Math.min(this.page, pages - 1);
    if (!this.menu.open) {
      fill(this.menu, el("summary", {}, `Columns (${columns.length})`), el("div", { class: "sheet" }, all.map((c) =>
        check(cut(c.label, 40), !this.hidden.has(c.key), (on) => { if (on) this.hidden.delete(c.key); else this.hidden.add(c.key); this.draw(); }))));
    }
    const arrow = (c) => (this.sort.key === c.key ? ((this.sort.down ?? c.down ?? false) ? " ▼" : " ▲") : "");
    const every = rows.length > 0 && store.selecting && rows.every((t) => store.isSelected(t.number));
    const box = el("input", { type: "checkbox", checked: every, id: "select-all", title: "Select all trials that are listed", "aria-label": "Select all trials that are listed",
      onchange: () => (every ? store.clear() : store.select("table", { set: rows.map((t) => t.number) })) });
    fill(this.head, el("tr", {}, el("th", { class: "tick" }, box), columns.map((c) => el("th", { class: c.right ? "right" : "", title: c.label, scope: "col",
      "aria-sort": this.sort.key === c.key ? (arrow(c) === " ▼" ? "descending" : "ascending") : "none" },
    el("button", { class: "plain", "data-key": `sort ${c.key}`, onclick: () => { const now = this.sort.down ?? c.down ?? false; this.sort = { key: c.key, down: this.sort.key === c.key ? !now : c.down ?? false }; this.draw(); } }, cut(c.label, 28) + arrow(c))))));
    const top = store.head.best?.trial;
    fill(this.body, ...rows.slice(this.page * PAGE, (this.page + 1) * PAGE).map((t) => {
      const chosen = store.selecting && store.isSelected(t.number);
      return el("tr", { class: `${chosen ? "chosen" : ""} ${t.number === top ? "best" : ""}`, ondblclick: () => this.open(t.number) },
        el("td", { class: "tick" }, el("input", { type: "checkbox", checked: chosen, "aria-label": `Select trial ${t.number}`, onclick: (event) => this.pick(t.number, event.shiftKey) })),
        columns.map((c) => this.cell(c, t, top)));
    }));
    if (!rows.length) fill(this.body, el("tr", {}, el("td", { colSpan: columns.length + 1, class: "empty" }, store.trials.length ? "No trial matches." : "No trials yet.")));
    this.count.textContent = `${rows.length} of ${store.trials.length} trials${store.selecting ? `, ${store.selection.set.size} selected` : ""}`;
    const go = (page) => { this.page = page; this.draw(); };
    fill(this.pager, ...(pages > 1 ? [el("button", { disabled: this.page === 0, "aria-label": "Previous page", onclick: () => go(this.page - 1) }, "‹"),
      el("span", { class: "hint" }, `page ${this.page + 1} of ${pages}`), el("button", { disabled: this.page === pages - 1, "aria-label": "Next page", onclick: () => go(this.page + 1) }, "›")] : []));
  }

  // With shift, everything between the trial picked last and this one.
  pick(number, range) {
    const { store } = this, at = this.shown.findIndex((t) => t.number === number), from = this.shown.findIndex((t) => t.number === this.picked);
    this.picked = number;
    if (!range || from < 0) { store.toggle(number); return; }
    const set = new Set(store.selection.set || []);
    for (const t of this.shown.slice(Math.min(at, from), Math.max(at, from) + 1)) set.add(t.number);
    store.select("table", { set });
  }

  cell(c, t, top) {
    const value = c.get(t);
    if (c.key === "state") return el("td", {}, el("span", { class: `state ${t.state.toLowerCase()}` }, t.state));
    if (c.key === "number") return el("td", { class: "right" }, el("a", { href: `#/trial/${t.number}` }, t.number === top ? `★ ${value}` : String(value)));
    const text = c.show ? c.show(value) : value === "" ? "" : num(value);
    return el("td", { class: `${c.right ? "right" : ""} ${c.wide ? "wide" : ""}`, title: text.length > 24 ? text : null }, cut(text, c.wide ? 400 : 48));
  }

  text(separator, cell) {
    const columns = this.all.filter((c) => !this.hidden.has(c.key)), lines = [columns.map((c) => cell(c.label)), ...this.shown.map((t) => columns.map((c) => cell(c.get(t))))];
    return lines.map((line) => line.join(separator)).join("\n") + "\n";
  }

  save() { download(`${this.store.head.run.id}-trials.csv`, this.text(",", csvCell), "text/csv"); }

  async copy(button) {
    await copy(this.text("\t", (v) => csvCell(v).replace(/\t/g, " ")));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1200);
  }
}
