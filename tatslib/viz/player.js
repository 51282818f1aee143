(function () {
  function start(figure) {
    // While a page is still coming in, a figure may stand there in part; its own script comes behind it.
    if (!figure.querySelector("figcaption")) { return; }
    figure.dataset.ready = "yes";
    var videos = Array.from(figure.querySelectorAll("video"));
    var bar = figure.querySelector(".tats-bar");
    var button = bar.querySelector("button"), range = bar.querySelector("input"), output = bar.querySelector("output");
    var fps = Number(figure.dataset.fps), last = Number(range.max);
    var leader = videos.find(function (v) { return Number(v.dataset.frames) === last + 1; });
    var wanted = !window.matchMedia("(prefers-reduced-motion: reduce)").matches, visible = false;

    function frame() { return Math.min(last, Math.floor(leader.currentTime * fps + 0.01)); }
    function draw() {
      range.value = frame();
      output.textContent = "frame " + (frame() + 1) + " of " + (last + 1);
    }
    function settle() {
      button.setAttribute("aria-label", wanted ? "Pause" : "Play");
      videos.forEach(function (v) {
        if (!(wanted && visible)) { v.pause(); return; }
        v.play().catch(function (e) { if (e.name === "NotAllowedError" && wanted) { wanted = false; settle(); } });
      });
    }
    function toggle() { wanted = !wanted; settle(); }
    function step() {
      draw();
      videos.forEach(function (v) {
        var gap = Math.abs(v.currentTime - leader.currentTime);
        // A jump costs decoding. On a machine that can hardly keep up, one that follows the last at once would bring
        // the next, and no video would ever play: so each is brought back no more than once a second.
        var due = !v.seeking && performance.now() > Number(v.dataset.mended || 0) + 1000;
        // Same length: bring back whoever is more than a frame off, unless one of the two has just started over.
        if (due && v.dataset.frames === leader.dataset.frames && gap > 1.5 / fps && gap < leader.duration / 2) {
          v.dataset.mended = performance.now();
          v.currentTime = leader.currentTime;
        }
      });
    }
    function watch() {
      step();
      if (leader.requestVideoFrameCallback) { leader.requestVideoFrameCallback(watch); }
    }

    bar.hidden = false;
    button.addEventListener("click", toggle);
    videos.forEach(function (v) { v.controls = false; v.addEventListener("click", toggle); });
    range.addEventListener("input", function () {
      var target = Number(range.value);
      wanted = false;
      settle();
      videos.forEach(function (v) { v.currentTime = ((target % Number(v.dataset.frames)) + 0.5) / fps; });
      output.textContent = "frame " + (target + 1) + " of " + (last + 1);
    });
    leader.addEventListener("timeupdate", step);
    new IntersectionObserver(function (entries) {
      visible = entries[entries.length - 1].isIntersecting;
      settle();
    }, { threshold: 0.25 }).observe(figure.querySelector(".tats-grid"));
    watch();
  }
  setTimeout(function () { document.querySelectorAll(".tats-videos:not([data-ready])").forEach(start); }, 0);
})();
