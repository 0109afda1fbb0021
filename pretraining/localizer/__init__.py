"""Pretraining of the localizer on label maps of simulated patients."""
