"""The proof: one small model, fine-tuned on the same rows cleaned and not; what it then writes."""
