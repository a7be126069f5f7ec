"""The server in a process of its own: `python -m tests.integrations.wandb.server [port]`."""

from __future__ import annotations

import sys
import threading

from tests.integrations.wandb.server import WandbServer

if __name__ == "__main__":
    started = WandbServer(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(f"export WANDB_BASE_URL={started.uri} WANDB_API_KEY={started.key}", flush=True)
    threading.Event().wait()
