/* Heads to poses: roots from heatmap peaks, non-maximum suppression, and a walk along the tree of keypoints.
 *
 * Computed in doubles, as in the reference. decode/poses.py has the same in Python, and cites the source. */
#include <stdlib.h>

#include "kernels.h"

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

/* Push to a heap whose node k has children 2k and 2k+1, counted from 0, which pops ties in the reference's order. */
static void push(Candidate *heap, int32_t count, Candidate candidate) {
    int32_t node = count;
    for (; node > 0 && heap[node / 2].score < candidate.score; node /= 2) heap[node] = heap[node / 2];
    heap[node] = candidate;
}

/* Remove and return the best of `count` candidates. */
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

/* Whether no neighbor in the 3 × 3 window scores higher; equal scores are all peaks. */
static int is_peak(const Heads *heads, int32_t row, int32_t column, int32_t joint) {
    const float score = heads->scores[((size_t)row * heads->width + column) * JOINTS + joint];
    for (int32_t y = row > 0 ? row - 1 : 0; y <= row + 1 && y < heads->height; y++)
        for (int32_t x = column > 0 ? column - 1 : 0; x <= column + 1 && x < heads->width; x++)
            if (heads->scores[((size_t)y * heads->width + x) * JOINTS + joint] > score) return 0;
    return 1;
}

/* Put the peaks that reach the score threshold on a heap. Returns how many. */
static int32_t find_candidates(const Heads *heads, double threshold, Candidate *heap) {
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

/* The row or column nearest to a position in network px, kept on the grid. */
static int32_t nearest_index(double position, int32_t stride, int32_t length) {
    const double index = position / stride + 0.5;
    if (!(index >= 1)) return 0;
    return index >= length ? length - 1 : (int32_t)index;
}

static size_t cell_of(const Heads *heads, Point point) {
    const int32_t row = nearest_index(point.y, heads->stride, heads->height);
    return (size_t)row * heads->width + nearest_index(point.x, heads->stride, heads->width);
}

/* A cell's position plus its short offset for a joint, network px. */
static Point short_offset_target(const Heads *heads, size_t cell, int32_t joint) {
    const float *offset = heads->offsets + cell * 2 * JOINTS + joint;
    const int32_t row = (int32_t)(cell / heads->width), column = (int32_t)(cell % heads->width);
    return (Point){column * heads->stride + (double)offset[JOINTS], row * heads->stride + (double)offset[0]};
}

/* Find a joint from its neighbor in the tree: add the displacement, then follow the short offsets twice. */
static void find_neighbor(const Heads *heads, const float *displacements, int edge, int32_t from, int32_t to,
                          Point *points, double *scores, uint8_t *found) {
    if (!found[from] || found[to]) return;
    const float *displacement = displacements + cell_of(heads, points[from]) * 2 * EDGES + edge;
    Point point = {points[from].x + displacement[EDGES], points[from].y + displacement[0]};
    for (int i = 0; i < 2; i++) point = short_offset_target(heads, cell_of(heads, point), to);
    points[to] = point;
    scores[to] = heads->scores[cell_of(heads, point) * JOINTS + to];
    found[to] = 1;
}

static double squared_distance(Point a, Point b) { return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y); }

/* Whether a pose found before has this joint within the NMS radius. */
static int near_any(const Point *poses, int32_t count, int32_t joint, Point point, double nms_radius_squared) {
    for (int32_t i = 0; i < count; i++)
        if (squared_distance(poses[i * JOINTS + joint], point) <= nms_radius_squared) return 1;
    return 0;
}

/* points: (max_people, 17) x, y network px. joint_scores: (max_people, 17). scores: (max_people).
 * Returns how many people, or NO_MEMORY. */
int decode_poses(const Heads *heads, int32_t max_people, double score_threshold, double nms_radius_squared, Point *points,
                 double *joint_scores, double *scores) {
    Candidate *heap = malloc((size_t)heads->height * heads->width * JOINTS * sizeof *heap);
    if (!heap) return NO_MEMORY;
    int32_t candidate_count = find_candidates(heads, score_threshold, heap), count = 0;
    while (count < max_people && candidate_count) {
        const Candidate root = pop(heap, candidate_count--);
        const Point start = short_offset_target(heads, (size_t)root.row * heads->width + root.column, root.joint);
        if (near_any(points, count, root.joint, start, nms_radius_squared)) continue;
        Point *pose = points + count * JOINTS;
        double *scores_here = joint_scores + count * JOINTS, sum = 0;
        uint8_t found[JOINTS] = {0};
        pose[root.joint] = start;
        scores_here[root.joint] = root.score;
        found[root.joint] = 1;
        for (int edge = EDGES - 1; edge >= 0; edge--) { /* up the tree to the nose first, then down to the ankles */
            const int32_t parent = heads->tree[2 * edge], child = heads->tree[2 * edge + 1];
            find_neighbor(heads, heads->backward, edge, child, parent, pose, scores_here, found);
        }
        for (int edge = 0; edge < EDGES; edge++) {
            const int32_t parent = heads->tree[2 * edge], child = heads->tree[2 * edge + 1];
            find_neighbor(heads, heads->forward, edge, parent, child, pose, scores_here, found);
        }
        for (int joint = 0; joint < JOINTS; joint++)
            if (!near_any(points, count, joint, pose[joint], nms_radius_squared)) sum += scores_here[joint];
        scores[count++] = sum / JOINTS;
    }
    free(heap);
    return count;
}
