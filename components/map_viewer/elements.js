// The small parts that the viewer is made of: elements, controls, numbers, colours.

export function make(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

export function svg(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export function spread(texts) {
  const row = make("div", { className: "row" });
  row.append(...texts.map((textContent) => make("span", { textContent })));
  return row;
}

/** A line that warns, with its sign; screen readers hear "Caution". */
export function warning(text) {
  const line = make("span", { className: "doubt" });
  const sign = svg("svg", { viewBox: "0 0 16 16", role: "img", "aria-label": "Caution:" });
  sign.append(svg("path", { d: "M8 1.5 15 14.5H1Z" }), svg("path", { d: "M8 6v4.2M8 11.8v1.2", class: "stroke" }));
  line.append(sign, make("span", { textContent: text }));
  return line;
}

/** A row of radio buttons that looks like one segmented control. */
export function choice(label, options, target, name, change, help = "") {
  const box = make("fieldset", { className: "choice", title: help });
  box.append(make("legend", { textContent: label }));
  const group = `${name}-${Math.random().toString(36).slice(2)}`;
  for (const option of options) {
    const row = make("label", {});
    const input = make("input", { type: "radio", name: group, value: option, checked: target[name] === option });
    input.addEventListener("change", () => {
      target[name] = option;
      change();
    });
    row.append(input, make("span", { textContent: option }));
    box.append(row);
  }
  return box;
}

export function dropdown(label, options, target, name, change) {
  const row = make("label", { className: "control" });
  const list = make("select", {});
  for (const [value, text] of Object.entries(options)) list.append(make("option", { value, textContent: text, selected: target[name] === value }));
  list.addEventListener("change", () => {
    target[name] = list.value;
    change();
  });
  row.append(make("span", { className: "name", textContent: label }), list);
  return row;
}

/** How a parameter's values lie on a slider of whole places. */
export function slide({ min, max, step, is_log: isLog, unit }) {
  const [from, to] = isLog ? [Math.log10(min), Math.log10(max)] : [min, max];
  const places = Math.round((to - from) / step);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return {
    places,
    toValue: (place) => {
      const at = place >= places ? to : from + place * step;
      const value = isLog ? 10 ** at : Number(at.toFixed(digits + 2));
      return Math.min(max, Math.max(min, value));
    },
    toPlace: (value) => Math.round(((isLog ? Math.log10(value) : value) - from) / step),
    toText: (value) => (isLog ? (value < 0.01 ? scientific(value) : number(value)) : `${value.toFixed(digits)}${unit ? ` ${unit}` : ""}`),
  };
}

/** What a parameter is set to, for reading. */
export function inWords(parameter, value) {
  if (parameter.is_switch) return parameter.label.toLowerCase();
  return parameter.choices?.length ? value : `${parameter.label.split(" ")[0]} = ${slide(parameter).toText(value)}`;
}

function scientific(value) {
  const [mantissa, exponent] = value.toExponential(1).split("e");
  const raised = [...exponent.replace("+", "")].map((each) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(each)]).join("");
  return mantissa === "1.0" ? `10${raised}` : `${mantissa.replace("-", "−")} · 10${raised}`;
}

export function number(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e5) return scientific(value);
  return (size < 1000 ? value.toPrecision(3) : value.toFixed(0)).replace("-", "−");
}

export function colourTable(rgb) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) table[i] = (0xff000000 | (rgb[3 * i + 2] << 16) | (rgb[3 * i + 1] << 8) | rgb[3 * i]) >>> 0;
  return table;
}

export function gradient(table) {
  const stops = Array.from({ length: 16 }, (_, i) => table[i * 17]).map((c) => `rgb(${c & 255} ${(c >> 8) & 255} ${(c >> 16) & 255})`);
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}
