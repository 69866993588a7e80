/** Points of the plane around several centres: ring and grid with the numbers of `sfumato.data.points`. */

export const DATA = ['ring', 'grid', 'moons'] as const
export type Data = (typeof DATA)[number]

/** `centres`: x, y, x, y, ...; each is drawn as often as the others, with normal noise of deviation `spread`. So many
    centres in a row make a mode: one each, but on the moons, which are a chain of them. */
export interface Modes {
  centres: Float32Array
  spread: number
  together: number
}

export function ring(count = 8, radius = 0.7, spread = 0.03): Modes {
  const angles = Array.from({ length: count }, (_, place) => (2 * Math.PI * place) / count)
  const centres = angles.flatMap((angle) => [radius * Math.cos(angle), radius * Math.sin(angle)])
  return { centres: Float32Array.from(centres), spread, together: 1 }
}

export function grid(side = 5, reach = 0.8, spread = 0.03): Modes {
  const along = Array.from({ length: side }, (_, place) => reach * ((2 * place) / (side - 1) - 1))
  return { centres: Float32Array.from(along.flatMap((x) => along.flatMap((y) => [x, y]))), spread, together: 1 }
}

/** Two half circles that reach into each other, cut into eight parts each. */
export function moons(count = 32, radius = 0.5, spread = 0.03): Modes {
  const upper = Array.from({ length: count }, (_, place) => (Math.PI * (place + 0.5)) / count)
  const centres = [1, -1].flatMap((side) =>
    upper.flatMap((angle) => [
      side * (radius * Math.cos(angle) - radius / 2),
      side * (radius * Math.sin(angle) - radius / 4),
    ]),
  )
  return { centres: Float32Array.from(centres), spread, together: count / 8 }
}

export const modesOf = (data: Data): Modes => ({ ring, grid, moons })[data]()

/** Fills `points` (x, y, ...) with points of `modes`; `noise` gives normal numbers. */
export function draw(modes: Modes, points: Float32Array, random: () => number, noise: Float32Array): Float32Array {
  const count = modes.centres.length / 2
  for (let place = 0; place < points.length; place += 2) {
    const which = Math.floor(random() * count)
    points[place] = modes.centres[2 * which] + modes.spread * noise[place]
    points[place + 1] = modes.centres[2 * which + 1] + modes.spread * noise[place + 1]
  }
  return points
}

/** How many modes hold a fifth of their share of the points or more, within three deviations of a centre, and how many
    modes there are. */
export function covered(points: Float32Array, { centres, spread, together }: Modes): [number, number] {
  const held = new Uint32Array(centres.length / 2 / together)
  for (let place = 0; place < points.length; place += 2) {
    let nearest = -1
    let least = (3 * spread) ** 2
    for (let centre = 0; centre < centres.length; centre += 2) {
      const distance = (points[place] - centres[centre]) ** 2 + (points[place + 1] - centres[centre + 1]) ** 2
      if (distance <= least) [nearest, least] = [centre / 2, distance]
    }
    if (nearest >= 0) held[Math.floor(nearest / together)]++
  }
  const fair = points.length / 2 / held.length
  return [held.filter((count) => count >= fair / 5).length, held.length]
}
