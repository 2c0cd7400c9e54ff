// Type grows with the screen: a slide is laid out 680 pixels high and then enlarged, figures too.

const HEIGHT = 680;
// A slide that would be cut off is laid out larger, by such steps.
const STEP = 1.04;
const LOWEST = 0.5;

export class Size {
  constructor() {
    this.shrunk = 1;
    this.shown = [];
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
    for (const cell of cells) this.changes.observe(cell.node);
    this.begin();
    return true;
  }

  begin() {
    this.shrunk = 1;
    this.fit();
  }

  // Within one slide the type only becomes smaller: panels that stand side by side as soon as there
  // is room, and below one another when there is not, would else go to and fro.
  fit() {
    for (;;) {
      const zoom = (window.innerHeight / HEIGHT) * this.shrunk;
      document.body.style.setProperty("--vglib-zoom", zoom.toFixed(4));
      if (this.height() <= window.innerHeight || this.shrunk < LOWEST) return;
      this.shrunk /= STEP;
    }
  }

  height() {
    const boxes = this.shown.map((cell) => cell.node.getBoundingClientRect());
    if (!boxes.length) return 0;
    return Math.max(...boxes.map((b) => b.bottom)) - Math.min(...boxes.map((b) => b.top));
  }
}
