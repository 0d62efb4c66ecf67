"use strict";
// The pages work without this. An element with data-key is used by that key, unless single keys are
// off, a field has the focus, or a control key is held.
(() => {
  const typing = (node) => node.closest && node.closest("input, select, textarea, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (document.documentElement.dataset.keys === "off" || document.querySelector("dialog[open]")) return;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!wanted || wanted.disabled) return;
    event.preventDefault();
    if (typing(wanted)) wanted.focus();
    else wanted.click();
  });
})();
