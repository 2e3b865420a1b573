"""Each sample's output from a fit to all other samples, with softmax linearised; candidate labels chosen by it."""

from __future__ import annotations

import numpy as np

from ..base.arrays import to_host
from ..base.validation import Array
from ..distillation.leave_one_out import leave_one_out
from ..labels.partial_labels import top_targets
from ..spectra.spectrum import Spectrum
from .linearised import linearised_penalty


def leave_one_out_outputs(spectrum: Spectrum, ridge: float) -> Array:
    """Linearised output of each sample from a fit to all other samples (ours; ridge's exact identity).

    ``(ŷ_i − S_ii y_i)/(1 − S_ii)`` with the smoother of the linearised fit: the sample's own, perhaps wrong, label has
    no say in it. In clustered features the largest output is then the true class wherever the gap is positive
    and classes have well above ``1/gap`` samples, while the fit itself keeps a wrong label among the two
    largest outputs of every mislabelled sample.

    Parameters
    ----------
    spectrum : Spectrum
        Of the kernel and centred targets ``T − 1/K``.
    ridge : float
        λ of the softmax regression.

    Returns
    -------
    ndarray (N, K)
        Not exactly distributions: take the largest of each row with `top_targets`.
    """
    penalty = linearised_penalty(spectrum, ridge)
    left_out = to_host(leave_one_out(spectrum, penalty, 1))[0].reshape(spectrum.n_samples, -1)
    return np.asarray(1 / spectrum.n_outputs + left_out)


def leave_one_out_targets(spectrum: Spectrum, ridge: float, candidates: int = 1) -> Array:
    """Candidate sets chosen by the theory: the m largest leave-one-out outputs of each sample.

    See Also
    --------
    leave_one_out_outputs, top_targets
    """
    return top_targets(leave_one_out_outputs(spectrum, ridge), candidates)
