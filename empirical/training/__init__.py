"""Many networks trained as one, and on what device."""
