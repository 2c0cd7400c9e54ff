// Type grows with the screen: a slide is laid out 680 pixels high and then enlarged, figures too.

const HEIGHT = 680;
// A slide that would be cut off is laid out larger, by such steps, but not without end. Figures take
// a moment to find their place in a new room.
const STEP = 1.04;
const LOWEST = 0.5;
const MOMENT = 120;

export class Size {
  constructor() {
    this.shown = [];
    this.shrunk = 1;
    this.found = new Map(); // by slide and screen, how far it had to be shrunk
    this.timer = null;
    // A figure that is drawn, or a panel that goes below another, changes the height.
    this.changes = new ResizeObserver(() => this.fit());
    window.addEventListener("resize", () => this.begin());
  }

  // Take the cells of a slide; return whether they are others than those before.
  take(cells) {
    if (cells.length === this.shown.length && cells.every((c, i) => c === this.shown[i])) {
      return false;
    }
    this.changes.disconnect();
    this.shown = cells;
    this.begin();
    for (const cell of cells) this.changes.observe(cell.node);
    return true;
  }

  get key() {
    const cells = this.shown.map((cell) => cell.model.id);
    return [window.innerWidth, window.innerHeight, ...cells].join();
  }

  begin() {
    this.shrink(this.found.get(this.key) ?? 1);
    this.fit();
  }

  shrink(share) {
    this.shrunk = share;
    const zoom = (window.innerHeight / HEIGHT) * share;
    document.body.style.setProperty("--vglib-zoom", zoom.toFixed(4));
  }

  // Within one slide the type only becomes smaller: panels that stand side by side as soon as there
  // is room, and below one another when there is not, would else go to and fro.
  fit() {
    clearTimeout(this.timer);
    if (this.fits()) return;
    this.timer = setTimeout(() => {
      if (this.fits()) return;
      this.shrink(this.shrunk / STEP);
      this.found.set(this.key, this.shrunk);
      this.fit();
    }, MOMENT);
  }

  // Whether all of the slide is on the screen, its formulas from end to end.
  fits() {
    const texts = this.shown.flatMap(({ node }) => [
      ...node.querySelectorAll(".jp-RenderedMarkdown"),
    ]);
    const wide = texts.some((text) => text.scrollWidth > text.clientWidth + 1);
    return (!wide && this.height() <= window.innerHeight) || this.shrunk < LOWEST;
  }

  // That of the room round all cells; those that are on other slides have none.
  height() {
    return this.shown[0]?.node.parentElement.getBoundingClientRect().height ?? 0;
  }
}
