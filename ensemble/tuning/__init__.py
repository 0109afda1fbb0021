"""The search for a stack: its objective, its space, and Optuna with a storage that workers share."""
