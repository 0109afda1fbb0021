from .artifact import Artifact as Artifact
from .errors import ArtifactError as ArtifactError
from .errors import ConfigError as ConfigError
from .errors import LsdcError as LsdcError
from .errors import Problem as Problem
from .errors import TableError as TableError
from .paths import PathLike as PathLike
from .plain import plain as plain
