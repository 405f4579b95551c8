"""Programs that time other implementations of BodyPix, each run in its own environment by `bodyseg bench peers`.

A line of JSON each way, on standard input and output. First the model: {weights, stride, settings}, the settings being
the network's by their names here, answered by {name}. Then, per run, {task, image, width, height}, the image being a
file of RGB bytes, answered by {ms, pixels, people}: the milliseconds from picture to result, the person pixels seen,
and the people where the task tells them apart.
"""
