"""Training code that stays as it is: one line before it.

pip install 'unsl-tracking[mlflow]' torch

    python examples/frameworks/with_attach.py
    UNSL_ATTACH=0 python examples/frameworks/with_attach.py    # without

`train` logs to MLflow and knows nothing of forecasts; what autologging sends is seen as well.
"""

from __future__ import annotations

import mlflow
import torch

import unsl_tracking as ut

STEPS = 600


def train(rate: float) -> str:
    """The user's own code: returns the id of its run."""
    torch.manual_seed(0)
    x = torch.randn(512, 16)
    y = torch.sin(x @ torch.randn(16, 1)) + 0.3 * torch.randn(512, 1)
    model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    with mlflow.start_run() as run:
        mlflow.log_param("rate", rate)
        for step in range(1, STEPS + 1):
            loss = torch.nn.functional.mse_loss(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if step % 10 == 0:
                mlflow.log_metric("loss", loss.item(), step=step)
    return str(run.info.run_id)


def main() -> None:
    torch.set_num_threads(1)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")

    # The line. `on_stop` would be called with a run that cannot get below the target.
    attached = ut.attach("loss", horizon={"step": STEPS}, stop=ut.StopRule(target=0.001))

    runs = [train(rate) for rate in (0.05, 0.01)]
    attached.flush()  # the last decisions of ended runs are written in the background
    for run_id in runs:
        data = mlflow.get_run(run_id).data
        told = {name: round(v, 3) for name, v in data.metrics.items() if name.startswith("unsl/")}
        print(f"loss {data.metrics['loss']:.3f}; {told}")
        print(data.tags.get("unsl.reason", "not forecast"))


if __name__ == "__main__":
    main()
