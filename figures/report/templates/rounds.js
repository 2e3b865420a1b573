// The rounds of a reader's own data under other tolerances, ridges, weights and noise; every number by explorer_core.js.
(() => {
  const app = document.getElementById("rounds-app");
  const data = JSON.parse(document.getElementById("rounds-data").textContent);
  const control = (name) => app.querySelector(`[name="${name}"]`);
  const { digits, say } = selfdistillPlot;
  const draw = (name, series, options) => selfdistillPlot.draw(app, name, series, options);
  const [blue, orange, green, grey] = [1, 2, 3, 4].map((i) => `var(--line-${i})`);
  const RIDGE_ROUNDS = 30, MIXED = 4, MOST_POINTS = 400;
  const spectrum = selfdistill.fromSpectrum(data);
  const mean = data.z.reduce((total, v) => total + v * v, 0) / data.n;
  const largest = Math.max(...data.d);
  // Weights of rounds 2, 3 and 4 in the mixture; exact, while the sliders show them in steps.
  let weights = [0, 0, 0];

  const log = (name, low, high, value) => {
    Object.assign(control(name), { min: Math.log10(low), max: Math.log10(high), step: "any" });
    control(name).value = Math.log10(value);
  };
  log("epsilon", Math.max(1.0001 * data.least, 1e-6 * mean), Math.max(mean, data.epsilon), data.epsilon);
  log("ridge", 1e-8 * largest, 100 * largest, data.ridge);
  log("noise", 1e-4 * mean, mean, Math.min(data.noise, mean));

  const settings = () => ({
    schedule: control("schedule").value,
    epsilon: 10 ** Number(control("epsilon").value),
    ridge: 10 ** Number(control("ridge").value),
    weight: Number(control("weight").value),
    noise: 10 ** Number(control("noise").value),
    weights,
  });

  // The rounds, what each leaves and how far it is from the truth, and the mixture of the first ones.
  function compute(s) {
    const mixing = s.weights.some((w) => w !== 0);
    const run = s.schedule === "tolerance"
      ? selfdistill.toTolerance(spectrum, s.epsilon)
      : selfdistill.withRidge(spectrum, s.ridge, RIDGE_ROUNDS, s.weight);
    const first = run.filters.slice(0, MIXED);
    const mixed = mixing && first.length ? selfdistill.mix(first, [1 - s.weights.reduce((a, b) => a + b, 0), ...s.weights].slice(0, first.length)) : null;
    return {
      run, first,
      training: run.filters.map((b) => selfdistill.trainingError(spectrum, b)),
      risks: run.filters.map((b) => selfdistill.estimatedRisk(spectrum, b, s.noise)),
      sizes: run.filters.map(selfdistill.basisSize),
      mixture: mixed && { filter: mixed, training: selfdistill.trainingError(spectrum, mixed), risk: selfdistill.estimatedRisk(spectrum, mixed, s.noise) },
    };
  }

  function best(s) {
    const { first } = compute(s);
    return first.length > 1 ? selfdistill.bestMixture(spectrum, first, s.noise) : [1];
  }

  // So many directions that a plot can show them; those with the largest eigenvalues stay.
  const every = Math.max(1, Math.ceil(data.d.length / MOST_POINTS));
  const places = data.d.map((_, k) => k).filter((k) => (data.d.length - 1 - k) % every === 0);

  function drawNorms({ run }, t, s) {
    const at = run.norms.map((_, i) => i);
    const line = (y, colour, label) => ({ kind: "line", x: at, y, colour, dashed: true, label });
    const bounds = s.schedule === "tolerance"
      ? [
        line(run.curves.upper, orange, "at most"),
        line(run.curves.lower, green, "at least, r_0 − t"),
        line(at.map(() => Math.sqrt(spectrum.n * s.epsilon)), "var(--soft)", "collapse, √(nε)"),
      ]
      : [line(at.map(() => run.limit), grey, s.weight > 0 ? "limit, ridge c/α" : "limit, zero")];
    draw("norms", [...bounds, { kind: "line", x: at, y: run.norms, colour: blue, label: "‖y_t‖" },
      { kind: "dots", x: [t], y: [run.norms[t]], colour: blue, radius: 5 }], { xLabel: "round t", yLabel: "norm of the targets", wholeX: true });
  }

  function drawErrors(found, t, s) {
    const at = found.risks.map((_, i) => i + 1);
    const own = s.schedule === "tolerance" && Math.abs(s.epsilon / data.epsilon - 1) < 1e-9 ? data.leftOut : [];
    const series = [
      { kind: "line", x: at, y: found.training, colour: grey, label: "training error" },
      { kind: "line", x: at, y: found.risks, colour: blue, label: "estimated distance to the truth" },
    ];
    if (t) series.push({ kind: "dots", x: [t], y: [found.risks[t - 1]], colour: blue, radius: 5 });
    if (own.length) series.push({ kind: "dots", x: own.map((_, i) => i + 1), y: own, colour: orange, radius: 3, label: "error on left-out samples, less the noise" });
    if (own.length) series.at(-1).y = own.map((v) => v - s.noise * data.outputs);
    if (found.mixture) series.push({ kind: "line", x: [1, Math.max(at.at(-1), 2)], y: [found.mixture.risk, found.mixture.risk], colour: green, dashed: true, label: "the mixture's" });
    draw("errors", series, { xLabel: "round", yLabel: "mean squared error", wholeX: true });
  }

  function drawFilters({ run, mixture }, t) {
    const at = places.map((k) => k + 1), seen = (b) => places.map((k) => b[k]);
    const step = Math.max(1, Math.ceil(run.filters.length / 10));
    draw("filters", [
      ...run.filters.filter((_, i) => i % step === 0).map((b, i) => ({ kind: "line", x: at, y: seen(b), colour: blue, faint: true, label: i ? "" : "other rounds" })),
      { kind: "line", x: at, y: t ? seen(run.filters[t - 1]) : at.map(() => 1), colour: blue, label: `after ${t} ${t === 1 ? "round" : "rounds"}` },
      ...(mixture ? [{ kind: "line", x: at, y: seen(mixture.filter), colour: green, dashed: true, label: "the mixture" }] : []),
    ], { xLabel: "eigenvector, smallest eigenvalue first", yLabel: "share left", wholeX: true });
  }

  function drawMultipliers({ run, sizes }, t, s) {
    const at = run.penalties.map((_, i) => i + 1);
    const least = Math.min(...data.d.filter((d, k) => d > 0 && data.z[k] !== 0));
    const bracket = (d) => at.map((_, i) => d / (run.norms[i] / Math.sqrt(spectrum.n * s.epsilon) - 1));
    draw("multipliers", [
      ...(s.schedule === "tolerance" ? [
        { kind: "line", x: at, y: bracket(largest), colour: orange, dashed: true, label: "at most d_max/(r − 1)" },
        // For most kernels the least eigenvalue is so small that this bound would flatten all else.
        ...(least > 1e-4 * largest ? [{ kind: "line", x: at, y: bracket(least), colour: green, dashed: true, label: "at least d_min/(r − 1)" }] : []),
      ] : []),
      { kind: "line", x: at, y: run.penalties, colour: blue, label: "multiplier c" },
      ...(t ? [{ kind: "dots", x: [t], y: [run.penalties[t - 1]], colour: blue, radius: 5 }] : []),
    ], { xLabel: "round", yLabel: "multiplier", wholeX: true, logY: true });
    draw("sizes", [{ kind: "bars", x: at, y: sizes, colour: blue, label: "eigenvectors with B_t > 0.001" }], { xLabel: "round", yLabel: "basis size", wholeX: true });
  }

  function showNumbers(found, t, s) {
    const { run, mixture } = found;
    const lowest = found.risks.indexOf(Math.min(...found.risks)) + 1;
    const rows = [];
    if (s.schedule === "tolerance") {
      rows.push(["ratio", "r_0 = ‖y‖/√(nε)", run.ratio], ["kappa", "condition number κ", run.kappa]);
      rows.push(["exact", "rounds before collapse, exactly", run.collapsed ? run.filters.length : `more than ${run.filters.length}`]);
      rows.push(["paper", "at least (paper), (r_0 − 1)/κ", run.bounds.paper], ["lower", "at least, r_0 − 1", run.bounds.lower], ["upper", "at most", run.bounds.upper]);
    } else rows.push(["limit", "norm after infinitely many rounds", run.limit]);
    if (lowest) rows.push(["best", "round nearest to the truth, by the estimate", lowest]);
    if (mixture) rows.push(["mixed-training", "training error of the mixture", mixture.training], ["mixed-risk", "estimated distance of the mixture to the truth", mixture.risk]);
    app.querySelector("[data-numbers]").innerHTML = rows.map(([key, label, value]) =>
      `<tr><th scope="row">${label}</th><td class="num" data-key="${key}">${typeof value === "number" ? digits(value) : value}</td></tr>`).join("");
    app.querySelector("[data-rounds]").innerHTML = run.penalties.map((c, i) =>
      `<tr${i + 1 === t ? ' aria-current="true"' : ""}><th scope="row" class="num">${i + 1}</th>${[c, run.norms[i + 1], found.training[i], found.risks[i], found.sizes[i]].map((v) => `<td class="num">${digits(v)}</td>`).join("")}</tr>`).join("");
  }

  function update() {
    const s = settings();
    for (const label of app.querySelectorAll("[data-for]")) label.hidden = label.dataset.for !== s.schedule;
    const message = app.querySelector(".message");
    let found;
    try {
      found = compute(s);
      message.textContent = found.run.filters.length ? "" : "Collapsed from the start: the targets are below the tolerance, and the best fit is zero.";
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      message.textContent = error.message;
    }
    for (const name of ["epsilon", "ridge", "noise"]) say(control(name), digits(Number(s[name].toPrecision(4))));
    say(control("weight"), String(s.weight));
    weights.forEach((w, i) => {
      const slider = control(`mix${i + 2}`);
      Object.assign(slider, { min: Math.min(-2, Math.floor(w)), max: Math.max(2, Math.ceil(w)) });
      slider.value = w;
      say(slider, digits(Number(w.toPrecision(4))));
    });
    app.querySelector("[data-first]").textContent = digits(Number((1 - weights.reduce((a, b) => a + b, 0)).toPrecision(4)));
    app.querySelector(".panels").style.opacity = found ? 1 : 0.25;
    if (!found) return;
    const last = found.run.filters.length;
    control("round").max = last;
    const t = Math.min(Number(control("round").value), last);
    say(control("round"), `${t} of ${last}`);
    drawNorms(found, t, s);
    showNumbers(found, t, s);
    for (const part of app.querySelectorAll("[data-fits]")) part.hidden = !last;
    if (!last) return;
    drawErrors(found, t, s);
    drawFilters(found, t);
    drawMultipliers(found, t, s);
  }

  app.addEventListener("input", (event) => {
    const mixed = /^mix([2-4])$/.exec(event.target.name ?? "");
    if (mixed) weights = weights.map((w, i) => (i + 2 === Number(mixed[1]) ? Number(event.target.value) : w));
    update();
  });
  app.querySelector("[data-best]").addEventListener("click", () => {
    const found = best(settings());
    weights = [1, 2, 3].map((i) => found[i] ?? 0);
    update();
  });
  app.querySelector("[data-clear]").addEventListener("click", () => { weights = [0, 0, 0]; update(); });
  selfdistill.ownRounds = { compute, best, settings };
  update();
})();
