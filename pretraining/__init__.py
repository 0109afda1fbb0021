"""How the bundled weights are made; nothing that grades studies imports it."""
