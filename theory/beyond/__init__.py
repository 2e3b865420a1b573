"""What the same recursion gives past the five papers."""
