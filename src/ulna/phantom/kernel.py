"""Line integrals through a scene along the rays of a cone beam (numba).

The columns of the arrays are named in `solids.py` (primitives, bones) and `scene.py`
(fractures, lesions). No fast-math: the same scene gives the same bytes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_EDGE = 0.35


@njit(cache=True, inline="always")
def _primitive_distance(P, i, x, y, z):  # type: ignore[no-untyped-def]
    """Signed distance to primitive i: a sphere in scaled space, or a round cone."""
    dx, dy, dz = x - P[i, 0], y - P[i, 1], z - P[i, 2]
    lx = P[i, 3] * dx + P[i, 4] * dy + P[i, 5] * dz
    ly = P[i, 6] * dx + P[i, 7] * dy + P[i, 8] * dz
    lz = P[i, 9] * dx + P[i, 10] * dy + P[i, 11] * dz
    half, r0, r1 = P[i, 12], P[i, 13], P[i, 14]
    q2 = lx * lx + lz * lz
    if half <= 0.0:
        return (math.sqrt(q2 + ly * ly) - r0) * P[i, 15]
    q = math.sqrt(q2)
    b = max(-0.999, min(0.999, (r0 - r1) / (2 * half)))
    a = math.sqrt(1 - b * b)
    y0 = ly + half
    k = a * y0 - b * q
    if k < 0:
        d = math.sqrt(q2 + y0 * y0) - r0
    elif k > 2 * a * half:
        d = math.sqrt(q2 + (y0 - 2 * half) * (y0 - 2 * half)) - r1
    else:
        d = q * a + y0 * b - r0
    return d * P[i, 15]


@njit(cache=True)
def solid_distance(P, A, n, x, y, z):  # type: ignore[no-untyped-def]
    """Signed distance (a lower bound outside) to the n primitives that A lists."""
    d = 1e9
    for j in range(n):
        i = A[j]
        e = _primitive_distance(P, i, x, y, z)
        k = P[i, 17]
        sign = 1.0
        if P[i, 16] == 1:
            e, d, sign = e, -d, -1.0
        # polynomial smooth minimum; a cut is the negated join of the negated solid
        h = k - abs(d - e)
        d = min(d, e) - (h * h / (4 * k) if h > 0 else 0.0)
        d *= sign
    return d


@njit(cache=True)
def _near(P, first, count, slack, ox, oy, oz, dx, dy, dz, A):  # type: ignore[no-untyped-def]
    """List in A the primitives whose reach (and slack) the ray o + t d meets; their number."""
    n = 0
    for i in range(first, first + count):
        ax, ay, az = P[i, 0] - ox, P[i, 1] - oy, P[i, 2] - oz
        t = ax * dx + ay * dy + az * dz
        reach = P[i, 18] + slack
        if ax * ax + ay * ay + az * az - t * t < reach * reach:
            A[n] = i
            n += 1
    return n


@njit(cache=True, inline="always")
def _noise(N, x, y, z, f):  # type: ignore[no-untyped-def]
    n = N.shape[0] - 1
    return N[int(math.floor(x * f)) & n, int(math.floor(y * f)) & n, int(math.floor(z * f)) & n]


@njit(cache=True)
def _density(B, b, N, L, d, x, y, z, soft):  # type: ignore[no-untyped-def]
    """Attenuation above that of soft tissue, at signed distance d inside bone b."""
    if d > _EDGE:
        return 0.0
    edge = min(1.0, (_EDGE - d) / (2 * _EDGE))
    if B[b, 12] == 1:
        return (B[b, 7] - soft) * edge
    middle = 0.0
    if B[b, 14] > B[b, 13]:
        t = (y - B[b, 13]) / (B[b, 14] - B[b, 13])
        if 0 < t < 1:
            middle = min(1.0, 4 * min(t, 1 - t))
    cortex = B[b, 6] * (0.45 + 0.75 * middle)
    w = max(0.0, min(1.0, (-d - cortex) / (0.5 + 0.4 * cortex)))
    inner = B[b, 8] * (1 - 0.45 * middle) + B[b, 9] * _noise(N, x, y * 0.6, z, 1.6)
    mu = B[b, 7] * (1 - w) + max(soft, inner) * w
    i = int(B[b, 11])
    if i >= 0:
        mu = _with_lesion(L, i, N, mu, x, y, z, soft)
    return (mu - soft) * edge


@njit(cache=True, inline="always")
def _with_lesion(L, i, N, mu, x, y, z, soft):  # type: ignore[no-untyped-def]
    dx, dy, dz = (x - L[i, 0]) / L[i, 3], (y - L[i, 1]) / L[i, 4], (z - L[i, 2]) / L[i, 5]
    r = math.sqrt(dx * dx + dy * dy + dz * dz) + 0.12 * _noise(N, x, y, z, 0.35)
    g = max(0.0, min(1.0, (1 - r) / L[i, 8] + 0.5))
    if L[i, 6] > 0:
        return mu * (1 - g * L[i, 6]) + soft * g * L[i, 6]
    return mu + g * L[i, 7]


@njit(cache=True, inline="always")
def _rough(N, F, i, x, y, z):  # type: ignore[no-untyped-def]
    f = F[i, 8]
    return F[i, 7] * (_noise(N, x, y, z, f) + 0.4 * _noise(N, z, x, y, 3 * f))


@njit(cache=True)
def _broken(P, A, n, B, b, F, L, N, x, y, z, soft):  # type: ignore[no-untyped-def]
    """Like `_sample` for a bone in two fragments: one stays, one is moved rigidly.

    Both are added, so that impacted fragments overlap into a dense band and distracted ones
    leave a gap.
    """
    i = int(B[b, 10])
    qx, qy, qz = F[i, 0], F[i, 1], F[i, 2]
    nx, ny, nz = F[i, 3], F[i, 4], F[i, 5]
    half = 0.5 * F[i, 6]
    s = (x - qx) * nx + (y - qy) * ny + (z - qz) * nz + _rough(N, F, i, x, y, z)
    d1 = solid_distance(P, A, n, x, y, z)
    ux, uy, uz = x - qx - F[i, 18], y - qy - F[i, 19], z - qz - F[i, 20]
    px = F[i, 9] * ux + F[i, 10] * uy + F[i, 11] * uz + qx
    py = F[i, 12] * ux + F[i, 13] * uy + F[i, 14] * uz + qy
    pz = F[i, 15] * ux + F[i, 16] * uy + F[i, 17] * uz + qz
    m = (px - qx) * nx + (py - qy) * ny + (pz - qz) * nz + _rough(N, F, i, px, py, pz)
    d2 = solid_distance(P, A, n, px, py, pz)
    mu = 0.0
    g = (s - half) / 0.25 + 0.5
    if g > 0 and d1 < _EDGE:
        mu += min(1.0, g) * _density(B, b, N, L, d1, x, y, z, soft)
    g = (-m - half) / 0.25 + 0.5
    if g > 0 and d2 < _EDGE:
        mu += min(1.0, g) * _density(B, b, N, L, d2, px, py, pz, soft)
    rim = half + F[i, 21]
    inside = (abs(s) < rim and d1 < _EDGE) or (abs(m) < rim and d2 < _EDGE)
    return mu, min(d1, d2), 1.0 if inside else 0.0


@njit(cache=True)
def _sample(P, A, n, B, b, F, L, N, x, y, z, soft):  # type: ignore[no-untyped-def]
    """(attenuation above soft tissue, distance bound, 1 where a finding is) in bone b's frame."""
    if B[b, 10] >= 0:
        return _broken(P, A, n, B, b, F, L, N, x, y, z, soft)
    d = solid_distance(P, A, n, x, y, z)
    if d > _EDGE:
        return 0.0, d, 0.0
    marked = B[b, 15]
    i = int(B[b, 11])
    if i >= 0:
        dx, dy, dz = (x - L[i, 0]) / L[i, 3], (y - L[i, 1]) / L[i, 4], (z - L[i, 2]) / L[i, 5]
        if dx * dx + dy * dy + dz * dz < 1:
            marked = 1.0
    return _density(B, b, N, L, d, x, y, z, soft), d, marked


@njit(cache=True)
def _bone_path(P, A, B, b, F, L, N, G, o, r, soft, step):  # type: ignore[no-untyped-def]
    """(line integral, marked length) of the ray o + t r through bone b."""
    # the ray in the bone's own frame: rotation transposed, so distances along it stay
    tx, ty, tz = o[0] - B[b, 25], o[1] - B[b, 26], o[2] - B[b, 27]
    ox = B[b, 16] * tx + B[b, 19] * ty + B[b, 22] * tz
    oy = B[b, 17] * tx + B[b, 20] * ty + B[b, 23] * tz
    oz = B[b, 18] * tx + B[b, 21] * ty + B[b, 24] * tz
    dx = B[b, 16] * r[0] + B[b, 19] * r[1] + B[b, 22] * r[2]
    dy = B[b, 17] * r[0] + B[b, 20] * r[1] + B[b, 23] * r[2]
    dz = B[b, 18] * r[0] + B[b, 21] * r[1] + B[b, 24] * r[2]
    ax, ay, az = B[b, 2] - ox, B[b, 3] - oy, B[b, 4] - oz
    middle = ax * dx + ay * dy + az * dz
    miss2 = ax * ax + ay * ay + az * az - middle * middle
    total, marked = 0.0, 0.0
    if miss2 >= B[b, 5] * B[b, 5]:
        return total, marked
    # a moved fragment is looked up along another ray: take in all that it may reach
    slack = 30.0 if B[b, 10] >= 0 else 0.0
    n = _near(P, int(B[b, 0]), int(B[b, 1]), slack, ox, oy, oz, dx, dy, dz, A)
    if n == 0 or P[A[0], 16] == 1:
        return total, marked
    half = math.sqrt(B[b, 5] * B[b, 5] - miss2)
    t = middle - half
    while t < middle + half:
        mu, d, m = _sample(P, A, n, B, b, F, L, N, ox + dx * t, oy + dy * t, oz + dz * t, soft)
        if d > _EDGE:
            t += max(0.9 * (d - 0.3), 0.5 * step)
            continue
        if G[3] > 0 and m == 0.0:
            gx, gy, gz = o[0] + r[0] * t - G[0], o[1] + r[1] * t - G[1], o[2] + r[2] * t - G[2]
            if gx * gx + gy * gy + gz * gz < G[3] * G[3]:
                m = 1.0
        total += mu * step
        marked += m * step
        t += step
    return total, marked


@njit(cache=True)
def _soft_path(S, A, o, r, t, end):  # type: ignore[no-untyped-def]
    """Length of the ray inside the soft-tissue solid, in mm."""
    length = 0.0
    n = _near(S, 0, S.shape[0], 0.0, o[0], o[1], o[2], r[0], r[1], r[2], A)
    if n == 0:
        return length
    for _ in range(80):
        if t >= end:
            break
        d = solid_distance(S, A, n, o[0] + r[0] * t, o[1] + r[1] * t, o[2] + r[2] * t)
        if d > 0.8:
            t += max(0.9 * d, 1.0)
        else:
            step = max(-0.8 * d, 0.8)
            length += step * min(1.0, (0.8 - d) / 1.6)
            t += step
    return length


@njit(cache=True, inline="always")
def _aim(R, beam, i, j, height, width, r):  # type: ignore[no-untyped-def]
    """Direction r (limb frame, unit length) of the ray to detector pixel (i, j)."""
    u = (j + 0.5 - 0.5 * width) * beam[7] + beam[3]
    v = (i + 0.5 - 0.5 * height) * beam[7] + beam[4]
    norm = math.sqrt(u * u + v * v + beam[5] * beam[5])
    for k in range(3):
        r[k] = (R[0, k] * u + R[1, k] * v + R[2, k] * beam[5]) / norm


@njit(cache=True)
def project(P, B, F, L, N, G, R, beam, step, bone, marked):  # type: ignore[no-untyped-def]
    """Fill bone (H, W), the line integral above soft tissue, and marked (H, W), mm in findings.

    R: limb to view rotation (x right, y down, z to the detector). beam: centre of the limb 0:3,
    offsets of the field 3:5 mm, source to detector 5 and limb to detector 6 in mm, detector
    pixel 7 mm, attenuation of soft tissue 8. G: sphere whose bone is marked (radius 0: none).
    """
    height, width = bone.shape
    A = np.empty(P.shape[0], np.int64)
    o, r = np.empty(3), np.empty(3)
    for k in range(3):
        o[k] = beam[k] - R[2, k] * (beam[5] - beam[6])
    for i in range(height):
        for j in range(width):
            _aim(R, beam, i, j, height, width, r)
            for b in range(B.shape[0]):
                a, m = _bone_path(P, A, B, b, F, L, N, G, o, r, beam[8], step)
                bone[i, j] += a
                marked[i, j] += m


@njit(cache=True)
def project_soft(S, R, beam, soft):  # type: ignore[no-untyped-def]
    """Fill soft (H, W), mm of soft tissue along each ray; arguments as for `project`."""
    height, width = soft.shape
    A = np.empty(S.shape[0], np.int64)
    o, r = np.empty(3), np.empty(3)
    near = beam[5] - beam[6]
    for k in range(3):
        o[k] = beam[k] - R[2, k] * near
    for i in range(height):
        for j in range(width):
            _aim(R, beam, i, j, height, width, r)
            soft[i, j] = _soft_path(S, A, o, r, near - 170.0, near + 170.0)
