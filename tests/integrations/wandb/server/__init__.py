"""A small Weights & Biases server on the loopback, for tests that use the real, unmodified SDK.

It keeps runs, files and artifacts in memory and answers what wandb 0.31 asks of it. It was written
from the client's side: what it proves is what our code and the SDK send and how they take the
answers, not how the makers' server works inside (`docs/wandb.md` lists what only that can confirm).
"""

from tests.integrations.wandb.server.faults import Fault
from tests.integrations.wandb.server.server import KEY, WandbServer
from tests.integrations.wandb.server.store import Project, Run, Store

__all__ = ["KEY", "Fault", "Project", "Run", "Store", "WandbServer"]
