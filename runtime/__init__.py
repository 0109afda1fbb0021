"""What every stage stands on, and nothing of the domain."""

from lsdc.runtime.errors import ArtefactError, ConfigError, LsdcError, Problem, TableError

__all__ = ["ArtefactError", "ConfigError", "LsdcError", "Problem", "TableError"]
