"""The tree of commands, empty: each module here hangs its own on it."""

from tyro.extras import SubcommandApp

app, data, train, recipe, bench = (SubcommandApp() for _ in range(5))
app.command(data, name="data", help="Make the toy worlds, check a data set.")
app.command(train, name="train", help="Train a VQGAN, one of sound, a transformer, or one that fills in.")
app.command(recipe, name="recipes", help="Say what an artefact would cost, or build it.")
app.command(bench, name="bench", help="Measure speed.")
