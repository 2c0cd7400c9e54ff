// What a key means in a lecture: which way through the slides, or one of the other actions; null
// where it belongs to the control that has the focus, or to JupyterLab.

const WAYS = {
  ArrowRight: "next",
  ArrowDown: "next",
  PageDown: "next",
  " ": "next",
  ArrowLeft: "previous",
  ArrowUp: "previous",
  PageUp: "previous",
  Home: "first",
  End: "last",
};
// "Enter" stays JupyterLab's on a slide without a lab.
const OTHERS = {
  Enter: "control",
  n: "preset",
  p: "preset back",
  s: "notes",
  r: "run",
  b: "black",
  ".": "black",
};
const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
// What each kind of control does with keys itself.
const OWN = [
  [".cm-editor, textarea, input[type='text'], input[type='number']", () => true],
  ["select", (key) => key.length === 1 || key === "Enter" || ARROWS.includes(key)],
  ["[role='slider']", (key) => ARROWS.includes(key)],
  ["button, input, a[href], summary", (key) => key === " " || key === "Enter"],
];

export function meaning(event) {
  const { target } = event;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  if (event.shiftKey) {
    if (owner(target) || key.length > 1) return null;
    return key === " " ? "previous" : "nothing";
  }
  // A clicker's two keys, whatever has the focus.
  if (key === "PageDown" || key === "PageUp") return WAYS[key];
  // JupyterLab's own Escape leads from an editor back to its cell.
  if (key === "Escape") return target.closest?.(".cm-editor") ? null : "slide";
  if (owner(target)?.[1](key)) return null;
  // Any other letter would cut, merge or turn the cell under the slide.
  return WAYS[key] ?? OTHERS[key] ?? (key.length === 1 ? "nothing" : null);
}

const owner = (target) => OWN.find(([selector]) => target.closest?.(selector));

// Whether a key comes from where slides are shown, and not from a dialog, a menu or a side bar.
export function onSlides(target, panel) {
  return (
    target === window ||
    target.contains?.(panel.node) ||
    panel.node.contains(target) ||
    Boolean(target.closest?.(".jp-Deck-Remote, .vglib-bar"))
  );
}
