// What a brush wants around its network: the painting's colours (optimal transport between Gaussians) and noise that
// flows along edges. A picture is { data: Float32Array of 3 planes, w, h } in [0, 1]. As in ops/colour.py, ops/strokes.py.
"use strict";

const CELL = 4, LENGTH = 14, SMOOTHED = 4, COLOUR = 0.4;

/** Mean [3] and covariance [3][3] of a picture's colours. */
function distribution({ data, w, h }, floor) {
  const n = w * h, mean = [0, 1, 2].map((c) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += data[c * n + i];
    return sum / n;
  });
  const covariance = mean.map((a, c) => mean.map((b, d) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (data[c * n + i] - a) * (data[d * n + i] - b);
    return sum / n + (c === d ? floor : 0);
  }));
  return { mean, covariance };
}

const product = (a, b) => a.map((row) => b[0].map((_, j) => row.reduce((sum, v, k) => sum + v * b[k][j], 0)));

/** A power of a symmetric 3×3 matrix, by Jacobi's rotations. */
function power(matrix, exponent) {
  const a = matrix.map((row) => [...row]), v = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  for (let sweep = 0; sweep < 30; sweep++)
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) {
      if (Math.abs(a[p][q]) < 1e-18) continue;
      const angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]), c = Math.cos(angle), s = Math.sin(angle);
      for (const rows of [a, v])
        for (const row of rows) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
      [a[p], a[q]] = [a[p].map((x, k) => c * x - s * a[q][k]), a[p].map((x, k) => s * x + c * a[q][k])];
    }
  const values = [0, 1, 2].map((k) => Math.max(a[k][k], 1e-10) ** exponent);
  return v.map((row) => v.map((other) => row.reduce((sum, x, k) => sum + x * values[k] * other[k], 0)));
}

/** `picture` with the mean and covariance of the colours of `colours`; not cut to [0, 1]. */
function transported(picture, colours, floor) {
  const own = distribution(picture, floor), goal = distribution(colours, floor);
  const root = power(own.covariance, 0.5), inverse = power(own.covariance, -0.5);
  const m = product(product(inverse, power(product(product(root, goal.covariance), root), 0.5)), inverse);
  const n = picture.w * picture.h, data = new Float32Array(3 * n);
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < n; i++) {
      let value = goal.mean[c];
      for (let d = 0; d < 3; d++) value += m[c][d] * (picture.data[d * n + i] - own.mean[d]);
      data[c * n + i] = value;
    }
  return { ...picture, data };
}

/** One plane under a Gaussian, its border repeated. */
function blurred(plane, w, h, deviation) {
  const reach = Math.ceil(3 * deviation), kernel = [];
  for (let k = -reach; k <= reach; k++) kernel.push(Math.exp((-k * k) / (2 * deviation * deviation)));
  const total = kernel.reduce((a, b) => a + b), pass = (from, across) => {
    const to = new Float32Array(w * h);
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++) {
        let sum = 0;
        for (let k = -reach; k <= reach; k++) {
          const i = across ? Math.min(Math.max(x + k, 0), w - 1) : x, j = across ? y : Math.min(Math.max(y + k, 0), h - 1);
          sum += kernel[k + reach] * from[j * w + i];
        }
        to[y * w + x] = sum / total;
      }
    return to;
  };
  return pass(pass(plane, true), false);
}

/** One plane in another size, as torch's bilinear interpolation has it. */
function enlarged(plane, w, h, width, height) {
  const to = new Float32Array(width * height), places = (size, from) =>
    Array.from({ length: size }, (_, i) => {
      const at = Math.max(0, ((i + 0.5) * from) / size - 0.5), low = Math.min(Math.floor(at), from - 1);
      return [low, Math.min(low + 1, from - 1), at - low];
    });
  const across = places(width, w), down = places(height, h);
  down.forEach(([top, bottom, t], y) => across.forEach(([left, right, s], x) => {
    const above = plane[top * w + left] * (1 - s) + plane[top * w + right] * s;
    to[y * width + x] = above * (1 - t) + (plane[bottom * w + left] * (1 - s) + plane[bottom * w + right] * s) * t;
  }));
  return to;
}

/** Cosines and sines along the edges of a picture. */
function directions({ data, w, h }) {
  const n = w * h, grey = blurred(Float32Array.from({ length: n }, (_, i) => (data[i] + data[n + i] + data[2 * n + i]) / 3), w, h, 1);
  const parts = [0, 1, 2].map(() => new Float32Array(n));
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      const i = y * w + x, a = x && x < w - 1 ? grey[i + 1] - grey[i - 1] : 0, d = y && y < h - 1 ? grey[i + w] - grey[i - w] : 0;
      parts[0][i] = a * a; parts[1][i] = d * d; parts[2][i] = a * d;
    }
  const [aa, dd, ad] = parts.map((part) => {
    const near = blurred(part, w, h, SMOOTHED), far = blurred(near, w, h, 4 * SMOOTHED);
    return near.map((value, i) => value + 0.1 * far[i]);
  });
  const angles = aa.map((_, i) => 0.5 * Math.atan2(2 * ad[i], aa[i] - dd[i]) + Math.PI / 2);
  return [angles.map(Math.cos), angles.map(Math.sin)];
}

const reflected = (at, size) => {
  const period = 2 * size, inside = (((at + 0.5) % period) + period) % period;
  return Math.min(Math.max((inside < size ? inside : period - inside) - 0.5, 0), size - 1);
};

/** How many cells of noise a picture wants, across and down. */
const cellsOf = (w, h) => [w, h].map((side) => Math.ceil((2 * Math.max(8, side >> 1)) / CELL));

/** Three planes of mean 0 and deviation 1 as large as `picture`, whose sides are even. `cells`: 4 planes of normal numbers. */
function flowNoise({ data, w, h }, cells) {
  const sw = w >> 1, sh = h >> 1, n = sw * sh, small = new Float32Array(3 * n), [cw, ch] = cellsOf(w, h);
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < sh; y++)
      for (let x = 0; x < sw; x++) {
        const i = c * w * h + 2 * y * w + 2 * x;
        small[c * n + y * sw + x] = (data[i] + data[i + 1] + data[i + w] + data[i + w + 1]) / 4;
      }
  const noise = [0, 1, 2, 3].map((c) => enlarged(cells.subarray(c * cw * ch, (c + 1) * cw * ch), cw, ch, sw, sh));
  const [cosines, sines] = directions({ data: small, w: sw, h: sh }), total = noise.map((plane) => Float32Array.from(plane));
  for (const sign of [1, -1])
    for (let i = 0; i < n; i++) {
      let x = i % sw, y = (i / sw) | 0, a = sign * cosines[i], d = sign * sines[i];
      for (let step = 0; step < LENGTH >> 2; step++) {
        x += 2 * a; y += 2 * d;
        const px = reflected(x, sw), py = reflected(y, sh), left = Math.floor(px), top = Math.floor(py), s = px - left, t = py - top;
        const right = Math.min(left + 1, sw - 1), bottom = Math.min(top + 1, sh - 1);
        const at = (plane) =>
          (plane[top * sw + left] * (1 - s) + plane[top * sw + right] * s) * (1 - t) +
          (plane[bottom * sw + left] * (1 - s) + plane[bottom * sw + right] * s) * t;
        for (let c = 0; c < 4; c++) total[c][i] += at(noise[c]);
        const na = at(cosines), nd = at(sines), turn = na * a + nd * d < 0 ? -1 : 1, length = Math.max(Math.hypot(na, nd), 1e-12);
        a = (turn * na) / length; d = (turn * nd) / length;
      }
    }
  const level = total.map((plane) => {
    const mean = plane.reduce((sum, v) => sum + v, 0) / n, centred = plane.map((v) => v - mean);
    const deviation = Math.sqrt(centred.reduce((sum, v) => sum + v * v, 0) / n);
    return centred.map((v) => v / deviation);
  });
  const flowing = new Float32Array(3 * w * h);
  for (let c = 0; c < 3; c++) {
    const mixed = level[0].map((v, i) => (v + COLOUR * level[c + 1][i]) / Math.hypot(1, COLOUR));
    flowing.set(enlarged(mixed, sw, sh, w, h), c * w * h);
  }
  return flowing;
}

const cut = (picture) => ({ ...picture, data: picture.data.map((value) => Math.min(Math.max(value, 0), 1)) });

/** `content` in the colours of `style`, with noise along its edges. */
function prepared(content, style, cells, { noise, floor }) {
  const matched = cut(transported(content, style, floor)), flowing = flowNoise(matched, cells);
  return cut({ ...matched, data: matched.data.map((value, i) => value + noise * flowing[i]) });
}
