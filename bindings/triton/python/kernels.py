"""Small Triton kernels whose machine code the virtual MI355X is tried on.

Each is written for this purpose: as short as it can be while it makes Triton's gfx950 back end use one thing that
matters (masks, reductions, matrix instructions of each format, LDS, lane permutations, conversions).
Matrices are row-major unless a stride argument says otherwise.
"""

import triton
import triton.language as tl


@triton.jit
def vector_add(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    """out[i] = x[i] + y[i], f32."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    tl.store(out_ptr + at, tl.load(x_ptr + at, mask=mask) + tl.load(y_ptr + at, mask=mask), mask=mask)


@triton.jit
def row_sum(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    """out[row] = sum of x[row, :], f32; one program a row."""
    row = tl.program_id(0)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        total += tl.load(x_ptr + row * columns + at, mask=at < columns, other=0.0)
    tl.store(out_ptr + row, tl.sum(total, axis=0))


@triton.jit
def atomic_histogram(x_ptr, out_ptr, n, BLOCK: tl.constexpr, BINS: tl.constexpr):
    """out[b] += number of i with x[i] == b, i32, of every program."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    counts = tl.histogram(tl.load(x_ptr + at, mask=mask, other=0), BINS, mask=mask)
    tl.atomic_add(out_ptr + tl.arange(0, BINS), counts)


@triton.jit
def softmax(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    """out[row, :] = softmax(x[row, :]), f32; one program a row, columns <= BLOCK."""
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < columns
    x = tl.load(x_ptr + row * columns + at, mask=mask, other=float("-inf"))
    e = tl.exp(x - tl.max(x, axis=0))
    tl.store(out_ptr + row * columns + at, e / tl.sum(e, axis=0), mask=mask)


@triton.jit
def scan(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    """out[row, :] = inclusive prefix sums of x[row, :], i32 that wraps; columns <= BLOCK."""
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < columns
    x = tl.load(x_ptr + row * columns + at, mask=mask, other=0)
    tl.store(out_ptr + row * columns + at, tl.cumsum(x, axis=0), mask=mask)


@triton.jit
def sort(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    """out[row, :] = x[row, :] in ascending order, f32 without NaN; columns <= BLOCK."""
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < columns
    x = tl.load(x_ptr + row * columns + at, mask=mask, other=float("inf"))
    tl.store(out_ptr + row * columns + at, tl.sort(x), mask=mask)


@triton.jit
def gemm(a_ptr, b_ptr, c_ptr, m, n, k, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    """C[m, n] = A[m, k] @ B[n, k]^T; any element type of A and B, sums in f32 and C in bf16 or f32; of i8, in i32."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros((BM, BN), tl.int32 if a_ptr.dtype.element_ty == tl.int8 else tl.float32)
    for start in range(0, k, BK):
        at = start + tl.arange(0, BK)
        a = tl.load(
            a_ptr + rows[:, None] * k + at[None, :],
            mask=(rows[:, None] < m) & (at[None, :] < k),
            other=0.0,
        )
        b = tl.load(
            b_ptr + columns[None, :] * k + at[:, None],
            mask=(columns[None, :] < n) & (at[:, None] < k),
            other=0.0,
        )
        acc = tl.dot(a, b, acc)
    mask = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(c_ptr + rows[:, None] * n + columns[None, :], acc.to(c_ptr.dtype.element_ty), mask=mask)


@triton.jit
def mxfp4_gemm(
    a_ptr, a_scale_ptr, b_ptr, b_scale_ptr, c_ptr, m, n, k,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):
    """C[m, n] = A @ B^T, bf16; A[m, k/2], B[n, k/2] bytes of two e2m1, scales [m, k/32], [n, k/32] E8M0.

    k is a multiple of BK; rows and columns have tails.
    """
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros((BM, BN), tl.float32)
    for start in range(0, k, BK):
        at = start // 2 + tl.arange(0, BK // 2)
        group = start // 32 + tl.arange(0, BK // 32)
        a = tl.load(a_ptr + rows[:, None] * (k // 2) + at[None, :], mask=rows[:, None] < m, other=0)
        b = tl.load(b_ptr + columns[None, :] * (k // 2) + at[:, None], mask=columns[None, :] < n, other=0)
        a_scale = tl.load(
            a_scale_ptr + rows[:, None] * (k // 32) + group[None, :], mask=rows[:, None] < m, other=127
        )
        b_scale = tl.load(
            b_scale_ptr + columns[:, None] * (k // 32) + group[None, :], mask=columns[:, None] < n, other=127
        )
        acc = tl.dot_scaled(a, a_scale, "e2m1", b, b_scale, "e2m1", acc)
    mask = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(c_ptr + rows[:, None] * n + columns[None, :], acc.to(tl.bfloat16), mask=mask)


@triton.jit
def mxfp8_gemm(
    a_ptr, a_scale_ptr, b_ptr, b_scale_ptr, c_ptr, m, n, k,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, B_PACK: tl.constexpr,
):
    """As mxfp4_gemm with A[m, k] in e4m3 bytes, B in e4m3 too when B_PACK is 1 and in pairs of e2m1 when it is 2."""
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros((BM, BN), tl.float32)
    for start in range(0, k, BK):
        at = start + tl.arange(0, BK)
        b_at = start // B_PACK + tl.arange(0, BK // B_PACK)
        group = start // 32 + tl.arange(0, BK // 32)
        a = tl.load(a_ptr + rows[:, None] * k + at[None, :], mask=rows[:, None] < m, other=0)
        b = tl.load(b_ptr + columns[None, :] * (k // B_PACK) + b_at[:, None], mask=columns[None, :] < n, other=0)
        a_scale = tl.load(
            a_scale_ptr + rows[:, None] * (k // 32) + group[None, :], mask=rows[:, None] < m, other=127
        )
        b_scale = tl.load(
            b_scale_ptr + columns[:, None] * (k // 32) + group[None, :], mask=columns[:, None] < n, other=127
        )
        if B_PACK == 2:
            acc = tl.dot_scaled(a, a_scale, "e4m3", b, b_scale, "e2m1", acc)
        else:
            acc = tl.dot_scaled(a, a_scale, "e4m3", b, b_scale, "e4m3", acc)
    mask = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(c_ptr + rows[:, None] * n + columns[None, :], acc.to(tl.bfloat16), mask=mask)


@triton.jit
def attention(
    q_ptr, k_ptr, v_ptr, out_ptr, queries, keys, scale,
    D: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, CAUSAL: tl.constexpr,
):
    """out[h, q, :] = softmax(scale * Q K^T) V of each head, bf16; grid (tiles of queries, heads).

    When CAUSAL, query q sees keys 0 ..= q. The row sums are of the unrounded weights, the product takes bf16 ones.
    """
    head = tl.program_id(1)
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    d = tl.arange(0, D)
    q = tl.load(
        q_ptr + (head * queries + rows[:, None]) * D + d[None, :], mask=rows[:, None] < queries, other=0.0
    )
    top = tl.full((BM,), float("-inf"), tl.float32)
    total = tl.zeros((BM,), tl.float32)
    acc = tl.zeros((BM, D), tl.float32)
    last = keys
    if CAUSAL:
        last = tl.minimum(keys, (tl.program_id(0) + 1) * BM)
    for start in range(0, last, BN):
        at = start + tl.arange(0, BN)
        k = tl.load(k_ptr + (head * keys + at[None, :]) * D + d[:, None], mask=at[None, :] < keys, other=0.0)
        v = tl.load(v_ptr + (head * keys + at[:, None]) * D + d[None, :], mask=at[:, None] < keys, other=0.0)
        seen = at[None, :] < keys
        if CAUSAL:
            seen = seen & (at[None, :] <= rows[:, None])
        s = tl.where(seen, tl.dot(q, k) * scale, float("-inf"))
        new_top = tl.maximum(top, tl.max(s, axis=1))
        p = tl.exp(s - new_top[:, None])
        shrink = tl.exp(top - new_top)
        total = total * shrink + tl.sum(p, axis=1)
        acc = tl.dot(p.to(tl.bfloat16), v, acc * shrink[:, None])
        top = new_top
    out = (acc / total[:, None]).to(tl.bfloat16)
    tl.store(out_ptr + (head * queries + rows[:, None]) * D + d[None, :], out, mask=rows[:, None] < queries)


@triton.jit
def fp8_quantise(x_ptr, out_ptr, scale_ptr, columns, BLOCK: tl.constexpr):
    """One program a row, columns <= BLOCK: scale = amax / 448 (1 for a row of zeros), out = e4m3(x / scale)."""
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < columns
    x = tl.load(x_ptr + row * columns + at, mask=mask, other=0.0).to(tl.float32)
    amax = tl.max(tl.abs(x), axis=0)
    scale = tl.where(amax > 0.0, amax / 448.0, 1.0)
    y = tl.minimum(tl.maximum(x / scale, -448.0), 448.0)
    tl.store(out_ptr + row * columns + at, y.to(tl.float8e4nv), mask=mask)
    tl.store(scale_ptr + row, scale)


@triton.jit
def mxfp4_quantise(x_ptr, out_ptr, scale_ptr, groups, BLOCK: tl.constexpr):
    """Groups of 32 bf16 to 16 bytes of e2m1 and one E8M0 scale, with integer arithmetic only.

    scale exponent = floor(log2(amax)) - 2, at least -127; codes round to nearest, ties to even, and saturate.
    """
    group = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    at = group[:, None] * 32 + tl.arange(0, 32)[None, :]
    mask = group[:, None] < groups
    x = tl.load(x_ptr + at, mask=mask, other=0.0).to(tl.float32)
    amax = tl.max(tl.abs(x), axis=1)
    exponent = tl.maximum((amax.to(tl.int32, bitcast=True) >> 23) - 2, 0)
    # 2^(127 - exponent), whose field is 254 - exponent: exact for every exponent up to 253.
    y = x * ((254 - exponent) << 23).to(tl.float32, bitcast=True)[:, None]
    size = tl.abs(y)
    # Step of the e2m1 grid around |y|: 0.5 below 2, 1 below 4, else 2. Adding 1.5 * 2^23 steps rounds to it.
    step = tl.where(size < 2.0, 0.5, tl.where(size < 4.0, 1.0, 2.0))
    magic = step * 12582912.0
    rounded = tl.minimum((size + magic) - magic, 6.0)
    # 0 .5 1 1.5 2 3 4 6 are the codes 0 to 7.
    code = tl.where(rounded <= 2.0, rounded * 2.0, tl.where(rounded <= 4.0, rounded + 2.0, 7.0)).to(tl.int32)
    code = code | ((x.to(tl.int32, bitcast=True) >> 28) & 8)
    low, high = tl.split(tl.reshape(code, (BLOCK, 16, 2)))
    out_at = group[:, None] * 16 + tl.arange(0, 16)[None, :]
    tl.store(out_ptr + out_at, (low | (high << 4)).to(tl.uint8), mask=mask)
    tl.store(scale_ptr + group, exponent.to(tl.uint8), mask=group < groups)
