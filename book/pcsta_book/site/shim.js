// Two gaps between the page's libraries. The theme's FontAwesome replaces <i> elements, which the
// Play widget still holds on to; "nest" keeps them. html-manager asks for MathJax 2's queue. And
// paper is white whatever the screen is.
window.FontAwesomeConfig = {autoReplaceSvg: "nest"};
{
  const html = document.documentElement;
  let theme;
  addEventListener("beforeprint", () => { theme = html.dataset.theme; html.dataset.theme = "light"; });
  addEventListener("afterprint", () => { html.dataset.theme = theme; });
}
addEventListener("DOMContentLoaded", () => {
  if (window.MathJax && !MathJax.Hub)
    MathJax.Hub = {Queue: ([, , element]) =>
      MathJax.typesetPromise && MathJax.startup.promise.then(() => MathJax.typesetPromise([element]))};
});
