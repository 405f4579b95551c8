/* Pad, resize and normalize an image to the network's input in one pass. */
#include <stdlib.h>

#include "kernels.h"

/* image: rows of `width` RGB bytes, `row_bytes` apart. out: (rows->count, columns->count, 3).
 * Each number times `scale`, plus `offset`, by channel. Returns 0, or NO_MEMORY. */
FAST int resize_padded(const uint8_t *image, int64_t row_bytes, int32_t width, const Taps *rows, const Taps *columns,
                       const float *scale, const float *offset, float *out) {
    const int32_t last = columns->count - 1;
    const Four scales = {scale[0], scale[1], scale[2], 0}, offsets = {offset[0], offset[1], offset[2], 0};
    float *line = malloc((3 * (size_t)width + 1) * sizeof *line); /* pixels are read by four floats */
    if (!line) return NO_MEMORY;
    line[3 * (size_t)width] = 0;
    for (int32_t row = 0; row < rows->count; row++) {
        const uint8_t *above = image + rows->lower[row] * row_bytes, *below = image + rows->upper[row] * row_bytes;
        const float upper = rows->lower_weight[row], lower = rows->upper_weight[row];
        for (int32_t i = 0; i < 3 * width; i++) line[i] = above[i] * upper + below[i] * lower;
        for (int32_t x = 0; x <= last; x++, out += 3) {
            const Four left = *(const Four *)(line + 3 * (size_t)columns->lower[x]);
            const Four right = *(const Four *)(line + 3 * (size_t)columns->upper[x]);
            const Four mixed = left * columns->lower_weight[x] + right * columns->upper_weight[x];
            const Four value = mixed * scales + offsets;
            if (x < last) {
                *(Four *)out = value; /* its fourth float is the next pixel's, which is written next */
            } else {
                for (int channel = 0; channel < 3; channel++) out[channel] = value[channel];
            }
        }
    }
    free(line);
    return 0;
}

int kernels_version(void) { return KERNELS_VERSION; }
