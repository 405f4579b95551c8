"""What NumPy and OpenCV are too slow for, in C.

compiled.py checks arrays, hands them to the library by ctypes, and says whether there is one: it is built where a C
compiler is at hand, and done without where none is. resize.c prepares pictures; maps.c, poses.c and instances.c decode.
The NumPy versions stand in the functions that call the kernels, and give the same pixels.
"""
