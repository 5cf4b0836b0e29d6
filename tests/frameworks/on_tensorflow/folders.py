"""What TensorFlow and Keras write to folders by themselves, brought back by `run.folder`; deaths lie in mid-writing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from frameworks.on_tensorflow.life import Life, X, Y
from keras import layers
from tensorflow.python.lib.io import file_io
from vm import die

__all__ = ["SCENES"]

v1 = tf.compat.v1

_FOLDERS = ("saved_model", "files", "manager")


class Deadly(layers.Dense):
    """A layer that is not written to its end, once that is wanted."""

    deadly = False

    def save_own_variables(self, store: Any) -> None:
        """The first half of it."""
        if Deadly.deadly:
            die()
        super().save_own_variables(store)


class Served(tf.Module):
    """A model as people wrap it for serving."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def __call__(self, x: Any) -> Any:
        return self.net(x)


def _model() -> Any:
    net = keras.Sequential([keras.Input((4,)), layers.Dense(3), Deadly(1)])
    net.compile("adam", "mse")
    return net


def written(life: Life) -> dict[str, Any]:
    """One of each, and then another one over it that is not finished, where it is to die."""
    run = life.setup()
    paths = {name: run.folder(Path(life.options["place"], name)) for name in _FOLDERS}
    net, count = _model(), tf.Variable(0)
    checkpoint = tf.train.Checkpoint(net=net, count=count)
    manager = tf.train.CheckpointManager(checkpoint, paths["manager"], max_to_keep=2)
    told = Path(life.options["told"])
    if manager.restore_or_initialize():
        assert _content(paths) == json.loads(told.read_text())["content"]
    else:
        paths["files"].mkdir(parents=True)
        for _ in range(3):
            net.fit(X, Y, verbose=0)
            count.assign_add(1)
            manager.save()
        _write(net, paths)
        run.flush()
        told.write_text(json.dumps({"value": float(net(X[:1])[0, 0]), "content": _content(paths)}))
    if life.options["dies in"]:
        _write_half(net, paths, manager, life.options["dies in"])
    return _found(paths, manager, net, count)


def _content(paths: dict[str, Path]) -> dict[str, str]:
    """What is in the folders, file by file."""
    return {
        f"{name}/{file.relative_to(path)}": hashlib.sha256(file.read_bytes()).hexdigest()
        for name, path in paths.items()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def _write(net: Any, paths: dict[str, Path]) -> None:
    net.export(paths["saved_model"] / "exported", verbose=False)
    tf.saved_model.save(Served(net), str(paths["saved_model"] / "saved"))
    net.save(paths["files"] / "net.keras")
    net.save_weights(paths["files"] / "net.weights.h5")


def _write_half(net: Any, paths: dict[str, Path], manager: Any, place: str) -> None:
    Deadly.deadly = place in ("keras", "weights")
    match place:
        case "manager":
            manager.save(options=tf.train.CheckpointOptions(experimental_write_callbacks=[lambda _: die()]))
        case "saved_model":  # its variables are there, and it is not
            file_io.atomic_write_string_to_file = lambda *_, **__: die()
            tf.saved_model.save(Served(net), str(paths["saved_model"] / "saved"))
        case "keras":
            net.save(paths["files"] / "net.keras")
        case "weights":
            net.save_weights(paths["files"] / "net.weights.h5")
    raise AssertionError("it should be dead")


def _found(paths: dict[str, Path], manager: Any, net: Any, count: Any) -> dict[str, Any]:
    """All of it, read by those who have written it."""
    values = {"manager": net(X[:1])}
    exported = tf.saved_model.load(str(paths["saved_model"] / "exported"))
    values["exported"] = exported.serve(X[:1])
    saved = tf.saved_model.load(str(paths["saved_model"] / "saved"))
    values["saved"] = saved(X[:1])
    whole = keras.saving.load_model(paths["files"] / "net.keras", custom_objects={"Deadly": Deadly})
    values["keras"] = whole(X[:1])
    empty = _model()
    empty.load_weights(paths["files"] / "net.weights.h5")
    values["weights"] = empty(X[:1])
    before = int(whole.optimizer.iterations)
    whole.fit(X, Y, verbose=0)
    return {
        "values": {name: float(np.ravel(value)[0]) for name, value in values.items()},
        "count": int(count),
        "checkpoints": [Path(path).relative_to(paths["manager"]).as_posix() for path in manager.checkpoints],
        "trains on": int(whole.optimizer.iterations) > before > 0,
        "has fit": hasattr(saved, "fit"),
    }


def old_graph(life: Life) -> dict[str, Any]:
    """Code of TensorFlow 1: graph, session, `global_step`, Saver; its data come from numpy."""
    run = life.setup()
    folder = run.folder(Path(life.options["folder"]))
    with tf.Graph().as_default():
        x, y = v1.placeholder(tf.float32, (None, 4)), v1.placeholder(tf.float32, (None, 1))
        weights = v1.get_variable("w", (4, 1), initializer=v1.ones_initializer())
        step = v1.train.get_or_create_global_step()
        loss = tf.reduce_mean(tf.square(x @ weights - y))
        train = v1.train.AdamOptimizer(0.05).minimize(loss, global_step=step)
        saver = v1.train.Saver(max_to_keep=2)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            newest = tf.train.latest_checkpoint(str(folder))
            if newest:
                saver.restore(session, newest)
            begun = int(session.run(step))
            while (number := int(session.run(step))) < 8:
                rows = np.arange(5) * number % len(X)
                session.run(train, {x: X[rows], y: Y[rows]})
                saver.save(session, str(folder / "model"), global_step=step)
                if number + 1 == life.options.get("dies at"):
                    run.flush()
                    die()
            return {"begun": begun, "weights": session.run(weights).tolist()}


def session(life: Life) -> dict[str, Any]:
    """The same, exact: the session's variables are tracked, and the run makes the steps."""
    run = life.setup()
    with tf.Graph().as_default(), v1.Session() as session:
        x, y = v1.placeholder(tf.float32, (None, 4)), v1.placeholder(tf.float32, (None, 1))
        weights = v1.get_variable("w", (4, 1), initializer=v1.ones_initializer())
        step = v1.train.get_or_create_global_step()
        loss = tf.reduce_mean(tf.square(x @ weights - y))
        train = v1.train.MomentumOptimizer(0.05, 0.9).minimize(loss, global_step=step)
        session.run(v1.global_variables_initializer())
        variables = {variable.name: variable for variable in v1.global_variables()}

        def load(state: Any) -> None:
            for name, value in state.items():
                variables[name].load(value, session)

        run.track(session=(lambda: session.run(variables), load))
        for _ in run.epochs(2):
            for rows in run.batches(np.random.permutation(40).reshape(5, 8)):
                run.log(loss=session.run([loss, train], {x: X[rows], y: Y[rows]})[0].item())
                life.at("end")
        state = {name: np.ravel(value).tolist() for name, value in session.run(variables).items()}
        run.finish()
    records = [[record.step, record.values] for record in run.history()]
    return {"end": {"state": state, "records": records}, "moments": life.moments}


SCENES: dict[str, Callable[[Life], dict[str, Any]]] = {scene.__name__: scene for scene in (written, old_graph, session)}
