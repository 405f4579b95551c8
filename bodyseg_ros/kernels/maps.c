/* Decode person and part logits to maps of the image's size. decode/masks.py has the same in NumPy, and cites the source.
 *
 * A cell is the square between four neighbors of a head's grid. Inside it logits are a mix of those at its corners, so
 * they stay between the least and the largest of the four, there and, after the sigmoid, at every source pixel in
 * between. What the corners agree on needs no arithmetic per pixel; the other cells are computed as the reference does:
 * logits to network pixels, scores there, scores to source pixels. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* A head's grid and the way from it to source pixels. nodes: (step + 1) place of each network pixel between two
 * neighbors, 0 to 1. rows, columns: source pixels' neighbors among network pixels. */
typedef struct {
    int32_t height, width, channels;
    int32_t row_step, column_step;
    const float *row_nodes, *column_nodes;
    Taps rows, columns;
} Grid;

/* The source pixels of one row or column of cells. */
typedef struct {
    int32_t cell, start, count;
} Band;

/* Working memory for one map. nodes: a cell at network px. across: see scores_across. best, ids: see best_channels. */
typedef struct {
    Band *rows, *columns;
    int32_t row_count, column_count;
    float *nodes, *across, *best;
    int32_t *ids;
} Scratch;

/* Where a corner's score is this near to the threshold, rounding may decide: the cell is computed. */
static const float SCORE_MARGIN = 1e-5f;
/* Where one part's logit is more than this above another's at all corners, its score is larger in between. */
static const float LOGIT_MARGIN = 1e-2f;
/* Beyond these limits, different logits give the same float32 score. */
static const float MIN_LOGIT = -79, MAX_LOGIT = 9;

/* 1 / (1 + e^−x). The exponential as in Cephes' expf: a power of two and a polynomial on ±ln 2 / 2. */
INLINE float sigmoid(float x) {
    x = -x;
    x = x < 80.0f ? x : 80.0f;
    x = x > -87.0f ? x : -87.0f;
    const float rounder = 12582912.0f; /* 1.5 · 2^23: adding and subtracting it rounds to integers */
    const float power = (x * 1.44269504f + rounder) - rounder;
    const float rest = (x - power * 0.693359375f) - power * -2.12194440e-4f;
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * (rest * rest) + rest + 1.0f;
    union {
        int32_t bits;
        float value;
    } two = {((int32_t)power + 127) << 23};
    return 1.0f / (1.0f + sum * two.value);
}

/* Clamp a logit to the range where scores still differ. */
INLINE float clamp_logit(float logit) {
    logit = logit > MIN_LOGIT ? logit : MIN_LOGIT;
    return logit < MAX_LOGIT ? logit : MAX_LOGIT;
}

/* Group source pixels by row or column of cells. Returns the number of bands. */
static int32_t make_bands(const Taps *taps, int32_t step, int32_t length, Band *out) {
    const int32_t last = length > 2 ? length - 2 : 0;
    int32_t count = 0;
    for (int32_t i = 0; i < taps->count; i++) {
        int32_t cell = taps->lower[i] / step;
        if (cell > last) cell = last;
        if (!count || out[count - 1].cell != cell) out[count++] = (Band){cell, i, 0};
        out[count - 1].count++;
    }
    return count;
}

static int32_t longest_band(const Band *bands, int32_t count) {
    int32_t most = 0;
    for (int32_t i = 0; i < count; i++) most = bands[i].count > most ? bands[i].count : most;
    return most;
}

static void free_scratch(Scratch *scratch) {
    free(scratch->rows);
    free(scratch->columns);
    free(scratch->nodes);
    free(scratch->across);
    free(scratch->best);
    free(scratch->ids);
}

static int make_scratch(const Grid *grid, Scratch *scratch) {
    *scratch = (Scratch){0};
    scratch->rows = malloc(((size_t)grid->height + 1) * sizeof *scratch->rows);
    scratch->columns = malloc(((size_t)grid->width + 1) * sizeof *scratch->columns);
    if (scratch->rows && scratch->columns) {
        scratch->row_count = make_bands(&grid->rows, grid->row_step, grid->height, scratch->rows);
        scratch->column_count = make_bands(&grid->columns, grid->column_step, grid->width, scratch->columns);
        const size_t rows = (size_t)grid->row_step + 1, wide = longest_band(scratch->columns, scratch->column_count);
        const size_t pixels = wide * longest_band(scratch->rows, scratch->row_count);
        scratch->nodes = malloc(rows * ((size_t)grid->column_step + 1) * sizeof *scratch->nodes);
        scratch->across = malloc(rows * wide * sizeof *scratch->across);
        scratch->best = malloc(pixels * sizeof *scratch->best);
        scratch->ids = malloc(pixels * sizeof *scratch->ids);
        if (scratch->nodes && scratch->across && scratch->best && scratch->ids) return 0;
    }
    free_scratch(scratch);
    return NO_MEMORY;
}

/* Addresses of the logits at a cell's four corners: above left, above right, below left, below right. */
INLINE void corners_of(const Grid *grid, const float *head, Band row, Band column, const float *corners[4]) {
    const int32_t below = row.cell + 1 < grid->height ? row.cell + 1 : grid->height - 1;
    const int32_t right = column.cell + 1 < grid->width ? column.cell + 1 : grid->width - 1;
    const int32_t rows[2] = {row.cell, below}, columns[2] = {column.cell, right};
    for (int i = 0; i < 4; i++)
        corners[i] = head + ((size_t)rows[i / 2] * grid->width + columns[i % 2]) * grid->channels;
}

/* A channel's scores at a cell's network rows and source columns: scratch->across, (row_step + 1, column.count). */
INLINE void scores_across(const Grid *grid, const float *const corners[4], int channel, Band column, Scratch *scratch) {
    const size_t wide = (size_t)grid->column_step + 1, rows = (size_t)grid->row_step + 1;
    const int32_t first = column.cell * grid->column_step;
    float *nodes = scratch->nodes;
    const float a = corners[0][channel], b = corners[1][channel], c = corners[2][channel], d = corners[3][channel];
    for (size_t y = 0; y < rows; y++) {
        const float down = grid->row_nodes[y], up = 1.0f - down;
        for (size_t x = 0; x < wide; x++) {
            const float right = grid->column_nodes[x], left = 1.0f - right;
            nodes[y * wide + x] = (a * left + b * right) * up + (c * left + d * right) * down;
        }
    }
    for (size_t i = 0; i < rows * wide; i++) nodes[i] = sigmoid(nodes[i]);
    const int32_t *lower = grid->columns.lower + column.start, *upper = grid->columns.upper + column.start;
    const float *lower_weight = grid->columns.lower_weight + column.start;
    const float *upper_weight = grid->columns.upper_weight + column.start;
    for (size_t y = 0; y < rows; y++) {
        const float *line = nodes + y * wide;
        float *out = scratch->across + y * column.count;
        for (int32_t x = 0; x < column.count; x++)
            out[x] = line[lower[x] - first] * lower_weight[x] + line[upper[x] - first] * upper_weight[x];
    }
}

/* The two rows of scratch->across around source row y of a cell, and their weights. */
typedef struct {
    const float *above, *below;
    float above_weight, below_weight;
} RowPair;

INLINE RowPair row_pair(const Grid *grid, const Scratch *scratch, Band row, Band column, int32_t y) {
    const int32_t source = row.start + y, first = row.cell * grid->row_step;
    return (RowPair){scratch->across + (size_t)(grid->rows.lower[source] - first) * column.count,
                     scratch->across + (size_t)(grid->rows.upper[source] - first) * column.count,
                     grid->rows.lower_weight[source], grid->rows.upper_weight[source]};
}

/* logits: (height, width) of the person. Either of the two may be NULL: confidence (H, W); person (H, W), 1 above the
 * threshold. If only the mask is wanted, cells entirely on one side of the threshold are skipped.
 * Returns 0, or NO_MEMORY. */
FAST int person_map(const Grid *grid, const float *logits, float threshold, float *confidence, uint8_t *person) {
    Scratch scratch;
    if (make_scratch(grid, &scratch)) return NO_MEMORY;
    const size_t wide = grid->columns.count;
    if (person) memset(person, 0, wide * grid->rows.count);
    for (int32_t cell = 0; cell < scratch.row_count * scratch.column_count; cell++) {
        const Band row = scratch.rows[cell / scratch.column_count], column = scratch.columns[cell % scratch.column_count];
        const size_t first = row.start * wide + column.start;
        const float *corners[4];
        corners_of(grid, logits, row, column, corners);
        float least = *corners[0], most = *corners[0];
        for (int corner = 1; corner < 4; corner++) {
            least = *corners[corner] < least ? *corners[corner] : least;
            most = *corners[corner] > most ? *corners[corner] : most;
        }
        if (!confidence && sigmoid(most) < threshold - SCORE_MARGIN) continue;
        if (!confidence && sigmoid(least) > threshold + SCORE_MARGIN) {
            for (int32_t y = 0; y < row.count; y++) memset(person + first + y * wide, 1, column.count);
            continue;
        }
        scores_across(grid, corners, 0, column, &scratch);
        for (int32_t y = 0; y < row.count; y++) {
            const RowPair rows = row_pair(grid, &scratch, row, column, y);
            float *score = confidence ? confidence + first + y * wide : scratch.best;
            for (int32_t x = 0; x < column.count; x++)
                score[x] = rows.above[x] * rows.above_weight + rows.below[x] * rows.below_weight;
            for (int32_t x = 0; person && x < column.count; x++) person[first + y * wide + x] = score[x] > threshold;
        }
    }
    free_scratch(&scratch);
    return 0;
}

/* Whether any pixel of a cell is a person's; `mask` points at its first. */
INLINE int any_person(const uint8_t *mask, size_t wide, Band row, Band column) {
    for (int32_t y = 0; y < row.count; y++)
        if (memchr(mask + y * wide, 1, column.count)) return 1;
    return 0;
}

/* The channels that could have the largest score somewhere in a cell: those that no corner's leading channel beats at
 * all four corners. Ascending. Returns how many. */
INLINE int find_candidates(const float *const corners[4], int channels, int32_t *candidates) {
    int count = 0, leaders[4] = {0};
    for (int corner = 0; corner < 4; corner++) {
        const float *logits = corners[corner];
        for (int channel = 1; channel < channels; channel++)
            if (clamp_logit(logits[channel]) > clamp_logit(logits[leaders[corner]])) leaders[corner] = channel;
    }
    for (int channel = 0; channel < channels; channel++) {
        int beaten = 0;
        for (int leader = 0; leader < 4 && !beaten; leader++) {
            beaten = 1;
            for (int corner = 0; corner < 4; corner++) {
                const float *logits = corners[corner];
                beaten &= clamp_logit(logits[leaders[leader]]) - clamp_logit(logits[channel]) > LOGIT_MARGIN;
            }
        }
        if (!beaten) candidates[count++] = channel;
    }
    return count;
}

/* The largest score of the candidates at each source pixel of a cell, and its channel, the first of equal ones:
 * scratch->best and scratch->ids. */
INLINE void best_channels(const Grid *grid, const float *const corners[4], const int32_t *candidates, int count,
                          Band row, Band column, Scratch *scratch) {
    for (size_t i = 0; i < (size_t)row.count * column.count; i++) scratch->best[i] = -1; /* less than any score */
    for (int i = 0; i < count; i++) {
        const int32_t channel = candidates[i];
        scores_across(grid, corners, channel, column, scratch);
        for (int32_t y = 0; y < row.count; y++) {
            const RowPair rows = row_pair(grid, scratch, row, column, y);
            float *best = scratch->best + (size_t)y * column.count;
            int32_t *ids = scratch->ids + (size_t)y * column.count;
            for (int32_t x = 0; x < column.count; x++) {
                const float score = rows.above[x] * rows.above_weight + rows.below[x] * rows.below_weight;
                const int better = score > best[x];
                best[x] = better ? score : best[x];
                ids[x] = better ? channel : ids[x];
            }
        }
    }
}

/* logits: (height, width, channels). person: (H, W), 0 or 1. candidates: scratch of as many numbers as channels.
 * parts: (H, W), the channel with the highest score (on ties, the first) on people, −1 elsewhere.
 * Returns 0, or NO_MEMORY. */
FAST int part_map(const Grid *grid, const float *logits, const uint8_t *person, int32_t *candidates, int8_t *parts) {
    Scratch scratch;
    if (make_scratch(grid, &scratch)) return NO_MEMORY;
    const size_t wide = grid->columns.count;
    memset(parts, -1, wide * grid->rows.count);
    for (int32_t cell = 0; cell < scratch.row_count * scratch.column_count; cell++) {
        const Band row = scratch.rows[cell / scratch.column_count], column = scratch.columns[cell % scratch.column_count];
        const size_t first = row.start * wide + column.start;
        if (!any_person(person + first, wide, row, column)) continue;
        const float *corners[4];
        corners_of(grid, logits, row, column, corners);
        const int count = find_candidates(corners, grid->channels, candidates);
        if (count > 1) best_channels(grid, corners, candidates, count, row, column, &scratch);
        for (int32_t y = 0; y < row.count; y++) {
            const uint8_t *mask = person + first + y * wide;
            const int32_t *ids = scratch.ids + (size_t)y * column.count;
            int8_t *out = parts + first + y * wide;
            if (count > 1) {
                for (int32_t x = 0; x < column.count; x++) out[x] = mask[x] ? (int8_t)ids[x] : -1;
            } else {
                for (int32_t x = 0; x < column.count; x++) out[x] = mask[x] ? (int8_t)candidates[0] : -1;
            }
        }
    }
    free_scratch(&scratch);
    return 0;
}
