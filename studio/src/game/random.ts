/** Random numbers that a seed decides. */

/** Uniform in [0, 1): mulberry32. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Fills `values`, an even number of them, with normal numbers: Box and Muller. */
export function normal(values: Float32Array, random: () => number): Float32Array {
  for (let place = 0; place < values.length; place += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()))
    const angle = 2 * Math.PI * random()
    values[place] = radius * Math.cos(angle)
    values[place + 1] = radius * Math.sin(angle)
  }
  return values
}
