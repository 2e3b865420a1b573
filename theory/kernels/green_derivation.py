"""Green's functions derived with SymPy, so that no numerical kernel rests on a copied formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..base.validation import InputError, check_count


@dataclass(frozen=True)
class GreenFunction:
    """Green's function of ``(−1)^m d^{2m}/dx^{2m}`` on [0, 1], the Euler-Lagrange operator of ``∫ (f^(m))²``.

    Attributes
    ----------
    order : int
        m, the derivative that is penalised.
    left, right : sympy.Expr
        The polynomial in x for x < s and for x > s.
    x, s : sympy.Symbol
    """

    order: int
    left: Any
    right: Any
    x: Any
    s: Any

    def expression(self) -> Any:
        """One piecewise expression in x and s."""
        import sympy

        return sympy.Piecewise((self.left, self.x <= self.s), (self.right, True))

    def jumps(self) -> list[Any]:
        """Jump of each derivative 0 … 2m − 1 across x = s: zeros, then ``(−1)^m``."""
        import sympy

        return [
            sympy.simplify(
                (sympy.diff(self.right, self.x, k) - sympy.diff(self.left, self.x, k)).subs(self.x, self.s)
            )
            for k in range(2 * self.order)
        ]


def derive_green_function(order: int, boundary: Sequence[tuple[int, int]]) -> GreenFunction:
    """Solve for the Green's function under homogeneous boundary conditions.

    Parameters
    ----------
    order : int
        m: the penalty is ``∫ (f^(m))²``.
    boundary : sequence of (int, int)
        2m conditions (point, derivative): ``f^(derivative)(point) = 0``, point 0 or 1.

    Raises
    ------
    InputError
        If the number of conditions is not 2m, or they leave the solution undetermined.

    Examples
    --------
    >>> from selfdistill.theory.kernels.green_derivation import derive_green_function
    >>> derive_green_function(1, [(0, 0), (1, 0)]).left  # min(x, s) - x s, for x < s
    -s*x + x
    """
    import sympy

    m = check_count(order, "order")
    if len(boundary) != 2 * m or any(p not in (0, 1) or not 0 <= k < 2 * m for p, k in boundary):
        raise InputError(
            f"boundary must have {2 * m} conditions (0 or 1, derivative below {2 * m}); got {boundary}."
        )
    x, s = sympy.symbols("x s", real=True)
    a = sympy.symbols(f"a0:{2 * m}")
    b = sympy.symbols(f"b0:{2 * m}")
    # The 2m-th derivative vanishes off the diagonal: a polynomial of degree 2m − 1 on either side.
    left, right = (sum(c * x**k for k, c in enumerate(side)) for side in (a, b))
    conditions = [sympy.diff((left, right)[p], x, k).subs(x, p) for p, k in boundary]
    jump = sympy.Integer((-1) ** m)
    for k in range(2 * m):
        across = sympy.diff(right - left, x, k).subs(x, s)
        conditions.append(across - (jump if k == 2 * m - 1 else 0))
    solution = sympy.solve(conditions, [*a, *b], dict=True)
    if len(solution) != 1 or len(solution[0]) != 4 * m:
        raise InputError(f"the boundary conditions {boundary} do not determine one Green's function.")
    return GreenFunction(m, sympy.expand(left.subs(solution[0])), sympy.expand(right.subs(solution[0])), x, s)


def cubic_conditions() -> list[tuple[int, int]]:
    """Boundary conditions of the paper's example: f and f'' vanish at 0 and 1."""
    return [(0, 0), (1, 0), (0, 2), (1, 2)]
