"""Programs that time other implementations of BodyPix, run in their own environments by `bodyseg bench peers`.

Protocol: one line of JSON each way, on standard input and output. First the model, {weights, stride, settings} with
settings named as in this package; the answer is {name}. Then for each run {task, image, width, height}, where image is
a file of RGB bytes; the answer is {ms, pixels, people}: milliseconds from image to result, person pixels, and the
number of people if the task separates them.
"""
