"""What a softmax regression leaves: outputs, what predicts at new points, and how stationary it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..base.probabilities import softmax
from ..base.validation import Array, InputError, as_matrix

# A fit that is further from stationary than this is warned of.
DOUBTFUL = 1e-5


class SoftmaxAccuracyWarning(UserWarning):
    """A softmax regression is stationary only to a few digits: its penalty is too small for double precision."""


@dataclass(frozen=True, eq=False)
class SoftmaxFit:
    """Outputs of a softmax regression on its training samples, and what predicts at new ones.

    Attributes
    ----------
    outputs : ndarray (N, K)
        Probabilities ``Y``.
    dual : ndarray (N, K)
        Logits at new points are ``k(x, X) @ dual``. Equal to ``(T − Y) / (λN)`` up to a part that the kernel
        does not see, in which the division by a small λ would magnify rounding.
    weights : ndarray (p, K) or None
        ``Xᵀ dual``, where features were given.
    stationarity : float
        Largest entry of ``|Y − softmax(gram (T − Y) / (λN))|``: 0 at the optimum, but never below the
        rounding of ``gram / (λN)``.
    newton_steps : int
        Steps taken; 0 for a linearised fit.
    linearised : bool
        Whether softmax was replaced by ``1/K + v/K``.
    """

    outputs: Array
    dual: Array
    weights: Array | None
    stationarity: float
    newton_steps: int
    linearised: bool

    def predict_proba(self, points: Any) -> Array:
        """Probabilities (q, K) at new points: rows of features where fitted on features, else of the gram.

        Parameters
        ----------
        points : array (q, p) or (q, N)
            Features of the points, or their kernel with the training samples.
        """
        map_ = self.dual if self.weights is None else self.weights
        x = as_matrix(points, "points")
        if x.shape[1] != len(map_):
            kind = "kernel values, one a training sample" if self.weights is None else "features"
            raise InputError(f"points must have {len(map_)} columns ({kind}); got shape {x.shape}.")
        logits = x @ map_
        k = logits.shape[1]
        return 1 / k + logits / k if self.linearised else softmax(logits, check=False)
