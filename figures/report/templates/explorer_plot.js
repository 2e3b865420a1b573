"use strict";
// Line plots as SVG and what sliders say of their values: shared by the report's explorer and the pages on own data.
const selfdistillPlot = (() => {
  const AREA = { left: 58, right: 410, top: 10, bottom: 252 };

  const digits = (value) => {
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "";
    const short = Number(value.toPrecision(5));
    return short !== 0 && (Math.abs(short) < 1e-3 || Math.abs(short) >= 1e6) ? short.toExponential() : String(short);
  };

  // A slider's place may be a logarithm: what it stands for is shown above it, and read out.
  function say(input, text) {
    input.previousElementSibling.textContent = text;
    input.setAttribute("aria-valuetext", text);
  }

  function ticks(low, high, whole) {
    const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
    let step = [1, 2, 5, 10].find((m) => m * power >= raw) * power;
    if (whole) step = Math.max(1, Math.round(step));
    const out = [];
    for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) out.push(Number(v.toPrecision(10)));
    return out;
  }

  function range(values, fromZero) {
    let low = Math.min(...values), high = Math.max(...values);
    if (fromZero) low = Math.min(0, low);
    return low === high ? [low - (fromZero ? 0 : 0.5), high + (fromZero ? 1 : 0.5)] : [low, high];
  }

  const marks = {
    dots: (s, at, look) => at.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="${s.radius ?? 4}" fill="${s.colour}"${look}/>`),
    line: (s, at, look) => [`<polyline points="${at.map((p) => p.join(",")).join(" ")}" fill="none" stroke="${s.colour}" stroke-width="${s.faint ? 1 : 2.2}"${s.dashed ? ' stroke-dasharray="6 4"' : ""}${look}/>`],
    bars: (s, at, look, zero, unit) => {
      const width = Math.max(1.5, Math.min(30, 0.7 * unit));
      return at.map(([x, y]) => `<rect x="${x - width / 2}" y="${Math.min(y, zero)}" width="${width}" height="${Math.abs(zero - y)}" fill="${s.colour}"${look}/>`);
    },
  };

  // Series are {kind: "line" | "dots" | "bars", x, y, colour, dashed, faint, label}; logY draws decades.
  function draw(app, name, series, { xLabel, yLabel, wholeX = false, logY = false }) {
    const svg = app.querySelector(`[data-plot="${name}"]`);
    const seen = (v) => (logY ? (v > 0 ? Math.log10(v) : NaN) : v);
    const xs = series.flatMap((s) => s.x), ys = series.flatMap((s) => s.y).map(seen).filter(Number.isFinite);
    let [x0, x1] = range(xs, false), [y0, y1] = range(ys.length ? ys : [0], !logY);
    if (series.some((s) => s.kind === "bars")) [x0, x1] = [x0 - 0.5, x1 + 0.5];
    const air = (y1 - y0) * 0.04;
    y1 += air; if (y0 < 0 || logY) y0 -= air;
    const px = (x) => AREA.left + ((x - x0) / (x1 - x0)) * (AREA.right - AREA.left);
    const py = (y) => AREA.bottom - ((y - y0) / (y1 - y0)) * (AREA.bottom - AREA.top);
    const parts = [`<path d="M${AREA.left} ${AREA.top}V${AREA.bottom}H${AREA.right}" fill="none" stroke="var(--rule)"/>`];
    for (const v of ticks(x0, x1, wholeX)) parts.push(`<text x="${px(v)}" y="${AREA.bottom + 16}" text-anchor="middle">${digits(v)}</text>`);
    for (const v of ticks(y0, y1, logY && y1 - y0 > 2)) {
      const label = logY ? digits(Number((10 ** v).toPrecision(2))) : digits(v);
      parts.push(`<path d="M${AREA.left} ${py(v)}H${AREA.right}" stroke="var(--rule)" stroke-width=".5"/><text x="${AREA.left - 6}" y="${py(v) + 4}" text-anchor="end">${label}</text>`);
    }
    parts.push(`<text x="${(AREA.left + AREA.right) / 2}" y="290" text-anchor="middle">${xLabel}</text>`);
    parts.push(`<text transform="translate(12 ${(AREA.top + AREA.bottom) / 2}) rotate(-90)" text-anchor="middle">${yLabel}</text>`);
    for (const s of series) {
      const at = s.x.map((x, i) => [px(x), py(seen(s.y[i]))]).filter(([, y]) => Number.isFinite(y));
      parts.push(...marks[s.kind](s, at, s.faint ? ' opacity=".3"' : "", py(Math.max(y0, 0)), px(1) - px(0)));
    }
    svg.innerHTML = parts.join("");
    app.querySelector(`[data-legend="${name}"]`).innerHTML = series.filter((s) => s.label).map((s) =>
      `<span><i class="${s.kind === "line" ? (s.dashed ? "dashed" : "") : "dot"}" style="${s.kind === "line" ? "border-color" : "background"}:${s.colour}${s.faint ? ";opacity:.4" : ""}"></i>${s.label}</span>`).join("");
  }

  return { digits, say, draw };
})();
