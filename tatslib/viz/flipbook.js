(function () {
  function start(figure) {
    // While a page is still coming in, a figure may stand there in part; its own script comes behind it.
    if (!figure.querySelector("figcaption")) { return; }
    figure.dataset.ready = "yes";
    var pages = Array.from(figure.querySelectorAll(".tats-page"));
    var ranges = Array.from(figure.querySelectorAll(".tats-bar input"));
    function turn() {
      // Pages stand in the order of an odometer whose last wheel is the last slider.
      var chosen = ranges.reduce(function (n, range) { return n * (Number(range.max) + 1) + Number(range.value); }, 0);
      pages.forEach(function (page, index) { page.hidden = index !== chosen; });
    }
    ranges.forEach(function (range) {
      var values = JSON.parse(range.dataset.values), output = range.parentNode.querySelector("output");
      function say() {
        var value = values[Number(range.value)];
        range.setAttribute("aria-valuetext", value);
        output.textContent = range.getAttribute("aria-label") + " " + value;
      }
      range.addEventListener("input", function () { say(); turn(); });
      range.parentNode.hidden = false;
      say();
    });
    turn();
  }
  setTimeout(function () { document.querySelectorAll(".tats-flipbook:not([data-ready])").forEach(start); }, 0);
})();
