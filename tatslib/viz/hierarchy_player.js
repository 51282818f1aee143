(function () {
  function start(figure) {
    // While a page is still coming in, a figure may stand there in part; its own script comes behind it.
    if (!figure.querySelector("figcaption")) { return; }
    figure.dataset.ready = "yes";
    var cells = Array.from(figure.querySelectorAll("[data-step]"));
    var bar = figure.querySelector(".tats-bar");
    var button = bar.querySelector("button"), range = bar.querySelector("input"), output = bar.querySelector("output");
    var last = Number(range.max), pause = 1000 / Number(figure.dataset.pace), timer = null;
    var wanted = !window.matchMedia("(prefers-reduced-motion: reduce)").matches, visible = false;

    function draw() {
      var now = Number(range.value);
      cells.forEach(function (cell) {
        var step = Number(cell.dataset.step);
        cell.classList.toggle("waiting", step > now);
        cell.classList.toggle("drawing", step === now);
      });
      output.textContent = "step " + now + " of " + last;
    }
    function settle() {
      button.setAttribute("aria-label", wanted ? "Pause" : "Play");
      var playing = wanted && visible;
      if (playing && timer === null) { timer = setTimeout(tick, pause); }
      if (!playing && timer !== null) { clearTimeout(timer); timer = null; }
    }
    function tick() {
      range.value = Number(range.value) === last ? 0 : Number(range.value) + 1;
      draw();
      timer = null;
      // The whole picture stays for a while before it all begins anew.
      if (Number(range.value) === last) { timer = setTimeout(tick, 8 * pause); } else { settle(); }
    }
    button.addEventListener("click", function () { wanted = !wanted; settle(); });
    range.addEventListener("input", function () { wanted = false; settle(); draw(); });
    bar.hidden = false;
    if (wanted) { range.value = 0; }
    draw();
    new IntersectionObserver(function (entries) {
      visible = entries[entries.length - 1].isIntersecting;
      settle();
    }, { threshold: 0.25 }).observe(figure.querySelector(".tats-plans"));
  }
  setTimeout(function () { document.querySelectorAll(".tats-hierarchy:not([data-ready])").forEach(start); }, 0);
})();
