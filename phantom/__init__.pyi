from .writer import simulate as simulate
