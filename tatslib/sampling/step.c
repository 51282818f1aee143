/* One sequence through the transformer, without asking torch: a prefix at once, then token after token, each drawn.
   `native_step.py` says when and why.

   D width, E outputs of a product, heads and d: D = heads * d, N tokens of a prefix, M tokens held, V logits. REAL is
   float or double. A tile holds numbers of T tokens side by side, (numbers, T), and fills a line of the processor's
   cache: so vectors lie along tokens, and weights and cache are read as they are. */

#include <tgmath.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
enum { VECTOR = 64, ROWS = 8 }; /* bytes; rows whose sums fit the registers together */
#elif defined(__AVX__)
enum { VECTOR = 32, ROWS = 6 };
#else
enum { VECTOR = 16, ROWS = 4 };
#endif
#define T ((int64_t)(64 / sizeof(REAL)))
#define PARTS (64 / VECTOR)
#define HIDDEN ((REAL)-1e30)

typedef REAL Vector __attribute__((vector_size(VECTOR), aligned(sizeof(REAL)), may_alias));

typedef struct {
    const REAL *norm1, *norm1_bias, *qkv, *qkv_bias, *proj, *proj_bias; /* (D), (D), (3D, D), (3D), (D, D), (D) */
    const REAL *norm2, *norm2_bias, *up, *up_bias, *down, *down_bias;   /* (D), (D), (4D, D), (4D), (D, 4D), (D) */
    REAL *keys, *values;                                                /* (heads, capacity, d), parts of the cache */
} Layer;

typedef struct {
    int64_t layers, heads, width, capacity, logits, shown_stride, vocabulary, positions, first_token;
    const REAL *token_rows, *position_rows; /* (vocabulary, D), (positions, D) */
    const REAL *norm, *norm_bias, *head;    /* (D), (D), (V, D) */
    const REAL *shown;                      /* (1 or heads, capacity), 0 where there is something to see, else -inf */
    REAL *room;                             /* `numbers_of_room` */
    const Layer *layer;
} Model;

typedef struct { double temperature, top_p, penalty; int64_t top_k; } Filters; /* V, 1 and 0 cut nothing */

static int64_t tiles_of(int64_t tokens) { return (tokens + T - 1) / T; }

int64_t numbers_of_room(const Model *model) {
    const int64_t D = model->width, tokens = tiles_of(model->capacity) * T;
    return 10 * D + model->capacity + 2 * model->logits + 2 * D * tokens + (6 * D + model->capacity) * T +
           tokens * model->capacity;
}

/* y = W x + b, or y += W x + b; four rows at a time, so that x is loaded once for them; b may be absent */
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

static void bend(REAL *x, int64_t count) {
    for (int64_t i = 0; i < count; i++) x[i] = x[i] * (REAL)0.5 * (1 + erf(x[i] * (REAL)0.70710678118654752440));
}

/* one head: q (d), keys and values (M, d), to out (d); `shown` may be absent */
static void attend(const REAL *q, const REAL *keys, const REAL *values, const REAL *shown, REAL *scores, REAL *out,
                   int64_t M, int64_t d) {
    const REAL scale = 1 / sqrt((REAL)d);
    multiply(keys, 0, q, scores, M, d, 0);
    REAL highest = HIDDEN, total = 0;
    for (int64_t m = 0; m < M; m++) {
        scores[m] = shown && shown[m] < 0 ? HIDDEN : scores[m] * scale;
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

/* the rest of a layer for one token, whose query is `q` (D) and which stands in `x` (D) */
static void finish(const Model *model, const Layer *layer, const REAL *q, const REAL *shown, int64_t shown_stride,
                   int64_t held, REAL *x, REAL *room) {
    const int64_t D = model->width, d = D / model->heads;
    REAL *normed = room, *attended = normed + D, *up = attended + D, *scores = up + 4 * D;
    for (int64_t h = 0, past = 0; h < model->heads; h++, past += model->capacity * d)
        attend(q + h * d, layer->keys + past, layer->values + past, shown ? shown + h * shown_stride : 0, scores,
               attended + h * d, held, d);
    multiply(layer->proj, layer->proj_bias, attended, x, D, D, 1);
    normalise(x, layer->norm2, layer->norm2_bias, normed, D);
    multiply(layer->up, layer->up_bias, normed, up, 4 * D, D, 0);
    bend(up, 4 * D);
    multiply(layer->down, layer->down_bias, up, x, D, 4 * D, 1);
}

static void predict(const Model *model, const REAL *x, REAL *room, REAL *logits) {
    normalise(x, model->norm, model->norm_bias, room, model->width);
    multiply(model->head, 0, room, logits, model->logits, model->width, 0);
}

static int missing(const Model *model, int64_t token, int64_t position) {
    return token < 0 || token >= model->vocabulary || position < 0 || position >= model->positions;
}

/* read `token` at `position` into slot `held - 1`; logits (V) of what comes next. 1 if one of the three is missing */
static int step(const Model *model, int64_t token, int64_t position, int64_t held, REAL *logits) {
    const int64_t D = model->width, d = D / model->heads;
    REAL *x = model->room, *qkv = x + D, *rest = qkv + 3 * D;
    if (missing(model, token, position) || held < 1 || held > model->capacity) return 1;
    for (int64_t i = 0; i < D; i++) x[i] = model->token_rows[token * D + i] + model->position_rows[position * D + i];
    for (const Layer *layer = model->layer; layer < model->layer + model->layers; layer++) {
        normalise(x, layer->norm1, layer->norm1_bias, rest, D);
        multiply(layer->qkv, layer->qkv_bias, rest, qkv, 3 * D, D, 0);
        for (int64_t h = 0; h < model->heads; h++) {
            const int64_t slot = (h * model->capacity + held - 1) * d;
            memcpy(layer->keys + slot, qkv + D + h * d, d * sizeof(REAL));
            memcpy(layer->values + slot, qkv + 2 * D + h * d, d * sizeof(REAL));
        }
        finish(model, layer, qkv, model->shown, model->shown_stride, held, x, rest);
    }
    predict(model, x, rest, logits);
    return 0;
}

int read_token(const Model *model, int64_t token, int64_t position, int64_t held, REAL *logits) {
    return step(model, token, position, held, logits); /* by a name of its own, for C libraries know a `step` as well */
}

/* some rows of `multiply_tile`; `rows` is known when this is compiled, so that the sums stay in registers */
static inline __attribute__((always_inline)) void multiply_rows(const int rows, const REAL *W, int64_t down,
                                                                int64_t right, const REAL *b, const REAL *x, REAL *y,
                                                                int64_t D, int add) {
    Vector sums[ROWS][PARTS] = {0};
    for (int64_t i = 0; i < D; i++, x += T, W += right)
        for (int r = 0; r < rows; r++)
            for (int p = 0; p < PARTS; p++) sums[r][p] += W[r * down] * ((const Vector *)x)[p];
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < PARTS; p++) {
            Vector *to = (Vector *)(y + r * T) + p;
            *to = sums[r][p] + (b ? b[r] : 0) + (add ? *to : (Vector){0});
        }
}

/* y (E, T) = W x + b, or y += W x + b, of a tile x (D, T); W[e, i] lies at e * down + i * right */
static void multiply_tile(const REAL *W, int64_t down, int64_t right, const REAL *b, const REAL *x, REAL *y, int64_t E,
                          int64_t D, int add) {
    int64_t e = 0;
    for (; e + ROWS <= E; e += ROWS)
        multiply_rows(ROWS, W + e * down, down, right, b ? b + e : 0, x, y + e * T, D, add);
    for (; e < E; e++) multiply_rows(1, W + e * down, down, right, b ? b + e : 0, x, y + e * T, D, add);
}

static void normalise_tile(const REAL *x, const REAL *weight, const REAL *bias, REAL *y, int64_t D) {
    REAL mean[T], scale[T];
    for (int t = 0; t < T; t++) mean[t] = scale[t] = 0;
    for (int64_t i = 0; i < D; i++)
        for (int t = 0; t < T; t++) mean[t] += x[i * T + t];
    for (int t = 0; t < T; t++) mean[t] /= D;
    for (int64_t i = 0; i < D; i++)
        for (int t = 0; t < T; t++) scale[t] += (x[i * T + t] - mean[t]) * (x[i * T + t] - mean[t]);
    for (int t = 0; t < T; t++) scale[t] = 1 / sqrt(scale[t] / D + (REAL)1e-5);
    for (int64_t i = 0; i < D; i++)
        for (int t = 0; t < T; t++) y[i * T + t] = (x[i * T + t] - mean[t]) * scale[t] * weight[i] + bias[i];
}

/* one head for a tile of queries: q (d, T), keys and values (M, d), sight (M, T), to out (d, T) */
static void attend_tile(const REAL *q, const REAL *keys, const REAL *values, const REAL *sight, REAL *scores, REAL *out,
                        int64_t M, int64_t d) {
    const REAL scale = 1 / sqrt((REAL)d);
    REAL highest[T], total[T];
    for (int t = 0; t < T; t++) highest[t] = HIDDEN, total[t] = 0;
    multiply_tile(keys, d, 1, 0, q, scores, M, d, 0);
    for (int64_t m = 0; m < M; m++)
        for (int t = 0; t < T; t++) {
            scores[m * T + t] = scores[m * T + t] * scale + sight[m * T + t];
            highest[t] = scores[m * T + t] > highest[t] ? scores[m * T + t] : highest[t];
        }
    for (int64_t m = 0; m < M; m++)
        for (int t = 0; t < T; t++) {
            scores[m * T + t] = exp(scores[m * T + t] - highest[t]);
            total[t] += scores[m * T + t];
        }
    multiply_tile(values, 1, d, 0, scores, out, d, M, 0);
    for (int64_t i = 0; i < d; i++)
        for (int t = 0; t < T; t++) out[i * T + t] /= total[t];
}

/* who of a tile sees whom, (N, T): 0 or HIDDEN; `mask` (N, N), or absent: nobody sees what comes later */
static void look(const uint8_t *mask, int64_t first, int64_t N, REAL *sight) {
    for (int64_t m = 0; m < N; m++)
        for (int64_t t = 0, n = first; t < T; t++, n += n < N - 1) /* some are not there, and see what they like */
            sight[m * T + t] = (mask ? mask[n * N + m] : m <= n) ? 0 : HIDDEN;
}

/* a tile of keys or of values (D, T) to its place in the cache (heads, capacity, d) */
static void keep_tile(const REAL *tile, REAL *cache, int64_t first, int64_t N, int64_t D, int64_t d, int64_t capacity) {
    for (int64_t start = 0; start < D; start += d, cache += capacity * d)
        for (int64_t t = 0; t < T && first + t < N; t++)
            for (int64_t i = 0; i < d; i++) cache[(first + t) * d + i] = tile[(start + i) * T + t];
}

/* forget all and read N tokens at their positions; logits (V) of what comes after the speaker. In the last layer only
   the speaker has a query: by `mask` (N, N), or absent, it sees all. 1 if there is no such token, place or speaker */
int read_prefix(const Model *model, const int64_t *tokens, const int64_t *positions, int64_t N, const uint8_t *mask,
                int64_t speaker, REAL *logits) {
    const int64_t D = model->width, d = D / model->heads, tiles = tiles_of(N), capacity = model->capacity;
    const Layer *final = model->layer + model->layers - 1;
    if (N < 1 || N > capacity || speaker < 0 || speaker >= N) return 1;
    for (int64_t n = 0; n < N; n++)
        if (missing(model, tokens[n], positions[n])) return 1;
    REAL *x = model->room, *q = x + tiles * D * T, *normed = q + tiles * D * T, *attended = normed + D * T;
    REAL *up = attended + D * T, *kv = up, *scores = up + 4 * D * T, *sight = scores + capacity * T;
    REAL *own = sight + tiles * T * N, *query = own + D, *rest = query + D, *seen = q; /* of the speaker */
    memset(x, 0, tiles * D * T * sizeof(REAL));
    for (int64_t n = 0; n < N; n++) {
        const REAL *token = model->token_rows + tokens[n] * D, *position = model->position_rows + positions[n] * D;
        for (int64_t i = 0; i < D; i++) x[(n / T * D + i) * T + n % T] = token[i] + position[i];
    }
    for (int64_t tile = 0; tile < tiles; tile++) look(mask, tile * T, N, sight + tile * N * T);
    for (const Layer *layer = model->layer; layer <= final; layer++) {
        for (int64_t tile = 0; tile < tiles; tile++) {
            normalise_tile(x + tile * D * T, layer->norm1, layer->norm1_bias, normed, D);
            if (layer < final) multiply_tile(layer->qkv, D, 1, layer->qkv_bias, normed, q + tile * D * T, D, D, 0);
            multiply_tile(layer->qkv + D * D, D, 1, layer->qkv_bias + D, normed, kv, 2 * D, D, 0);
            keep_tile(kv, layer->keys, tile * T, N, D, d, capacity);
            keep_tile(kv + D * T, layer->values, tile * T, N, D, d, capacity);
        }
        for (int64_t tile = 0; tile < tiles && layer < final; tile++) {
            const int64_t M = mask || (tile + 1) * T > N ? N : (tile + 1) * T;
            REAL *of = x + tile * D * T;
            for (int64_t h = 0, past = 0; h < model->heads; h++, past += capacity * d)
                attend_tile(q + (tile * D + h * d) * T, layer->keys + past, layer->values + past, sight + tile * N * T,
                            scores, attended + h * d * T, M, d);
            multiply_tile(layer->proj, D, 1, layer->proj_bias, attended, of, D, D, 1);
            normalise_tile(of, layer->norm2, layer->norm2_bias, normed, D);
            multiply_tile(layer->up, D, 1, layer->up_bias, normed, up, 4 * D, D, 0);
            bend(up, 4 * D * T);
            multiply_tile(layer->down, 4 * D, 1, layer->down_bias, up, of, D, 4 * D, 1);
        }
    }
    for (int64_t i = 0; i < D; i++) own[i] = x[(speaker / T * D + i) * T + speaker % T];
    for (int64_t m = 0; m < N; m++) seen[m] = sight[(speaker / T * N + m) * T + speaker % T];
    normalise(own, final->norm1, final->norm1_bias, rest, D);
    multiply(final->qkv, final->qkv_bias, rest, query, D, D, 0);
    finish(model, final, query, mask ? seen : 0, 0, N, own, rest);
    predict(model, own, rest, logits);
    return 0;
}

static int all_finite(const REAL *x, int64_t count) {
    int strange = 0;
    for (int64_t i = 0; i < count; i++) { /* by the bits of the exponent: -ffast-math believes that all is finite */
        uint64_t wide = 0;
        uint32_t narrow = 0;
        if (sizeof(REAL) == 8) memcpy(&wide, x + i, sizeof(REAL));
        else memcpy(&narrow, x + i, sizeof(narrow));
        strange |= (wide & 0x7ff0000000000000) == 0x7ff0000000000000 || (narrow & 0x7f800000) == 0x7f800000;
    }
    return !strange;
}

/* the k-th largest of x, which is left in another order (Hoare's selection) */
static REAL kth_largest(REAL *x, int64_t k, int64_t count) {
    int64_t low = 0, high = count - 1, place = k - 1;
    while (low < high) {
        const REAL pivot = x[place];
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i] > pivot) i++;
            while (x[j] < pivot) j--;
            if (i > j) break;
            const REAL other = x[i];
            x[i++] = x[j];
            x[j--] = other;
        }
        if (j < place) low = i;
        if (place < i) high = j;
    }
    return x[place];
}

/* `filters.Filters.draw`: argmax of p / noise among those that may be drawn. The nucleus need not be found: who wins
   against all is in it unless the likelier ones weigh more than top_p, and if he is not, nobody below him is. */
static int64_t draw(const REAL *logits, const REAL *noise, int64_t V, const Filters *filters, REAL *chances,
                    REAL *shares) {
    const REAL warmth = filters->temperature;
    const int cut = filters->top_k < V;
    REAL highest = logits[0], total = 0;
    for (int64_t v = 0; v < V; v++) highest = logits[v] > highest ? logits[v] : highest;
    memcpy(shares, logits, V * sizeof(REAL));
    const REAL lowest = cut ? kth_largest(shares, filters->top_k, V) : 0;
    for (int64_t v = 0; v < V; v++) {
        chances[v] = cut && logits[v] < lowest ? 0 : exp((logits[v] - highest) / warmth);
        shares[v] = chances[v] / noise[v];
        total += chances[v];
    }
    for (int64_t turn = 0;; turn++) {
        REAL best = 0, likelier = 0;
        int64_t winner = 0;
        for (int64_t v = 0; v < V; v++) best = shares[v] > best ? shares[v] : best;
        while (winner < V - 1 && shares[winner] < best) winner++;
        const REAL reached = logits[winner];
        for (int64_t v = 0; v < V; v++) likelier += logits[v] > reached ? chances[v] : 0;
        if (filters->top_p >= 1 || likelier <= filters->top_p * total || turn == V) return winner;
        for (int64_t v = 0; v < V; v++) shares[v] = logits[v] > reached ? shares[v] : 0;
    }
}

/* draw `count` tokens of the joint vocabulary, each with its `noise` (count, V), from `logits` on; all but the last are
   read, from `position` and slot `held` on. `seen` (frames, count), in a row: what the penalty is for. 1 if
   something is missing that is to be read, 2 if logits are not finite */
int generate(const Model *model, REAL *logits, int64_t count, const Filters *filters, const REAL *noise,
             const int64_t *seen, int64_t all_seen, int64_t position, int64_t held, int64_t *tokens) {
    const int64_t V = model->logits;
    REAL *chances = model->room + 10 * model->width + model->capacity, *shares = chances + V;
    for (int64_t i = 0; i < all_seen; i++)
        if (seen[i] < 0 || seen[i] >= V) return 1;
    for (int64_t place = 0; place < count; place++) {
        if (place > 0 && step(model, tokens[place - 1], position + place - 1, held + place, logits)) return 1;
        if (!all_finite(logits, V)) return 2;
        for (int64_t i = place; i < all_seen; i += count) logits[seen[i]] -= filters->penalty;
        tokens[place] = model->first_token + draw(logits, noise + place * V, V, filters, chances, shares);
    }
    return 0;
}
