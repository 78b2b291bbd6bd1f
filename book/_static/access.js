/* What the page's libraries leave out for readers who use a keyboard or hear the page. */

const PLAY = ["Play or pause", "Stop", "Repeat"]; // the buttons of an ipywidgets Play, in their order

function nameControls() {
  // the button is called "Color mode"; its icons add nothing, and their titles would be read as its text
  for (const icon of document.querySelectorAll(".theme-switch-button svg[role]")) {
    icon.querySelector("title")?.remove();
    for (const said of ["role", "aria-labelledby"]) icon.removeAttribute(said);
    icon.setAttribute("aria-hidden", "true");
  }
  for (const play of document.querySelectorAll(".widget-play"))
    play.querySelectorAll("button:not([aria-label])").forEach((button, i) =>
      button.setAttribute("aria-label", PLAY[i]));
  for (const handle of document.querySelectorAll(".noUi-handle:not([aria-label])")) {
    const label = handle.closest(".widget-slider")?.querySelector(".widget-label")?.textContent;
    handle.setAttribute("aria-label", label || "slider");
  }
}

/* Whatever scrolls sideways can be reached with the tab key and scrolled with the arrows. */
function reachScrolling() {
  for (const box of document.querySelectorAll(
    ".bd-article :is(pre, table, .cell_output, .math, mjx-container, .pst-scrollable-table-container)"))
    if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible")
      box.tabIndex = 0;
    else if (box.tabIndex === 0 && !box.matches("mjx-container")) box.removeAttribute("tabindex");
}

addEventListener("DOMContentLoaded", () => {
  // these say what they are in their own words; a label that says something else hides them
  for (const named of document.querySelectorAll("summary[aria-label], .search-button-field"))
    named.removeAttribute("aria-label");
  // a list of works whose entries also hold links back to the text is no ARIA list
  for (const list of document.querySelectorAll(".citation-list")) list.removeAttribute("role");
  nameControls();
  // players appear one by one, and know their pictures' size later still
  new MutationObserver(nameControls).observe(document.body, {childList: true, subtree: true});
});
/* The chosen cell of a confusion matrix can be seen where the matrix is wider than the page. */
function showChosen() {
  for (const chosen of document.querySelectorAll(".pcsta-cells :checked")) {
    const [cell, box] = [chosen.closest("td"), chosen.closest(".scroll")];
    box.scrollLeft = cell.offsetLeft + 2 * cell.offsetWidth - box.clientWidth;
  }
}

addEventListener("load", reachScrolling);
addEventListener("load", showChosen);
addEventListener("resize", reachScrolling);
