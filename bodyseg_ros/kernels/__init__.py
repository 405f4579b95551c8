"""Pixel loops in C, where NumPy and OpenCV are too slow.

compiled.py checks arrays and passes them to the library by ctypes. The library is optional: it is built if there is a
C compiler. resize.c prepares images; maps.c, poses.c and instances.c decode. The NumPy versions are in the functions
that call the kernels, and give the same pixels.
"""
