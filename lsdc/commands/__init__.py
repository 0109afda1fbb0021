"""Commands: each is a frozen dataclass of its flags whose `run` calls one public function."""
