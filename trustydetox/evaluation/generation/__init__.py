"""What a model writes after a prompt: generated, judged, and compared with what another writes."""
