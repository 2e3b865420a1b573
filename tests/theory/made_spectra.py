"""Spectra for property tests: eigenvalues over 14 decades, targets with weight in every direction."""

import numpy as np
from hypothesis import strategies as st

from selfdistill.theory import Spectrum

_exponents = st.floats(-14, 0).map(lambda e: 10.0**e)
_coefficients = st.tuples(st.sampled_from([-1.0, 1.0]), st.floats(0.05, 10)).map(lambda p: p[0] * p[1])


@st.composite
def spectra(draw, min_size=1, max_size=12):
    """A spectrum whose eigenvalues are free over fourteen decades, equal ones included."""
    n = draw(st.integers(min_size, max_size))
    d = draw(st.lists(_exponents, min_size=n, max_size=n))
    z = draw(st.lists(_coefficients, min_size=n, max_size=n))
    return Spectrum.from_eigenvalues(d, z)


def epsilon_for_ratio(spectrum, ratio):
    """The ε at which the targets start with r_0 = ratio."""
    return float(np.sum(spectrum.coefficients**2) / (spectrum.n_samples * ratio**2))


ratios = st.one_of(st.floats(1.01, 30), st.floats(1e-6, 1e-2).map(lambda x: 1 + x))
