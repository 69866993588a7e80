/** How far apart two densities on a line are, as `sfumato.ops.divergences`: from their logarithms on an even grid. */

export type LogDensity = (x: number) => number

export const FROM = -14
export const STEP = 0.01
export const COUNT = 2801

/** Sums over the grid. */
function integral(value: (x: number) => number): number {
  let sum = 0
  for (let place = 0; place < COUNT; place++) sum += value(FROM + place * STEP)
  return sum * STEP
}

export function gaussian(mean: number, std: number): LogDensity {
  const level = -Math.log(std * Math.sqrt(2 * Math.PI))
  return (x) => level - ((x - mean) / std) ** 2 / 2
}

/** As likely everywhere between `middle` - ½ and `middle` + ½; cells of the grid begin at its points. */
export function block(middle: number): LogDensity {
  return (x) => (Math.abs(x + STEP / 2 - middle) < 0.5 ? 0 : -Infinity)
}

/** The mean of densities: two of them. */
export function mixture(one: LogDensity, other: LogDensity): LogDensity {
  return (x) => {
    const [first, second] = [one(x), other(x)]
    const most = Math.max(first, second)
    if (most === -Infinity) return -Infinity
    return most + Math.log((Math.exp(first - most) + Math.exp(second - most)) / 2)
  }
}

/** KL(first ‖ second), in nats. */
export function kullbackLeibler(first: LogDensity, second: LogDensity): number {
  return integral((x) => {
    const own = first(x)
    return own === -Infinity ? 0 : Math.exp(own) * (own - second(x))
  })
}

export function jensenShannon(first: LogDensity, second: LogDensity): number {
  const middle = mixture(first, second)
  return (kullbackLeibler(first, middle) + kullbackLeibler(second, middle)) / 2
}

/** The earth mover's distance: the area between the two distribution functions. */
export function wasserstein(first: LogDensity, second: LogDensity): number {
  let apart = 0
  return integral((x) => Math.abs((apart += (Math.exp(first(x)) - Math.exp(second(x))) * STEP)))
}

export const PEAKS = [-2, 2] as const
export const PEAK_STD = 0.6
export const peaks = mixture(gaussian(PEAKS[0], PEAK_STD), gaussian(PEAKS[1], PEAK_STD))

export interface Fit {
  mean: number
  std: number
}

/** The Gaussian q with the least KL(p ‖ q) to the peaks: that with their mean and deviation. */
export function bestForward(): Fit {
  return { mean: (PEAKS[0] + PEAKS[1]) / 2, std: Math.hypot(PEAK_STD, (PEAKS[1] - PEAKS[0]) / 2) }
}

/** The Gaussian q with the least KL(q ‖ p) on the side of `mean`: by steps that shrink, either number in turn. */
export function bestReverse(mean: number): Fit {
  let fit: Fit = { mean: mean < 0 ? PEAKS[0] : PEAKS[1], std: PEAK_STD }
  let least = kullbackLeibler(gaussian(fit.mean, fit.std), peaks)
  for (let step = 0.1; step > 1e-4; ) {
    const before = least
    for (const [along, wider] of [[step, 0], [-step, 0], [0, step], [0, -step]]) {
      const next = { mean: fit.mean + along, std: fit.std + wider }
      const value = kullbackLeibler(gaussian(next.mean, next.std), peaks)
      if (value < least) [fit, least] = [next, value]
    }
    if (least === before) step /= 4
  }
  return fit
}
