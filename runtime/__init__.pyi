from .artefact import Artefact as Artefact
from .errors import ArtefactError as ArtefactError
from .errors import ConfigError as ConfigError
from .errors import LsdcError as LsdcError
from .errors import Problem as Problem
from .errors import TableError as TableError
from .paths import PathLike as PathLike
from .plain import plain as plain
