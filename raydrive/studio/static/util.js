// Small helpers. Text from a run reaches the page through textContent (el) or, inside charts, through esc: never as markup.

export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key === "style") Object.assign(node.style, value);
    else if (key in node && key !== "list" && key !== "form") node[key] = value;
    else node.setAttribute(key, value);
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

function focusKey(node) {
  return [node.tagName, node.dataset.key || node.id || node.getAttribute("aria-label") || node.getAttribute("href") || node.textContent].join(" ");
}

// Like replaceChildren, but leaves out what is not there, and the focus stays where it was: pages are redrawn while they are used.
export function fill(node, ...children) {
  const active = document.activeElement, key = active && active !== node && node.contains(active) ? focusKey(active) : null;
  node.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  if (key !== null && !node.contains(document.activeElement)) {
    [...node.querySelectorAll("a, button, input, select, summary, [tabindex]")].find((one) => focusKey(one) === key)?.focus({ preventScroll: true });
  }
}

// plotly reads a few tags and entities in labels: escape them, and cut what would push a chart aside.
export function esc(text, most = 60) {
  let shown = String(text).replace(/[\u0000-\u001f\u007f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, " ");
  if (shown.length > most) shown = shown.slice(0, most - 1) + "…";
  return shown.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

export function cut(text, most = 60) {
  const shown = String(text);
  return shown.length > most ? shown.slice(0, most - 1) + "…" : shown;
}

export function num(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return typeof value === "object" ? JSON.stringify(value) : String(value);
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(3).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(5)));
}

// Durations and sizes are written as api/display/text.py writes them.
export function clock(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const all = Math.floor(seconds), h = Math.floor(all / 3600), m = Math.floor(all / 60) % 60, s = all % 60;
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function rough(seconds) {
  return seconds >= 9.95 && seconds < 59.5 ? `${seconds.toFixed(0)}s` : clock(seconds < 10 ? seconds : Math.round(seconds));
}

export function when(seconds) {
  if (!seconds) return "–";
  return new Date(seconds * 1000).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  for (const unit of ["kB", "MB", "GB", "TB"]) {
    count /= 1000;
    if (count < 999.5 || unit === "TB") return `${count < 9.95 ? Number(count.toPrecision(2)) : count.toFixed(0)} ${unit}`;
  }
}

export function quantile(sorted, q) {
  if (!sorted.length) return null;
  const at = (sorted.length - 1) * q, low = Math.floor(at), high = Math.ceil(at);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

// A spreadsheet runs what begins with one of these: a quote in front keeps it text.
export function csvCell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  let text = typeof value === "object" ? JSON.stringify(value) : String(value);
  if (/^[=+\-@\t\r]/.test(text)) text = "'" + text;
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { value: text, style: { position: "fixed", opacity: "0" } });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function remembered(key, fallback) {
  try { return localStorage.getItem(`raydrive.${key}`) ?? fallback; } catch { return fallback; }
}

export function remember(key, value) {
  try { localStorage.setItem(`raydrive.${key}`, value); } catch { /* a notebook's frame has no storage */ }
}

export function debounce(call, wait) {
  let timer = 0;
  return (...values) => { clearTimeout(timer); timer = setTimeout(() => call(...values), wait); };
}

export function select(label, options, value, change) {
  const list = el("select", { onchange: () => change(list.value), "aria-label": label },
    options.map(([key, text]) => el("option", { value: key, selected: key === value }, cut(text, 40))));
  return el("label", { class: "pick" }, el("span", {}, label), list);
}

export function check(label, value, change, hint) {
  const box = el("input", { type: "checkbox", checked: value, onchange: () => change(box.checked) });
  return el("label", { class: "pick check", title: hint }, box, el("span", {}, label));
}
