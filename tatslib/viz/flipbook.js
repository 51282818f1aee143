(function () {
  function start(figure) {
    // While a page is still coming in, a figure may stand there in part; its own script comes behind it.
    if (!figure.querySelector("figcaption")) { return; }
    figure.dataset.ready = "yes";
    var pages = Array.from(figure.querySelectorAll(".tats-page"));
    var bar = figure.querySelector(".tats-bar"), range = bar.querySelector("input"), output = bar.querySelector("output");
    function turn() {
      var label = pages[Number(range.value)].dataset.label;
      pages.forEach(function (page, index) { page.hidden = index !== Number(range.value); });
      range.setAttribute("aria-valuetext", label);
      output.textContent = figure.dataset.slider + " " + label;
    }
    bar.hidden = false;
    range.addEventListener("input", turn);
    turn();
  }
  setTimeout(function () { document.querySelectorAll(".tats-flipbook:not([data-ready])").forEach(start); }, 0);
})();
