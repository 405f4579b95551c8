"""What NumPy and OpenCV are too slow for, in C: built where a C compiler is at hand, done without where none is."""
