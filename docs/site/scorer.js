// The order of the site's search: who asks for a task wants the page of that task, before the details and the internals.
// WORDS: what users type, by page (search.toml); docs/site/build.py fills it in.
const WORDS = {};
var Scorer = {
  // Between 0 and 1: how many of the query's words are in the line of a page that is nearest to it.
  likeness: function (page, query) {
    const words = (text) => [...new Set(text.toLowerCase().split(/[^a-z0-9+_]+/))]
      .map((word) => word.replace(/(?<=...)(?:ed|ing|s)$/, ""))
      .filter((word) => word && !/^(?:a|an|the|of|for|in|on|to|is|do|i|my|was|it|its|how|or|and)$/.test(word));
    const asked = words(query);
    const shares = (WORDS[page] || []).map((line) => {
      const known = words(line);
      const found = asked.filter((word) => known.includes(word)).length;
      return found / asked.length - 0.01 * (known.length - found);
    });
    return Math.max(0, ...shares);
  },
  score: function (result) {
    const [page, , , , score] = result;
    const query = new URLSearchParams(window.location.search).get("q") || "";
    const front = /^(how-to|tutorials)\//.test(page) && !/\/index$/.test(page);
    const back = /^(architecture|json|multi-node|tried-on|performance|scale|reference\/errors|azure-.*|how-to\/index)$/.test(page);
    const ranked = front ? score * 3 + 15 : back ? score * 0.4 : score;
    const likeness = Scorer.likeness(page, query);
    return likeness > 0.6 ? ranked + 200 * likeness : ranked;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
