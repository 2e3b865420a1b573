"""Softmax regression with soft targets, solved exactly."""
