"""`attach`: forecasts for code that stays as it is.

What a program and its autologging send to a tracker anyway is also told to a `RunMonitor` for each
run (`attachment`), by way of the tracker's adapter (`observers`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from unsl_tracking.decide import Decision, StopRule
from unsl_tracking.decide.evidence import Mode
from unsl_tracking.live.attachment import Attachment
from unsl_tracking.live.observers import observe
from unsl_tracking.live.siblings import Siblings

SWITCH: Final = "UNSL_ATTACH"
_OFF: Final = frozenset({"0", "off", "false", "no"})
_attached: dict[str, Attachment] = {}


def attach(
    metric: str,
    *,
    horizon: Mapping[str, float],
    mode: Mode = "min",
    stop: StopRule | None = None,
    on_stop: Callable[[str, Decision], object] | None = None,
    siblings: Siblings | Literal["experiment"] = "experiment",
    trackers: Sequence[str] | None = None,
    **options: Any,
) -> Attachment:
    """Forecast a metric of every run that this program logs from now on, with no other change.

    Decisions are written into the runs, as by `RunMonitor`. Nothing is stopped unless `on_stop`
    does it. With the environment variable `UNSL_ATTACH=0` nothing happens at all.

    Args:
        metric: the name under which it is logged.
        horizon: where runs end, on an axis that counts the tracker's steps: `{"step": 100_000}` or
            `{"epoch": 40}`. Epochs that are logged from 0, as Keras does, are counted from 1, and
            values logged without a step by their order.
        mode: "min" when lower is better, "max" when higher is.
        stop: when to stop; the default rule where absent.
        on_stop: called once a run, on a worker thread, with the run's id and the first decision
            that says stop.
        siblings: "experiment" for the finished runs of the same experiment, or as in `RunMonitor`.
        trackers: names like "mlflow"; where absent, those that the program has imported, or all
            installed ones where it has imported none.
        options: further ones of `RunMonitor`, but for `tracker` and `run_id`.

    A second attachment for the same metric takes the place of the first.

    Raises:
        DataError: an argument breaks a rule.
        MissingDependency: a tracker that was asked for is not installed.

    Examples:
        >>> with ut.attach("val_loss", horizon={"step": 1_000}) as attached:
        ...     pass  # train, and log as ever
        >>> attached.monitors  # by run; nothing was logged here
        {}
    """
    how = {"horizon": horizon, "mode": mode, "stop": stop, **options}
    made = Attachment(metric, how, siblings=siblings, on_stop=on_stop)
    if os.environ.get(SWITCH, "").strip().lower() in _OFF:
        return made
    earlier = _attached.pop(metric, None)
    if earlier is not None:
        earlier.detach(timeout=0.0)
    made.begin(observe(made, trackers))
    _attached[metric] = made
    return made


def detach(timeout: float = 10.0) -> bool:
    """End every attachment of this program; True if all was written within `timeout` seconds.

    Examples:
        >>> ut.detach()
        True
    """
    deadline = time.monotonic() + timeout
    made = [_attached.pop(metric) for metric in list(_attached)]
    done = [each.detach(max(deadline - time.monotonic(), 0.0)) for each in made]
    return all(done)
