"use strict";
(() => {
  const note = document.getElementById("note");
  const side = document.getElementById("side");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const pieces = new Map();
  for (const piece of note.querySelectorAll("[data-e]")) {
    for (const id of piece.dataset.e.split(" ")) {
      if (!pieces.has(id)) pieces.set(id, []);
      pieces.get(id).push(piece);
    }
  }
  let lit = [];
  const show = (from, scroll) => {
    for (const piece of lit) piece.classList.remove("hit");
    const node = from && from.closest ? from.closest("[data-e]") : null;
    lit = node && node.dataset.e ? node.dataset.e.split(" ").flatMap((id) => pieces.get(id) || []) : [];
    for (const piece of lit) piece.classList.add("hit");
    if (scroll && lit.length) lit[0].scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
  };
  side.addEventListener("mouseover", (event) => show(event.target, false));
  side.addEventListener("mouseleave", () => show(document.activeElement, false));
  side.addEventListener("focusin", (event) => show(event.target, true));
  side.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#e']");
    if (!link) return;
    event.preventDefault();
    show(link, true);
  });
})();
