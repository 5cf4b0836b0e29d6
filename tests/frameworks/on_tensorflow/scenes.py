"""Trainings in loops of one's own, as people write them for TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"  # before anything imports Keras

import keras
import tensorflow as tf
from frameworks import event_files, keras_scenes
from frameworks.on_tensorflow import folders
from frameworks.on_tensorflow.life import Life, X, Y, digest
from keras import layers
from warned import warned

import colab_resume
from colab_resume.errors import ColabResumeError, StateMismatch
from colab_resume.training.tensorflow.memory import array_of

__all__ = ["tell"]

AUTOTUNE = tf.data.AUTOTUNE


def model() -> Any:
    """With a dropout, which draws, and a batch norm, which remembers."""
    parts = [layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.BatchNormalization(), layers.Dense(1)]
    return keras.Sequential([keras.Input((4,)), *parts])


def stepper(net: Any, optimizer: Any, metric: Any) -> Callable[..., Any]:
    """One training step, compiled."""

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(net(x, training=True) - y))
        gradients = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))
        metric.update_state(loss)
        return loss

    return step


def points() -> Any:
    """Rows with their labels."""
    return tf.data.Dataset.from_tensor_slices((X, Y))


def epochs(life: Life) -> dict[str, Any]:
    """Epochs over a shuffled dataset; every kind of object; random numbers of all kinds."""
    run = life.setup()
    net, optimizer, metric = model(), keras.optimizers.Adam(0.02), keras.metrics.Mean()
    count, rng, other = tf.Variable(0.0), tf.random.Generator.from_seed(3), tf.random.Generator.from_seed(4)
    data = points().map(lambda x, y: (x * 2.0, y), num_parallel_calls=2).cache().shuffle(42).batch(8).prefetch(2)
    run.track(net=net, optimizer=optimizer, metric=metric, ckpt=tf.train.Checkpoint(count=count, rng=rng), other=other)
    step = stepper(net, optimizer, metric)
    for _ in run.epochs(3):
        shift = tf.random.uniform(()) + other.uniform(())
        for x, y in run.batches(data):
            shift += other.normal(()) * 0.0
            noise = rng.normal((4,)) * 0.1 + tf.random.normal((4,)) * 0.1 + keras.random.normal((4,)) * 0.1
            run.log(loss=step(x + noise + shift, y).numpy().item())
            count.assign_add(1.0)
            life.at("end")
        run.log(mean=float(metric.result()))
        metric.reset_state()
        life.at("epoch")
    return life.end(state=digest([*net.variables, *optimizer.variables, *metric.variables, count, rng.state]))


def steps(life: Life) -> dict[str, Any]:
    """Steps over iterators that are tracked, one in a Checkpoint of TensorFlow together with all else."""
    run = life.setup()
    net, optimizer, metric = model(), keras.optimizers.SGD(0.02, momentum=0.9), keras.metrics.Mean()
    train = iter(points().repeat().shuffle(30).batch(8).prefetch(AUTOTUNE))
    other = iter(points().batch(5).repeat())
    run.track(ckpt=tf.train.Checkpoint(net=net, optimizer=optimizer, it=train), other=other, metric=metric)
    step = stepper(net, optimizer, metric)
    for _ in run.steps(16):
        (x, y), (z, _) = next(train), next(other)
        run.log(loss=step(x + z[:1], y).numpy().item())
        life.at("end")
    return life.end(state=digest([*net.variables, *optimizer.variables, *metric.variables]))


def fit_of_tf_data(scene: keras_scenes.Scene) -> dict[str, Any]:
    """A dataset of TensorFlow in two fits, with the global generator of TensorFlow between; a short last batch."""
    scene.setup()
    net = scene.model()
    data = points().shuffle(42).map(lambda x, y: (x * 2.0, y)).batch(8).prefetch(2)
    scene.fit(net, data, validation_data=points().batch(16), epochs=2, shuffle=False)
    shift = float(tf.random.uniform(()))
    scene.fit(net, data, epochs=2, shuffle=False)
    return scene.end(net, shift, float(tf.random.uniform(())))


def boards(scene: keras_scenes.Scene) -> dict[str, Any]:
    """What TensorBoard shows of two fits, from batch to batch, with histograms and the writer of somebody else."""
    scene.setup()
    net = scene.model()
    logs = scene.store / "logs"
    board = keras.callbacks.TensorBoard(logs, histogram_freq=1, update_freq=1)
    written = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: board._train_writer.flush())
    scene.fit(net, X, Y, batch_size=8, validation_split=0.2, callbacks=[board, written])
    with tf.summary.create_file_writer(str(logs / "mine")).as_default():
        tf.summary.scalar("mine", 1.0, step=0)
    scene.fit(net, X, Y, batch_size=8, epochs=2, callbacks=[board])
    shown = event_files.points(logs)
    # The model as text, which each life writes; and the epoch's number of the other fit is the same once more.
    return scene.end(net, {tag: seen for tag, seen in shown.items() if not tag.endswith(" keras")})


def fits(name: str) -> Callable[[Life], dict[str, Any]]:
    """The `fit` of this name, as on torch."""
    scene = next(fit for fit in (*keras_scenes.FITS, keras_scenes.held, fit_of_tf_data, boards) if fit.__name__ == name)

    def run(life: Life) -> dict[str, Any]:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        death = None if life.death is None else tuple(life.death)
        store, remote = Path(life.store), Path(life.remote)
        return scene(keras_scenes.Scene(store=store, remote=remote, every=life.every, death=death))

    return run


REFUSED_DATASETS: dict[str, Callable[[Any], Any]] = {
    "no seed": lambda data: data.shuffle(9),
    "repeat": lambda data: data.shuffle(9, seed=1).repeat(),
    "cached order": lambda data: data.shuffle(9, seed=1).cache(),
    "twice": lambda data: data.shuffle(9, seed=1).concatenate(data.shuffle(9, seed=2)),
    "drawn in map": lambda data: data.map(lambda x, y: (x + tf.random.uniform(()), y)),
    "python": lambda data: data.map(lambda x, y: (tf.numpy_function(lambda v: v, [x], tf.float32), y)),
    "generator": lambda _: tf.data.Dataset.from_generator(lambda: iter([1.0]), output_signature=tf.TensorSpec(())),
    "in any order": lambda data: data.map(lambda x, y: (x, y), num_parallel_calls=2, deterministic=False),
    "snapshot": lambda data: data.snapshot("/nowhere"),
    "cache in a file": lambda data: data.cache("/nowhere/cache"),
}


def refused(life: Life) -> dict[str, Any]:
    """What is not taken, and what is said then."""
    run = colab_resume.setup("t", store=life.store, remote=life.remote)
    said = {}

    def attempt(name: str, action: Callable[[], Any]) -> None:
        try:
            action()
        except ColabResumeError as error:
            said[name] = str(error)

    for name, make in REFUSED_DATASETS.items():
        attempt(f"batches: {name}", lambda make=make: next(iter(run.batches(make(points()).batch(4)))))
    shuffled = points().shuffle(9, seed=1)
    first, second = iter(shuffled), iter(shuffled)
    attempt("a dataset", lambda: run.track(data=shuffled))
    attempt("an iterator to iterate", lambda: next(iter(run.batches(first))))
    attempt("two iterators", lambda: run.track(first=first, second=second))
    attempt("an unbuilt model", lambda: run.track(net=keras.Sequential([layers.Dense(2)])))
    attempt("an unbuilt one inside", lambda: run.track(c=tf.train.Checkpoint(net=keras.Sequential([layers.Dense(2)]))))
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        attempt("a strategy", lambda: run.track(spread=tf.Variable(1.0)))
    run.finish()
    return said


def refused_in_fit(life: Life) -> dict[str, Any]:
    """What a `fit` does not take, and what is said then."""
    said = {}
    for name, data, options in (
        ("in_steps", points().batch(4), {"steps_per_epoch": 2}),
        ("repeat", points().shuffle(9, seed=1).batch(4).repeat(2), {}),
        ("drawn_in_map", REFUSED_DATASETS["drawn in map"](points()).batch(4), {}),
        ("validation", points().batch(4), {"validation_data": points().shuffle(9, seed=1).batch(4)}),
    ):
        run = colab_resume.setup(name, store=Path(life.store, name), remote=life.remote)
        net = run.attach(model())
        net.compile("sgd", "mse")
        try:
            net.fit(data, verbose=0, shuffle=False, **options)
        except ColabResumeError as error:
            said[name] = str(error)
        run.finish()
    return said


class _Noise(layers.Layer):
    """As people write it who came from TensorFlow."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x + tf.random.normal(tf.shape(x)) if training else x


def counted(life: Life) -> dict[str, Any]:
    """What is warned of where random operations count for themselves, and where none do."""
    said: dict[str, list[str]] = {"loop": [], "clean_loop": [], "fit": [], "clean_fit": []}
    value, rng = tf.Variable(1.0), tf.random.Generator.from_seed(3)

    @tf.function
    def noisy(x: Any) -> Any:
        return tf.cond(x > 0, lambda: value.assign_add(tf.random.uniform(())), lambda: value)

    @tf.function
    def drawn(x: Any) -> Any:
        return value.assign_add(rng.normal(()) + x)

    for name, step in (("loop", noisy), ("clean_loop", drawn)):
        with warned() as said[name]:
            run = colab_resume.setup(name, store=Path(life.store, name), remote=life.remote)
            run.track(value=value, rng=rng)
            for _ in run.steps(3):
                step(tf.constant(1.0))
            run.finish()
    for name, layer in (("fit", _Noise()), ("clean_fit", layers.GaussianNoise(0.1))):
        with warned() as said[name]:
            run = colab_resume.setup(name, store=Path(life.store, name), remote=life.remote)
            net = run.attach(keras.Sequential([keras.Input((4,)), layer, layers.Dropout(0.3), layers.Dense(1)]))
            net.compile("sgd", "mse")
            for _ in range(2):
                net.fit(X, Y, epochs=1, verbose=0)
            run.finish()
    return said


def other_data(life: Life) -> dict[str, Any]:
    """What is warned of where a pipeline is made of other numbers, files or seeds: in a loop and in a `fit`."""
    with warned() as said:
        run, number = life.setup(), life.options["number"]
        names = tf.data.Dataset.from_tensor_slices([f"/content/{number}/{file + number}.png" for file in range(42)])
        data = {
            "arrays": tf.data.Dataset.from_tensor_slices((X + number, Y)).batch(8),
            "files": tf.data.Dataset.zip((names, points())).map(lambda _, row: row).batch(8),
            "seed": points().shuffle(42, seed=7 + number).batch(8),
        }[life.options["kind"]]
        if life.options["fits"]:
            net = run.attach(model())
            net.compile("sgd", "mse")
            ends = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda *_, **__: life.at("step"))
            net.fit(data, epochs=2, verbose=0, callbacks=[ends])
        else:
            total = tf.Variable(0.0)
            run.track(total=total)
            for _ in run.epochs(2):
                for x, _y in run.batches(data):
                    life.at("step")
                    total.assign_add(tf.reduce_sum(x))
    return {"said": said}


def left_early(life: Life) -> dict[str, Any]:
    """The loops of a cell are left in the middle, and the cell is run again, without the one that makes the dataset."""
    run = life.setup()
    data, total = points().shuffle(42).batch(8), tf.Variable(0.0)
    run.track(total=total)
    said = ""

    def cell(last: int) -> None:
        for _ in run.epochs(3):
            for x, _y in run.batches(data):
                total.assign(total * 1.5 + tf.reduce_sum(x))
                run.log(total=float(total))
                if (step := run.status().step) >= last - 1:
                    run.flush()  # so that nothing keeps the next boundary from being saved
                if step == last:
                    return

    try:
        for last in life.options["leaves at"]:
            cell(last)
        cell(99)
    except ColabResumeError as error:
        said = str(error)
    run.finish()
    return {"records": [[record.step, record.values] for record in run.history()], "said": said}


def changed(life: Life) -> dict[str, Any]:
    """A model that is not that of the checkpoint, an optimizer that cannot be made, and what is there afterwards."""
    run = life.setup()
    width, lonely = life.options.get("width", 3), life.options.get("lonely", False)
    net = keras.Sequential([keras.Input((2,)), layers.Dense(width)])
    optimizer = keras.optimizers.Adam()
    before = digest(net.variables)
    said = ""
    try:
        run.track(**({} if lonely else {"net": net}), optimizer=optimizer)
        for _ in run.steps(2):
            if not lonely:
                optimizer.apply([tf.ones_like(one) for one in net.trainable_variables], net.trainable_variables)
            life.at("end")
    except StateMismatch as error:
        said = str(error)
    return {"said": said, "untouched": digest(net.variables) == before}


def looked_at(life: Life) -> dict[str, Any]:
    """Whether values that were looked at are still there after a change of their variable, for each kind of change."""
    optimizers = {"apply": keras.optimizers.Adam(0.1), "apply, compiled": keras.optimizers.Adam(0.1)}
    ones = tf.ones([64, 32])
    row = tf.IndexedSlices(tf.ones([1, 32]), tf.constant([3]), tf.constant([64, 32]))
    kinds: dict[str, Callable[[tf.Variable], Any]] = {
        "assign": lambda one: one.assign(one * 2.0),
        "assign_add": lambda one: one.assign_add(ones),
        "assign_sub in a graph": tf.function(lambda one: one.assign_sub(ones)),
        "assign_sub, compiled": tf.function(lambda one: one.assign_sub(ones), jit_compile=True),
        "a part": lambda one: one[3].assign(ones[0]),
        "scatter_add": lambda one: one.scatter_add(row),
        "scatter_nd_update": lambda one: one.scatter_nd_update([[3]], tf.ones([1, 32])),
        "an operation that trains": lambda one: tf.raw_ops.ResourceApplyGradientDescent(
            var=one.handle, alpha=0.1, delta=ones, use_locking=True
        ),
        "apply": tf.function(lambda one: optimizers["apply"].apply([ones], [one])),
        "apply, compiled": tf.function(
            lambda one: optimizers["apply, compiled"].apply([ones], [one]), jit_compile=True
        ),
    }
    found = {}
    for name, change in kinds.items():
        variable = tf.Variable(tf.random.normal([64, 32]))
        if name in optimizers:
            optimizers[name].build([variable])
        stays, moves = [], []
        for _ in range(3):
            seen = array_of(variable)
            copy = seen.copy()
            change(variable)
            stays.append(bool((seen == copy).all()))
            moves.append(bool((array_of(variable) != copy).any()))
            assert not seen.flags.writeable
        found[name] = {"stays": all(stays), "moves": moves[0]}
    return found


FITS = ("arrays", "own_dataset", "stream", "own_model", "halves", "fit_of_tf_data", "boards", "held")
SCENES: dict[str, Callable[[Life], dict[str, Any]]] = {
    **{
        scene.__name__: scene
        for scene in (epochs, steps, refused, changed, left_early, refused_in_fit, looked_at, counted, other_data)
    },
    **{name: fits(name) for name in FITS},
    **folders.SCENES,
}


def tell(name: str, **life: Any) -> dict[str, Any]:
    """One life of the scene of this name."""
    return SCENES[name](Life(**life))
