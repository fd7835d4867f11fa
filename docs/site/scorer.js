// The order of the site's search: who asks for a task wants the page of that task, before the details and the internals.
var Scorer = {
  score: function (result) {
    const [page, , , , score] = result;
    const front = /^(how-to|tutorials)\//.test(page) && !/\/index$/.test(page);
    const back = /^(architecture|json|multi-node|tried-on|performance|scale|reference\/errors|azure-.*|how-to\/index)$/.test(page);
    return front ? score * 3 + 15 : back ? score * 0.4 : score;
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
