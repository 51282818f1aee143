(function () {
  // Videos start silent, because no page may make a noise by itself. A button beside each that has a sound lets it be
  // heard, one at a time; where scripts do not run, the browser's own controls do the same.
  function start(figure) {
    figure.dataset.sound = "ready";
    var pairs = Array.from(figure.querySelectorAll(".tats-sound")).map(function (button) {
      return { button: button, video: button.parentElement.querySelector("video") };
    });
    function draw() {
      pairs.forEach(function (pair) {
        pair.button.setAttribute("aria-pressed", String(!pair.video.muted));
        pair.button.textContent = pair.video.muted ? "\u266A sound off" : "\u266A sound on";
      });
    }
    pairs.forEach(function (pair) {
      pair.button.hidden = false;
      pair.button.addEventListener("click", function () {
        var heard = pair.video.muted;
        pairs.forEach(function (other) { other.video.muted = true; });
        pair.video.muted = !heard;
        draw();
      });
      pair.video.addEventListener("volumechange", draw);
    });
    draw();
  }
  setTimeout(function () {
    document.querySelectorAll(".tats-heard").forEach(function (figure) {
      if (figure.dataset.sound !== "ready" && figure.querySelector("figcaption")) { start(figure); }
    });
  }, 0);
})();
