# %% [markdown]
# # Keras
#
# `run.attach(model)`, and `fit` goes on in the same epoch at the same batch, on TensorFlow, JAX or torch. The lines
# that make it so end with `# touched`.

# %%
from pathlib import Path

FAST = True  # @param {type:"boolean"}
EPOCHS = 12  # @param {type:"integer"}

REMOTE = "my_drive"  # what is saved here survives the machine
if Path("/var/colab/hostname").exists():
    # %pip install -q colab-resume
    REMOTE = "/content/drive/MyDrive/colab_resume"

# %% [markdown]
# `FAST` learns scikit-learn's handwritten digits; without it Keras downloads MNIST. Keras runs on what the environment
# variable `KERAS_BACKEND` names, which is TensorFlow if it is not set.

# %%
import keras
from sklearn.datasets import load_digits

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()

if FAST:
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1) / 16
else:
    (images, labels), _ = keras.datasets.mnist.load_data()
    images = images[..., None] / 255

# %% [markdown]
# All of the training is in one cell. It can be run again at any time: `setup` goes back to the newest checkpoint. What
# callbacks have learned comes back, too: here the patience of `ReduceLROnPlateau`.

# %%
import colab_resume

run = colab_resume.setup("keras", remote=REMOTE, every=25 if FAST else None)  # touched
keras.utils.set_random_seed(0)

model = keras.Sequential(
    [
        keras.Input(images.shape[1:]),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.4),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

run.attach(model)  # touched
history = model.fit(
    *(images, labels),
    batch_size=32,
    epochs=EPOCHS,
    validation_split=0.2,
    callbacks=[keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2)],
    verbose=2,
)

# %%
run.finish()  # touched

# %% [markdown]
# `fit` gives the `History` of all epochs, those of other machines as well.

# %%
for epoch, accuracy in zip(history.epoch, history.history["val_accuracy"], strict=True):
    print(f"epoch {epoch:2}   accuracy {accuracy:.1%}")

# %% [markdown]
# ## What next
#
# - Stop `fit` in the middle, or take the machine away (Runtime → Disconnect and delete runtime), and run all cells
#   again.
# - Set `EPOCHS` higher when all is done, and run all cells again: it goes on as if it had been asked for them at once.
# - `model.save("digits.keras")` makes one file of the model, as always.
