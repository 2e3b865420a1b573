"""Labels: noisy, smoothed, soft, partial, and what they do to bias and variance."""
