"use strict";
// Links between what is suggested and the words that prove it. The page works without.
(() => {
  const note = document.getElementById("note");
  const side = document.getElementById("side");
  const told = document.getElementById("told");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const off = () => document.documentElement.dataset.keys === "off";
  const field = (node) => node.closest && node.closest("input, select, textarea");
  const pieces = new Map();
  const proven = new Map();
  const gather = (root, into) => {
    for (const node of root ? root.querySelectorAll("[data-e]") : []) {
      for (const id of node.dataset.e.split(" ")) {
        if (!into.has(id)) into.set(id, []);
        into.get(id).push(node);
      }
    }
  };
  gather(note, pieces);
  gather(side, proven);

  let lit = [];
  const light = (nodes) => {
    for (const node of lit) node.classList.remove("hit");
    lit = nodes;
    for (const node of lit) node.classList.add("hit");
  };
  const look = (node) => node.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
  const ids = (node) => (node && node.dataset.e ? node.dataset.e.split(" ") : []);
  const holder = (node) => (node && node.closest ? node.closest("[data-e]") : null);
  const words = (node) => ids(node).flatMap((id) => pieces.get(id) || []);
  // Of what lies around some words, the shortest says most: its rows and links light up.
  const proofs = (piece) => {
    const found = ids(piece).flatMap((id) => proven.get(id) || []);
    const rows = found.filter((node) => node.matches("tr, li, a"));
    return rows.length ? [...new Set(rows)] : [...new Set(found)];
  };

  if (note && side) {
    side.addEventListener("mouseover", (event) => light(words(holder(event.target))));
    side.addEventListener("mouseleave", () => light([]));
    side.addEventListener("focusin", (event) => {
      const from = holder(event.target);
      if (!from) return;
      const found = words(from);
      light(found);
      if (found.length && event.target.matches("a, summary") && event.target.matches(":focus-visible")) look(found[0]);
    });
    side.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='#e']");
      if (!link) return;
      event.preventDefault();
      const found = words(link);
      light(found);
      if (found.length) visit(stops.indexOf(found[0]) < 0 ? nearest(found[0]) : stops.indexOf(found[0]));
    });
    note.addEventListener("mouseover", (event) => {
      const piece = holder(event.target);
      light(piece ? proofs(piece) : []);
    });
    note.addEventListener("mouseleave", () => light([]));
    note.addEventListener("click", (event) => {
      const piece = holder(event.target);
      if (!piece || !getSelection().isCollapsed) return;
      const found = proofs(piece);
      light(found);
      if (found.length) look(found[0]);
    });
    note.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !holder(event.target)) return;
      event.preventDefault();
      const piece = holder(event.target);
      const found = proofs(piece);
      const link = found.map((node) => (node.matches("a") ? node : node.querySelector("a[data-e]"))).find(Boolean);
      if (link) link.focus();
      else if (found.length) look(found[0]);
    });
  }

  // One stop for each stretch of marked words, in the order of the note.
  const stops = [];
  let before = null;
  for (const piece of note ? note.querySelectorAll("mark, span[data-e]") : []) {
    if (!before || piece.previousSibling !== before) stops.push(piece);
    before = piece;
  }
  const nearest = (piece) => {
    let at = 0;
    while (at + 1 < stops.length && !(stops[at + 1].compareDocumentPosition(piece) & Node.DOCUMENT_POSITION_PRECEDING)) at += 1;
    return at;
  };
  let here = -1;
  const visit = (at) => {
    if (!stops.length) return;
    here = (at + stops.length) % stops.length;
    const piece = stops[here];
    piece.tabIndex = -1;
    piece.focus({ preventScroll: true });
    look(piece);
    light([...words(piece), ...proofs(piece)]);
    told.textContent = `${here + 1} of ${stops.length}: ${piece.title}`;
  };

  const help = document.getElementById("help");
  const keys = document.getElementById("keys");
  help.hidden = false;
  help.addEventListener("click", () => (keys.open ? keys.close() : keys.showModal()));

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && field(event.target)) {
      event.target.blur();
      return;
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field(event.target) && event.target.form) {
      event.preventDefault();
      event.target.form.requestSubmit();
      return;
    }
    if (off() || event.ctrlKey || event.metaKey || event.altKey || field(event.target) || keys.open) return;
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      visit(event.key === "j" ? here + 1 : here < 0 ? -1 : here - 1);
    } else if (event.key === "q") {
      const first = document.querySelector("#queries textarea");
      if (!first) return;
      event.preventDefault();
      const around = first.closest("details");
      if (around) around.open = true;
      first.focus();
      first.scrollIntoView({ block: "nearest" });
    }
  }, true);

  // What is opened is what is typed in next.
  for (const details of document.querySelectorAll(".acts > details")) {
    details.querySelector("summary").addEventListener("click", () => {
      if (details.open) return;
      requestAnimationFrame(() => {
        const first = details.querySelector("input.units") || details.querySelector("form select");
        if (first) first.focus();
        if (first && first.select) first.select();
      });
    });
  }

  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.form.elements.text.value);
      told.textContent = button.textContent = "Copied";
    });
  }
})();
