// Four maps that are moved. While one is held, where they are is told now and then, never before the
// last answer has come, and always in the end; the scores are dimmed until theirs comes. Streamlit
// calls the default export again on every rerun.

import { bytesOf, rampOf } from "./painting.js";
import { MapFigure } from "./figure.js";

const LIVE_MS = 200;
const KEY_PAUSE_MS = 300;
const DECIMALS = 3;

const gaussiansOf = (text) => text.split("_").map((each) => each.split("-").map(Number));
const textOf = (gaussians) => gaussians.map((each) => each.join("-")).join("_");

class GaussMaps {
  constructor(root) {
    this.root = root;
    this.gaussians = null;
    this.number = 0;
    this.answered = 0;
    this.sentAt = 0;
    this.isBehind = false;
    this.hasPair = false;
  }

  find(name) {
    return this.root.querySelector(name);
  }

  /** Take what Python sent. What a person has moved since is not moved back. */
  take(data, send) {
    this.send = send;
    this.answered = data.answered;
    this.number = Math.max(this.number, data.answered);
    if (!this.data) this.begin(data);
    this.data = { ...this.data, scores: data.scores, pair: data.pair };
    this.hasPair ||= data.pair.length > 0;
    this.showScores();
    if (this.isBehind && this.answered >= this.number) this.tellMeanwhile();
  }

  begin(data) {
    this.data = { ...data, picture: bytesOf(data.picture), colours: bytesOf(data.colours) };
    this.gaussians = gaussiansOf(data.maps);
    const template = this.find("template");
    this.figures = this.gaussians.map(
      (_, index) => new MapFigure(template, `M${index + 1}`, (moved, how) => this.move(index, moved, how)),
    );
    this.find(".maps").replaceChildren(...this.figures.map((each) => each.element));
    this.find(".ramp").style.background = rampOf(this.data.colours);
    this.buttons = Object.entries(data.begins).map(([text, maps]) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: text });
      button.addEventListener("click", () => {
        this.gaussians = gaussiansOf(maps);
        this.show();
        this.tell();
      });
      return button;
    });
    this.find(".buttons").replaceChildren(...this.buttons);
    this.show();
  }

  show() {
    this.figures.forEach((each, index) => each.show(this.gaussians[index], this.data));
  }

  /** Show the scores. Those that read the same are best together. */
  showScores() {
    const { metrics, pair } = this.data;
    const scores = this.data.scores.map((each) => each.map((score) => score.toFixed(DECIMALS)));
    const best = metrics.map(({ isHigherBetter }, index) => {
      const column = scores.map((each) => Number(each[index]));
      return isHigherBetter ? Math.max(...column) : Math.min(...column);
    });
    this.figures.forEach((each, index) => {
      const isBest = scores[index].map((score, at) => Number(score) === best[at]);
      each.showScores(scores[index], metrics, isBest, pair.includes(index));
    });
    this.buttons.forEach((each, index) => {
      each.hidden = index > 0 && !this.hasPair;
    });
    this.root.classList.toggle("is-waiting", this.answered < this.number);
  }

  move(index, gaussian, how) {
    this.gaussians[index] = gaussian;
    this.figures[index].show(gaussian, this.data);
    if (how === "released") this.tell();
    else if (how === "key") this.tellSoon(index);
    else this.tellMeanwhile();
  }

  tellMeanwhile() {
    this.isBehind = true;
    if (this.answered < this.number) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tell(true), this.sentAt + LIVE_MS - performance.now());
  }

  tell(isMoving = false) {
    clearTimeout(this.timer);
    this.isBehind = false;
    this.number += 1;
    this.sentAt = performance.now();
    this.root.classList.add("is-waiting");
    this.send("told", { maps: textOf(this.gaussians), number: this.number, moving: isMoving });
  }

  tellSoon(index) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const [across, down] = this.gaussians[index];
      this.find(".said").textContent = `M${index + 1} at ${across}, ${down}.`;
      this.tell();
    }, KEY_PAUSE_MS);
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".gauss-maps");
  root.maps ??= new GaussMaps(root);
  root.maps.take(data, setStateValue);
}
