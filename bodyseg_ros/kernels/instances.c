/* Assign pixels to people by following the long offsets to the person's keypoints.
 *
 * decode/instances.py has the same per pixel in NumPy, and cites the source. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* From source px to the grid: min(pixel, last)·factor + shift, kept between 0 and high. x and y in turns, the same pair
 * for each joint, so that the compiler computes all joints at once. */
typedef struct {
    float factor[2 * JOINTS], shift[2 * JOINTS], high[2 * JOINTS], last[2 * JOINTS];
} AxisTables;

/* offsets: (height, width, 34), y of joint k in channel k, x in k + 17. joints: (joint_count) those that count for at
 * least one person. keypoints: (people, joint_count, x y) source px. seen: (people, joint_count), 1 where it counts.
 * steps: number of offset steps. max_distance: px² above which a pixel has no person. */
typedef struct {
    const float *offsets;
    int32_t height, width, joint_count, people, steps;
    const int32_t *joints;
    const float *keypoints;
    const uint8_t *seen;
    const AxisTables *tables;
    float max_distance;
} OffsetField;

/* Person nearest to a pixel's target, −1 for none; mean px² to that person and to the second nearest. */
typedef struct {
    float nearest, second;
    int32_t person;
} Owner;

/* Everything the search for owners works on; owners found once are kept. */
typedef struct {
    const OffsetField *field;
    const uint8_t *person;
    int32_t height, width;
    float *terms; /* (joint_count, cells, 4, x y): a, b, c, d of a + b·right + (c + d·right)·down in each cell */
    int32_t *indices; /* (height, width): 1 + the pixel's index in `known`, 0 if not computed */
    Owner *known;
    int32_t count, capacity;
    int16_t *owners;
} Search;

/* The bilinear terms of each cell. At the last row and column the border is repeated. */
static void make_terms(const OffsetField *field, float *terms) {
    const int32_t height = field->height, width = field->width;
    for (int32_t j = 0; j < field->joint_count; j++)
        for (int32_t row = 0; row < height; row++)
            for (int32_t column = 0; column < width; column++, terms += 8)
                for (int axis = 0; axis < 2; axis++) {
                    const float *here = field->offsets + field->joints[j] + (axis ? 0 : JOINTS);
                    const int32_t below = row + 1 < height ? row + 1 : row;
                    const int32_t right = column + 1 < width ? column + 1 : column;
                    const float a = here[((size_t)row * width + column) * 2 * JOINTS];
                    const float b = here[((size_t)row * width + right) * 2 * JOINTS];
                    const float c = here[((size_t)below * width + column) * 2 * JOINTS];
                    const float d = here[((size_t)below * width + right) * 2 * JOINTS];
                    terms[axis] = a;
                    terms[2 + axis] = b - a;
                    terms[4 + axis] = c - a;
                    terms[6 + axis] = d - c - b + a;
                }
}

INLINE float minimum(float a, float b) { return a < b ? a : b; }

/* Follow the offsets from a pixel for `steps` steps. Positions are clamped to the image's last row and column only, as in the reference; outside the grid, its border is used.
 * ends: (joint_count, x y) source px. */
INLINE void follow_offsets(const Search *search, int32_t y, int32_t x, float *restrict ends) {
    const OffsetField *field = search->field;
    const int32_t joints = field->joint_count;
    const float rounder = 12582912.0f;
    const size_t cells = (size_t)field->height * field->width;
    const AxisTables *tables = field->tables;
    float fraction[2 * JOINTS];
    int32_t cell[2 * JOINTS];
    for (int32_t i = 0; i < 2 * joints; i++) ends[i] = (float)(i % 2 ? y : x);
    for (int32_t step = 0; step < field->steps; step++) {
        for (int32_t i = 0; i < 2 * joints; i++) {
            const float pixel = (minimum(ends[i], tables->last[i]) + rounder) - rounder;
            const float inner = minimum(pixel * tables->factor[i] + tables->shift[i], tables->high[i]);
            const float at = inner > 0 ? inner : 0;
            cell[i] = (int32_t)at;
            fraction[i] = at - (float)cell[i];
        }
        for (int32_t j = 0; j < joints; j++) {
            const size_t at = j * cells + (size_t)cell[2 * j + 1] * field->width + cell[2 * j];
            const Four *terms = (const Four *)(search->terms + 8 * at);
            const Four mixed = terms[0] + terms[1] * fraction[2 * j + 1];
            ends[2 * j] += mixed[0] + mixed[2] * fraction[2 * j];
            ends[2 * j + 1] += mixed[1] + mixed[3] * fraction[2 * j];
        }
    }
}

/* The owner of one pixel. Returns NULL without memory. */
INLINE const Owner *find_owner(Search *search, int32_t y, int32_t x) {
    const OffsetField *field = search->field;
    int32_t *index = search->indices + (size_t)y * search->width + x;
    if (*index) return search->known + *index - 1;
    if (search->count == search->capacity) {
        Owner *larger = realloc(search->known, 2 * (size_t)search->capacity * sizeof *larger);
        if (!larger) return NULL;
        search->known = larger;
        search->capacity *= 2;
    }
    float ends[2 * JOINTS];
    follow_offsets(search, y, x, ends);
    Owner owner = {field->max_distance, field->max_distance, -1};
    for (int32_t person = 0; person < field->people; person++) {
        const float *keypoints = field->keypoints + (size_t)person * field->joint_count * 2;
        const uint8_t *seen = field->seen + (size_t)person * field->joint_count;
        float sum = 0;
        int32_t count = 0;
        for (int32_t j = 0; j < field->joint_count; j++) {
            const float dx = ends[2 * j] - keypoints[2 * j], dy = ends[2 * j + 1] - keypoints[2 * j + 1];
            sum += seen[j] ? dx * dx + dy * dy : 0;
            count += seen[j];
        }
        const float distance = sum / count;
        if (!count || !(distance < owner.second)) continue;
        if (distance < owner.nearest) {
            owner = (Owner){distance, owner.nearest, person};
        } else {
            owner.second = distance;
        }
    }
    search->known[search->count++] = owner;
    *index = search->count;
    return search->known + *index - 1;
}

/* Give the person pixels of a block to one person. */
static void fill_block(Search *search, int32_t y, int32_t x, int32_t bottom, int32_t right, int32_t owner) {
    for (; y < bottom; y++) {
        const size_t line = (size_t)y * search->width;
        for (int32_t column = x; column < right; column++)
            search->owners[line + column] = search->person[line + column] ? (int16_t)owner : -1;
    }
}

/* Find the owners of a block's pixels from its corners. If all four belong to one person, and the farthest of them is nearer to that person than any is to another, so does the block; otherwise test each quarter.
 * Returns 0, or NO_MEMORY. */
FAST int assign_block(Search *search, int32_t y, int32_t x, int32_t block) {
    if (y >= search->height || x >= search->width) return 0;
    const int32_t bottom = y + block < search->height ? y + block : search->height;
    const int32_t right = x + block < search->width ? x + block : search->width;
    int32_t any_person = 0;
    for (int32_t row = y; row < bottom && !any_person; row++)
        any_person = memchr(search->person + (size_t)row * search->width + x, 1, right - x) != NULL;
    if (!any_person) return 0;
    const int32_t rows[2] = {y, y + block < search->height ? y + block : search->height - 1};
    const int32_t columns[2] = {x, x + block < search->width ? x + block : search->width - 1};
    float farthest = -1, second = 3e38f;
    int32_t person = -1, agree = 1;
    for (int corner = 0; corner < (block > 1 ? 4 : 1); corner++) {
        const Owner *owner = find_owner(search, rows[corner / 2], columns[corner % 2]);
        if (!owner) return NO_MEMORY;
        if (!corner) person = owner->person;
        agree &= owner->person == person;
        farthest = owner->nearest > farthest ? owner->nearest : farthest;
        second = owner->second < second ? owner->second : second;
    }
    if (block == 1 || (agree && farthest < second)) {
        fill_block(search, y, x, bottom, right, person);
        return 0;
    }
    const int32_t half = block / 2;
    for (int quarter = 0; quarter < 4; quarter++)
        if (assign_block(search, y + quarter / 2 * half, x + quarter % 2 * half, half)) return NO_MEMORY;
    return 0;
}

/* person: (height, width), 0 or 1. block: side of the first blocks, px, a power of two.
 * owners: (height, width), person index of each pixel, −1 for none.
 * Returns 0, or NO_MEMORY. */
int instance_map(const OffsetField *field, const uint8_t *person, int32_t height, int32_t width, int32_t block,
                 int16_t *owners) {
    Search search = {field, person, height, width, NULL, NULL, NULL, 0, 1024, owners};
    const size_t cells = (size_t)field->height * field->width, pixels = (size_t)height * width;
    search.terms = malloc(field->joint_count * cells * 8 * sizeof *search.terms);
    search.indices = calloc(pixels, sizeof *search.indices);
    search.known = malloc(search.capacity * sizeof *search.known);
    int failed = !search.terms || !search.indices || !search.known;
    if (!failed) {
        memset(owners, 0xff, pixels * sizeof *owners);
        make_terms(field, search.terms);
        for (int32_t y = 0; y < height && !failed; y += block)
            for (int32_t x = 0; x < width && !failed; x += block) failed = assign_block(&search, y, x, block);
    }
    free(search.terms);
    free(search.indices);
    free(search.known);
    return failed ? NO_MEMORY : 0;
}
