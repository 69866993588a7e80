/** Densities on a square of pixels over the plane, and the best discriminator that they leave. Rows go down. */

import type { Objective } from './objectives'
import type { Modes } from './points'

export const SIDE = 48
export const REACH = 1.2 // of the square: from -REACH to REACH
export const PIXEL = (2 * REACH) / SIDE
const BLUR = 0.045 // deviation of the kernel that made points are smoothed with

/** Centres of the pixels: x, y, x, y, ... */
export function pixels(): Float32Array {
  const places = new Float32Array(2 * SIDE * SIDE)
  for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
    places[2 * pixel] = ((pixel % SIDE) + 0.5) * PIXEL - REACH
    places[2 * pixel + 1] = REACH - (Math.floor(pixel / SIDE) + 0.5) * PIXEL
  }
  return places
}

/** The density of `modes`, smoothed as that of made points is: so that equal points have equal densities. */
export function dataDensity({ centres, spread }: Modes): Float32Array {
  const variance = spread ** 2 + BLUR ** 2
  const places = pixels()
  const share = 2 / centres.length / (2 * Math.PI * variance)
  return Float32Array.from({ length: SIDE * SIDE }, (_, pixel) => {
    let sum = 0
    for (let centre = 0; centre < centres.length; centre += 2) {
      const apart = (places[2 * pixel] - centres[centre]) ** 2 + (places[2 * pixel + 1] - centres[centre + 1]) ** 2
      sum += Math.exp(-apart / 2 / variance)
    }
    return share * sum
  })
}

const WIDTH = Math.ceil((3 * BLUR) / PIXEL)
const KERNEL = Array.from({ length: 2 * WIDTH + 1 }, (_, place) => {
  const apart = (place - WIDTH) * PIXEL
  return Math.exp(-(apart ** 2) / 2 / BLUR ** 2)
})
const TOTAL = KERNEL.reduce((sum, weight) => sum + weight)

/** The density of points (x, y, ...): a histogram, blurred along one side and then the other. */
export function madeDensity(points: Float32Array): Float32Array {
  let counts = new Float32Array(SIDE * SIDE)
  for (let place = 0; place < points.length; place += 2) {
    const column = Math.floor((points[place] + REACH) / PIXEL)
    const row = Math.floor((REACH - points[place + 1]) / PIXEL)
    if (column >= 0 && column < SIDE && row >= 0 && row < SIDE) counts[row * SIDE + column]++
  }
  for (const stride of [1, SIDE]) {
    const blurred = new Float32Array(SIDE * SIDE)
    for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
      const along = Math.floor(pixel / stride) % SIDE
      let sum = 0
      for (let step = -WIDTH; step <= WIDTH; step++) {
        if (along + step >= 0 && along + step < SIDE) sum += KERNEL[step + WIDTH] * counts[pixel + step * stride]
      }
      blurred[pixel] = sum / TOTAL
    }
    counts = blurred
  }
  return counts.map((count) => (2 * count) / points.length / PIXEL ** 2)
}

const NOTHING = 1e-3 // of density: here neither data nor made points are

/** p / (p + q), and one half where neither is. */
export function best(data: Float32Array, made: Float32Array): Float32Array {
  return data.map((density, pixel) => (density + NOTHING) / (density + made[pixel] + 2 * NOTHING))
}

/** The least loss that a discriminator can have against these densities: log 4 - 2 JS, or half ∫ pq / (p + q). NaN for
    Wasserstein's critic, whom only its clipped weights hold. */
export function leastLoss(objective: Objective, data: Float32Array, made: Float32Array): number {
  if (objective === 'wasserstein') return NaN
  let loss = 0
  data.forEach((p, pixel) => {
    const q = made[pixel]
    if (objective === 'least_squares') loss += p + q > 0 ? (p * q) / (p + q) / 2 : 0
    else loss += (p > 0 ? p * Math.log((p + q) / p) : 0) + (q > 0 ? q * Math.log((p + q) / q) : 0)
  })
  return loss * PIXEL ** 2
}

/** The loss where nobody can tell made from real any more. */
export function evenLoss(objective: Objective): number {
  return { minimax: Math.log(4), non_saturating: Math.log(4), least_squares: 0.25, wasserstein: 0 }[objective]
}
