"""The solver: walks the graph, takes results from the cache or makes them."""

from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.service import GraphSolver

__all__ = ["GraphSolver", "SolverPorts"]
