// Four charts of the last two minutes, a point per second.

import { byId, element, setText } from "./dom.js";
import { bytes, count, microseconds, rate, time } from "./format.js";

const longest = 120_000, shortest = 20_000, width = 240, height = 60;

const charts = [
  { title: "Messages per second", format: rate, lines: [{ name: "in", field: "messagesIn" }, { name: "out", field: "messagesOut" }] },
  { title: "Bytes per second", format: bytes, lines: [{ name: "in", field: "bytesIn" }, { name: "out", field: "bytesOut" }] },
  { title: "Clients", format: count, lines: [{ name: "", field: "clients" }] },
  // Logarithmic: on an even scale one slow call would press everything else to the ground.
  { title: "Handler time, p99", hint: "99 of 100 messages of the last ten seconds were handled in this time. Logarithmic; dotted while no message comes.", format: microseconds, lines: [{ name: "", field: "handlerP99" }], isLogarithmic: true, holds: true },
];

export class Charts {
  #seconds = [];
  #charts;

  constructor() {
    this.#charts = charts.map(chart => new Chart(chart));
    byId("charts").append(...this.#charts.map(chart => chart.node));
  }

  show({ type, now, seconds }) {
    if (type === "whole") this.#seconds = [];
    else if (seconds.length === 0) return;
    const last = this.#seconds.at(-1)?.time ?? 0; // one may come twice while the page opens
    this.#seconds.push(...seconds.filter(second => second.time > last));
    while (this.#seconds.length > 0 && this.#seconds[0].time < now - longest) this.#seconds.shift();
    // A young server's past fills the chart too.
    const span = Math.min(longest, Math.max(shortest, now - (this.#seconds[0]?.time ?? now)));
    for (const chart of this.#charts) chart.draw(this.#seconds, now, span);
  }
}

class Chart {
  #lines;
  #format;
  #peak = element("span", { className: "peak" });
  #cursor = svg("line", { class: "cursor", y1: 0, y2: height });
  #svg = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" });
  #title;
  #isLogarithmic;
  #holds;
  #seconds = [];
  #now = 0;
  #span = longest;
  #pointer = null; // where the mouse is, from 0 to 1

  constructor({ title, hint = "", format, lines, isLogarithmic = false, holds = false }) {
    this.#title = title;
    this.#format = format;
    this.#isLogarithmic = isLogarithmic;
    this.#holds = holds;
    this.#lines = lines.map((line, index) => ({
      ...line,
      value: element("span", { className: `value line-${index}` }),
      area: svg("path", { class: `area line-${index}` }),
      stroke: svg("path", { class: `stroke line-${index}` }),
      held: svg("path", { class: "held" }),
    }));
    this.#svg.append(
      svg("line", { class: "base", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }),
      ...this.#lines.flatMap(line => [line.area, line.held, line.stroke]), this.#cursor);
    this.#svg.onpointermove = event => {
      const box = this.#svg.getBoundingClientRect();
      this.#pointer = (event.clientX - box.left) / box.width;
      this.#read();
    };
    this.#svg.onpointerleave = () => {
      this.#pointer = null;
      this.#read();
    };
    this.node = element("figure", { className: "card chart" },
      element("figcaption", { title: hint }, title),
      element("div", { className: "values" },
        ...this.#lines.map(line => element("span", { className: "reading" }, line.value, line.name && element("span", { className: "name" }, line.name))),
        this.#peak),
      this.#svg);
  }

  draw(seconds, now, span) {
    this.#seconds = seconds;
    this.#now = now;
    this.#span = span;
    const values = this.#lines.flatMap(line => seconds.map(second => second[line.field]).filter(value => value !== null));
    const top = Math.max(0, ...values), share = this.#isLogarithmic ? logarithmic(Math.min(...values), top) : value => value / top;
    for (const line of this.#lines) {
      const y = value => height - 1 - (top === 0 ? 0 : share(value)) * (height - 4);
      const runs = split(seconds.map(second => ({ x: this.#x(second), y: second[line.field] === null ? null : y(second[line.field]) })));
      line.stroke.setAttribute("d", runs.map(trace).join(""));
      line.area.setAttribute("d", runs.map(run => `${trace(run)}L${run.at(-1).x} ${height}L${run[0].x} ${height}Z`).join(""));
      // From the end of each run to the next one's beginning, or to the right edge.
      if (this.#holds)
        line.held.setAttribute("d", runs.map((run, index) => `M${run.at(-1).x} ${run.at(-1).y.toFixed(1)}H${runs[index + 1]?.[0].x ?? this.#x(seconds.at(-1))}`).join(""));
    }
    this.#read(top);
  }

  #x = second => Number(((1 - (this.#now - second.time) / this.#span) * width).toFixed(1));

  #valueAt(second, field) {
    if (!second || second[field] !== null || !this.#holds) return second?.[field] ?? null;
    return this.#seconds.findLast(each => each.time < second.time && each[field] !== null)?.[field] ?? null;
  }

  // The numbers: those under the mouse, or else the latest.
  #read(top) {
    const wanted = this.#pointer === null ? null : this.#now - (1 - this.#pointer) * this.#span;
    const second = wanted === null ? this.#seconds.at(-1) : this.#seconds.reduce((best, each) => !best || Math.abs(each.time - wanted) < Math.abs(best.time - wanted) ? each : best, undefined);
    for (const line of this.#lines) {
      const value = this.#valueAt(second, line.field);
      setText(line.value, value === null ? "–" : this.#format(value));
      line.value.classList.toggle("earlier", this.#holds && second !== undefined && second[line.field] === null);
    }
    this.#cursor.style.display = wanted === null || !second ? "none" : "";
    if (second) {
      this.#cursor.setAttribute("x1", this.#x(second));
      this.#cursor.setAttribute("x2", this.#x(second));
    }
    if (wanted !== null && second) setText(this.#peak, `at ${time(second.time).slice(0, 8)}`);
    else if (top !== undefined) setText(this.#peak, top > 0 ? `peak ${this.#format(top)}` : "");
    this.#svg.setAttribute("aria-label", `${this.#title}: ${this.#lines.map(line => `${line.name} ${line.value.textContent}`.trim()).join(", ")}`);
  }
}

// The ground is a tenth of the least value.
function logarithmic(least, top) {
  const ground = Math.max(least, 0.1) / 10;
  return value => Math.log(Math.max(value, ground) / ground) / Math.log(Math.max(top, 0.1) / ground);
}

// A second without a value leaves a gap.
function split(points) {
  const runs = [[]];
  for (const point of points) {
    if (point.y === null) runs.push([]);
    else runs.at(-1).push(point);
  }
  return runs.filter(run => run.length > 0);
}

// A lone point is drawn as a short stroke.
const trace = run => run.length === 1
  ? `M${run[0].x - 1} ${run[0].y.toFixed(1)}h2`
  : run.map((point, index) => `${index === 0 ? "M" : "L"}${point.x} ${point.y.toFixed(1)}`).join("");

function svg(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
