// The search and the filters above the list of all claims, wherever a page runs scripts.
for (const court of document.querySelectorAll(".vglib-court:not([data-live])")) {
  court.dataset.live = "yes";
  const cases = [...court.querySelectorAll(".court-case")];
  const chapters = [...court.querySelectorAll(".court-chapter")];
  const form = document.createElement("form");
  form.addEventListener("submit", (event) => event.preventDefault());

  const labelled = (text, control) => {
    const label = document.createElement("label");
    label.style.cssText = "display: inline-block; margin-right: 1em";
    label.append(`${text} `, control);
    form.append(label);
    return control;
  };
  const search = labelled("Search", document.createElement("input"));
  search.type = "search";
  // A notebook reads single letters as commands.
  search.addEventListener("keydown", (event) => event.stopPropagation());
  const filters = ["chapter", "source", "ruling"].map((name) => {
    const select = labelled(name, document.createElement("select"));
    const values = [...new Set(cases.map((one) => one.dataset[name]))].sort();
    for (const value of ["all", ...values]) {
      select.append(new Option(value, value === "all" ? "" : value));
    }
    return { name, select };
  });
  const counted = document.createElement("p");
  counted.setAttribute("role", "status");
  form.append(counted);
  // A few cases are seen at a glance.
  const few = cases.length < 10;
  if (!few) {
    court.prepend(form);
  }

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = filters.filter(({ select }) => select.value);
    let left = 0;
    for (const one of cases) {
      const text = one.textContent.toLowerCase();
      one.hidden =
        !words.every((word) => text.includes(word)) ||
        !chosen.every(({ name, select }) => one.dataset[name] === select.value);
      left += !one.hidden;
    }
    const narrowed = words.length || chosen.length;
    for (const chapter of chapters) {
      chapter.hidden = !chapter.querySelector(".court-case:not([hidden])");
      chapter.open = (few || Boolean(narrowed)) && !chapter.hidden;
    }
    counted.textContent = `${left} of ${cases.length} claims`;
  };
  form.addEventListener("input", show);
  show();

  for (const row of court.querySelectorAll("tr")) {
    const [name, value] = row.cells;
    if (name.textContent === "in a notebook" && navigator.clipboard) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(value.firstChild.textContent);
        button.textContent = "Copied: paste it into a cell";
      });
      value.append(" ", button);
    }
  }
}
