"""The kernel that reaches the distilled fit in one round, and the error bound it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array, InputError, check_choice, check_count, check_fraction, check_positive
from ..spectra.spectrum import Spectrum
from .trajectory import Trajectory, as_trajectory


@dataclass(frozen=True, eq=False)
class OneRoundKernel:
    """Kernel with which plain ridge regression gives in one fit what distillation gave in t.

    Attributes
    ----------
    spectrum : Spectrum
        Of the original kernel and targets.
    eigenvalues : ndarray (m,)
        d† of ``gram† / n``, in the original eigenvectors.
    ridge : float
        c_0, the penalty of the one fit.
    filter : ndarray (m,)
        B_t.
    residual : ndarray (m,)
        ``1 − B_t``, to full precision where B_t is next to 1.
    """

    spectrum: Spectrum
    eigenvalues: Array
    ridge: float
    filter: Array
    residual: Array

    def gram(self) -> Array:
        """``gram† = n V diag(d†) Vᵀ``, (n, n)."""
        n, basis = self.spectrum.n_samples, self.spectrum.basis
        return to_host(basis.expand(n * self.eigenvalues[:, None] * basis.project(np.eye(n))))

    @property
    def trace(self) -> float:
        """``tr gram†``: falls with every round."""
        return float(self.spectrum.n_samples * self.eigenvalues.sum())

    @property
    def effective_dimension(self) -> float:
        """``Σ d†/(d† + c_0) = Σ B_t``: the number of directions that the fit uses."""
        return float(self.filter.sum())

    @property
    def norm(self) -> float:
        """``‖f_t‖_†``, the norm of the distilled fit in this kernel's space: it need not fall.

        ``‖f‖_†² = Σ_k z_k² B_k (1 − B_k)/(n c_0)`` for a gram that is not divided by n.
        """
        energy = np.sum(self.spectrum.weights * self.filter * self.residual)
        return float(np.sqrt(energy / (self.spectrum.n_samples * self.ridge)))

    @property
    def complexity(self) -> float:
        """``‖f‖_† √(tr gram†)/n``: empirical Rademacher complexity of the ball that just holds the fit."""
        return self.norm * float(np.sqrt(self.trace)) / self.spectrum.n_samples


def one_round_kernel(trajectory: Trajectory, t: int) -> OneRoundKernel:
    """Kernel that reaches the t-round solution in one round with the first round's penalty.

    ``d† = c_0 B_t / (1 − B_t)``, so that ``d†/(d† + c_0) = B_t``.

    Raises
    ------
    InputError
        If t is not one of the trajectory's fits.

    References
    ----------
    Mobahi et al. 2020, section 4.1.
    """
    t = check_count(t, "t")
    b = as_trajectory(trajectory).filter(t)
    trajectory.spectrum.require_complete("the one-round kernel")
    c0, left = float(trajectory.multipliers[0]), trajectory.residual_filter(t)
    if not c0 > 0:
        raise InputError(
            "the first round interpolates (its penalty is 0), and no kernel does that in one ridge fit. "
            "Choose a larger epsilon."
        )
    return OneRoundKernel(trajectory.spectrum, c0 * b / left, c0, b, left)


@dataclass(frozen=True)
class GeneralizationBound:
    """Upper bound on a test error, and its three terms."""

    training_error: float
    complexity: float
    confidence: float

    @property
    def total(self) -> float:
        """The bound."""
        return self.training_error + self.complexity + self.confidence


def generalization_bound(
    trajectory: Trajectory,
    t: int,
    *,
    loss: Literal["ramp", "absolute"] = "ramp",
    largest_loss: float = 1.0,
    confidence: float = 0.95,
) -> GeneralizationBound:
    """Rademacher bound on the test error of round t, through its one-round kernel.

    With probability `confidence` over the sample, for a loss that is 1-Lipschitz in the prediction and
    bounded by L, the expected loss of every f with ``‖f‖ ≤ Λ`` is at most
    ``training loss + 2 Λ √(tr gram†)/n + 3 L √(log(2/δ)/(2n))``, δ = 1 − confidence.

    What it assumes: independent samples; a loss bounded by L, which the ramp loss is (L = 1) and the
    absolute error is only if targets and predictions differ by at most L (larger losses are clipped to L);
    and a kernel and radius fixed before the sample was seen. The last does not hold to the letter, since
    gram† and Λ = ‖f_t‖_† are computed from the sample: the bound is the paper's argument made numerical.

    Parameters
    ----------
    trajectory : Trajectory
        With one output.
    t : int
    loss : {"ramp", "absolute"}
        ``clip(1 − y f, 0, 1)`` for targets ±1, never below the 0-1 error; or ``min(|f − y|, L)``.
    largest_loss : float
        L for the absolute error.
    confidence : float
        In [0, 1).

    References
    ----------
    Bartlett & Mendelson 2002, theorem 8 and lemma 22; Mobahi et al. 2020, section 4.
    """
    spectrum = as_trajectory(trajectory).spectrum
    spectrum.require_complete("the bound on the test error")
    if spectrum.n_outputs != 1:
        raise InputError(f"the bound is for one output; these targets have {spectrum.n_outputs}.")
    confidence = check_fraction(confidence, "confidence", below_one=True)
    y, fit = to_host(spectrum.targets)[:, 0], to_host(trajectory.fitted(t)).reshape(-1)
    check_choice(loss, "loss", ("ramp", "absolute"))
    if loss == "ramp" and not np.isin(y, (-1.0, 1.0)).all():
        raise InputError("the ramp loss needs targets of -1 and 1; use loss='absolute' for others.")
    scale = 1.0 if loss == "ramp" else check_positive(largest_loss, "largest_loss")
    return GeneralizationBound(
        training_error=float(bounded_loss(y, fit, loss, scale).mean()),
        complexity=2 * one_round_kernel(trajectory, t).complexity,
        confidence=3 * scale * float(np.sqrt(np.log(2 / (1 - confidence)) / (2 * spectrum.n_samples))),
    )


def bounded_loss(
    targets: Array, predictions: Array, loss: Literal["ramp", "absolute"], largest: float
) -> Array:
    """Per-sample loss that `generalization_bound` speaks of."""
    if loss == "ramp":
        return np.clip(1 - targets * predictions, 0, 1)
    return np.minimum(np.abs(predictions - targets), largest)
