"""Line integrals through a scene along the rays of a cone beam, compiled by numba.

Columns of the arrays are documented in `solids.py` (primitives P, bones B, soft tissue S) and
`scene.py` (fractures F, lesions L). N is the noise volume, and A and C are buffers for indices.
Without fast-math, equal scenes give equal bytes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_EDGE = 0.35
# Calls cost more than most of these functions, since numba counts references to arrays.
_njit_inlined = njit(error_model="numpy", forceinline=True)


@_njit_inlined
def _primitive_distance(P, i, x, y, z):  # type: ignore[no-untyped-def]
    """Return the signed distance to primitive i, an ellipsoid or a round cone."""
    dx, dy, dz = x - P[i, 0], y - P[i, 1], z - P[i, 2]
    lx = P[i, 3] * dx + P[i, 4] * dy + P[i, 5] * dz
    ly = P[i, 6] * dx + P[i, 7] * dy + P[i, 8] * dz
    lz = P[i, 9] * dx + P[i, 10] * dy + P[i, 11] * dz
    half, r0, r1 = P[i, 12], P[i, 13], P[i, 14]
    q2 = lx * lx + lz * lz
    if half <= 0.0:
        return (math.sqrt(q2 + ly * ly) - r0) * P[i, 15]
    q, a, b = math.sqrt(q2), P[i, 20], P[i, 21]
    y0 = ly + half
    k = a * y0 - b * q
    if k < 0:
        d = math.sqrt(q2 + y0 * y0) - r0
    elif k > 2 * a * half:
        d = math.sqrt(q2 + (y0 - 2 * half) * (y0 - 2 * half)) - r1
    else:
        d = q * a + y0 * b - r0
    return d * P[i, 15]


@_njit_inlined
def solid_distance(P, A, n, x, y, z):  # type: ignore[no-untyped-def]
    """Return the signed distance, outside a lower bound of it, to the n primitives listed in A."""
    d = 1e9
    for j in range(n):
        i = A[j]
        e = _primitive_distance(P, i, x, y, z)
        k = P[i, 17]
        sign = 1.0
        if P[i, 16] == 1:
            e, d, sign = e, -d, -1.0
        # Polynomial smooth minimum (Quilez); a cut is the negated join of the negated solid.
        h = k - abs(d - e)
        d = sign * (min(d, e) - (h * h / (4 * k) if h > 0 else 0.0))
    return d


@_njit_inlined
def _near(P, first, count, ox, oy, oz, dx, dy, dz, A):  # type: ignore[no-untyped-def]
    """List in A the primitives within reach of the ray o + t d.

    Returns their number and the range of t in which the ray may be inside, empty if the first is
    larger. The reach is compared with the distance between the ray and the primitive's axis.
    """
    n, enter, leave = 0, 1e9, -1e9
    for i in range(first, first + count):
        ax, ay, az = P[i, 0] - ox, P[i, 1] - oy, P[i, 2] - oz
        t = ax * dx + ay * dy + az * dz
        ux, uy, uz, half = P[i, 6], P[i, 7], P[i, 8], max(0.0, P[i, 12])
        slope = ux * dx + uy * dy + uz * dz
        px, py, pz = ax - t * dx, ay - t * dy, az - t * dz
        if half > 0.0:
            vx, vy, vz = ux - slope * dx, uy - slope * dy, uz - slope * dz
            v2 = max(vx * vx + vy * vy + vz * vz, 1e-12)
            s = max(-half, min(half, -(px * vx + py * vy + pz * vz) / v2))
            px, py, pz = px + s * vx, py + s * vy, pz + s * vz
        reach = P[i, 18]
        miss2 = px * px + py * py + pz * pz
        if miss2 < reach * reach:
            A[n] = i
            n += 1
            chord2 = P[i, 19] * P[i, 19] - miss2
            if P[i, 16] == 0 and chord2 > 0.0:
                far = half * abs(slope) + math.sqrt(chord2)
                enter, leave = min(enter, t - far), max(leave, t + far)
    return n, enter, leave


@_njit_inlined
def _noise(N, x, y, z, f):  # type: ignore[no-untyped-def]
    n = N.shape[0] - 1
    return N[int(math.floor(x * f)) & n, int(math.floor(y * f)) & n, int(math.floor(z * f)) & n]


@_njit_inlined
def _density(B, b, N, L, d, x, y, z, soft):  # type: ignore[no-untyped-def]
    """Return the attenuation above soft tissue at (x, y, z), at signed distance d of bone b."""
    edge = max(0.0, min(1.0, (_EDGE - d) / (2 * _EDGE)))
    if B[b, 8] == 1:
        return (B[b, 3] - soft) * edge
    middle = 0.0
    if B[b, 10] > B[b, 9]:
        t = (y - B[b, 9]) / (B[b, 10] - B[b, 9])
        if 0 < t < 1:
            middle = min(1.0, 4 * min(t, 1 - t))
    cortex = B[b, 2] * (0.45 + 0.75 * middle)
    w = max(0.0, min(1.0, (-d - cortex) / (0.5 + 0.4 * cortex)))
    inner = B[b, 4] * (1 - 0.45 * middle) + B[b, 5] * _noise(N, x, y * 0.6, z, 1.6)
    mu = B[b, 3] * (1 - w) + max(soft, inner) * w
    i = int(B[b, 7])
    if i >= 0:
        mu = _with_lesion(L, i, N, mu, x, y, z, soft)
    return (mu - soft) * edge


@_njit_inlined
def _lesion_r2(L, i, x, y, z):  # type: ignore[no-untyped-def]
    """Return the squared distance from the centre of lesion i in units of its semi-axes."""
    dx, dy, dz = (x - L[i, 0]) / L[i, 3], (y - L[i, 1]) / L[i, 4], (z - L[i, 2]) / L[i, 5]
    return dx * dx + dy * dy + dz * dz


@_njit_inlined
def _with_lesion(L, i, N, mu, x, y, z, soft):  # type: ignore[no-untyped-def]
    r = math.sqrt(_lesion_r2(L, i, x, y, z)) + 0.12 * _noise(N, x, y, z, 0.35)
    g = max(0.0, min(1.0, (1 - r) / L[i, 8] + 0.5))
    if L[i, 6] > 0:
        return mu * (1 - g * L[i, 6]) + soft * g * L[i, 6]
    return mu + g * L[i, 7]


@_njit_inlined
def _rough(N, F, i, x, y, z):  # type: ignore[no-untyped-def]
    f = F[i, 8]
    return F[i, 7] * (_noise(N, x, y, z, f) + 0.4 * _noise(N, z, x, y, 3 * f))


@_njit_inlined
def _in_ball(B, b, x, y, z):  # type: ignore[no-untyped-def]
    x, y, z = x - B[b, 24], y - B[b, 25], z - B[b, 26]
    return x * x + y * y + z * z < B[b, 27] * B[b, 27]


@_njit_inlined
def _bone_path(P, A, B, b, L, N, q, e, soft, step):  # type: ignore[no-untyped-def]
    """Return line integral and marked length of the ray q + t e through an unbroken bone b."""
    n, t, end = _near(P, int(B[b, 0]), int(B[b, 1]), q[0], q[1], q[2], e[0], e[1], e[2], A)
    # Deeper than this there is only marrow, and a bound of the distance is enough: per step the
    # distance changes by a step at most.
    deep, d, lesion = -(0.5 + 1.68 * B[b, 2]), 0.0, int(B[b, 7])
    total, marked = 0.0, 0.0
    while t < end:
        d += step
        x, y, z = q[0] + e[0] * t, q[1] + e[1] * t, q[2] + e[2] * t
        if lesion >= 0 or d >= deep:
            d = solid_distance(P, A, n, x, y, z)
        if d > _EDGE:
            t += max(d - 0.3, 0.5 * step)
            continue
        total += step * _density(B, b, N, L, d, x, y, z, soft)
        inside = B[b, 11] == 1 or (B[b, 27] > 0 and _in_ball(B, b, x, y, z))
        if inside or (lesion >= 0 and _lesion_r2(L, lesion, x, y, z) < 1):
            marked += step
        t += step
    return total, marked


@_njit_inlined
def _broken_path(P, A, C, B, b, F, L, N, q, e, soft, step):  # type: ignore[no-untyped-def]
    """Like `_bone_path`, for a bone with one fragment that stays and one that is moved rigidly.

    The moved fragment is sampled along the ray moved back, q2 + t e2. Both are added, so that
    impacted fragments overlap in a dense band and distracted ones leave a gap. Far beyond the
    plane of the fracture a fragment has no parts, and the distance to the plane is a bound.
    """
    i, first, count = int(B[b, 6]), int(B[b, 0]), int(B[b, 1])
    q2, e2 = np.empty(3), np.empty(3)
    s0, s1, m0, m1 = _moved_back(F, i, q, e, q2, e2)
    n1, t1, end1 = _near(P, first, count, q[0], q[1], q[2], e[0], e[1], e[2], A)
    n2, t2, end2 = _near(P, first, count, q2[0], q2[1], q2[2], e2[0], e2[1], e2[2], C)
    t, end = min(t1, t2), max(end1, end2)
    half, rim = 0.5 * F[i, 6], 0.5 * F[i, 6] + F[i, 21]
    margin = rim + 2.0 + 7.0 * F[i, 7]
    total, marked = 0.0, 0.0
    while t < end:
        mu, inside, s, m = 0.0, False, s0 + s1 * t, m0 + m1 * t
        d1, d2 = max(_EDGE + 0.1, -s - margin), max(_EDGE + 0.1, m - margin)
        if s > -margin:
            x, y, z = q[0] + e[0] * t, q[1] + e[1] * t, q[2] + e[2] * t
            s += _rough(N, F, i, x, y, z)
            d1 = solid_distance(P, A, n1, x, y, z)
            mu += _fragment(B, b, N, L, s - half, d1, x, y, z, soft)
            inside = abs(s) < rim and d1 < _EDGE
        if m < margin:
            x, y, z = q2[0] + e2[0] * t, q2[1] + e2[1] * t, q2[2] + e2[2] * t
            m += _rough(N, F, i, x, y, z)
            d2 = solid_distance(P, C, n2, x, y, z)
            mu += _fragment(B, b, N, L, -m - half, d2, x, y, z, soft)
            inside = inside or (abs(m) < rim and d2 < _EDGE)
        d = min(d1, d2)
        if d > _EDGE:
            t += max(d - 0.3, 0.5 * step)
            continue
        total += mu * step
        if inside:
            marked += step
        t += step
    return total, marked


@_njit_inlined
def _fragment(B, b, N, L, beyond, d, x, y, z, soft):  # type: ignore[no-untyped-def]
    """Return the `_density` of a fragment, `beyond` mm from its broken surface."""
    g = min(1.0, beyond / 0.25 + 0.5)
    return g * _density(B, b, N, L, d, x, y, z, soft) if g > 0 else 0.0


@_njit_inlined
def _moved_back(F, i, q, e, q2, e2):  # type: ignore[no-untyped-def]
    """Fill the ray q2 + t e2 that meets the moved fragment of fracture i where it was before.

    Returns s0, s1, m0, m1: the rays' distances from the plane are s0 + s1 t and m0 + m1 t.
    """
    s0, s1, m0, m1 = 0.0, 0.0, 0.0, 0.0
    for k in range(3):
        q2[k], e2[k] = F[i, k], 0.0
        for h in range(3):
            turn = F[i, 9 + 3 * k + h]
            q2[k] += turn * (q[h] - F[i, h] - F[i, 18 + h])
            e2[k] += turn * e[h]
        s0, s1 = s0 + F[i, 3 + k] * (q[k] - F[i, k]), s1 + F[i, 3 + k] * e[k]
        m0, m1 = m0 + F[i, 3 + k] * (q2[k] - F[i, k]), m1 + F[i, 3 + k] * e2[k]
    return s0, s1, m0, m1


@_njit_inlined
def _soft_path(S, A, q, e, t, end, limit):  # type: ignore[no-untyped-def]
    """Return the length of the ray q + t e inside the soft tissue S in mm."""
    length = 0.0
    n, enter, leave = _near(S, 0, S.shape[0], q[0], q[1], q[2], e[0], e[1], e[2], A)
    t, end = max(t, enter), min(end, leave)
    for _ in range(limit):
        if t >= end:
            break
        d = solid_distance(S, A, n, q[0] + e[0] * t, q[1] + e[1] * t, q[2] + e[2] * t)
        if d > 0.8:
            t += max(0.9 * d, 1.0)
        else:
            step = max(-0.8 * d, 0.8)
            length += step * min(1.0, (0.8 - d) / 1.6)
            t += step
    return length


@_njit_inlined
def _aim(B, b, i, j, height, width, beam, q, e):  # type: ignore[no-untyped-def]
    """Fill the ray q + t e, |e| = 1, from the source to pixel (i, j), in the frame of bone b."""
    u = (j + 0.5 - 0.5 * width) * beam[2] + beam[0]
    v = (i + 0.5 - 0.5 * height) * beam[2] + beam[1]
    norm = math.sqrt(u * u + v * v + beam[3] * beam[3])
    for k in range(3):
        q[k] = B[b, 21 + k]
        e[k] = (B[b, 12 + 3 * k] * u + B[b, 13 + 3 * k] * v + B[b, 14 + 3 * k] * beam[3]) / norm


@njit(cache=True, error_model="numpy")
def project(P, B, F, L, N, beam, soft, step, shadows, bone, marked):  # type: ignore[no-untyped-def]
    """Fill bone (H, W), line integrals above soft tissue, and marked (H, W), mm inside findings.

    beam: (4,) offset of the field in x and y, detector pixel, and source to detector, all in mm.
    soft: attenuation of soft tissue in 1/mm. step: mm between samples. shadows: of `shadows`.
    """
    A, C, q, e = np.empty(len(P), np.int64), np.empty(len(P), np.int64), np.empty(3), np.empty(3)
    for b in range(B.shape[0]):
        for i in range(shadows[b, 0], shadows[b, 1]):
            for j in range(shadows[b, 2], shadows[b, 3]):
                _aim(B, b, i, j, bone.shape[0], bone.shape[1], beam, q, e)
                a, m = (
                    _bone_path(P, A, B, b, L, N, q, e, soft, step)
                    if B[b, 6] < 0
                    else _broken_path(P, A, C, B, b, F, L, N, q, e, soft, step)
                )
                bone[i, j] += a
                marked[i, j] += m


@njit(cache=True, error_model="numpy")
def project_soft(S, V, beam, near, far, limit, soft):  # type: ignore[no-untyped-def]
    """Fill soft (H, W), mm of soft tissue from `near` to `far` mm along each ray.

    V: one row like a bone's, of which only view axes and source are read. limit: steps per ray.
    """
    A, q, e = np.empty(S.shape[0], np.int64), np.empty(3), np.empty(3)
    for i in range(soft.shape[0]):
        for j in range(soft.shape[1]):
            _aim(V, 0, i, j, soft.shape[0], soft.shape[1], beam, q, e)
            soft[i, j] = _soft_path(S, A, q, e, near, far, limit)
