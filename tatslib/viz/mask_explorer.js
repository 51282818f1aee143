(function () {
  function start(figure) {
    // While a page is still coming in, a figure may stand there in part; its own script comes behind it.
    if (!figure.querySelector("figcaption")) { return; }
    figure.dataset.ready = "yes";
    var bar = figure.querySelector(".tats-bar");
    var range = bar.querySelector("input"), output = bar.querySelector("output");
    var names = JSON.parse(range.dataset.values);
    var rows = Array.from(figure.querySelectorAll("[data-row]"));
    var texts = Array.from(figure.querySelectorAll("[data-words]")).map(function (p) {
      return [p, JSON.parse(p.dataset.words)];
    });
    function pick(row) {
      range.value = row;
      range.setAttribute("aria-valuetext", names[row]);
      output.textContent = "row " + names[row];
      rows.forEach(function (g) { g.classList.toggle("picked", Number(g.dataset.row) === row); });
      texts.forEach(function (pair) { pair[0].textContent = pair[1][row]; });
    }
    rows.forEach(function (g) {
      ["pointerenter", "pointerdown"].forEach(function (kind) {
        g.addEventListener(kind, function () { pick(Number(g.dataset.row)); });
      });
    });
    range.addEventListener("input", function () { pick(Number(range.value)); });
    bar.hidden = false;
    pick(Number(range.value));
  }
  setTimeout(function () { document.querySelectorAll(".tats-masks:not([data-ready])").forEach(start); }, 0);
})();
