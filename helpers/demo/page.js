// The player of one verdict and its coloured stretches. `part` is anything inside the verdict's .ad-one.
function adPlay(part, from, until) {
  const audio = part.closest(".ad-one").querySelector("audio");
  if (!audio) return;
  audio.dataset.until = until ?? "";
  audio.currentTime = from;
  audio.play();
}
function adMoved(audio, seconds) {
  const head = audio.closest(".ad-one").querySelector(".ad-head");
  if (head) head.style.left = `${100 * Math.min(1, audio.currentTime / seconds)}%`;
  if (audio.dataset.until && audio.currentTime >= audio.dataset.until) {
    audio.pause();
    audio.dataset.until = "";
  }
}
// 0 to 1 where the pointer is on the picture of the recording, null beside it.
function adPlace(event, timeline) {
  const box = timeline.querySelector(".ad-times").getBoundingClientRect();
  const inside = event.clientY >= box.top && event.clientY <= box.bottom;
  return inside ? Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) : null;
}
