from .writer import Simulation as Simulation
from .writer import simulate as simulate
