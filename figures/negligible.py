"""Differences that would not matter to anybody: what an effect of no importance is, metric by metric.

With enough seeds any difference gets a sign. An interval that lies wholly nearer to nothing than these margins says
more: whichever the sign, nobody would choose a method for it. They were set once for all figures, each below the
least improvement over plain cross-entropy that the papers' tables report (0.8 points of accuracy, 1.05 points of
calibration error, 0.12 nats).
"""

from __future__ import annotations

# Half a percentage point, of quantities that are shares of samples: accuracies, calibration errors.
SHARE = 0.005
# Of mean log-likelihoods: the probability of the true class changes by one per cent in the geometric mean.
NATS = 0.01
# Of ratios of errors: one per cent.
RATIO = 0.01
