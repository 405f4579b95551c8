/* Heads to people: poses, and whose each pixel is. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

/* ---- Poses: arithmetic in doubles, as in the reference ---- */

typedef struct {
    double score;
    int32_t row, column, joint;
} Candidate;

typedef struct {
    double x, y;
} Point;

/* The heads: scores (height, width, 17), offsets (…, 34), forward and backward displacements (…, 32), y before x. */
typedef struct {
    const float *scores, *offsets, *forward, *backward;
    int32_t height, width, stride;
    const int32_t *tree; /* (16, 2) joints: parent, child */
} Heads;

/* Add to the heap whose node k has children 2k and 2k+1, counted from 0: ties leave in the reference's order. */
static void push(Candidate *heap, int32_t count, Candidate candidate) {
    int32_t node = count;
    for (; node > 0 && heap[node / 2].score < candidate.score; node /= 2) heap[node] = heap[node / 2];
    heap[node] = candidate;
}

/* Take the best of `count` candidates out. */
static Candidate pop(Candidate *heap, int32_t count) {
    const Candidate best = heap[0], moved = heap[count - 1];
    const int32_t last = count - 2;
    int32_t node = 0;
    heap[0] = moved;
    while (2 * node <= last) {
        int32_t child = 2 * node;
        if (child < last && heap[child].score < heap[child + 1].score) child++;
        if (!(heap[node].score < heap[child].score)) break;
        heap[node] = heap[child];
        heap[child] = moved;
        node = child;
    }
    return best;
}

static int is_peak(const Heads *heads, int32_t row, int32_t column, int32_t joint) {
    const float score = heads->scores[((size_t)row * heads->width + column) * JOINTS + joint];
    for (int32_t y = row > 0 ? row - 1 : 0; y <= row + 1 && y < heads->height; y++)
        for (int32_t x = column > 0 ? column - 1 : 0; x <= column + 1 && x < heads->width; x++)
            if (heads->scores[((size_t)y * heads->width + x) * JOINTS + joint] > score) return 0;
    return 1;
}

/* Local maxima at or above the threshold, in a heap. Returns how many. */
static int32_t candidates(const Heads *heads, double threshold, Candidate *heap) {
    int32_t count = 0;
    for (int32_t row = 0; row < heads->height; row++)
        for (int32_t column = 0; column < heads->width; column++)
            for (int32_t joint = 0; joint < JOINTS; joint++) {
                const double score = heads->scores[((size_t)row * heads->width + column) * JOINTS + joint];
                if (score >= threshold && is_peak(heads, row, column, joint))
                    push(heap, count++, (Candidate){score, row, column, joint});
            }
    return count;
}

static int32_t nearest(double place, int32_t stride, int32_t length) {
    const double index = place / stride + 0.5;
    if (!(index >= 1)) return 0;
    return index >= length ? length - 1 : (int32_t)index;
}

static size_t cell_of(const Heads *heads, Point point) {
    const int32_t row = nearest(point.y, heads->stride, heads->height);
    return (size_t)row * heads->width + nearest(point.x, heads->stride, heads->width);
}

/* Where a keypoint lies whose heatmap peaks in a cell, network px. */
static Point keypoint(const Heads *heads, size_t cell, int32_t joint) {
    const float *offset = heads->offsets + cell * 2 * JOINTS + joint;
    const int32_t row = (int32_t)(cell / heads->width), column = (int32_t)(cell % heads->width);
    return (Point){column * heads->stride + (double)offset[JOINTS], row * heads->stride + (double)offset[0]};
}

/* Find a joint from its neighbour in the tree: by displacement, then twice to where the short offsets point. */
static void step(const Heads *heads, const float *displacements, int edge, int32_t from, int32_t to, Point *points,
                 double *scores, uint8_t *known) {
    if (!known[from] || known[to]) return;
    const float *away = displacements + cell_of(heads, points[from]) * 2 * EDGES + edge;
    Point point = {points[from].x + away[EDGES], points[from].y + away[0]};
    for (int i = 0; i < 2; i++) point = keypoint(heads, cell_of(heads, point), to);
    points[to] = point;
    scores[to] = heads->scores[cell_of(heads, point) * JOINTS + to];
    known[to] = 1;
}

static double squared_distance(Point a, Point b) { return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y); }

static int near_any(const Point *poses, int32_t count, int32_t joint, Point point, double radius_squared) {
    for (int32_t i = 0; i < count; i++)
        if (squared_distance(poses[i * JOINTS + joint], point) <= radius_squared) return 1;
    return 0;
}

/* points: (most, 17) x, y network px. joint_scores: (most, 17). scores: (most). Returns how many people, or NO_MEMORY. */
int decode_poses(const Heads *heads, int32_t most, double score_threshold, double radius_squared, Point *points,
                 double *joint_scores, double *scores) {
    Candidate *heap = malloc((size_t)heads->height * heads->width * JOINTS * sizeof *heap);
    if (!heap) return NO_MEMORY;
    int32_t waiting = candidates(heads, score_threshold, heap), count = 0;
    while (count < most && waiting) {
        const Candidate root = pop(heap, waiting--);
        const Point start = keypoint(heads, (size_t)root.row * heads->width + root.column, root.joint);
        if (near_any(points, count, root.joint, start, radius_squared)) continue;
        Point *pose = points + count * JOINTS;
        double *found = joint_scores + count * JOINTS, sum = 0;
        uint8_t known[JOINTS] = {0};
        pose[root.joint] = start;
        found[root.joint] = root.score;
        known[root.joint] = 1;
        for (int edge = EDGES - 1; edge >= 0; edge--) /* up the tree to the nose first, then down to the ankles */
            step(heads, heads->backward, edge, heads->tree[2 * edge + 1], heads->tree[2 * edge], pose, found, known);
        for (int edge = 0; edge < EDGES; edge++)
            step(heads, heads->forward, edge, heads->tree[2 * edge], heads->tree[2 * edge + 1], pose, found, known);
        for (int joint = 0; joint < JOINTS; joint++)
            if (!near_any(points, count, joint, pose[joint], radius_squared)) sum += found[joint];
        scores[count++] = sum / JOINTS;
    }
    free(heap);
    return count;
}

/* ---- Instances: each pixel follows its long offsets to somebody's keypoints ---- */

/* A source pixel to its place on the grid: pixel·factor + shift, kept between low and high; pixels end at `end`. The same
 * pair, x and y, for each joint, so that all joints move at once. */
typedef struct {
    float factor[2 * JOINTS], shift[2 * JOINTS], low[2 * JOINTS], high[2 * JOINTS], end[2 * JOINTS];
} Lanes;

/* offsets: (height, width, 34), y of joint k in channel k, x in k + 17. joints: those that somebody shows.
 * keypoints: (people, joints, x y) source px. seen: (people, joints). lanes: see Lanes. farthest: px² beyond which a pixel
 * is nobody's. */
typedef struct {
    const float *offsets;
    int32_t height, width, joint_count, people, steps;
    const int32_t *joints;
    const float *keypoints;
    const uint8_t *seen;
    const Lanes *lanes;
    float farthest;
} Field;

/* What a pixel's offsets say: whose it is, −1 nobody's, and mean px² to the nearest person and to the next. */
typedef struct {
    float first, second;
    int32_t owner;
} Answer;

typedef struct {
    const Field *field;
    const uint8_t *person;
    int32_t height, width;
    float *terms; /* (joints, cells, 4, x y): a, b, c, d of a + b·right + (c + d·right)·down in each cell */
    int32_t *places; /* (height, width): 1 + the answer's place, 0 where not asked */
    Answer *answers;
    int32_t asked, capacity;
    int16_t *owners;
} Walk;

static void make_terms(const Field *field, float *terms) {
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

INLINE float clamp(float value, float low, float high) {
    value = value < high ? value : high; /* NaN goes to the end */
    return value > low ? value : low;
}

/* Add the offset under a pixel, then step by step the one under where that led: (joints, x y) source px. */
INLINE void follow(const Walk *walk, int32_t y, int32_t x, float *restrict ends) {
    const Field *field = walk->field;
    const int32_t joints = field->joint_count;
    const float rounder = 12582912.0f;
    const size_t cells = (size_t)field->height * field->width;
    const Lanes *lanes = field->lanes;
    float place[2 * JOINTS];
    int32_t cell[2 * JOINTS];
    for (int32_t i = 0; i < 2 * joints; i++) ends[i] = (float)(i % 2 ? y : x);
    for (int32_t step = 0; step < field->steps; step++) {
        for (int32_t i = 0; i < 2 * joints; i++) {
            const float pixel = (clamp(ends[i], 0, lanes->end[i]) + rounder) - rounder;
            const float at = clamp(pixel * lanes->factor[i] + lanes->shift[i], lanes->low[i], lanes->high[i]);
            cell[i] = (int32_t)at;
            place[i] = at - (float)cell[i];
        }
        for (int32_t j = 0; j < joints; j++) {
            const size_t at = j * cells + (size_t)cell[2 * j + 1] * field->width + cell[2 * j];
            const Four *terms = (const Four *)(walk->terms + 8 * at);
            const Four mixed = terms[0] + terms[1] * place[2 * j + 1];
            ends[2 * j] += mixed[0] + mixed[2] * place[2 * j];
            ends[2 * j + 1] += mixed[1] + mixed[3] * place[2 * j];
        }
    }
}

/* Ask one pixel; what was asked once is kept. Returns NULL without memory. */
INLINE const Answer *ask(Walk *walk, int32_t y, int32_t x) {
    const Field *field = walk->field;
    int32_t *place = walk->places + (size_t)y * walk->width + x;
    if (*place) return walk->answers + *place - 1;
    if (walk->asked == walk->capacity) {
        Answer *more = realloc(walk->answers, 2 * (size_t)walk->capacity * sizeof *more);
        if (!more) return NULL;
        walk->answers = more;
        walk->capacity *= 2;
    }
    float ends[2 * JOINTS];
    follow(walk, y, x, ends);
    Answer answer = {field->farthest, field->farthest, -1};
    for (int32_t one = 0; one < field->people; one++) {
        const float *keypoints = field->keypoints + (size_t)one * field->joint_count * 2;
        const uint8_t *seen = field->seen + (size_t)one * field->joint_count;
        float sum = 0;
        int32_t count = 0;
        for (int32_t j = 0; j < field->joint_count; j++) {
            const float right = ends[2 * j] - keypoints[2 * j], down = ends[2 * j + 1] - keypoints[2 * j + 1];
            sum += seen[j] ? right * right + down * down : 0;
            count += seen[j];
        }
        const float distance = sum / count;
        if (!count || !(distance < answer.second)) continue;
        if (distance < answer.first) {
            answer = (Answer){distance, answer.first, one};
        } else {
            answer.second = distance;
        }
    }
    walk->answers[walk->asked++] = answer;
    *place = walk->asked;
    return walk->answers + *place - 1;
}

static void own(Walk *walk, int32_t y, int32_t x, int32_t bottom, int32_t right, int32_t owner) {
    for (; y < bottom; y++) {
        const size_t line = (size_t)y * walk->width;
        for (int32_t at = x; at < right; at++)
            walk->owners[line + at] = walk->person[line + at] ? (int16_t)owner : -1;
    }
}

/* Give a block's pixels to their owner: at once where all four corners belong to one person and the farthest of them is
 * nearer to it than any is to another; else quarter by quarter. Returns 0, or NO_MEMORY. */
FAST int settle(Walk *walk, int32_t y, int32_t x, int32_t block) {
    if (y >= walk->height || x >= walk->width) return 0;
    const int32_t bottom = y + block < walk->height ? y + block : walk->height;
    const int32_t right = x + block < walk->width ? x + block : walk->width;
    int32_t any = 0;
    for (int32_t row = y; row < bottom && !any; row++)
        any = memchr(walk->person + (size_t)row * walk->width + x, 1, right - x) != NULL;
    if (!any) return 0;
    const int32_t rows[2] = {y, y + block < walk->height ? y + block : walk->height - 1};
    const int32_t columns[2] = {x, x + block < walk->width ? x + block : walk->width - 1};
    float farthest = -1, next = 3e38f;
    int32_t owner = -1, clear = 1;
    for (int corner = 0; corner < (block > 1 ? 4 : 1); corner++) {
        const Answer *answer = ask(walk, rows[corner / 2], columns[corner % 2]);
        if (!answer) return NO_MEMORY;
        if (!corner) owner = answer->owner;
        clear &= answer->owner == owner;
        farthest = answer->first > farthest ? answer->first : farthest;
        next = answer->second < next ? answer->second : next;
    }
    if (block == 1 || (clear && farthest < next)) {
        own(walk, y, x, bottom, right, owner);
        return 0;
    }
    const int32_t half = block / 2;
    return settle(walk, y, x, half) || settle(walk, y, x + half, half) || settle(walk, y + half, x, half) ||
                   settle(walk, y + half, x + half, half)
               ? NO_MEMORY
               : 0;
}

/* person: (height, width), 0 or 1. block: a power of two. owners: (height, width), a person's number, or −1.
 * Returns 0, or NO_MEMORY. */
int instance_map(const Field *field, const uint8_t *person, int32_t height, int32_t width, int32_t block,
                 int16_t *owners) {
    Walk walk = {field, person, height, width, NULL, NULL, NULL, 0, 1024, owners};
    const size_t cells = (size_t)field->height * field->width, pixels = (size_t)height * width;
    walk.terms = malloc(field->joint_count * cells * 8 * sizeof *walk.terms);
    walk.places = calloc(pixels, sizeof *walk.places);
    walk.answers = malloc(walk.capacity * sizeof *walk.answers);
    int failed = !walk.terms || !walk.places || !walk.answers;
    if (!failed) {
        memset(owners, 0xff, pixels * sizeof *owners);
        make_terms(field, walk.terms);
        for (int32_t y = 0; y < height && !failed; y += block)
            for (int32_t x = 0; x < width && !failed; x += block) failed = settle(&walk, y, x, block);
    }
    free(walk.terms);
    free(walk.places);
    free(walk.answers);
    return failed ? NO_MEMORY : 0;
}
