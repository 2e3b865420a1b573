"""The domains of progressive self-distillation beyond classification: translation and detection."""
