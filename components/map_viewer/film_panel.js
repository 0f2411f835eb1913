// The film alone, without a map, beside its maps.

import { make } from "./elements.js";
import { View } from "./view.js";

export class FilmPanel extends View {
  constructor(viewer) {
    super(viewer, { name: "film", title: "The film" });
    this.element = make("figure", { className: "panel film" });
    this.subtitle = make("span", { className: "subtitle" });
    const head = make("figcaption", {});
    head.append(make("strong", { textContent: this.about.title }), this.subtitle);
    this.buildStage();
    this.stage.setAttribute("aria-label", "The film, without a map");
    this.element.append(head, this.stage, ...this.below, ...[0, 1, 2].map(() => make("div", {})), this.tools());
  }

  get hint() {
    return "Point at the film to read it.";
  }

  get isDimmed() {
    return false;
  }

  tell(where, _inside, film) {
    this.readout.textContent = `${where}: film ${film}`;
  }

  /** What an export needs of it. */
  sheet() {
    const { question, source } = this.viewer.header;
    const { lines, rule } = this.filmSheet;
    return {
      title: this.about.title,
      lines: [question, ...lines, source],
      rule,
      legend: [],
      paint: (context, width, height) => this.paintInto(context, width, height),
      aspect: this.viewer.aspect,
    };
  }
}
