"""Pretraining of the encoder on label patches of simulated patients."""
