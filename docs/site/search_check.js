// Runs the built site's own search for the queries of search_queries.toml: node search_check.js HTML QUERIES.json
// Prints each query whose page is not among the first three different pages, with what came instead.
const fs = require("fs"), path = require("path"), vm = require("vm");
const [html, queries] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(html, name), "utf-8");
let asked = "";
const element = { appendChild: () => element, classList: { add() {} }, querySelectorAll: () => [], setAttribute() {}, dataset: {} };
const context = {
  console, URLSearchParams, Set, Map, Object, Math,
  SPHINX_HIGHLIGHT_ENABLED: false,
  DOCUMENTATION_OPTIONS: { URL_ROOT: "./" },
  document: { readyState: "loading", addEventListener() {}, getElementById: () => null, documentElement: element, createElement: () => element },
  _ready() {}, _: (text) => text, Documentation: { ngettext: (one) => one },
};
context.window = context;
context.location = { get search() { return "?q=" + encodeURIComponent(asked); } };
vm.createContext(context);
// The order in which search.html loads them, but for the page's own scripts.
const parts = ["_static/searchtools.js", "_static/language_data.js"].map(read);
vm.runInContext(parts.join("\n") + "\nglobalThis.Search = Search;", context);
vm.runInContext(read("searchindex.js"), context);
const misses = [];
for (const [query, page] of Object.entries(JSON.parse(fs.readFileSync(queries, "utf-8")))) {
  asked = query;
  const found = context.Search._performSearch(...context.Search._parseQuery(query)).reverse();
  const pages = [...new Set(found.map((one) => one[0]))].slice(0, 3);
  if (!pages.includes(page)) misses.push(`${query}: ${page} is not among ${pages.join(", ") || "no hits"}`);
}
console.log(misses.join("\n"));
process.exit(misses.length ? 1 : 0);
