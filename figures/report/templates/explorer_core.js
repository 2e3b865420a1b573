"use strict";
// The recursion of theory/distillation.py in the page: no drawing, so that tests can compare its numbers.
const selfdistill = (() => {
  const EPS = Number.EPSILON;
  const MOST_ROUNDS = 500;
  const sum = (values) => values.reduce((a, b) => a + b, 0);

  const kernels = {
    cubic: () => (x, s) => Math.max(x - s, 0) ** 3 / 6 - (x * (1 - s) * (x * x - 2 * s + s * s)) / 6,
    rbf: (gamma) => (x, s) => Math.exp(-gamma * (x - s) ** 2),
  };

  // Eigenvalues (ascending) and eigenvectors of a symmetric matrix, by cyclic Jacobi rotations.
  function eigen(matrix) {
    const n = matrix.length;
    const a = matrix.map((row) => [...row]);
    const v = a.map((_, i) => a.map((__, j) => (i === j ? 1 : 0)));
    for (let sweep = 0; sweep < 60; sweep++) {
      let off = 0, diagonal = 0;
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) (i === j ? (diagonal += a[i][i] ** 2) : (off += a[i][j] ** 2));
      if (off <= 1e-34 * diagonal) break;
      for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) {
        if (a[p][q] === 0) continue;
        const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1), s = t * c;
        for (let k = 0; k < n; k++) [a[k][p], a[k][q]] = [c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]];
        for (let k = 0; k < n; k++) [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
        for (let k = 0; k < n; k++) [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
      }
    }
    const order = a.map((_, i) => i).sort((i, j) => a[i][i] - a[j][j]);
    return { values: order.map((i) => a[i][i]), vectors: v.map((row) => order.map((i) => row[i])) };
  }

  // Spectrum of gram / n and the targets in its eigenvectors; what is below rounding is zero.
  function fromKernel(x, y, kernel) {
    const n = x.length;
    const { values, vectors } = eigen(x.map((a) => x.map((b) => kernel(a, b))));
    const rounding = 4 * Math.sqrt(n) * EPS * Math.max(values[n - 1], 0);
    const d = values.map((value) => (value > rounding ? value / n : 0));
    const z = d.map((_, k) => sum(y.map((value, i) => vectors[i][k] * value)));
    return { n, d, z, vectors, x, y, kernel, weightFloor: (n * EPS) ** 2 };
  }

  function fromEigenvalues(pairs) {
    const sorted = [...pairs].sort((a, b) => a[0] - b[0]);
    return { n: sorted.length, d: sorted.map((p) => p[0]), z: sorted.map((p) => p[1]), weightFloor: 0 };
  }

  // "eigenvalue coefficient" a line; the first that cannot be used is named.
  function parseSpectrum(text) {
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
    const pairs = lines.map((line) => {
      const numbers = line.split(/[\s,;]+/).map(Number);
      if (numbers.length !== 2 || !numbers.every(Number.isFinite) || numbers[0] < 0)
        throw new RangeError(`“${line}” is not an eigenvalue of at least 0 and a coefficient.`);
      return numbers;
    });
    if (!pairs.length || pairs.length > 500) throw new RangeError("Give between 1 and 500 eigenvalues.");
    if (!pairs.some(([d, z]) => d > 0 && z !== 0)) throw new RangeError("Some direction must have an eigenvalue and a coefficient.");
    return fromEigenvalues(pairs);
  }

  function facts({ n, d, z, weightFloor }) {
    const energy = sum(z.map((v) => v * v));
    const weighted = z.map((v) => v * v > weightFloor * energy);
    let nullEnergy = sum(z.map((v, k) => (weighted[k] && d[k] === 0 ? v * v : 0)));
    if (nullEnergy <= (n * EPS) ** 2 * energy) nullEnergy = 0;
    const positive = d.filter((value, k) => weighted[k] && value > 0);
    const least = Math.min(...positive), largest = Math.max(...positive);
    return { energy, weighted, nullEnergy, least, largest, kappa: nullEnergy > 0 ? Infinity : largest / least, laterKappa: largest / least };
  }

  // The c > 0 with Σ (c/(c + d_k))² w_k = budget: bisection in log(1/c) between the bounds of claim M2.
  function penalty(d, w, budget) {
    const present = d.filter((_, k) => w[k] > 0);
    const excess = Math.sqrt(sum(w) / budget) - 1;
    let low = Math.log(excess / Math.max(...present)), high = Math.log(excess / Math.min(...present));
    for (let i = 0; i < 200 && high > low; i++) {
      const middle = (low + high) / 2, inverse = Math.exp(middle);
      if (middle === low || middle === high) break;
      if (sum(w.map((value, k) => value / (1 + inverse * d[k]) ** 2)) > budget) low = middle; else high = middle;
    }
    return Math.exp(-(low + high) / 2);
  }

  function upperBounds(ratio, kappa, laterKappa) {
    const squares = [ratio ** 2];
    while (squares.at(-1) > 1 + 8 * EPS * ratio ** 2 && squares.length < 1e5) {
      const r2 = squares.at(-1);
      squares.push(r2 - 1 - (2 * (Math.sqrt(r2) - 1)) / (squares.length === 1 ? kappa : laterKappa));
    }
    return squares.map((value) => Math.sqrt(Math.max(value, 0)));
  }

  function paperBounds(ratio, kappa, rounds) {
    if (!Number.isFinite(kappa)) return Array.from({ length: rounds + 1 }, (_, t) => (t ? 0 : ratio));
    const a = ((ratio - 1) ** 2 + kappa * (2 * ratio - 1)) / (ratio - 1 + kappa) ** 2;
    const b = (ratio ** 2 * kappa) / (ratio - 1 + kappa) ** 2;
    return Array.from({ length: rounds + 1 }, (_, t) => Math.max(a ** t * ratio - b * (a === 1 ? t : (a ** t - 1) / (a - 1)), 0));
  }

  function toTolerance(spectrum, epsilon) {
    const { n, d, z } = spectrum;
    const known = facts(spectrum);
    const budget = n * epsilon, ratio = Math.sqrt(known.energy / budget);
    if (known.nullEnergy > budget) throw new RangeError(`No fit reaches this ε: the kernel leaves an error of ${(known.nullEnergy / n).toPrecision(5)}.`);
    const used = d.map((value, k) => value > 0 && known.weighted[k]);
    let filter = d.map((value) => (value > 0 ? 1 : 0)), energy = known.energy, reachable = budget - known.nullEnergy;
    const penalties = [], filters = [], norms = [Math.sqrt(energy)];
    while (energy - budget > 8 * EPS * penalties.length * ratio * budget && penalties.length < MOST_ROUNDS) {
      const weights = z.map((value, k) => (used[k] ? (filter[k] * value) ** 2 : 0));
      const c = reachable > 0 ? penalty(d.filter((_, k) => used[k]), weights.filter((_, k) => used[k]), reachable) : 0;
      filter = filter.map((b, k) => (d[k] > 0 ? (b * d[k]) / (d[k] + c) : 0));
      energy = sum(z.map((value, k) => (used[k] ? (filter[k] * value) ** 2 : 0)));
      penalties.push(c); filters.push(filter); norms.push(Math.sqrt(energy));
      reachable = budget;
    }
    const collapsed = penalties.length < MOST_ROUNDS || energy <= budget;
    const scale = Math.sqrt(budget), upper = upperBounds(ratio, known.kappa, known.laterKappa);
    return {
      penalties, filters, norms, collapsed, ratio, kappa: known.kappa,
      bounds: { paper: Math.max(ratio - 1, 0) / known.kappa, lower: Math.max(ratio - 1, 0), upper: upper.length - 1 },
      curves: {
        lower: norms.map((_, t) => Math.max(ratio - t, 0) * scale),
        upper: norms.map((_, t) => (upper[t] ?? 1) * scale),
        paper: paperBounds(ratio, known.kappa, norms.length - 1).map((value) => value * scale),
      },
    };
  }

  function withRidge({ d, z }, ridge, rounds, weight) {
    const filters = [];
    let filter = d.map(() => 1);
    for (let t = 0; t < rounds; t++) {
      filter = filter.map((b, k) => (d[k] / (d[k] + ridge)) * (weight + (1 - weight) * b));
      filters.push(filter);
    }
    const norm = (b) => Math.sqrt(sum(z.map((value, k) => (b[k] * value) ** 2)));
    const limit = weight > 0 ? norm(d.map((value) => value / (value + ridge / weight))) : 0;
    return { penalties: filters.map(() => ridge), filters, norms: [norm(d.map(() => 1)), ...filters.map(norm)], collapsed: false, limit };
  }

  // Eigenvalues and coefficients that somebody else found, of n samples; several outputs count as their joint norm.
  function fromSpectrum({ n, d, z, outputs }) {
    return { n, d, z, outputs, weightFloor: (n * EPS) ** 2 };
  }

  const trainingError = ({ n, z }, filter) => sum(z.map((value, k) => ((1 - filter[k]) * value) ** 2)) / n;

  // Mallows' estimate of the mean squared distance to the noiseless truth, for labels with noise of this variance.
  function estimatedRisk(spectrum, filter, variance) {
    return trainingError(spectrum, filter) + variance * (spectrum.outputs ?? 1) * ((2 * sum(filter)) / spectrum.n - 1);
  }

  const basisSize = (filter) => filter.filter((b) => b > 1e-3).length;

  // The fits of several rounds mixed with weights that sum to 1.
  const mix = (filters, weights) => filters[0].map((_, k) => sum(weights.map((w, t) => w * filters[t][k])));

  // Weights of these rounds with the least estimated risk: least squares on differences of rounds, made orthogonal.
  function bestMixture({ n, z, outputs = 1 }, filters, variance) {
    const inner = (u, v) => sum(u.map((value, k) => value * v[k] * z[k] ** 2));
    const basis = [], steps = [];
    for (let t = 1; t < filters.length; t++) {
      let column = filters[t].map((b, k) => b - filters[t - 1][k]);
      let step = filters.map((_, s) => (s === t ? 1 : s === t - 1 ? -1 : 0));
      const before = inner(column, column);
      for (let repeat = 0; repeat < 2; repeat++) basis.forEach((other, i) => {
        const share = inner(column, other);
        column = column.map((v, k) => v - share * other[k]);
        step = step.map((v, s) => v - share * steps[i][s]);
      });
      const norm = Math.sqrt(inner(column, column));
      if (!(norm > 1e-7 * Math.sqrt(before))) break; // what further rounds add is lost in rounding
      basis.push(column.map((v) => v / norm));
      steps.push(step.map((v) => v / norm));
    }
    const left = filters[0].map((b) => 1 - b);
    const weights = filters.map((_, s) => (s === 0 ? 1 : 0));
    basis.forEach((column, i) => {
      const chosen = inner(column, left) - variance * outputs * sum(column);
      steps[i].forEach((v, s) => { weights[s] += chosen * v; });
    });
    return weights;
  }

  // Predictions k(q, X) V diag(B_t / (n d)) Vᵀ y at points q.
  function predict(spectrum, filter, points) {
    const { n, d, z, vectors, x, kernel } = spectrum;
    const scaled = d.map((value, k) => (value > 0 ? (filter[k] * z[k]) / (n * value) : 0));
    const dual = x.map((_, i) => sum(scaled.map((value, k) => vectors[i][k] * value)));
    return points.map((q) => sum(x.map((s, i) => kernel(q, s) * dual[i])));
  }

  return { kernels, fromKernel, fromEigenvalues, fromSpectrum, parseSpectrum, facts, toTolerance, withRidge, predict, trainingError, estimatedRisk, basisSize, mix, bestMixture };
})();
