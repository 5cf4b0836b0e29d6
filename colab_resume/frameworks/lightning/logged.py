"""What was logged and is not done with: sums of an epoch in progress, and the last value of each metric.

`EarlyStopping`, `ModelCheckpoint` and schedules that look at a metric find it there, long after it was logged.
"""

from __future__ import annotations

from typing import Any

import torch

from ...training.objects.plain import copied

__all__ = ["Logged"]

_LAST = ("_progress_bar_metrics", "_logged_metrics", "_callback_metrics", "_first_loop_iter", "_current_fx")
_SAID = ("fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "enable_graph", "metric_attribute")
_SUMS = ("value", "cumulated_batch_size")
_COUNTS = ("has_reset", "_update_count", "_forward_cache")
_BUILT_IN = {"sum": sum, "max": max, "min": min}


class Logged:
    """Of one trainer."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        module = trainer.lightning_module
        vars(module)["_metric_attributes"] = _NamesByAddress(module)

    def state_dict(self) -> dict[str, Any]:
        """All of it, live."""
        connector = self._trainer._logger_connector
        results = self._trainer.fit_loop.epoch_loop._results
        return {
            "last": {name: _plain(getattr(connector, name)) for name in _LAST},
            "sums": {key: _taken(metric) for key, metric in results.items()},
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put it back where it was."""
        trainer = self._trainer
        for name, value in saved["last"].items():
            setattr(trainer._logger_connector, name, copied(value))
        results = trainer.fit_loop.epoch_loop._results
        results.clear()
        for key, its in saved["sums"].items():
            self._log(results, its)
            for name, value in its["state"].items():
                setattr(results[key], name, self._here(value))

    def _log(self, results: Any, its: dict[str, Any]) -> None:
        """As the model would log it; the value does not matter."""
        said = dict(its["said"])
        metric = said["metric_attribute"]
        value = self._here(torch.tensor(0.0)) if metric is None else _found(self._trainer.lightning_module, metric)
        results.log(
            said.pop("fx"),
            said.pop("name"),
            value,
            **said,
            reduce_fx=_BUILT_IN.get(its["reduced by"], its["reduced by"]) if its["built in"] else its["reduced by"],
            sync_dist_fn=self._trainer.strategy.reduce,
            rank_zero_only=its["rank_zero_only"],
            batch_size=1,
        )

    def _here(self, value: Any) -> Any:
        value = copied(value)
        return value.to(self._trainer.strategy.root_device) if isinstance(value, torch.Tensor) else value


class _NamesByAddress(dict[int, str]):
    """By which the model finds the name of a metric that is logged. The dict that it would make itself is a plain
    value, and comes back with the model, with the addresses of another process."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._module = module

    def get(self, address: int, default: Any = None) -> Any:
        """A metric may have come later."""
        if address not in self:
            parts = self._module.named_modules()
            self.update((id(part), name) for name, part in parts if _is_metric(part))
        return super().get(address, default)


def _is_metric(part: torch.nn.Module) -> bool:
    return any(kind.__name__ == "Metric" for kind in type(part).__mro__)


def _taken(metric: Any) -> dict[str, Any]:
    """How it was logged, and what came together since; a torchmetrics object is a part of the model itself."""
    names = [*_COUNTS, *(_SUMS if metric.is_tensor else ())]
    return {
        "said": {name: getattr(metric.meta, name) for name in _SAID},
        "reduced by": metric.meta.reduce_fx.__name__,
        "built in": metric.meta.reduce_fx in _BUILT_IN.values(),
        "rank_zero_only": metric.meta.sync.rank_zero_only,
        "state": {name: _plain(getattr(metric, name)) for name in names if hasattr(metric, name)},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.detach() if isinstance(value, torch.Tensor) else value


def _found(module: Any, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name)
    return module
