/* One more token of one sequence through the transformer: `native_step.py` says when and why.

   D width, E outputs of a product, heads and d: D = heads * d, M tokens held, V logits. REAL is float or double. */

#include <tgmath.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const REAL *norm1, *norm1_bias, *qkv, *qkv_bias, *proj, *proj_bias; /* (D), (D), (3D, D), (3D), (D, D), (D) */
    const REAL *norm2, *norm2_bias, *up, *up_bias, *down, *down_bias;   /* (D), (D), (4D, D), (4D), (D, 4D), (D) */
    REAL *keys, *values;                                                /* (heads, capacity, d), its part of the cache */
} Layer;

typedef struct {
    int64_t layers, heads, width, capacity, logits, shown_stride;
    const REAL *token_rows, *position_rows; /* (vocabulary, D), (positions, D) */
    const REAL *norm, *norm_bias, *head;    /* (D), (D), (V, D) */
    const REAL *shown;                      /* (1 or heads, capacity), 0 where there is something to see, else -inf */
    REAL *room;                             /* 10 D + capacity */
    const Layer *layer;
} Model;

/* y = W x + b, or y += W x + b; four rows at a time, so that x is loaded once for them */
static void multiply(const REAL *W, const REAL *b, const REAL *x, REAL *y, int64_t E, int64_t D, int add) {
    int64_t e = 0;
    for (; e + 4 <= E; e += 4) {
        const REAL *r0 = W + e * D, *r1 = r0 + D, *r2 = r1 + D, *r3 = r2 + D;
        REAL s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (int64_t i = 0; i < D; i++) {
            s0 += r0[i] * x[i];
            s1 += r1[i] * x[i];
            s2 += r2[i] * x[i];
            s3 += r3[i] * x[i];
        }
        REAL sums[4] = {s0, s1, s2, s3};
        for (int k = 0; k < 4; k++) y[e + k] = sums[k] + (b ? b[e + k] : 0) + (add ? y[e + k] : 0);
    }
    for (; e < E; e++) {
        REAL sum = 0;
        for (int64_t i = 0; i < D; i++) sum += W[e * D + i] * x[i];
        y[e] = sum + (b ? b[e] : 0) + (add ? y[e] : 0);
    }
}

static void normalise(const REAL *x, const REAL *weight, const REAL *bias, REAL *y, int64_t D) {
    REAL mean = 0, variance = 0;
    for (int64_t i = 0; i < D; i++) mean += x[i];
    mean /= D;
    for (int64_t i = 0; i < D; i++) variance += (x[i] - mean) * (x[i] - mean);
    REAL scale = 1 / sqrt(variance / D + (REAL)1e-5);
    for (int64_t i = 0; i < D; i++) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

/* one head: q (d), keys and values (M, d), to out (d) */
static void attend(const REAL *q, const REAL *keys, const REAL *values, const REAL *shown, REAL *scores, REAL *out,
                   int64_t M, int64_t d) {
    const REAL scale = 1 / sqrt((REAL)d);
    multiply(keys, 0, q, scores, M, d, 0);
    REAL highest = -1e30, total = 0;
    for (int64_t m = 0; m < M; m++) {
        scores[m] = shown[m] < 0 ? (REAL)-1e30 : scores[m] * scale;
        if (scores[m] > highest) highest = scores[m];
    }
    for (int64_t m = 0; m < M; m++) {
        scores[m] = exp(scores[m] - highest);
        total += scores[m];
    }
    memset(out, 0, d * sizeof(REAL));
    for (int64_t m = 0; m < M; m++)
        for (int64_t i = 0; i < d; i++) out[i] += scores[m] * values[m * d + i];
    for (int64_t i = 0; i < d; i++) out[i] /= total;
}

/* read `token` at `position` into slot `held - 1`; logits (V) of what comes next */
void step(const Model *model, const int64_t *token, int64_t position, int64_t held, REAL *logits) {
    const int64_t D = model->width, heads = model->heads, d = D / heads;
    REAL *x = model->room, *normed = x + D, *qkv = normed + D, *attended = qkv + 3 * D, *up = attended + D;
    REAL *scores = up + 4 * D;
    for (int64_t i = 0; i < D; i++) x[i] = model->token_rows[*token * D + i] + model->position_rows[position * D + i];
    for (int64_t l = 0; l < model->layers; l++) {
        const Layer *layer = model->layer + l;
        normalise(x, layer->norm1, layer->norm1_bias, normed, D);
        multiply(layer->qkv, layer->qkv_bias, normed, qkv, 3 * D, D, 0);
        for (int64_t h = 0; h < heads; h++) {
            REAL *keys = layer->keys + h * model->capacity * d, *values = layer->values + h * model->capacity * d;
            memcpy(keys + (held - 1) * d, qkv + D + h * d, d * sizeof(REAL));
            memcpy(values + (held - 1) * d, qkv + 2 * D + h * d, d * sizeof(REAL));
            attend(qkv + h * d, keys, values, model->shown + h * model->shown_stride, scores, attended + h * d, held, d);
        }
        multiply(layer->proj, layer->proj_bias, attended, x, D, D, 1);
        normalise(x, layer->norm2, layer->norm2_bias, normed, D);
        multiply(layer->up, layer->up_bias, normed, up, 4 * D, D, 0);
        for (int64_t i = 0; i < 4 * D; i++) up[i] = up[i] * (REAL)0.5 * (1 + erf(up[i] * (REAL)0.70710678118654752440));
        multiply(layer->down, layer->down_bias, up, x, D, 4 * D, 1);
    }
    normalise(x, model->norm, model->norm_bias, normed, D);
    multiply(model->head, 0, normed, logits, model->logits, D, 0);
}
