"""What the report's explorer starts from; it computes everything else in the page, by the same formulas."""

from __future__ import annotations

from typing import Any

from ..reference import toy_sinusoid

# Spectrum of the near-interpolation example, with targets of weight everywhere.
_EIGENVALUES = (1.0, 2.0, 4.0, 5.0)
_COEFFICIENTS = (1.0, 1.0, 1.0, 1.0)


def explorer_data() -> dict[str, Any]:
    """Data of the sinusoid and the spectrum that the text field starts with."""
    toy = toy_sinusoid()
    return {
        "x": toy.x.tolist(),
        "y": toy.y.tolist(),
        "epsilon": toy.epsilon,
        "spectrum": "\n".join(f"{d:g} {z:g}" for d, z in zip(_EIGENVALUES, _COEFFICIENTS, strict=True)),
    }
