// The explorer's controls and pictures; every number comes from explorer_core.js.
(() => {
  const app = document.getElementById("explorer-app");
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const control = (name) => app.querySelector(`[name="${name}"]`);
  const grid = Array.from({ length: 121 }, (_, i) => i / 120);
  const RIDGE_ROUNDS = 30;
  const { digits, say } = selfdistillPlot;
  const draw = (name, series, options) => selfdistillPlot.draw(app, name, series, options);

  control("epsilon").value = Math.log10(data.epsilon);
  control("ridge").value = Math.log10(0.2 / data.x.length);
  control("weight").value = 0;
  control("gamma").value = Math.log10(80);
  control("round").value = 1;

  const settings = () => ({
    problem: control("problem").value,
    schedule: control("schedule").value,
    epsilon: 10 ** Number(control("epsilon").value),
    ridge: 10 ** Number(control("ridge").value),
    weight: Number(control("weight").value),
    gamma: 10 ** Number(control("gamma").value),
    spectrum: control("spectrum").value,
  });

  function compute(s) {
    const spectrum = s.problem === "own"
      ? selfdistill.parseSpectrum(s.spectrum)
      : selfdistill.fromKernel(data.x, data.y, selfdistill.kernels[s.problem](s.gamma));
    const run = s.schedule === "tolerance"
      ? selfdistill.toTolerance(spectrum, s.epsilon)
      : selfdistill.withRidge(spectrum, s.ridge, RIDGE_ROUNDS, s.weight);
    return { spectrum, run };
  }

  function drawFit({ spectrum, run }, t) {
    const [blue, orange, green, grey] = [1, 2, 3, 4].map((i) => `var(--line-${i})`);
    const share = t ? run.filters[t - 1] : spectrum.d.map(() => 1);
    if (!spectrum.kernel) {
      const at = spectrum.d.map((_, k) => k + 1);
      draw("fit", [
        { kind: "bars", x: at, y: spectrum.z, colour: grey, faint: true, label: "given targets" },
        { kind: "bars", x: at, y: spectrum.z.map((z, k) => share[k] * z), colour: blue, label: `fit after ${t} ${t === 1 ? "round" : "rounds"}` },
      ], { xLabel: "eigenvector, smallest eigenvalue first", yLabel: "coefficient", wholeX: true });
      return;
    }
    const every = Math.max(1, Math.ceil(run.filters.length / 12));
    const others = run.filters.filter((_, i) => i % every === 0);
    draw("fit", [
      ...others.map((b, i) => ({ kind: "line", x: grid, y: selfdistill.predict(spectrum, b, grid), colour: blue, faint: true, label: i ? "" : "other rounds" })),
      { kind: "line", x: grid, y: grid.map((x) => Math.sin(2 * Math.PI * x)), colour: grey, dashed: true, label: "sin 2πx" },
      ...(t ? [{ kind: "line", x: grid, y: selfdistill.predict(spectrum, share, grid), colour: blue, label: `after ${t} ${t === 1 ? "round" : "rounds"}` }] : []),
      { kind: "dots", x: data.x, y: data.y, colour: orange, label: "given targets" },
    ], { xLabel: "x", yLabel: "f(x)" });
  }

  function drawFilters({ spectrum, run }, t) {
    const at = spectrum.d.map((_, k) => k + 1);
    const every = Math.max(1, Math.ceil(run.filters.length / 12));
    draw("filters", [
      ...run.filters.filter((_, i) => i % every === 0).map((b, i) => ({ kind: "line", x: at, y: b, colour: "var(--line-3)", faint: true, label: i ? "" : "other rounds" })),
      { kind: "line", x: at, y: t ? run.filters[t - 1] : at.map(() => 1), colour: "var(--line-3)", label: `after ${t} ${t === 1 ? "round" : "rounds"}` },
      { kind: "dots", x: at, y: t ? run.filters[t - 1] : at.map(() => 1), colour: "var(--line-3)", radius: 3 },
    ], { xLabel: "eigenvector, smallest eigenvalue first", yLabel: "share left", wholeX: true });
  }

  function drawNorms({ spectrum, run }, t, s) {
    const at = run.norms.map((_, i) => i);
    const bound = (y, colour, label) => ({ kind: "line", x: at, y, colour, dashed: true, label });
    const extra = s.schedule === "tolerance"
      ? [
        bound(run.curves.upper, "var(--line-2)", "at most (M8)"),
        bound(run.curves.lower, "var(--line-3)", "at least, r_0 − t (M7)"),
        bound(run.curves.paper, "var(--line-4)", "at least, paper (M5)"),
        bound(at.map(() => Math.sqrt(spectrum.n * s.epsilon)), "var(--soft)", "collapse, √(nε)"),
      ]
      : [bound(at.map(() => run.limit), "var(--line-4)", s.weight > 0 ? "limit, ridge c/α" : "limit, zero")];
    draw("norms", [
      ...extra,
      { kind: "line", x: at, y: run.norms, colour: "var(--line-1)", label: "‖y_t‖" },
      { kind: "dots", x: [t], y: [run.norms[t]], colour: "var(--line-1)", radius: 5 },
    ], { xLabel: "round t", yLabel: "norm of the targets", wholeX: true });
  }

  function showNumbers({ spectrum, run }, t, s) {
    const known = selfdistill.facts(spectrum);
    const rows = [["multiplier", "multiplier c of this round", t ? run.penalties[t - 1] : NaN], ["norm", "norm ‖y_t‖", run.norms[t]], ["kappa", "condition number κ", known.kappa]];
    if (s.schedule === "tolerance") {
      rows.push(["ratio", "r_0 = ‖y‖/√(nε)", run.ratio], ["paper", "rounds, at least (paper, M6)", run.bounds.paper], ["lower", "rounds, at least (M7)", run.bounds.lower]);
      rows.push(["exact", "rounds before collapse, exactly", run.collapsed ? run.filters.length : `more than ${run.filters.length}`], ["upper", "rounds, at most (M8)", run.bounds.upper]);
    } else rows.push(["limit", "norm after infinitely many rounds", run.limit]);
    app.querySelector("[data-numbers]").innerHTML = rows.map(([key, label, value]) =>
      `<tr><td>${label}</td><td class="num" data-key="${key}">${typeof value === "number" ? digits(value) : value}</td></tr>`).join("");
  }

  function update() {
    const s = settings();
    const shown = new Set([s.schedule, s.problem]);
    for (const label of app.querySelectorAll("label[data-for]")) label.hidden = !shown.has(label.dataset.for);
    const message = app.querySelector(".message");
    let found;
    try {
      found = compute(s);
      message.textContent = s.schedule === "tolerance" && !found.run.filters.length ? "Collapsed from the start: the targets are below the tolerance, and the best fit is zero." : "";
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      message.textContent = error.message;
    }
    for (const name of ["epsilon", "ridge", "gamma"]) say(control(name), digits(Number(s[name].toPrecision(3))));
    say(control("weight"), s.weight);
    app.querySelector(".panels").style.opacity = found ? 1 : 0.25;
    if (!found) return;
    const last = found.run.filters.length;
    control("round").max = last;
    const t = Math.min(Number(control("round").value), last);
    say(control("round"), `${t} of ${last}`);
    app.querySelector('[data-panel="fit"]').textContent = s.problem === "own" ? "Targets in the eigenvectors" : "Fit";
    drawFit(found, t);
    drawFilters(found, t);
    drawNorms(found, t, s);
    showNumbers(found, t, s);
  }

  app.addEventListener("input", update);
  selfdistill.explore = compute;
  update();
})();
