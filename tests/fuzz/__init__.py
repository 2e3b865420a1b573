"""Inputs of every kind for every public function: answered rightly, refused in one sentence, or a fault."""
