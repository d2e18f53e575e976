"use strict";

// Draws the charts of the page from the JSON beside it. All text goes in as text, never as markup.

const COLOURS = 8;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const data = JSON.parse(document.getElementById("data").textContent);

function unitOf(size) {
  const exponent = Math.floor(Math.log2(Math.max(1, Math.abs(size))) / 10);
  return Math.min(exponent, UNITS.length - 1);
}

function formatBytes(size, unit = unitOf(size)) {
  return unit ? `${(size / 1024 ** unit).toFixed(1)} ${UNITS[unit]}` : `${Math.round(size)} B`;
}

function formatSeconds(seconds) {
  return seconds < 1 ? `${(seconds * 1e3).toFixed(0)} ms` : `${seconds.toFixed(seconds < 100 ? 2 : 0)} s`;
}

// --- bytes over time -------------------------------------------------------------------------

function totalsOf(line) {
  return d3.transpose(line.series.map((series) => series.bytes)).map((held) => d3.sum(held));
}

// Round numbers of the unit that `most` is worded in; the last one is not below it.
function ticksUpTo(most) {
  const unit = 1024 ** unitOf(most);
  return d3.scaleLinear([0, most / unit || 1], [0, 1]).nice(4).ticks(4).map((tick) => tick * unit);
}

class TimeChart {
  // `most` is where the axis of bytes ends, so that the charts of several ranks can be compared.
  constructor(parent, line, most) {
    this.line = line;
    this.ticks = ticksUpTo(most);
    this.totals = totalsOf(line);
    this.count = this.totals.length;
    this.peak = d3.maxIndex(this.totals);
    this.names = line.series.map((series) => series.name);
    this.label = data.timelines.length > 1 ? `Rank ${line.rank}` : "";
    const figure = parent.append("figure").attr("class", "chart");
    if (this.label) {
      figure.append("figcaption").append("strong").text(this.label);
    }
    this.addLegend(figure);
    this.svg = figure.append("svg").attr("role", "img").attr("aria-label", this.summary());
    this.addSlider(figure);
    this.draw();
    new ResizeObserver(() => this.draw()).observe(figure.node());
    this.read(this.peak);
  }

  summary() {
    const at = formatSeconds(this.peak * this.line.interval);
    const most = formatBytes(this.totals[this.peak]);
    return `${this.label} Kept bytes over time, stacked by call: at most ${most}, at ${at}`.trim();
  }

  addLegend(figure) {
    const items = figure.append("ul").attr("class", "legend").selectAll("li").data(this.names).join("li");
    items.append("span").attr("class", (_, i) => `swatch s${i % COLOURS}`);
    items.append("span").text((name) => name);
  }

  addSlider(figure) {
    this.slider = figure
      .append("input")
      .attr("type", "range")
      .attr("min", 0)
      .attr("max", this.count - 1)
      .attr("aria-label", `Time ${this.label}`.trim())
      .property("value", this.peak)
      .on("input", () => this.read(this.slider.node().valueAsNumber));
    this.readout = figure.append("output").attr("class", "readout");
    this.svg.on("pointermove", (event) => {
      const index = Math.floor(this.x.invert(d3.pointer(event)[0]) / this.line.interval);
      const inside = Math.max(0, Math.min(this.count - 1, index));
      this.slider.property("value", inside);
      this.read(inside);
    });
  }

  draw() {
    const width = this.svg.node().clientWidth;
    if (!width || width === this.width) {
      return;
    }
    this.width = width;
    const height = Math.max(180, Math.min(320, width * 0.45));
    const margin = { top: 8, right: 22, bottom: 24, left: 66 };
    const end = this.count * this.line.interval;
    this.x = d3.scaleLinear([0, end], [margin.left, width - margin.right]);
    const y = d3.scaleLinear([0, this.ticks.at(-1)], [height - margin.bottom, margin.top]);
    this.slider.style("margin-left", `${margin.left - 8}px`); // half a thumb before the first interval
    this.slider.style("width", `${width - margin.left - margin.right + 16}px`);
    this.svg.attr("viewBox", `0 0 ${width} ${height}`).attr("height", height);
    this.svg.selectAll("*").remove();
    this.drawAreas(y);
    this.drawAxes(y, width, height, margin);
    this.cursor = this.svg.append("line").attr("class", "cursor");
    this.cursor.attr("y1", margin.top).attr("y2", height - margin.bottom);
    this.read(this.slider.node().valueAsNumber);
  }

  drawAreas(y) {
    const rows = [...d3.range(this.count), this.count - 1]; // the last interval has an end too
    const stacked = d3
      .stack()
      .keys(d3.range(this.names.length))
      .value((row, key) => this.line.series[key].bytes[row])(rows);
    const area = d3
      .area()
      .curve(d3.curveStepAfter)
      .x((_, i) => this.x(i * this.line.interval))
      .y0((band) => y(band[0]))
      .y1((band) => y(band[1]));
    this.svg
      .selectAll("path.area")
      .data(stacked)
      .join("path")
      .attr("class", (band) => `area s${band.key % COLOURS}`)
      .attr("d", area);
  }

  drawAxes(y, width, height, margin) {
    const unit = unitOf(this.ticks.at(-1));
    const bytes = d3.axisLeft(y).tickValues(this.ticks).tickFormat((tick) => (tick ? formatBytes(tick, unit) : "0"));
    const time = d3.axisBottom(this.x).ticks(width / 110).tickFormat(formatSeconds);
    this.svg.append("g").attr("transform", `translate(${margin.left},0)`).call(bytes);
    this.svg.append("g").attr("transform", `translate(0,${height - margin.bottom})`).call(time);
  }

  read(index) {
    const middle = (index + 0.5) * this.line.interval;
    this.cursor.attr("x1", this.x(middle)).attr("x2", this.x(middle));
    const held = this.line.series
      .map((series) => ({ name: series.name, bytes: series.bytes[index] }))
      .filter((each) => each.bytes)
      .map((each) => `${each.name} ${formatBytes(each.bytes)}`);
    const total = formatBytes(this.totals[index]);
    const text = `${formatSeconds(index * this.line.interval)}: ${[total, ...held].join(" · ")}`;
    this.readout.text(text);
    this.slider.attr("aria-valuetext", text);
  }
}

// --- what holds the bytes --------------------------------------------------------------------

const GROUPINGS = [
  { name: "module", inner: "operation" },
  { name: "operation", inner: "source" },
  { name: "source", inner: "operation" },
  { name: "device", inner: "module" },
];
const MOST_TILES = 80;

class Tiles {
  constructor(parent) {
    const choices = parent.append("div").attr("class", "choices");
    const sites = ["all calls", ...new Set(data.holders.map((holder) => holder.site))];
    const groupings = GROUPINGS.filter(({ name }) => data.holders.some((holder) => holder[name]));
    this.site = this.addChoice(choices, "Call", sites);
    this.grouping = this.addChoice(choices, "Grouped by", groupings.map(({ name }) => name));
    this.box = parent.append("div").attr("class", "tiles").attr("role", "group");
    this.box.attr("aria-label", "Bytes by what holds them").on("keydown", (event) => this.move(event));
    this.readout = parent.append("output").attr("class", "readout");
    this.draw();
    new ResizeObserver(() => this.draw(this.width)).observe(this.box.node());
  }

  addChoice(parent, name, options) {
    const label = parent.append("label").text(`${name} `);
    const select = label.append("select").on("change", () => this.draw());
    select.selectAll("option").data(options).join("option").text((option) => option);
    return select;
  }

  tree() {
    const site = this.site.property("value");
    const holders = data.holders.filter((holder) => site === "all calls" || holder.site === site);
    const outer = GROUPINGS.find(({ name }) => name === this.grouping.property("value"));
    // The model itself is no module of its own, and what runs outside of it none at all.
    const unnamed = (key) => (key === "module" ? "no module" : `unknown ${key}`);
    const label = (holder, key) => holder[key] || unnamed(key);
    const total = (held) => d3.sum(held, (holder) => holder.bytes);
    const rolled = d3.rollup(
      holders,
      total,
      (holder) => label(holder, outer.name),
      (holder) => label(holder, outer.inner),
    );
    const root = d3.hierarchy(rolled).sum((entry) => entry[1]);
    return root.sort((a, b) => b.value - a.value);
  }

  draw(drawnWidth) {
    const width = this.box.node().clientWidth;
    if (!width || width === drawnWidth) {
      return;
    }
    this.width = width;
    const height = 440;
    const root = this.tree();
    this.total = root.value;
    d3.treemap().size([width, height]).paddingTop((node) => (node.depth ? 20 : 0)).paddingInner(2).round(true)(root);
    this.box.style("height", `${height}px`);
    this.drawGroups(root.children ?? []);
    this.drawTiles(root.leaves().slice(0, MOST_TILES));
  }

  place(selection) {
    return selection
      .style("left", (node) => `${node.x0}px`)
      .style("top", (node) => `${node.y0}px`)
      .style("width", (node) => `${node.x1 - node.x0}px`)
      .style("height", (node) => `${node.y1 - node.y0}px`);
  }

  drawGroups(groups) {
    const boxes = this.box.selectAll("div.group").data(groups).join("div");
    this.place(boxes.attr("class", (_, i) => `group s${i % COLOURS}`).attr("aria-hidden", "true"));
    boxes.text((node) => this.heading(node));
  }

  drawTiles(leaves) {
    const colour = (leaf) => leaf.parent.parent.children.indexOf(leaf.parent) % COLOURS;
    const tiles = this.box.selectAll("button").data(leaves).join("button");
    this.place(tiles.attr("class", (leaf) => `tile s${colour(leaf)}`));
    tiles
      .raise()
      .attr("type", "button")
      .attr("tabindex", (_, i) => (i ? -1 : 0))
      .attr("aria-label", (leaf) => this.describe(leaf))
      .on("focus pointerenter click", (_, leaf) => this.readout.text(this.describe(leaf)));
    const lines = (leaf) => (leaf.x1 - leaf.x0 < 56 || leaf.y1 - leaf.y0 < 18 ? [] : this.caption(leaf));
    tiles.selectAll("span").data(lines).join("span").text((line) => line);
    this.readout.text(leaves.length ? this.describe(leaves[0]) : "");
  }

  heading(group) {
    const size = formatBytes(group.value);
    const room = Math.floor((group.x1 - group.x0) / 7) - size.length - 2; // 7 pixels a character
    const name = group.data[0];
    if (name.length <= room) {
      return `${name} ${size}`;
    }
    // Paths differ in their last parts.
    return room < 8 ? size : `…${name.slice(1 - room)} ${size}`;
  }

  caption(leaf) {
    const name = leaf.data[0].replace(/Backward\d*\./, "."); // `AddmmBackward0.mat1` is `Addmm.mat1`
    return [name, formatBytes(leaf.value)];
  }

  describe(leaf) {
    const share = d3.format(".0%")(leaf.value / this.total);
    return `${this.caption(leaf).join(" ")}, ${share} of what is shown, in ${leaf.parent.data[0]}`;
  }

  move(event) {
    const tiles = this.box.selectAll("button").nodes();
    const last = tiles.length - 1;
    const at = tiles.indexOf(document.activeElement);
    const targets = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last };
    if (at < 0 || !(event.key in targets)) {
      return;
    }
    event.preventDefault();
    const target = tiles[Math.max(0, Math.min(last, targets[event.key]))];
    tiles[at].tabIndex = -1;
    target.tabIndex = 0;
    target.focus();
  }
}

const most = d3.max(data.timelines, (line) => d3.max(totalsOf(line)));
for (const line of data.timelines) {
  new TimeChart(d3.select("#time-charts"), line, most);
}
if (data.holders.length) {
  new Tiles(d3.select("#tiles"));
}
